package zitadel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"harmony-callout/provision"
)

// newKey makes a key for an owner, or ends what an earlier run began. taken are the keys that
// the owner was seen to have. With retire, the key in use stays valid for the overlap; without
// it is deleted, if it is ours, since nobody has its private half any more.
func (c *Convergence) newKey(ctx context.Context, o keyOwner, taken []remoteKey, retire bool) error {
	ownerID, err := o.id(ctx)
	if err != nil {
		return err
	}
	p, stored, err := c.loadPending(ctx, o, ownerID)
	if err != nil {
		return err
	}
	if note, noted := c.Notes.Note(o.kind, o.note); retire && noted && note.Made && len(p.Attempts) == 0 {
		p.Retire = note.ID
	}
	for attempt := 0; ; attempt++ {
		var made madeKey
		if made, err = c.recoverKey(ctx, o, p); err == nil && made.ID == "" {
			made, err = c.uploadKey(ctx, o, &p, taken, &stored)
		}
		if err == nil {
			return c.finishKey(ctx, o, p, made)
		}
		if !errors.Is(err, ErrUnavailable) || attempt+1 == attempts {
			return fmt.Errorf("key of %s: %w", o.name, err)
		}
		if err := c.poll.wait(ctx, attempt); err != nil {
			return err
		}
	}
}

// recoverKey returns the key of the last attempt, if it is known to exist and its private half
// is known; else one without an id. An earlier attempt is of no use: the last might be listed
// later.
func (c *Convergence) recoverKey(ctx context.Context, o keyOwner, p pendingKey) (madeKey, error) {
	if len(p.Attempts) == 0 {
		return madeKey{}, nil
	}
	last := p.Attempts[len(p.Attempts)-1]
	stored, err := c.readKey(ctx, o.dir+keyName)
	switch {
	case err != nil && !errors.Is(err, provision.ErrNoKey):
		return madeKey{}, err
	case err == nil && stored.UserID == p.OwnerID && stored.ExpirationDate.Equal(last):
		return madeKey{ID: stored.KeyID}, nil
	}
	list, err := o.list(ctx, p.OwnerID)
	if err != nil {
		return madeKey{}, err
	}
	i := slices.IndexFunc(list, func(r remoteKey) bool { return r.Expires.Equal(last) })
	switch {
	case i < 0:
		return madeKey{}, nil
	case o.local:
		return c.storeLocal(ctx, o, p, list[i].ID)
	case stored.KeyID == list[i].ID:
		return madeKey{ID: stored.KeyID}, nil
	}
	return madeKey{}, nil
}

// uploadKey makes one more attempt and stores the key under its final name.
func (c *Convergence) uploadKey(ctx context.Context, o keyOwner, p *pendingKey, taken []remoteKey, stored *bool) (madeKey, error) {
	var public []byte
	if o.local {
		key, err := c.ensureKey(p)
		if err != nil {
			return madeKey{}, err
		}
		if public, err = publicPEM(key); err != nil {
			return madeKey{}, err
		}
	}
	expires := c.newExpiry(*p, taken)
	p.Attempts = append(p.Attempts, expires)
	if err := c.storePending(ctx, o, *p, *stored); err != nil {
		return madeKey{}, err
	}
	*stored = true
	made, err := o.create(ctx, p.OwnerID, expires, public)
	if err != nil {
		return madeKey{}, err
	}
	if o.local {
		return c.storeLocal(ctx, o, *p, made.ID)
	}
	return made, c.Keys.Replace(ctx, o.dir+keyName, made.Content)
}

// storeLocal stores a key that was made here, now that its id is known.
func (c *Convergence) storeLocal(ctx context.Context, o keyOwner, p pendingKey, keyID string) (madeKey, error) {
	key, err := parsePrivateKey(p.Key)
	if err != nil {
		return madeKey{}, err
	}
	file := KeyFile{Type: typeServiceAccount, KeyID: keyID, UserID: p.OwnerID, ExpirationDate: p.Attempts[len(p.Attempts)-1], Key: key}
	content, err := file.encode()
	if err != nil {
		return madeKey{}, err
	}
	return madeKey{ID: keyID}, c.Keys.Replace(ctx, o.dir+keyName, content)
}

