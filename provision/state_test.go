package provision

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func openState(t *testing.T, dir string) *State {
	t.Helper()
	s, err := OpenState(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestNotesAreThereAfterOpeningAgain(t *testing.T) {
	for name, end := range map[string]func(*State) error{
		"after closing": (*State).Close,
		"after a kill":  func(*State) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "name", "local")
			s := openState(t, dir)
			if _, err := os.Stat(dir); err == nil {
				t.Error("reading made the directory")
			}
			must(t, s.SetNote("user", "sensor-1", Record{ID: "7", Made: true}))
			must(t, s.SetNote("user", "gone", Record{ID: "8"}))
			must(t, s.SetNote("key", "sensor-1", Record{ID: "9", Digest: "sha256:x"}))
			must(t, s.DropNote("user", "gone"))
			must(t, s.DropNote("user", "never there"))
			must(t, end(s))

			s = openState(t, dir)
			r, ok := s.Note("user", "sensor-1")
			if !ok || r.ID != "7" || !r.Made || time.Since(r.At) > time.Minute {
				t.Errorf("got %+v, %v", r, ok)
			}
			if names := s.Noted("user"); !reflect.DeepEqual(names, []string{"sensor-1"}) {
				t.Errorf("users %q", names)
			}
			if names := s.Noted("nothing"); len(names) != 0 {
				t.Errorf("nothing is noted as %q", names)
			}
			must(t, s.SetNote("user", "two", Record{ID: "2"})) // goes on where the last one ended
			must(t, s.Close())
			if _, ok := openState(t, dir).Note("key", "sensor-1"); !ok {
				t.Error("a note is lost")
			}
		})
	}
}

func TestANoteInTheSameWordsIsNotWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	s := openState(t, dir)
	must(t, s.SetNote("user", "a", Record{ID: "7"}))
	before, err := os.ReadFile(filepath.Join(dir, journalFile))
	must(t, err)
	must(t, s.SetNote("user", "a", Record{ID: "7"}))
	after, err := os.ReadFile(filepath.Join(dir, journalFile))
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Errorf("the journal grew to %s", after)
	}
}

func TestStateFilesAreTheOwnersAloneAndTakeNothingAfterClose(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	s := openState(t, dir)
	must(t, s.SetNote("user", "a", Record{ID: "7"}))
	must(t, s.Close())
	for name, want := range map[string]os.FileMode{"": 0o700, stateFile: 0o600, journalFile: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if info.Mode().Perm() != want {
			t.Errorf("%q has mode %o, want %o", name, info.Mode().Perm(), want)
		}
	}
	if err := s.SetNote("user", "b", Record{}); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a note after close: %v", err)
	}
}

func TestStateOfOtherVersions(t *testing.T) {
	tests := []struct {
		name, file, journal string
		want                Record
		err, hint           string
	}{
		{"an older one that lacks fields", `{"notes":{"user":{"a":{"id":"7"}}}}`, "", Record{ID: "7"}, "", ""},
		{"a newer one", `{"version":99,"notes":{}}`, "", Record{}, "has version 99, and this program knows versions up to 1", "a newer provision wrote it"},
		{"garbage", `{"notes":`, "", Record{}, "state.json is no state file: unexpected end of JSON input", "restore it from a backup"},
		{"an empty file", ``, "", Record{}, "is no state file", "restore it"},
		{"other JSON", `{"users":[]}`, "", Record{}, "no notes in it", "restore it"},
		{"a journal alone", "", `{"seq":1,"kind":"user","name":"a","record":{"id":"7"}}` + "\n", Record{ID: "7"}, "", ""},
		{"a journal with a torn end", "", `{"seq":1,"kind":"user","name":"a","record":{"id":"7"}}` + "\n" + `{"seq":2,"ki`, Record{ID: "7"}, "", ""},
		{"a journal that was folded in, and not yet cleared", `{"version":1,"seq":2,"notes":{"user":{"a":{"id":"8"}}}}`, `{"seq":1,"kind":"user","name":"a","record":{"id":"7"}}` + "\n", Record{ID: "8"}, "", ""},
		{"a journal of garbage", "", "what\n", Record{}, "state.journal: line 1 is no note", "move the file away"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if tt.file != "" || tt.journal == "" {
				must(t, os.WriteFile(filepath.Join(dir, stateFile), []byte(tt.file), 0o600))
			}
			if tt.journal != "" {
				must(t, os.WriteFile(filepath.Join(dir, journalFile), []byte(tt.journal), 0o600))
			}
			s, err := OpenState(dir)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(HintOf(err), tt.hint) {
					t.Fatalf("error %v, hint %q", err, HintOf(err))
				}
				return
			}
			must(t, err)
			if r, _ := s.Note("user", "a"); r != tt.want {
				t.Errorf("got %+v, want %+v", r, tt.want)
			}
			must(t, s.SetNote("user", "b", Record{ID: "9"}))
			must(t, s.Close())
			var written stateContent
			data, err := os.ReadFile(filepath.Join(dir, stateFile))
			must(t, err)
			must(t, json.Unmarshal(data, &written))
			if written.Version != stateVersion || len(written.Notes["user"]) != 2 {
				t.Errorf("it is written as %s", data)
			}
		})
	}
}

func TestManyNotesAtOnceCostALineEach(t *testing.T) {
	dir := t.TempDir()
	s := openState(t, dir)
	const writers, each = 8, 50
	s.journal.lines = compactAfter - writers*each/2 // to be folded in half-way
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if err := s.SetNote("user", fmt.Sprint(w, "-", i), Record{ID: "1"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	info, err := os.Stat(filepath.Join(dir, journalFile))
	must(t, err)
	if info.Size() == 0 || info.Size() > 200*writers*each/2 {
		t.Errorf("the journal has %d bytes", info.Size())
	}
	for name, s := range map[string]*State{"before closing": openState(t, dir), "at the writer": s} {
		if n := len(s.Noted("user")); n != writers*each {
			t.Errorf("%s: %d notes, want %d", name, n, writers*each)
		}
	}
}

func BenchmarkSetNote(b *testing.B) {
	s, err := OpenState(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if err := s.SetNote("user", strconv.Itoa(i), Record{ID: "400888114106661377"}); err != nil {
			b.Fatal(err)
		}
	}
}

// helperMode makes the test binary a process that holds a lock, writes notes without end, or
// finds the disk full; helperDir is the directory that it does it in.
const helperMode, helperDir = "PROVISION_TEST_HELPER", "PROVISION_TEST_DIR"

func TestMain(m *testing.M) {
	mode, dir := os.Getenv(helperMode), os.Getenv(helperDir)
	if mode == "" {
		os.Exit(m.Run())
	}
	if err := map[string]func(string) error{"lock": helpLock, "notes": helpNotes, "full": helpFull}[mode](dir); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

func helperCommand(mode, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", helperMode+"="+mode, helperDir+"="+dir)
	return cmd
}
