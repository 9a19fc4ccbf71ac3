// Package ui shows what a run does: to people, on a terminal or in a log, and to programs.
//
// A [Screen] stands before standard output and standard error, so that the one line that
// changes while a step runs never mixes with what is logged or printed meanwhile. A
// [Printer] turns the events of a run into lines on it; [JSON] writes them one object a line.
//
// The rules: the live line and colours are for terminals alone, and NO_COLOR takes the
// colours away. Elsewhere a step has at most two lines, one when it begins to do something
// and one when it has ended. A thousand changes are counted, not listed.
package ui

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

const clearLine = "\r\x1b[K"

// Screen is the two output streams and the live line below what they have written.
type Screen struct {
	mu     sync.Mutex
	stdout io.Writer
	stderr io.Writer
	width  func() int // in columns; nil: no terminal
	color  bool

	live  string
	drawn bool
}

// NewScreen looks whether stdout is a terminal, and at the environment for NO_COLOR and TERM.
func NewScreen(stdout, stderr io.Writer, environ []string) *Screen {
	s := &Screen{stdout: stdout, stderr: stderr}
	f, ok := stdout.(*os.File)
	if !ok || columns(f) == 0 || lookup(environ, "TERM") == "dumb" {
		return s
	}
	s.width = func() int { return columns(f) }
	s.color = lookup(environ, "NO_COLOR") == ""
	return s
}

// Terminal tells whether there is a live line.
func (s *Screen) Terminal() bool { return s.width != nil }

// Stdout writes to standard output, around the live line.
func (s *Screen) Stdout() io.Writer { return &stream{s, s.stdout} }

// Stderr writes to standard error, around the live line.
func (s *Screen) Stderr() io.Writer { return &stream{s, s.stderr} }

// SetLive shows a text as the live line, cut to the terminal's width; "" takes it away.
func (s *Screen) SetLive(text string) {
	if s.width == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = text
	s.draw()
}

// draw replaces the line that is drawn. What a terminal does not take is lost to nobody.
func (s *Screen) draw() {
	line := ""
	if s.drawn {
		line = clearLine
	}
	if s.drawn = s.live != ""; s.drawn {
		line = clearLine + cut(s.live, s.width()-1) // in the last column some terminals wrap
	}
	if line != "" {
		_, _ = io.WriteString(s.stdout, line)
	}
}

// stream is one of the two.
type stream struct {
	screen *Screen
	to     io.Writer
}

func (w *stream) Write(p []byte) (int, error) {
	s := w.screen
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drawn {
		if _, err := io.WriteString(s.stdout, clearLine); err != nil {
			return 0, err
		}
		s.drawn = false
	}
	n, err := w.to.Write(p)
	if s.live != "" && bytes.HasSuffix(p, []byte("\n")) {
		s.draw()
	}
	return n, err
}

// columns is the width of a terminal; 0 where the file is none.
func columns(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	switch {
	case err != nil:
		return 0
	case size.Col == 0: // not told, as on some serial lines
		return 80
	default:
		return int(size.Col)
	}
}

// lookup finds the first value of a variable, as getenv does.
func lookup(environ []string, name string) string {
	i := slices.IndexFunc(environ, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
	if i < 0 {
		return ""
	}
	return environ[i][len(name)+1:]
}
