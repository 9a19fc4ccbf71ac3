// Package secret has the type of everything that must never be printed.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted stands in for a secret wherever one would be printed.
const redacted = "[redacted]"

// Text holds a seed, password or key file. Printing, logging and encoding it give
// [redacted], whatever the verb; only Reveal gives what it holds. The zero Text is empty.
type Text struct {
	// A closure, since fmt calls no methods on unexported fields of other structs: it prints
	// what lies inside them, through pointers too, but of a function only the address.
	reveal func() string
}

// New returns a Text that holds the text.
func New(text string) Text {
	return Text{reveal: func() string { return text }}
}

// Reveal returns what the Text holds.
func (s Text) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// String returns [redacted].
func (Text) String() string { return redacted }

// GoString returns [redacted].
func (Text) GoString() string { return redacted }

// Format writes [redacted] for every verb.
func (Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue logs [redacted].
func (Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON encodes "[redacted]".
func (Text) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText encodes [redacted].
func (Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }
