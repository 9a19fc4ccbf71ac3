// Package conf reads configuration strictly: what the reader of a file did not understand
// is an error, never a silent default.
//
// [Decode] reads one YAML document over a struct that already holds the defaults: a key
// that the file leaves out, or leaves empty, keeps its value; a list or map that the file
// names replaces the default whole. [Overlay] then lays environment variables over it. Both
// collect every problem instead of stopping at the first, each with its place, as
// [Problems]; the [Document] remembers where each key stood, so that later validation can
// name lines too.
//
// A struct takes part with `yaml:"name"` tags on its fields; a field without one is left
// alone. Fields may be structs, pointers to structs, maps with string keys, slices,
// strings, booleans, signed integers, floats, [time.Duration] (30s), [Size] (64KiB) and
// whatever else implements [encoding.TextUnmarshaler]; a struct with tagged fields that
// implements it may be written either way, as one word or as a mapping. A field of type any
// takes whatever YAML can say. Any other type panics: it is a mistake in the program, not in
// the file. A field whose name ends in File or Files, or that is tagged `path:"true"`, holds
// paths relative to the file that named them.
package conf

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// UnknownKey is the message of the problem that a key which no field has gives.
const UnknownKey = "unknown key"

// Problem is one mistake in a configuration.
type Problem struct {
	// File is the file that holds the mistake, or the name of the environment variable.
	// Empty for a configuration that was built in code.
	File string
	// Line counts from 1; 0 when no line is to blame, as for a key that is missing.
	Line int
	// Path is the key with its parents, as in roles[0].publish.allow. Empty for the whole.
	Path string
	// Message says what is wrong, Hint what to do. Hint may be empty.
	Message string
	Hint    string
}

// Error gives the problem in one line: callout.yaml:12: maxTTL: must be … (hint).
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return strings.Map(printable, b.String())
}

// printable keeps a message in one line and terminals safe, whatever the file holds.
func printable(r rune) rune {
	if !unicode.IsPrint(r) {
		return unicode.ReplacementChar
	}
	return r
}

// Problems are all mistakes of one configuration.
type Problems []Problem

// Error gives the problems one per line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Err returns the problems in order of their lines, or nil when there are none.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	sorted := slices.Clone(ps)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return sorted
}

// Cover reports whether one of the problems is about the path or something that holds it.
// What else is said of such a path is a consequence, not a mistake of its own.
func (ps Problems) Cover(path string) bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return within(path, p.Path) })
}

// Quote quotes a value for a message: in one line, and cut when it is long.
func Quote(value string) string {
	const limit = 64
	if runes := []rune(value); len(runes) > limit {
		value = string(runes[:limit]) + "…"
	}
	return strconv.Quote(value)
}
