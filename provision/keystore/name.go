package keystore

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrName is of names that are no key's.
var ErrName = errors.New("invalid name of a key")

const (
	maxName = 512
	maxWord = 200 // file systems end at 255 bytes
)

// word never begins with a dot: neither .. nor the hidden files of writes are names. There
// are no capitals, since some file systems take them for small letters.
var word = regexp.MustCompile(`^[a-z0-9_=@+-][a-z0-9._=@+-]*$`)

// ValidName tells what is wrong with a name: it must be slash-separated words of lower-case
// letters, digits and . _ - @ + =, none beginning with a dot.
func ValidName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("%w: longer than %d bytes", ErrName, maxName)
	}
	for w := range strings.SplitSeq(name, "/") {
		if len(w) > maxWord || !word.MatchString(w) {
			return fmt.Errorf("%w: %q: want slash-separated words of lower-case letters, digits and . _ - @ + =", ErrName, name)
		}
	}
	return nil
}

// Word makes one word of a name of any text, such as a user's name. Different texts make
// different words; one that is a word already stays what it is.
func Word(text string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '-', c == '@', c == '+', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "=%02x", c)
		}
	}
	return b.String()
}
