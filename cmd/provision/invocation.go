package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// command is what a person types in another shell for a command on this system: this
// program as it was started, and the flags that lead here from wherever that shell is.
func (s *session) command(words ...string) string {
	line := program()
	for _, word := range words {
		line += " " + shellWord(word)
	}
	if s.cmd.Flags().Changed("file") {
		line += " --file " + shellWord(absolute(s.flags.file))
	}
	if s.cmd.Flags().Changed("state-dir") {
		line += " --state-dir " + shellWord(absolute(s.flags.stateDir))
	}
	return line
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// program is how this one was started. What go run has built is gone when it ends.
func program() string {
	if path, err := os.Executable(); err == nil && strings.Contains(path, "/go-build") {
		return "go run ./cmd/provision"
	}
	return shellWord(os.Args[0])
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// shellWord quotes a text for a shell where it needs to be.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
