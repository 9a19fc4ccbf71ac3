package cli

import (
	"errors"
	"fmt"
)

// Exit codes of every command.
const (
	CodeDone        = 0
	CodeFailed      = 1
	CodeUsage       = 2 // wrong usage or configuration: trying again does not help
	CodeRefused     = 3 // the command worked and the answer is no: refused, or differences
	CodeInterrupted = 130
)

// ExitError is an error that chooses the exit code of the program. An error that holds no
// ExitError exits with [CodeFailed].
type ExitError struct {
	Code int
	// Err is printed after the program's name; nil prints nothing, for a command whose
	// output has said it all.
	Err error
	// Hint, if any, is printed on a line of its own: what to do about it.
	Hint string
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// Usage marks err as wrong usage or configuration. A nil err stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &ExitError{Code: CodeUsage, Err: err}
}

// Refused ends the program with [CodeRefused] and prints nothing more.
func Refused() error {
	return &ExitError{Code: CodeRefused}
}

// WithHint adds what to do about err, and keeps its exit code. A nil err stays nil.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	code := CodeFailed
	if inner, ok := errors.AsType[*ExitError](err); ok {
		code = inner.Code
	}
	return &ExitError{Code: code, Err: err, Hint: hint}
}
