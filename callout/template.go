package callout

import (
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxValue bounds a value that stands in a subject, in bytes; maxSubject what becomes of it.
const (
	maxValue   = 256
	maxSubject = 1024
)

// b32 is the encoding behind `:b32`: its alphabet needs no escape in a subject.
var b32 = base32.StdEncoding.WithPadding(base32.NoPadding)

// template is a NATS subject in which placeholders stand for values of the token. It is
// parsed once, when the configuration is read; a value is put into its place as the last
// thing that happens, and the result is never parsed again.
type template struct {
	text  string // as configured
	parts []part
	// literalFirst: no placeholder stands in the first token, so that no value can turn the
	// subject into one of $SYS, $JS, $KV or of everybody's inboxes.
	literalFirst bool
}

// part is a literal, or a placeholder when name is set.
type part struct {
	literal string
	name    string // user, username, org, role, claim
	claim   string // of claim: its name
	mods    []modifier
}

// modifier changes a value before it is put into its place: trim a prefix, or base32.
type modifier struct {
	trim string
	b32  bool
}

// values are what placeholders stand for, of one verified token and one granted role.
type values struct {
	user, username, org, role string
	claims                    map[string]string
}

// reservedFirst begin first tokens that a value must not make where the template does not
// begin so itself. A user called $JS, _INBOX or _INBOX_4711 must not turn {username}.> into
// JetStream's API, everybody's replies or those of user 4711; _R_ and _GR_ are the server's
// own replies between accounts and clusters.
var reservedFirst = []string{"$", "_INBOX", "_R_", "_GR_"}

var errTemplate = errors.New("invalid subject template")

// compileTemplate parses a subject of the configuration. A subscribe template may name a
// queue group behind a space, as NATS permissions do.
func compileTemplate(text string, subscribe bool) (template, error) {
	t := template{text: text}
	subject, queue, hasQueue := strings.Cut(text, " ")
	if hasQueue && !subscribe {
		return t, fmt.Errorf("%w %q: white space in a publish subject", errTemplate, text)
	}
	if hasQueue && (queue == "" || strings.ContainsAny(queue, " {}")) {
		return t, fmt.Errorf("%w %q: a queue group is one literal token", errTemplate, text)
	}
	if strings.IndexByte(text, 0) >= 0 {
		return t, fmt.Errorf("%w: holds a NUL character", errTemplate)
	}
	if len(text) > maxSubject {
		return t, fmt.Errorf("%w: longer than %d bytes", errTemplate, maxSubject)
	}
	var shape strings.Builder // the subject with an x in place of each placeholder
	for rest := subject; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			t.parts = append(t.parts, part{literal: rest})
			shape.WriteString(rest)
			break
		}
		end := strings.IndexByte(rest[i:], '}')
		if rest[i] == '}' || end < 0 {
			return t, fmt.Errorf("%w %q: braces do not match", errTemplate, text)
		}
		if i > 0 {
			t.parts = append(t.parts, part{literal: rest[:i]})
			shape.WriteString(rest[:i])
		}
		p, err := compilePlaceholder(rest[i+1 : i+end])
		if err != nil {
			return t, fmt.Errorf("%w %q: %w", errTemplate, text, err)
		}
		t.parts = append(t.parts, p)
		shape.WriteByte(0)
		rest = rest[i+end+1:]
	}
	if err := checkShape(shape.String()); err != nil {
		return t, fmt.Errorf("%w %q: %w", errTemplate, text, err)
	}
	first, _, _ := strings.Cut(shape.String(), ".")
	t.literalFirst = !strings.ContainsRune(first, 0)
	if hasQueue {
		if err := checkShape(queue); err != nil {
			return t, fmt.Errorf("%w %q: queue group: %w", errTemplate, text, err)
		}
		t.parts = append(t.parts, part{literal: " " + queue})
	}
	return t, nil
}