// finishKey cleans up behind a key that is stored: earlier attempts, and the key before it.
func (c *Convergence) finishKey(ctx context.Context, o keyOwner, p pendingKey, made madeKey) error {
	if err := c.sweepAttempts(ctx, o, p, made.ID); err != nil {
		return fmt.Errorf("key of %s: %w", o.name, err)
	}
	old, noted := c.Notes.Note(o.kind, o.note)
	switch {
	case !noted || !old.Made || old.ID == "" || old.ID == made.ID:
	case old.ID == p.Retire:
		if err := c.Notes.SetNote(o.retiredKind(), o.note+" "+old.ID, provision.Record{ID: old.ID, Made: true}); err != nil {
			return err
		}
	default:
		if err := o.remove(ctx, p.OwnerID, old.ID); err != nil {
			return err
		}
	}
	stored, err := c.readKey(ctx, o.dir+keyName)
	if err != nil {
		return err
	}
	if err := c.adoptKey(o, stored); err != nil {
		return err
	}
	return c.Keys.Delete(ctx, o.dir+pendingName)
}

// sweepAttempts deletes what earlier attempts left. Once the last one is listed they are too,
// unless a server is still executing them: those are noted, and deleted when they turn up.
func (c *Convergence) sweepAttempts(ctx context.Context, o keyOwner, p pendingKey, keyID string) error {
	earlier := p.Attempts[:len(p.Attempts)-1]
	if len(earlier) == 0 {
		return nil
	}
	var list []remoteKey
	err := c.poll.until(ctx, c.Settle, func(ctx context.Context) (listed bool, err error) {
		list, err = o.list(ctx, p.OwnerID)
		return slices.ContainsFunc(list, func(r remoteKey) bool { return r.ID == keyID }), err
	})
	if errors.Is(err, errUnseen) {
		return provision.WithHint(fmt.Errorf("key %s exists, but no search has shown it for %s: %w", keyID, c.Settle, err),
			"wait until Zitadel's projections have caught up and run provision up again")
	}
	if err != nil {
		return err
	}
	for _, expires := range earlier {
		i := slices.IndexFunc(list, func(r remoteKey) bool { return r.Expires.Equal(expires) && r.ID != keyID })
		if i >= 0 {
			err = o.remove(ctx, p.OwnerID, list[i].ID)
		} else {
			err = c.Notes.SetNote(o.attemptKind(), o.attemptNote(expires), provision.Record{Made: true})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Rotation is a replaced machine key.
type Rotation struct {
	KeyID string // of the new key, which is stored
	// OldKeyID stays valid until OldUntil, and then until the next provision up deletes it.
	OldKeyID string
	OldUntil time.Time
}

// Rotate gives a machine user a new key beside the one in use.
func (c *Convergence) Rotate(ctx context.Context, username string) (Rotation, error) {
	local := true
	for _, want := range c.Want.MachineUsers {
		if userKey(want.Username) == userKey(username) {
			local = want.Key != "zitadel"
		}
	}
	o := c.machineOwner(username, local)
	u, err := c.needUser(ctx, username)
	if err != nil {
		return Rotation{}, err
	}
	list, err := o.list(ctx, u.ID)
	if err != nil {
		return Rotation{}, err
	}
	old, _ := c.Notes.Note(o.kind, o.note)
	if err := c.newKey(ctx, o, list, true); err != nil {
		return Rotation{}, fmt.Errorf("rotate %w", err)
	}
	fresh, _ := c.Notes.Note(o.kind, o.note)
	r := Rotation{KeyID: fresh.ID}
	if retired, ok := c.Notes.Note(o.retiredKind(), o.note+" "+old.ID); ok {
		r.OldKeyID, r.OldUntil = old.ID, retired.At.Add(c.KeyOverlap)
	}
	return r, nil
}
