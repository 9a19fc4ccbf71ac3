package provision

import "time"

// Record is what the state notes of one thing: never a secret.
type Record struct {
	ID string `json:"id,omitempty"`
	// Digest or fingerprint of what was last written: of a key, of values.
	Digest string `json:"digest,omitempty"`
	// Made: it was made by us, and did not exist before. Only that is ever pruned or removed.
	Made bool      `json:"made,omitempty"`
	At   time.Time `json:"at"`
}

// Notes is the part of the [State] that steps use. A write is durable when it returns.
type Notes interface {
	// Note returns what is noted of a thing.
	Note(kind, name string) (Record, bool)
	// SetNote notes it; the time is filled in.
	SetNote(kind, name string, r Record) error
	// DropNote forgets it; there being none is no error.
	DropNote(kind, name string) error
	// Noted returns the names that are noted of a kind, sorted.
	Noted(kind string) []string
}
