package conf

import (
	"regexp"
	"strings"
)

// Document remembers where each key of a configuration was set. A nil Document knows
// nothing, which is right for a configuration built in code.
type Document struct {
	file      string
	lines     map[string]int    // path → line in file
	variables map[string]string // path → environment variable that overrode the file
}

// Line returns the line of the key, or of the nearest parent that the file has; 0 when it
// has none.
func (d *Document) Line(path string) int {
	_, line := d.origin(path)
	return line
}

// Problem makes a problem about the key, with its place filled in.
func (d *Document) Problem(path, message, hint string) Problem {
	file, line := d.origin(path)
	return Problem{File: file, Line: line, Path: path, Message: message, Hint: hint}
}

// origin finds what set the key or, failing that, its nearest parent.
func (d *Document) origin(path string) (file string, line int) {
	if d == nil {
		return "", 0
	}
	for ; path != ""; path = parent(path) {
		if variable, ok := d.variables[path]; ok {
			return variable, 0
		}
		if line, ok := d.lines[path]; ok {
			return d.file, line
		}
	}
	return d.file, 0
}

// override notes that the environment variable set the key in place of the file.
func (d *Document) override(path, variable string) {
	if d == nil {
		return
	}
	for p := range d.lines {
		if within(p, path) {
			delete(d.lines, p)
		}
	}
	d.variables[path] = variable
}

// plainKey is a key that reads well in a path as it is.
var plainKey = regexp.MustCompile(`^[A-Za-z0-9_$-]{1,64}$`)

// child appends a key to a path. Keys that would be ambiguous there are quoted.
func child(path, key string) string {
	switch {
	case !plainKey.MatchString(key):
		return path + "[" + Quote(key) + "]"
	case path == "":
		return key
	default:
		return path + "." + key
	}
}

// parent takes the last key or index off a path.
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

// within reports whether path is holder or something inside it.
func within(path, holder string) bool {
	rest, ok := strings.CutPrefix(path, holder)
	return ok && (holder == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}
