package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nkeys"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// Key is one of the nkeys that server and callout share.
type Key struct {
	// Name in the key store.
	Name string
	kind nkeys.PrefixByte
	make func() (nkeys.KeyPair, error)
	what string
}

// The keys, and who holds the secret half.
var (
	AccountKey = Key{"nats/account.nk", nkeys.PrefixByteAccount, nkeys.CreateAccount, "signs user JWTs: the callout"}
	XKey       = Key{"nats/xkey.nk", nkeys.PrefixByteCurve, nkeys.CreateCurveKeys, "opens requests: the callout"}
	ServiceKey = Key{"nats/service.nk", nkeys.PrefixByteUser, nkeys.CreateUser, "logs the callout in"}
	SystemKey  = Key{"nats/system.nk", nkeys.PrefixByteUser, nkeys.CreateUser, "logs an administrator in to the system account"}
)

// allKeys in the order in which they are made.
var allKeys = []Key{AccountKey, XKey, ServiceKey, SystemKey}

// PublicKeys are the public halves.
type PublicKeys struct{ Account, XKey, Service, System string }

// KeysStep makes the keys that the store lacks. It never makes one anew: whoever replaced a
// key by accident would lock everybody out.
type KeysStep struct {
	Store provision.KeyStore
}

// Name is the step's name.
func (s *KeysStep) Name() string { return "nats keys" }

// Observe looks for the keys in the store.
func (s *KeysStep) Observe(ctx context.Context) (provision.Observation, error) {
	var o provision.Observation
	for _, key := range allKeys {
		_, err := key.pair(ctx, s.Store)
		switch {
		case errors.Is(err, provision.ErrNoKey):
			o.Changes = append(o.Changes, provision.Change{
				Action: provision.Create, Kind: "key", Name: key.Name, Detail: key.what,
				Apply: func(ctx context.Context) error { return key.create(ctx, s.Store) },
			})
		case err != nil:
			return provision.Observation{Condition: provision.Unknown}, err
		}
	}
	switch len(o.Changes) {
	case 0:
		o.Condition, o.Detail = provision.InSync, fmt.Sprintf("%d keys", len(allKeys))
	case len(allKeys):
		o.Condition = provision.Absent
	default:
		o.Condition = provision.OutOfSync
	}
	return o, nil
}

// Probe reads every key again.
func (s *KeysStep) Probe(ctx context.Context) error {
	_, err := ReadPublicKeys(ctx, s.Store)
	return err
}

// ReadPublicKeys derives the public halves of the keys in the store.
func ReadPublicKeys(ctx context.Context, store provision.KeyStore) (PublicKeys, error) {
	var public [4]string
	for i, key := range allKeys {
		pair, err := key.pair(ctx, store)
		if err != nil {
			return PublicKeys{}, err
		}
		if public[i], err = pair.PublicKey(); err != nil {
			return PublicKeys{}, fmt.Errorf("key %s: %w", key.Name, err)
		}
		pair.Wipe()
	}
	return PublicKeys{Account: public[0], XKey: public[1], Service: public[2], System: public[3]}, nil
}

// Pair reads a key pair from the store.
func (k Key) pair(ctx context.Context, store provision.KeyStore) (nkeys.KeyPair, error) {
	seed, err := store.Get(ctx, k.Name)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", k.Name, err)
	}
	prefix, _, err := nkeys.DecodeSeed([]byte(seed.Reveal()))
	if err == nil && prefix != k.kind {
		err = fmt.Errorf("a seed of kind %s, want %s", prefix, k.kind)
	}
	var pair nkeys.KeyPair
	if err == nil {
		if k.kind == nkeys.PrefixByteCurve {
			pair, err = nkeys.FromCurveSeed([]byte(seed.Reveal()))
		} else {
			pair, err = nkeys.FromSeed([]byte(seed.Reveal()))
		}
	}
	if err != nil {
		return nil, provision.WithHint(fmt.Errorf("key %s in %s: %w", k.Name, store.Location(k.Name), err),
			"restore the file from a backup; if there is none, delete it, and every client will have to connect again")
	}
	return pair, nil
}

func (k Key) create(ctx context.Context, store provision.KeyStore) error {
	pair, err := k.make()
	if err != nil {
		return fmt.Errorf("make key %s: %w", k.Name, err)
	}
	defer pair.Wipe()
	seed, err := pair.Seed()
	if err != nil {
		return fmt.Errorf("make key %s: %w", k.Name, err)
	}
	// A key that appeared meanwhile is another run's and as good as ours.
	if err := store.Create(ctx, k.Name, secret.New(string(seed))); err != nil && !errors.Is(err, provision.ErrKeyExists) {
		return fmt.Errorf("make key %s: %w", k.Name, err)
	}
	return nil
}
