package callout

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadSecretFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode fs.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("plain", link); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path    string
		want          string
		warning, fail string
	}{
		{name: "a file with a line end gives what stands before it", path: write("plain", "seed\n", 0o600), want: "seed"},
		{name: "a Windows line end goes too", path: write("crlf", "seed\r\n", 0o400), want: "seed"},
		{name: "lines within stay", path: write("lines", "a\nb\n\n", 0o600), want: "a\nb"},
		{name: "a symbolic link is followed, as Kubernetes mounts secrets", path: link, want: "seed"},
		{name: "a file that its group may read gives a warning", path: write("group", "seed", 0o640), want: "seed", warning: "mode 0640"},
		{name: "a file that all may read gives a warning with the remedy", path: write("all", "seed", 0o604), want: "seed", warning: "chmod 600 "},
		{name: "a file at the limit is read", path: write("full", strings.Repeat("x", 64), 0o600), want: strings.Repeat("x", 64)},
		{name: "a file over the limit is refused", path: write("long", strings.Repeat("x", 65), 0o600), fail: "larger than 64 bytes"},
		{name: "an empty file is refused", path: write("empty", "\n", 0o600), fail: "the file is empty"},
		{name: "a missing file is refused", path: filepath.Join(dir, "missing"), fail: "correct the path"},
		{name: "a directory is refused", path: dir, fail: "is a directory"},
		{name: "a device is refused", path: os.DevNull, fail: "not a regular file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, warnings, err := readSecretFile(test.path, 64)
			if test.fail != "" {
				if err == nil || !strings.Contains(err.Error(), test.fail) || !strings.Contains(err.Error(), test.path) {
					t.Fatalf("got error %v, want one with %q and the path", err, test.fail)
				}
				return
			}
			if err != nil || s.Reveal() != test.want {
				t.Fatalf("got %q, %v", s.Reveal(), err)
			}
			if got := strings.Join(warnings, "\n"); (got != "") != (test.warning != "") || !strings.Contains(got, test.warning) {
				t.Errorf("got warnings %q, want %q", got, test.warning)
			}
		})
	}
	if _, _, err := readSecretFile(filepath.Join(dir, "missing"), 64); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want it to wrap fs.ErrNotExist", err)
	}
}
