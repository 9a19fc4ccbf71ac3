package zitadel

import (
	"context"
	"strings"

	"harmony-callout/provision"
)

// inProject is the name of a note of something that belongs to the project: another project
// may have one of that name too.
func (c *Convergence) inProject(name string) string { return c.Want.Project + "/" + name }

// taking is how things of one kind are taken away.
type taking struct {
	kind, noun string
	prefix     string                 // of the notes' names
	wanted     func(name string) bool // nil: nothing is
	// live tells whether a thing is still there, as the one that is noted.
	live func(name string, note provision.Record) bool
	// remove deletes it there, and forget what the key store has of it; nil: nothing.
	remove func(ctx context.Context, name string, note provision.Record) error
	forget func(ctx context.Context, name string) error
}

// surplus returns what deletes the things that we made and nobody wants. What is gone
// already is only forgotten.
func (c *Convergence) surplus(t taking) []provision.Change {
	var changes []provision.Change
	for _, noteName := range c.Notes.Noted(t.kind) {
		note, _ := c.Notes.Note(t.kind, noteName)
		name, ours := strings.CutPrefix(noteName, t.prefix)
		if !ours || !note.Made || t.wanted != nil && t.wanted(name) {
			continue
		}
		change := provision.Change{Action: provision.Delete, Kind: t.noun, Name: name, Batch: t.kind + " delete"}
		live := t.live(name, note)
		if !live {
			change.Detail = "gone already: only forgotten"
		}
		change.Apply = func(ctx context.Context) error {
			if live {
				if err := t.remove(ctx, name, note); err != nil {
					return err
				}
			}
			if t.forget != nil {
				if err := t.forget(ctx, name); err != nil {
					return err
				}
			}
			return c.Notes.DropNote(t.kind, noteName)
		}
		changes = append(changes, change)
	}
	return changes
}
