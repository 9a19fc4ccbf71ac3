package ui

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"harmony-callout/provision"
)

// Styles of a terminal.
const (
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	red    = "\x1b[31m"
	dim    = "\x1b[2m"
	plain  = "\x1b[0m"
)

func (p *Printer) paint(text, style string) string {
	if !p.screen.color {
		return text
	}
	return style + text + plain
}

// printable keeps what a server or a file says from controlling the terminal. Our own
// styles pass.
func printable(text string) string {
	if !strings.ContainsFunc(text, unicode.IsControl) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		if style := leadingStyle(text); style != "" {
			b.WriteString(style)
			text = text[len(style):]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		if unicode.IsControl(r) {
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
		text = text[size:]
	}
	return b.String()
}

func leadingStyle(text string) string {
	for _, style := range []string{green, yellow, red, dim, plain} {
		if strings.HasPrefix(text, style) {
			return style
		}
	}
	return ""
}

// cut shortens a text without styles to a number of columns.
func cut(text string, columns int) string {
	runes := []rune(text)
	if len(runes) <= columns {
		return text
	}
	if columns < 1 {
		return ""
	}
	return string(runes[:columns-1]) + "…"
}

func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

func spinner(elapsed time.Duration) string {
	frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	return string(frames[int(elapsed/(100*time.Millisecond))%len(frames)])
}

// bar shows how much of a whole is done.
func bar(done, total int) string {
	const width = 16
	full := min(width*done/max(total, 1), width)
	return fmt.Sprintf("[%s%s] %d/%d", strings.Repeat("█", full), strings.Repeat("░", width-full), done, total)
}

// summary gathers the changes of a step by what was done to which kind.
type summary struct{ groups []*group }

type group struct {
	action provision.Action
	kind   string
	names  []string // the first
	count  int
}

// named is how many names of one group a summary has.
const named = 3

func (s *summary) add(c *provision.Change) {
	for _, g := range s.groups {
		if g.action == c.Action && g.kind == c.Kind {
			g.add(c.Name)
			return
		}
	}
	g := &group{action: c.Action, kind: c.Kind}
	g.add(c.Name)
	s.groups = append(s.groups, g)
}

func (g *group) add(name string) {
	if g.count++; len(g.names) < named {
		g.names = append(g.names, name)
	}
}

var past = map[provision.Action]string{
	provision.Create: "created", provision.Adopt: "adopted", provision.Update: "updated",
	provision.Delete: "deleted", provision.Restart: "restarted",
}

// String gives "created role sensor, operator; updated grant sensor-1".
func (s *summary) String() string {
	words := make([]string, len(s.groups))
	for i, g := range s.groups {
		words[i] = past[g.action] + " " + g.kind + " " + strings.Join(g.names, ", ")
		if more := g.count - len(g.names); more > 0 {
			words[i] += fmt.Sprintf(" and %d more", more)
		}
	}
	return strings.Join(words, "; ")
}
