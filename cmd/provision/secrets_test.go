package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// jwtText begins every JWT that has a header and claims.
var jwtText = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}\.eyJ`)

// secretless wants none of the secrets of a state directory, nor any token, in files:
// secretless DIR FILE...
func secretless(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: secretless DIR FILE...")
	}
	secrets := secretsIn(ts, ts.MkAbs(args[0]))
	if len(secrets) < 10 {
		ts.Fatalf("%s holds only %d secrets", args[0], len(secrets))
	}
	for _, name := range args[1:] {
		text := ts.ReadFile(name)
		for secret, file := range secrets {
			if strings.Contains(text, secret) {
				ts.Fatalf("%s shows a secret of %s", name, file)
			}
		}
		if jwtText.MatchString(text) {
			ts.Fatalf("%s shows a token", name)
		}
	}
}

// secretsIn returns the lines of all seeds, private keys and tokens below a directory, and
// the files that hold them.
func secretsIn(ts *testscript.TestScript, dir string) map[string]string {
	secrets := map[string]string{}
	ts.Check(filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		text := string(data)
		switch filepath.Ext(path) {
		case ".nk", ".pat":
		case ".json":
			var file struct{ Key string }
			if filepath.Base(path) != "key.json" || json.Unmarshal(data, &file) != nil {
				return err
			}
			text = file.Key
		default:
			return err
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); len(line) > 20 && !strings.HasPrefix(line, "-----") {
				secrets[line] = path
			}
		}
		return err
	}))
	return secrets
}

// private wants that nobody else can read what is in a directory: private DIR.
func private(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: private DIR")
	}
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			ts.Logf("%s has mode %o, want %o", path, got, want)
			ts.Fatalf("%s is not private", args[0])
		}
		return nil
	}))
}
