// Package strictjson reads JSON that a stranger sent, once, from front to back, without
// allocating.
//
// It is stricter than encoding/json where leniency lets two readers of one text disagree:
// a name that stands twice in an object is an error, names are compared byte for byte
// (never case-insensitively), text that is not UTF-8 and lone surrogates are errors (never
// replaced), and nesting is bounded. RFC 8259 §4 leaves all of these to the reader;
// RFC 8725 §2.7 and §3.1 say why a reader of JWTs should not be lenient.
//
// Strings are unescaped in place, so the input is overwritten and must belong to the
// caller; what [Scanner.String] returns points into it.
package strictjson

import (
	"errors"
	"fmt"
)

// MaxDepth bounds how deep objects and arrays may nest.
const MaxDepth = 32

// ErrSyntax is wrapped by every error of this package.
var ErrSyntax = errors.New("invalid JSON")

// Kind is what the next value is.
type Kind byte

// The kinds of a JSON value; Invalid is anything that starts none.
const (
	Invalid Kind = iota
	Object
	Array
	String
	Number
	Bool
	Null
)

// Scanner reads one JSON text. The zero value is empty; set the text with [Scanner.Reset].
type Scanner struct {
	data  []byte
	pos   int
	depth int
}

// Reset makes s read data from its start. data is overwritten by unescaping.
func (s *Scanner) Reset(data []byte) { *s = Scanner{data: data} }

// End reports an error unless only white space is left.
func (s *Scanner) End() error {
	s.space()
	if s.pos != len(s.data) {
		return s.fail("text after the value")
	}
	return nil
}

// Peek tells what the next value is without reading it.
func (s *Scanner) Peek() Kind {
	s.space()
	if s.pos >= len(s.data) {
		return Invalid
	}
	switch c := s.data[s.pos]; {
	case c == '{':
		return Object
	case c == '[':
		return Array
	case c == '"':
		return String
	case c == '-' || c >= '0' && c <= '9':
		return Number
	case c == 't' || c == 'f':
		return Bool
	case c == 'n':
		return Null
	}
	return Invalid
}

// Object reads an object and calls member with each name; member must read the value.
// A name that stands twice is an error.
func (s *Scanner) Object(member func(name []byte) error) error {
	if err := s.open('{', "an object"); err != nil {
		return err
	}
	var seen nameSet
	for first := true; ; first = false {
		s.space()
		if s.next('}') {
			s.depth--
			return nil
		}
		if !first && !s.next(',') {
			return s.fail("expected , or } in an object")
		}
		name, err := s.String()
		if err != nil {
			return err
		}
		if !seen.add(name) {
			return s.fail("a name stands twice in an object")
		}
		s.space()
		if !s.next(':') {
			return s.fail("expected : after a name")
		}
		if err := member(name); err != nil {
			return err
		}
	}
}

// Array reads an array and calls element before each element; element must read it.
func (s *Scanner) Array(element func() error) error {
	if err := s.open('[', "an array"); err != nil {
		return err
	}
	for first := true; ; first = false {
		s.space()
		if first && s.next(']') {
			s.depth--
			return nil
		}
		if !first {
			if s.next(']') {
				s.depth--
				return nil
			}
			if !s.next(',') {
				return s.fail("expected , or ] in an array")
			}
		}
		if err := element(); err != nil {
			return err
		}
	}
}

// Skip reads a value of any kind and forgets it, checking it as strictly as any other.
func (s *Scanner) Skip() error {
	switch s.Peek() {
	case Object:
		return s.Object(func([]byte) error { return s.Skip() })
	case Array:
		return s.Array(s.Skip)
	case String:
		_, err := s.String()
		return err
	case Number:
		return s.number()
	case Bool:
		_, err := s.Bool()
		return err
	case Null:
		return s.word("null")
	}
	return s.fail("expected a value")
}

// Bool reads true or false.
func (s *Scanner) Bool() (bool, error) {
	s.space()
	if s.pos < len(s.data) && s.data[s.pos] == 't' {
		return true, s.word("true")
	}
	return false, s.word("false")
}

func (s *Scanner) open(c byte, what string) error {
	s.space()
	if !s.next(c) {
		return s.fail("expected " + what)
	}
	if s.depth++; s.depth > MaxDepth {
		return s.fail("nested too deep")
	}
	return nil
}

func (s *Scanner) word(w string) error {
	s.space()
	if len(s.data)-s.pos < len(w) || string(s.data[s.pos:s.pos+len(w)]) != w {
		return s.fail("expected a value of another kind")
	}
	s.pos += len(w)
	return nil
}

func (s *Scanner) next(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *Scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// fail names the place but never the text: it may hold a credential.
func (s *Scanner) fail(what string) error {
	return fmt.Errorf("%w at byte %d: %s", ErrSyntax, s.pos, what)
}

// nameSet finds repeated names. Objects of tokens and requests are small, so a linear
// search without allocation wins; a large object moves to a map, so that a stranger's
// thousands of names cost linear time.
type nameSet struct {
	n     int
	few   [24][]byte
	large map[string]struct{}
}

func (ns *nameSet) add(name []byte) bool {
	if ns.large != nil {
		if _, ok := ns.large[string(name)]; ok {
			return false
		}
		ns.large[string(name)] = struct{}{}
		return true
	}
	for _, have := range ns.few[:ns.n] {
		if string(have) == string(name) {
			return false
		}
	}
	if ns.n < len(ns.few) {
		ns.few[ns.n] = name
		ns.n++
		return true
	}
	ns.large = make(map[string]struct{}, 2*len(ns.few))
	for _, have := range ns.few {
		ns.large[string(have)] = struct{}{}
	}
	ns.large[string(name)] = struct{}{}
	return true
}