// compilePlaceholder parses what stands between braces. A claim's name may hold colons, so
// it ends at the first thing that reads as a modifier.
func compilePlaceholder(text string) (part, error) {
	name, rest, colon := strings.Cut(text, ":")
	p := part{name: name}
	switch name {
	case "user", "username", "org", "role":
		if colon {
			rest = ":" + rest
		}
	case "claim":
		end := len(rest)
		if i := strings.Index(rest, ":trim="); i >= 0 {
			end = i
		}
		if i := strings.Index(rest[:end]+":", ":b32:"); i >= 0 {
			end = i
		}
		p.claim, rest = rest[:end], rest[end:]
		if p.claim == "" {
			return p, errors.New("{claim:NAME} needs a name")
		}
	default:
		return p, fmt.Errorf("unknown placeholder {%s}: use user, username, org, role or claim:NAME", text)
	}
	for rest != "" {
		mod, next, more := strings.Cut(rest[1:], ":")
		switch prefix, isTrim := strings.CutPrefix(mod, "trim="); {
		case mod == "b32":
			p.mods = append(p.mods, modifier{b32: true})
		case isTrim && prefix != "":
			p.mods = append(p.mods, modifier{trim: prefix})
		default:
			return p, fmt.Errorf("unknown modifier %q in {%s}: use b32 or trim=PREFIX", mod, text)
		}
		if rest = ""; more {
			rest = ":" + next
		}
	}
	return p, nil
}

// checkShape checks a subject in which NUL stands for a placeholder.
func checkShape(subject string) error {
	tokens := strings.Split(subject, ".")
	for i, token := range tokens {
		switch {
		case token == "":
			return errors.New("an empty token")
		case token == ">" && i < len(tokens)-1:
			return errors.New("> is not the last token")
		case token == ">", token == "*":
			continue
		}
		if token[0] == '$' && strings.ContainsRune(token, 0) {
			return errors.New("a placeholder in a token that starts with $")
		}
		for _, r := range token {
			switch {
			case r == 0:
			case r == '*' || r == '>':
				return fmt.Errorf("a wildcard is part of the token %q", strings.ReplaceAll(token, "\x00", "{…}"))
			case r == utf8.RuneError || unicode.IsSpace(r) || unicode.IsControl(r):
				return errors.New("white space, a control character or bytes that are not UTF-8")
			}
		}
	}
	return nil
}

// render puts v into the template. Any value that is not one safe subject token is an
// error with ReasonUnsafeValue: nothing of it is dropped, changed or escaped silently.
func (t *template) render(v *values) (string, error) {
	if len(t.parts) == 1 && t.parts[0].name == "" {
		return t.parts[0].literal, nil
	}
	var room [128]byte // most subjects fit, so that only the result is allocated
	b := room[:0]
	for i := range t.parts {
		p := &t.parts[i]
		if p.name == "" {
			b = append(b, p.literal...)
			continue
		}
		value, err := p.value(v)
		if err != nil {
			return "", rejectf(ReasonUnsafeValue, "%s: %v", t.text, err)
		}
		b = append(b, value...)
	}
	subject := string(b)
	if len(subject) > maxSubject {
		return "", rejectf(ReasonUnsafeValue, "%s: the subject is longer than %d bytes", t.text, maxSubject)
	}
	if !t.literalFirst {
		for _, prefix := range reservedFirst {
			if strings.HasPrefix(subject, prefix) && !strings.HasPrefix(t.parts[0].literal, prefix) {
				return "", rejectf(ReasonUnsafeValue, "%s: a value makes a first token that begins with the reserved %s", t.text, prefix)
			}
		}
	}
	return subject, nil
}

func (p *part) value(v *values) (string, error) {
	var value string
	switch p.name {
	case "user":
		value = v.user
	case "username":
		value = v.username
	case "org":
		value = v.org
	case "role":
		value = v.role
	case "claim":
		value = v.claims[p.claim]
	}
	if value == "" {
		return "", fmt.Errorf("the token has no value for {%s}", p.label())
	}
	if len(value) > maxValue {
		return "", fmt.Errorf("the value of {%s} is longer than %d bytes", p.label(), maxValue)
	}
	for _, m := range p.mods {
		if m.b32 {
			value = b32.EncodeToString([]byte(value))
			continue
		}
		rest, ok := strings.CutPrefix(value, m.trim)
		if !ok {
			return "", fmt.Errorf("the value of {%s} does not start with %q", p.label(), m.trim)
		}
		value = rest
	}
	if !safeToken(value) {
		return "", fmt.Errorf("the value %q of {%s} is not one safe subject token", printable([]byte(value)), p.label())
	}
	return value, nil
}

func (p *part) label() string {
	if p.name == "claim" {
		return "claim:" + p.claim
	}
	return p.name
}

// safeToken tells whether s can stand in a subject as one token and nothing else: not
// empty, and without separators, wildcards, white space and control characters.
func safeToken(s string) bool {
	if s == "" {
		return false
	}
	for _, r := range s {
		switch {
		case r == '.' || r == '*' || r == '>':
			return false
		case r < utf8.RuneSelf:
			if r <= ' ' || r == 0x7f {
				return false
			}
		case r == utf8.RuneError, unicode.IsSpace(r), unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return false
		}
	}
	return true
}
