package keystore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
	"harmony-callout/provision/keystore/keystoretest"
)

var backend = keystoretest.Backend{
	New:  func(t *testing.T) string { return filepath.Join(t.TempDir(), "keys") },
	Open: func(place string) (provision.KeyStore, error) { return Open(place) },
}

// fullDisk is the environment variable by which the test binary becomes a process that may
// write files of ten bytes at most, and writes larger ones to the store that it names.
const fullDisk = "KEYSTORE_FULL_DISK"

func TestMain(m *testing.M) {
	if place := os.Getenv(fullDisk); place != "" {
		os.Exit(writeToFullDisk(place))
	}
	keystoretest.Main(m, backend)
}

func TestConformance(t *testing.T) { keystoretest.Run(t, backend) }

func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if err := s.Create(t.Context(), "a/b/key", secret.New("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.Replace(t.Context(), "a/b/other", secret.New("x")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"": 0o700, "a": 0o700, "a/b": 0o700, "a/b/key": 0o600, "a/b/other": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%q has mode %o, want %o", name, got, want)
		}
	}
	if at := s.Location("a/b/key"); at != filepath.Join(dir, "a/b/key") {
		t.Errorf("location is %q", at)
	}
}

func TestWhatKilledWritesLeftIsCleanedUp(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	dead, alive := filepath.Join(dir, "d", hidden+"dead"), filepath.Join(dir, "d", hidden+"alive")
	for _, name := range []string{dead, alive} {
		if err := os.WriteFile(name, []byte("half a k"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(alive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if _, err := os.Stat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a killed write left is still there: %v", err)
	}
	if _, err := os.Stat(alive); err != nil {
		t.Errorf("a write that goes on lost its file: %v", err)
	}
	if names, err := s.List(t.Context(), ""); err != nil || len(names) != 0 {
		t.Errorf("lists %q, %v, want nothing", names, err)
	}
}

func TestNoNameOrLinkLeadsOut(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "passwd"), []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if _, err := s.Get(t.Context(), "link/passwd"); err == nil || errors.Is(err, provision.ErrNoKey) {
		t.Errorf("reading through a link: %v, want that it is refused", err)
	}
	if err := s.Replace(t.Context(), "link/passwd", secret.New("ours")); err == nil {
		t.Error("writing through a link is not refused")
	}
}

func TestAFullDiskLeavesNothingHalf(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Create(t.Context(), "old", secret.New("old")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", fullDisk+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"create key new: ", "replace key old: ", "file too large"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the errors %q lack %q", out, want)
		}
	}
	var files []string
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, filepath.Base(path))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 || files[0] != "old" {
		t.Errorf("left are %q, want only the old key", files)
	}
	if key, err := s.Get(t.Context(), "old"); err != nil || key.Reveal() != "old" {
		t.Errorf("the old key is gone: %v", err)
	}
}

// writeToFullDisk uses the limit on the size of files in place of a disk that is full: both
// fail a write after its first bytes.
func writeToFullDisk(dir string) int {
	s, err := Open(dir)
	if err != nil {
		println(err.Error())
		return 1
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 10, Max: 10}); err != nil {
		println(err.Error())
		return 1
	}
	ctx, large := context.Background(), secret.New(strings.Repeat("k", 100))
	created, replaced := s.Create(ctx, "new", large), s.Replace(ctx, "old", large)
	if created == nil || replaced == nil {
		return 1
	}
	println(created.Error())
	println(replaced.Error())
	return 0
}

func TestTooLargeKeysAreRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Create(t.Context(), "k", secret.New(strings.Repeat("k", MaxSize+1))); err == nil {
		t.Error("a key above the limit is stored")
	}
	if err := os.WriteFile(filepath.Join(dir, "huge"), make([]byte, MaxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "huge"); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("reading a file above the limit: %v", err)
	}
}

func open(t *testing.T, dir string) *Dir {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
