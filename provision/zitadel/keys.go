package zitadel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"harmony-callout/provision"
)

// keyring is what is known of the keys of all owners of one kind at one moment.
type keyring struct {
	c      *Convergence
	stored map[string]bool        // names in the key store
	remote map[string][]remoteKey // by the owner's id
}

func (c *Convergence) newKeyring(ctx context.Context, dir string, remote []remoteKey) (keyring, error) {
	k := keyring{c: c, stored: map[string]bool{}, remote: map[string][]remoteKey{}}
	names, err := c.Keys.List(ctx, dir)
	if err != nil {
		return keyring{}, err
	}
	for _, name := range names {
		k.stored[name] = true
	}
	for _, r := range remote {
		k.remote[r.OwnerID] = append(k.remote[r.OwnerID], r)
	}
	return k, nil
}

// look adds to a view what an owner's key needs. ownerID is empty while there is no owner.
func (k keyring) look(ctx context.Context, v *view, o keyOwner, ownerID string) error {
	c, list := k.c, k.remote[ownerID]
	note, noted := c.Notes.Note(o.kind, o.note)
	listed := func(id string) int {
		return slices.IndexFunc(list, func(r remoteKey) bool { return r.ID == id })
	}
	change := provision.Change{Action: provision.Create, Kind: o.noun, Name: o.name, Batch: o.kind}
	retire := false
	switch stored := k.stored[o.dir+keyName]; {
	case ownerID == "":
	case k.stored[o.dir+pendingName]:
		change.Detail = "an interrupted run began it"
	case !stored && noted && listed(note.ID) >= 0:
		change.Detail = "its private key is lost here: replaces key " + note.ID
	case !stored:
	case noted && listed(note.ID) >= 0:
		if err := c.checkStoredKey(ctx, o.dir+keyName, note.ID); err != nil {
			return err
		}
		v.there++
		ends := list[listed(note.ID)].Expires
		if time.Until(ends) > c.KeyLifetime/12 {
			return nil
		}
		change.Action, change.Detail, retire = provision.Update, "ends "+ends.Format(time.DateOnly)+": replaces key "+note.ID, true
	default:
		file, err := c.readKey(ctx, o.dir+keyName)
		if err != nil {
			return err
		}
		if !noted && listed(file.KeyID) >= 0 {
			v.there++
			change.Action, change.Detail = provision.Adopt, file.KeyID
			change.Apply = func(context.Context) error { return c.adoptKey(o, file) }
			v.changes = append(v.changes, change)
			return nil
		}
		change.Detail = "key " + file.KeyID + " is gone from zitadel"
		v.unseen = v.unseen || noted && note.ID == file.KeyID && file.UserID+file.AppID == ownerID && c.wasRecent(o.kind, o.note)
	}
	change.Apply = func(ctx context.Context) error { return c.newKey(ctx, o, list, retire) }
	v.changes = append(v.changes, change)
	return nil
}

// leftovers returns what deletes retired keys whose overlap is over, and uploads that turned
// up after they had been given up.
func (k keyring) leftovers(kind string, owner func(note string) (o keyOwner, ownerID string)) []provision.Change {
	var changes []provision.Change
	add := func(o keyOwner, ownerID, noteKind, noteName, keyID, detail string) {
		changes = append(changes, provision.Change{
			Action: provision.Delete, Kind: o.noun, Name: o.name, Detail: detail, Batch: kind + " delete",
			Apply: func(ctx context.Context) error {
				if err := o.remove(ctx, ownerID, keyID); err != nil {
					return err
				}
				return k.c.Notes.DropNote(noteKind, noteName)
			},
		})
	}
	retired, attempt := keyOwner{kind: kind}.retiredKind(), keyOwner{kind: kind}.attemptKind()
	for _, name := range k.c.Notes.Noted(retired) {
		note, _ := k.c.Notes.Note(retired, name)
		o, ownerID := owner(name[:strings.LastIndexByte(name, ' ')])
		if ownerID != "" && time.Since(note.At) >= k.c.KeyOverlap {
			add(o, ownerID, retired, name, note.ID, "retired key "+note.ID)
		}
	}
	for _, name := range k.c.Notes.Noted(attempt) {
		cut := strings.LastIndexByte(name, ' ')
		expires, err := time.Parse(time.RFC3339, name[cut+1:])
		o, ownerID := owner(name[:cut])
		note, _ := k.c.Notes.Note(attempt, name)
		// The run that gave it up is not troubled by it any more.
		if err != nil || ownerID == "" || time.Since(note.At) < k.c.Settle {
			continue
		}
		current, _ := k.c.Notes.Note(kind, o.note)
		for _, r := range k.remote[ownerID] {
			if r.Expires.Equal(expires) && r.ID != current.ID {
				add(o, ownerID, attempt, name, r.ID, "left by an interrupted upload: "+r.ID)
			}
		}
	}
	return changes
}

