package strictjson

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// String reads a string and returns it unescaped. The result points into the input and
// stays valid as long as the input does.
func (s *Scanner) String() ([]byte, error) {
	s.space()
	if !s.next('"') {
		return nil, s.fail("expected a string")
	}
	start := s.pos
	ascii := true
	for s.pos += plain(s.data[s.pos:]); s.pos < len(s.data); {
		switch c := s.data[s.pos]; {
		case c == '"':
			text := s.data[start:s.pos:s.pos]
			s.pos++
			if !ascii && !utf8.Valid(text) {
				return nil, s.fail("a string is not UTF-8")
			}
			return text, nil
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			return nil, s.fail("a control character in a string")
		case c >= utf8.RuneSelf:
			ascii = false
		}
		s.pos++
	}
	return nil, s.fail("a string has no end")
}

// plain counts the leading bytes that are printable ASCII other than quote and backslash,
// in steps of eight: most of what we read is one long string, a token in base64.
func plain(b []byte) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		x := binary.LittleEndian.Uint64(b[n:])
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		// A byte's high bit is set in the first term where it is below 0x20, in the next two
		// where it is the character, in the last where it is not ASCII. A borrow can only set
		// bits above a byte that is special itself.
		special := (x-ones*0x20)&^x | (quote-ones)&^quote | (slash-ones)&^slash | x
		if special&highs != 0 {
			break
		}
	}
	return n
}

// escaped reads on from the first backslash of the string that began at start, writing the
// unescaped text over the escaped one: it is never longer.
func (s *Scanner) escaped(start int) ([]byte, error) {
	to := s.pos
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		switch {
		case c == '"':
			s.pos++
			text := s.data[start:to:to]
			if !utf8.Valid(text) {
				return nil, s.fail("a string is not UTF-8")
			}
			return text, nil
		case c < ' ':
			return nil, s.fail("a control character in a string")
		case c != '\\':
			s.data[to] = c
			to++
			s.pos++
			continue
		}
		r, ok := s.escape()
		if !ok {
			return nil, s.fail("an escape that is none")
		}
		to += utf8.EncodeRune(s.data[to:], r)
	}
	return nil, s.fail("a string has no end")
}

// escape reads one escape sequence, with both halves of a surrogate pair.
func (s *Scanner) escape() (rune, bool) {
	if s.pos+1 >= len(s.data) {
		return 0, false
	}
	c := s.data[s.pos+1]
	s.pos += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		r, ok := s.hex4()
		if !ok || !utf16.IsSurrogate(r) {
			return r, ok
		}
		if s.pos+1 >= len(s.data) || s.data[s.pos] != '\\' || s.data[s.pos+1] != 'u' {
			return 0, false
		}
		s.pos += 2
		low, ok := s.hex4()
		if !ok {
			return 0, false
		}
		r = utf16.DecodeRune(r, low)
		return r, r != utf8.RuneError
	}
	return 0, false
}

func (s *Scanner) hex4() (rune, bool) {
	if s.pos+4 > len(s.data) {
		return 0, false
	}
	var r rune
	for _, c := range s.data[s.pos : s.pos+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	s.pos += 4
	return r, true
}

// Int64 reads a whole number. A fraction or an exponent is an error, also where the value
// would be whole: nothing that we read has a reason to be written so.
func (s *Scanner) Int64() (int64, error) {
	s.space()
	start := s.pos
	if err := s.number(); err != nil {
		return 0, err
	}
	text := s.data[start:s.pos]
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	var n uint64
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, s.fail("expected a whole number")
		}
		// 18 digits cannot overflow; every number that we read is a time or an id below that.
		if n >= 1e18 {
			return 0, s.fail("a number is too large")
		}
		n = n*10 + uint64(c-'0')
	}
	if n > 1<<63-1 {
		return 0, s.fail("a number is too large")
	}
	if negative {
		return -int64(n), nil
	}
	return int64(n), nil
}

// number reads a number by the grammar of RFC 8259 §6.
func (s *Scanner) number() error {
	s.space()
	s.next('-')
	if !s.next('0') && !s.digits() {
		return s.fail("expected a number")
	}
	if s.next('.') && !s.digits() {
		return s.fail("expected digits after the point of a number")
	}
	if s.next('e') || s.next('E') {
		if !s.next('+') {
			s.next('-')
		}
		if !s.digits() {
			return s.fail("expected digits in the exponent of a number")
		}
	}
	return nil
}

func (s *Scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}
