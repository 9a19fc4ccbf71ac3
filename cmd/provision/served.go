package main

import (
	"bytes"
	"os"
	"path/filepath"

	"harmony-callout/internal/durable"
	"harmony-callout/provision"
)

// servedFile is the copy of the configuration that lies beside the state, for commands that
// are typed elsewhere than where up was.
const servedFile = "provision.yaml"

// keepConfig keeps the configuration of an up.
func (s *session) keepConfig() error {
	path := filepath.Join(s.dir, servedFile)
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, s.text) {
		return nil
	}
	return durable.WriteFile(path, s.text)
}

// servedConfig is the configuration of the one system that is being served, for a command
// that names none and finds none where it was typed; empty where there is none, or several.
func (s *session) servedConfig() string {
	if _, err := os.Stat(provision.DefaultFile); err == nil {
		return ""
	}
	var found []string
	for name, t := range targets() {
		dirs, err := filepath.Glob(provision.SystemDir(s.flags.stateDir, "*", name))
		if err != nil {
			continue
		}
		for _, dir := range dirs {
			path := filepath.Join(dir, servedFile)
			if _, serving := t.Serving(dir); !serving {
				continue
			}
			if _, err := os.Stat(path); err == nil {
				found = append(found, path)
			}
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}