// surplus returns what deletes keys that we made for owners whom nobody wants, here and there.
func (k keyring) surplus(kind, noun, prefix, dir string, wanted func(name string) bool, owner func(note string) (keyOwner, string)) []provision.Change {
	changes := k.c.surplus(taking{
		kind: kind, noun: noun, prefix: prefix, wanted: wanted,
		live: func(name string, _ provision.Record) bool {
			_, ownerID := owner(prefix + name)
			return ownerID != ""
		},
		remove: func(ctx context.Context, name string, note provision.Record) error {
			o, ownerID := owner(prefix + name)
			return o.remove(ctx, ownerID, note.ID)
		},
		forget: func(ctx context.Context, name string) error {
			o, _ := owner(prefix + name)
			return k.c.Keys.Delete(ctx, o.dir+keyName)
		},
	})
	for name := range k.stored {
		if strings.HasPrefix(name, dir) && strings.HasSuffix(name, "/"+pendingName) {
			if change, ok := k.abandon(kind, noun, prefix, name, wanted, owner); ok {
				changes = append(changes, change)
			}
		}
	}
	return changes
}

// abandon returns what takes back a key that was being made for an owner whom nobody wants.
func (k keyring) abandon(kind, noun, prefix, name string, wanted func(string) bool, owner func(string) (keyOwner, string)) (provision.Change, bool) {
	c := k.c
	text, err := c.Keys.Get(context.Background(), name)
	if err != nil {
		return provision.Change{}, false
	}
	p, err := c.readPending(name, text)
	if err != nil || wanted != nil && wanted(p.Owner) {
		return provision.Change{}, false
	}
	return provision.Change{
		Action: provision.Delete, Kind: noun, Name: p.Owner, Detail: "an interrupted run began it", Batch: kind + " delete",
		Apply: func(ctx context.Context) error {
			o, _ := owner(prefix + p.Owner)
			list, err := o.list(ctx, p.OwnerID)
			if ignoring(err, ErrNotFound) != nil {
				return err
			}
			for _, r := range list {
				if p.attempted(r) {
					if err := o.remove(ctx, p.OwnerID, r.ID); err != nil {
						return err
					}
				}
			}
			file, err := c.readKey(ctx, o.dir+keyName)
			if err == nil && slices.ContainsFunc(p.Attempts, file.ExpirationDate.Equal) {
				err = errors.Join(o.remove(ctx, p.OwnerID, file.KeyID), c.Keys.Delete(ctx, o.dir+keyName))
			}
			if err = ignoring(err, provision.ErrNoKey); err != nil {
				return err
			}
			for _, expires := range p.Attempts {
				if err := c.Notes.SetNote(o.attemptKind(), o.attemptNote(expires), provision.Record{Made: true}); err != nil {
					return err
				}
			}
			return c.Keys.Delete(ctx, name)
		},
	}, true
}

// keyDetail says how many of the keys are there.
func keyDetail(v view, wanted int, noun string) string {
	return fmt.Sprintf("%d of %s", v.there, count(wanted, noun))
}
