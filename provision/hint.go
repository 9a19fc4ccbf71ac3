package provision

import "errors"

// Hint is an error with advice: why it probably happened and what to type. Programs of this
// module print it on a line of its own.
type Hint struct {
	Err  error
	Hint string
}

// WithHint adds advice to an error; nil stays nil.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &Hint{Err: err, Hint: hint}
}

func (h *Hint) Error() string { return h.Err.Error() }

// Unwrap returns the error without the advice.
func (h *Hint) Unwrap() error { return h.Err }

// HintOf returns the outermost advice of an error; empty where it has none.
func HintOf(err error) string {
	var h *Hint
	if errors.As(err, &h) {
		return h.Hint
	}
	return ""
}
