package zitadel

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// pendingKey is a key that is being made. It is stored before anything is uploaded, and
// deleted after everything else is done.
type pendingKey struct {
	Owner   string `json:"owner"`   // its name
	OwnerID string `json:"ownerId"` // whom the attempts were for
	// Key is the private half in PEM, where it is made here.
	Key string `json:"key,omitempty"`
	// Attempts are the expiration dates of all uploads that may have been executed, in order.
	// They are whole seconds, which every store of time keeps.
	Attempts []time.Time `json:"attempts"`
	// Retire is the id of the key that stays valid for the overlap.
	Retire string `json:"retire,omitempty"`
}

func (p pendingKey) attempted(r remoteKey) bool {
	return slices.ContainsFunc(p.Attempts, r.Expires.Equal)
}

// loadPending returns the key that an earlier run began; a fresh one where there is none, or
// where it was for an owner who has been replaced since.
func (c *Convergence) loadPending(ctx context.Context, o keyOwner, ownerID string) (p pendingKey, stored bool, err error) {
	fresh := pendingKey{Owner: o.name, OwnerID: ownerID}
	text, err := c.Keys.Get(ctx, o.dir+pendingName)
	if errors.Is(err, provision.ErrNoKey) {
		return fresh, false, nil
	}
	if err != nil {
		return pendingKey{}, false, err
	}
	if p, err = c.readPending(o.dir+pendingName, text); err != nil {
		return pendingKey{}, false, err
	}
	if p.OwnerID != ownerID {
		return fresh, true, nil
	}
	return p, true, nil
}

func (c *Convergence) readPending(name string, text secret.Text) (pendingKey, error) {
	var p pendingKey
	if json.Unmarshal([]byte(text.Reveal()), &p) != nil || p.OwnerID == "" {
		return pendingKey{}, provision.WithHint(fmt.Errorf("%s is no key that is being made", c.Keys.Location(name)),
			"move it away: the key is then made anew")
	}
	return p, nil
}

// storePending makes it durable. What is new must not replace what somebody else stored.
func (c *Convergence) storePending(ctx context.Context, o keyOwner, p pendingKey, stored bool) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if stored {
		return c.Keys.Replace(ctx, o.dir+pendingName, secret.New(string(data)))
	}
	return c.Keys.Create(ctx, o.dir+pendingName, secret.New(string(data)))
}

// expiresSpread is within how many seconds after the lifetime an expiration date lies, so
// that it can be unique.
const expiresSpread = 30 * 24 * 60 * 60

// newExpiry chooses an expiration date that no key of the owner has.
func (c *Convergence) newExpiry(p pendingKey, taken []remoteKey) time.Time {
	for {
		at := time.Now().UTC().Truncate(time.Second).Add(c.KeyLifetime + rand.N[time.Duration](expiresSpread)*time.Second)
		if !p.attempted(remoteKey{Expires: at}) && !slices.ContainsFunc(taken, func(r remoteKey) bool { return r.Expires.Equal(at) }) {
			return at
		}
	}
}

// ensureKey fills in the private half.
func (c *Convergence) ensureKey(p *pendingKey) (*rsa.PrivateKey, error) {
	if p.Key != "" {
		return parsePrivateKey(p.Key)
	}
	key, err := c.generate()
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	p.Key = privatePEM(key)
	return key, nil
}
