package zitadel

import (
	"context"
	"errors"
	"fmt"

	"harmony-callout/provision"
)

// making is how a thing with a name comes into being.
type making struct {
	kind, name string // of its note
	// chosen: create makes it by the id that it is given. Else it has no id of ours.
	chosen bool
	create func(ctx context.Context, id string) error
	// find searches it by name: false where it is not listed.
	find func(ctx context.Context) (id string, found bool, err error)
}

// make creates a thing and returns its id, and whether it was there already. What is noted
// before the request decides, after any interruption, whether it is ours.
func (c *Convergence) make(ctx context.Context, m making) (id string, existed bool, err error) {
	note, noted := c.Notes.Note(m.kind, m.name)
	begun := noted && note.Made // by a run that may have been killed
	if !begun {
		note = provision.Record{Made: true}
		if m.chosen {
			note.ID = newID()
		}
		if err := c.Notes.SetNote(m.kind, m.name, note); err != nil {
			return "", false, err
		}
	}
	for attempt := 0; ; attempt++ {
		err = m.create(ctx, note.ID)
		if !errors.Is(err, ErrUnavailable) || attempt+1 == attempts {
			break
		}
		begun = true // whether this attempt was executed nobody knows
		if err := c.poll.wait(ctx, attempt); err != nil {
			return "", false, err
		}
	}
	if !errors.Is(err, ErrConflict) {
		return note.ID, false, err
	}
	id, err = c.await(ctx, m)
	if err != nil {
		return "", true, err
	}
	if m.chosen && id == note.ID || !m.chosen && begun {
		return id, true, nil
	}
	return id, true, c.Notes.SetNote(m.kind, m.name, adopted(id, m.chosen))
}

// adopted is the note of a thing that somebody else made.
func adopted(id string, chosen bool) provision.Record {
	if !chosen {
		return provision.Record{}
	}
	return provision.Record{ID: id}
}

// await searches until what a conflict proves to exist is listed.
func (c *Convergence) await(ctx context.Context, m making) (string, error) {
	var id string
	err := c.poll.until(ctx, c.Settle, func(ctx context.Context) (found bool, err error) {
		id, found, err = m.find(ctx)
		return found, err
	})
	if errors.Is(err, errUnseen) {
		return "", provision.WithHint(fmt.Errorf("%s %s: it exists, but no search has shown it for %s: %w", m.kind, m.name, c.Settle, err),
			"wait until Zitadel's projections have caught up and run provision up again; if that does not help, something that this credential may not see has the name")
	}
	return id, err
}
