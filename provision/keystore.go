package provision

import (
	"context"
	"errors"

	"harmony-callout/internal/secret"
)

// The errors of a KeyStore that decide what its caller does.
var (
	// ErrNoKey: there is no key of that name. It is not "the store could not be asked".
	ErrNoKey = errors.New("no such key")
	// ErrKeyExists: the name is taken, and what is there was not touched.
	ErrKeyExists = errors.New("key exists")
)

// KeyStore keeps key material: seeds, private keys, tokens that are shown once. A name is
// slash-separated lower-case words: "zitadel/users/sensor-1/key.json".
//
// When a method that writes returns nil, what it wrote survives the machine's power being
// cut; when the process is killed within it, the store holds either what it held before or
// what was to be written, whole. Package keystoretest proves that of an implementation.
type KeyStore interface {
	// Get returns a key, or an error that is ErrNoKey.
	Get(ctx context.Context, name string) (secret.Text, error)
	// Create stores a key under a name that is free, or returns an error that is ErrKeyExists.
	Create(ctx context.Context, name string, key secret.Text) error
	// Replace stores a key under a name that may be taken.
	Replace(ctx context.Context, name string, key secret.Text) error
	// Delete removes a key; there being none is no error.
	Delete(ctx context.Context, name string) error
	// List returns the names that begin with a prefix, sorted.
	List(ctx context.Context, prefix string) ([]string, error)
	// Location tells a person where a key lies: a path, "OpenBao secret/nats/callout".
	Location(name string) string
}
