package provision

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helpNotes notes numbers without end, and prints each that it was told is durable.
func helpNotes(dir string) error {
	s, err := OpenState(dir)
	if err != nil {
		return err
	}
	for i := len(s.Noted("n")); ; i++ {
		if err := s.SetNote("n", strconv.Itoa(i), Record{ID: strconv.Itoa(i)}); err != nil {
			return err
		}
		fmt.Println(i)
		if i%10 == 9 { // fold in now and then, for the kill to meet that too
			s.mu.Lock()
			err := s.compact()
			s.mu.Unlock()
			if err != nil {
				return err
			}
		}
	}
}

func TestAKillLosesNoNoteThatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	for range 15 {
		cmd := helperCommand("notes", dir)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for range 1 + rand.IntN(25) {
			if !lines.Scan() {
				t.Fatal("the helper has ended")
			}
		}
		time.Sleep(rand.N(2 * time.Millisecond))
		must(t, cmd.Process.Kill())
		last := 0
		for ok := true; ok; ok = lines.Scan() {
			if last, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatalf("the helper says %q", lines.Text())
			}
		}
		_ = cmd.Wait() // killed

		s := openState(t, dir)
		noted := s.Noted("n")
		if len(noted) != last+1 && len(noted) != last+2 {
			t.Fatalf("%d notes, but number %d was acknowledged", len(noted), last)
		}
		for i := range noted {
			if r, ok := s.Note("n", strconv.Itoa(i)); !ok || r.ID != strconv.Itoa(i) {
				t.Fatalf("note %d is %+v, %v", i, r, ok)
			}
		}
	}
}

// helpFull has the limit on the size of files stand for a full disk: a write fails after its
// first bytes.
func helpFull(dir string) error {
	s, err := OpenState(dir)
	if err != nil {
		return err
	}
	if err := s.SetNote("user", "first", Record{ID: "1"}); err != nil {
		return err
	}
	limit := uint64(s.journal.size) + 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	fmt.Println(s.SetNote("user", "second", Record{ID: "2"}))
	if _, ok := s.Note("user", "second"); ok {
		return fmt.Errorf("the note is there all the same")
	}
	fmt.Println(s.Close())
	return nil
}

func TestAFullDiskLeavesTheNotesThatThereWere(t *testing.T) {
	dir := t.TempDir()
	out, err := helperCommand("full", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"note user second: ", "write state: ", "file too large"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the errors %q lack %q", out, want)
		}
	}
	s := openState(t, dir)
	if names := s.Noted("user"); len(names) != 1 || names[0] != "first" {
		t.Errorf("noted are %q, want the first alone", names)
	}
	must(t, s.SetNote("user", "second", Record{ID: "2"}))
	if _, err := os.Stat(filepath.Join(dir, stateFile+".new")); err == nil {
		t.Error("half a file is left")
	}
}
