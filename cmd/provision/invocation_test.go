package main

import "testing"

func TestAPathIsOneWordForAShell(t *testing.T) {
	for text, want := range map[string]string{
		"bin/provision":    "bin/provision",
		"/home/a b/state":  "'/home/a b/state'",
		"it's":             `'it'\''s'`,
		"$(rm -r x).yaml":  "'$(rm -r x).yaml'",
		"":                 "''",
		"/srv/über/x.yaml": "'/srv/über/x.yaml'",
	} {
		if got := shellWord(text); got != want {
			t.Errorf("shellWord(%q) = %s, want %s", text, got, want)
		}
	}
}
