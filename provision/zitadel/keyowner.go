package zitadel

import (
	"context"
	"fmt"
	"strings"
	"time"

	"harmony-callout/provision"
	"harmony-callout/provision/keystore"
)

// What the key store has of each owner of keys.
const (
	keyName     = "key.json"     // the key, as Zitadel's SDKs read it
	pendingName = "pending.json" // one that is being made
	clientName  = "client.json"  // client id and secret of an application
)

const (
	usersDir = "zitadel/users/"
	appsDir  = "zitadel/apps/"
)

func userDir(username string) string { return usersDir + keystore.Word(userKey(username)) + "/" }
func appDir(name string) string      { return appsDir + keystore.Word(name) + "/" }

// userKey is a user's name as it is compared: without case.
func userKey(username string) string { return strings.ToLower(username) }

// keyOwner is who has keys: a machine user or an application.
type keyOwner struct {
	kind  string // of the notes
	noun  string
	name  string
	note  string // the notes' name
	dir   string // in the key store
	local bool   // the private half is made here
	// id is who owns the keys; it must exist.
	id     func(ctx context.Context) (string, error)
	list   func(ctx context.Context, ownerID string) ([]remoteKey, error)
	create func(ctx context.Context, ownerID string, expires time.Time, public []byte) (madeKey, error)
	remove func(ctx context.Context, ownerID, keyID string) error
}

func (c *Convergence) machineOwner(username string, local bool) keyOwner {
	return keyOwner{
		kind: kindMachineKey, noun: "machine key", name: username, note: userKey(username), dir: userDir(username), local: local,
		id: func(ctx context.Context) (string, error) {
			u, err := c.needUser(ctx, username)
			return u.ID, err
		},
		list: func(ctx context.Context, id string) ([]remoteKey, error) { return c.client.listUserKeys(ctx, "", id) },
		create: func(ctx context.Context, id string, expires time.Time, public []byte) (madeKey, error) {
			return c.client.addUserKey(ctx, id, expires, public)
		},
		remove: c.client.deleteUserKey,
	}
}

// appOwner is an API application. Its keys are always made by Zitadel.
func (c *Convergence) appOwner(name string) keyOwner {
	return keyOwner{
		kind: kindAppKey, noun: "application key", name: name, note: c.inProject(name), dir: appDir(name),
		id: func(ctx context.Context) (string, error) {
			live, err := c.liveApps(ctx, false)
			if err == nil && live[name].ID == "" {
				err = fmt.Errorf("application %s: %w", name, ErrNotFound)
			}
			return live[name].ID, err
		},
		list: c.client.listAppKeys,
		create: func(ctx context.Context, id string, expires time.Time, _ []byte) (madeKey, error) {
			p, err := c.needProject(ctx)
			if err != nil {
				return madeKey{}, err
			}
			return c.client.createAppKey(ctx, p.ID, id, expires)
		},
		remove: func(ctx context.Context, id, keyID string) error {
			p, err := c.needProject(ctx)
			if err != nil {
				return err
			}
			return c.client.deleteAppKey(ctx, p.ID, id, keyID)
		},
	}
}

// Notes of keys that are not, or no longer, the one in use. Their names are the owner's and,
// after a space, the key's id or the attempt's expiration date.
func (o keyOwner) retiredKind() string { return o.kind + " retired" }
func (o keyOwner) attemptKind() string { return o.kind + " attempt" }

func (o keyOwner) attemptNote(expires time.Time) string {
	return o.note + " " + expires.UTC().Format(time.RFC3339)
}

// adoptKey notes the stored key, whose note a kill prevented.
func (c *Convergence) adoptKey(o keyOwner, f KeyFile) error {
	return c.Notes.SetNote(o.kind, o.note, provision.Record{ID: f.KeyID, Digest: fingerprint(f.Key), Made: true})
}

// readKey reads a key of the store.
func (c *Convergence) readKey(ctx context.Context, name string) (KeyFile, error) {
	text, err := c.Keys.Get(ctx, name)
	if err != nil {
		return KeyFile{}, err
	}
	f, err := ReadKeyFile(text)
	if err != nil {
		return KeyFile{}, provision.WithHint(fmt.Errorf("%s: %w", c.Keys.Location(name), err),
			"restore it from a backup, or move it away: then a new key replaces it")
	}
	return f, nil
}
