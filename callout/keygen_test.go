package callout

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/nats-io/nkeys"
)

func TestGenerateKeysMakesThreeSeedsThatOnlyTheOwnerReads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "keys")
	keys, err := GenerateKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if mode := statFile(t, dir).Mode().Perm(); mode != 0o700 {
		t.Errorf("directory has mode %04o, want 0700", mode)
	}
	for _, want := range []struct {
		key    GeneratedKey
		file   string
		prefix nkeys.PrefixByte
	}{
		{keys.Account, "account.nk", nkeys.PrefixByteAccount},
		{keys.XKey, "xkey.nk", nkeys.PrefixByteCurve},
		{keys.Service, "service.nk", nkeys.PrefixByteUser},
	} {
		if path := filepath.Join(dir, want.file); want.key.Path != path || !want.key.Created {
			t.Errorf("key is %+v, want it created at %s", want.key, path)
		}
		if mode := statFile(t, want.key.Path).Mode(); mode != 0o600 {
			t.Errorf("%s has mode %v, want 0600", want.file, mode)
		}
		if got := nkeys.Prefix(want.key.Public); got != want.prefix {
			t.Errorf("%s: public key %s has prefix %v, want %v", want.file, want.key.Public, got, want.prefix)
		}
	}
	if got := namesIn(t, dir); len(got) != 3 {
		t.Errorf("directory holds %q, want the three seeds alone", got)
	}
}

func TestGenerateKeysKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	first, err := GenerateKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(first.XKey.Path); err != nil {
		t.Fatal(err)
	}
	// What a run that was killed while it wrote leaves behind.
	if err := os.WriteFile(filepath.Join(dir, unfinished+"123"), []byte("SX"), 0o600); err != nil {
		t.Fatal(err)
	}
	second, err := GenerateKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if second.Account.Created || second.Account.Public != first.Account.Public {
		t.Errorf("account key became %+v, was %+v", second.Account, first.Account)
	}
	if second.Service.Created || second.Service.Public != first.Service.Public {
		t.Errorf("service key became %+v, was %+v", second.Service, first.Service)
	}
	if !second.XKey.Created || second.XKey.Public == first.XKey.Public {
		t.Errorf("xkey is %+v, want a new one for %s", second.XKey, first.XKey.Public)
	}
	if got := namesIn(t, dir); len(got) != 3 {
		t.Errorf("directory holds %q, want the three seeds alone", got)
	}
}

func TestGenerateKeysByManyAtOnceAgreesOnOneSet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	var all [16]*GeneratedKeys
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			keys, err := GenerateKeys(dir)
			if err != nil {
				t.Error(err)
				return
			}
			all[i] = keys
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, keys := range all {
		if keys.Account.Public != all[0].Account.Public ||
			keys.XKey.Public != all[0].XKey.Public ||
			keys.Service.Public != all[0].Service.Public {
			t.Fatalf("one run has %+v, another %+v", keys, all[0])
		}
	}
	if got := namesIn(t, dir); len(got) != 3 {
		t.Errorf("directory holds %q, want the three seeds alone", got)
	}
}

func TestGenerateKeysRefusesAWrongFileAndLeavesItAlone(t *testing.T) {
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		make    func(path string) error
		wantErr string
	}{
		{"a seed of another kind", fileWith(seed, 0o600), "does not hold an account seed"},
		{"an empty file", fileWith(nil, 0o600), "does not hold an account seed"},
		{"a seed cut short", fileWith(seed[:40], 0o600), "does not hold an account seed"},
		{"a large file", fileWith(make([]byte, 1<<20), 0o600), "does not hold an account seed"},
		{"a seed that others may read", fileWith(seed, 0o644), "mode 0644"},
		{"a directory", func(path string) error { return os.Mkdir(path, 0o700) }, "not a regular file"},
		{"a named pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }, "not a regular file"},
		{"a link to nowhere", func(path string) error { return os.Symlink("nowhere", path) }, "file exists"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "account.nk")
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = GenerateKeys(dir)
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) || !strings.Contains(err.Error(), path) {
				t.Fatalf("error is %v, want one with %q that names %s", err, tt.wantErr, path)
			}
			if strings.Contains(err.Error(), string(seed[:20])) {
				t.Errorf("error shows the file's content: %v", err)
			}
			after, err := os.Lstat(path)
			if err != nil || !os.SameFile(before, after) || before.Size() != after.Size() {
				t.Errorf("file was touched: %v, %v", after, err)
			}
			if got := namesIn(t, dir); len(got) != 1 {
				t.Errorf("directory holds %q, want the wrong file alone", got)
			}
		})
	}
}

func TestGenerateKeysRefusesADirectoryThatEverybodyMayWriteTo(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if _, err := GenerateKeys(dir); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("error is %v, want one that says chmod 700", err)
	}
}

func TestGenerateKeysNamesADirectoryItCannotUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	dirs := map[string]string{"is a file": file, "lies below a file": filepath.Join(file, "keys")}
	if os.Geteuid() != 0 { // root may write everywhere
		dirs["is read-only"] = closed
	}
	for name, dir := range dirs {
		t.Run("a directory that "+name, func(t *testing.T) {
			if _, err := GenerateKeys(dir); err == nil || !strings.Contains(err.Error(), dir) {
				t.Errorf("error is %v, want one that names %s", err, dir)
			}
		})
	}
}

func fileWith(text []byte, mode fs.FileMode) func(string) error {
	return func(path string) error { return os.WriteFile(path, text, mode) }
}

func statFile(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
