package nats

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
	"harmony-callout/provision/keystore"
)

func newStore(t *testing.T) provision.KeyStore {
	t.Helper()
	store, err := keystore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func upKeys(t *testing.T, store provision.KeyStore) provision.Summary {
	t.Helper()
	sum, err := (&provision.Runner{Steps: []provision.Step{&KeysStep{Store: store}}}).Up(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestKeysAreMadeOnceAndNeverAnew(t *testing.T) {
	store := newStore(t)
	if sum := upKeys(t, store); sum.Changes != len(allKeys) {
		t.Errorf("%d keys were made, want %d", sum.Changes, len(allKeys))
	}
	before, err := ReadPublicKeys(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []struct{ public, prefix string }{{before.Account, "A"}, {before.XKey, "X"}, {before.Service, "U"}, {before.System, "U"}} {
		if !strings.HasPrefix(key.public, key.prefix) {
			t.Errorf("%s is no key of kind %s", key.public, key.prefix)
		}
	}
	if sum := upKeys(t, store); sum.Changes != 0 {
		t.Errorf("up again made %d keys", sum.Changes)
	}
	if err := store.Delete(t.Context(), SystemKey.Name); err != nil {
		t.Fatal(err)
	}
	if sum := upKeys(t, store); sum.Changes != 1 {
		t.Errorf("%d keys were made, want the one that was missing", sum.Changes)
	}
	after, err := ReadPublicKeys(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	if after.System == before.System {
		t.Error("the lost key is back")
	}
	if after.System = before.System; after != before {
		t.Errorf("other keys have changed: %+v, before %+v", after, before)
	}
}

func TestAKeyThatIsNoneIsNotReplacedAndNotPrinted(t *testing.T) {
	for name, text := range map[string]string{"rubbish": "SUrubbish-that-is-secret", "a key of another kind": userSeed(t), "empty": ""} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t)
			if err := store.Create(t.Context(), AccountKey.Name, secret.New(text)); err != nil {
				t.Fatal(err)
			}
			_, err := (&KeysStep{Store: store}).Observe(t.Context())
			if err == nil || !strings.Contains(err.Error(), store.Location(AccountKey.Name)) || provision.HintOf(err) == "" {
				t.Errorf("got %v, hint: %s", err, provision.HintOf(err))
			}
			if text != "" && err != nil && strings.Contains(err.Error(), text) {
				t.Error("the error shows the key")
			}
			names, err := store.List(t.Context(), "")
			if err != nil || !slices.Equal(names, []string{AccountKey.Name}) {
				t.Errorf("the store holds %q, %v", names, err)
			}
		})
	}
}

func TestAKeyThatAppearsMeanwhileIsKept(t *testing.T) {
	store := newStore(t)
	o, err := (&KeysStep{Store: store}).Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	upKeys(t, store)
	before, err := ReadPublicKeys(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range o.Changes {
		if err := c.Apply(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if after, err := ReadPublicKeys(t.Context(), store); err != nil || after != before {
		t.Errorf("the keys have changed: %v", err)
	}
}

func TestAStoreThatCannotBeAskedIsNoMissingKey(t *testing.T) {
	store := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if o, err := (&KeysStep{Store: store}).Observe(ctx); !errors.Is(err, context.Canceled) || len(o.Changes) > 0 {
		t.Errorf("got %+v, %v", o, err)
	}
}

func userSeed(t *testing.T) string {
	t.Helper()
	pair, err := ServiceKey.make()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return string(seed)
}
