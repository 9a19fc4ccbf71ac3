package zitadel

import (
	"errors"
	"strings"
	"testing"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
	"harmony-callout/provision/keystore"
)

func TestAStoredKeyThatIsNotTheNotedOneIsAnErrorWithAdvice(t *testing.T) {
	for name, text := range map[string]string{
		"garbage":           "junk",
		"another key":       `{"type":"serviceaccount","keyId":"2","key":"PEM","userId":"7"}`,
		"no private key":    `{"type":"serviceaccount","keyId":"1","userId":"7"}`,
		"the key as stored": `{"type":"serviceaccount","keyId":"1","key":"PEM","userId":"7"}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := &Convergence{Settings: Settings{Keys: oneKey(t, "zitadel/users/s1/key.json", text)}}
			err := c.checkStoredKey(t.Context(), "zitadel/users/s1/key.json", "1")
			if (err == nil) != (name == "the key as stored") {
				t.Fatalf("err = %v", err)
			}
			if err != nil && (provision.HintOf(err) == "" || strings.Contains(err.Error(), "PEM")) {
				t.Errorf("err = %v, hint %q", err, provision.HintOf(err))
			}
		})
	}
}

func TestAMachineUserWithoutAStoredKeyIsAnErrorWithAdvice(t *testing.T) {
	c := &Convergence{Settings: Settings{Keys: oneKey(t, "zitadel/users/s1/key.json", "{}")}}
	_, err := c.Key(t.Context(), "nobody")
	if !errors.Is(err, provision.ErrNoKey) || !strings.Contains(err.Error(), "nobody") || provision.HintOf(err) == "" {
		t.Errorf("err = %v, hint %q", err, provision.HintOf(err))
	}
}

func oneKey(t *testing.T, name, text string) provision.KeyStore {
	t.Helper()
	store, err := keystore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if err := store.Create(t.Context(), name, secret.New(text)); err != nil {
		t.Fatal(err)
	}
	return store
}
