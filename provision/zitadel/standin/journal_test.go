package standin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func readJournal(t *testing.T, dir string) (*journal, []string) {
	t.Helper()
	var lines []string
	j, err := openJournal(dir, func(line []byte) error {
		lines = append(lines, string(line))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return j, lines
}

func writeJournal(t *testing.T, dir string, lines ...string) {
	t.Helper()
	j, _ := readJournal(t, dir)
	for _, line := range lines {
		if _, err := j.append([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.wait(); err != nil {
		t.Fatal(err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
}

func TestAJournalCutAnywhereHoldsWholeChangesOnly(t *testing.T) {
	lines := []string{`{"a":1}`, `{"b":"two"}`, `{"c":[3]}`}
	dir := t.TempDir()
	writeJournal(t, dir, lines...)
	whole, err := os.ReadFile(filepath.Join(dir, journalFile))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) + 1 {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalFile), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		want := lines[:strings.Count(string(whole[:cut]), "\n")]
		j, got := readJournal(t, dir)
		if !slices.Equal(got, want) {
			t.Fatalf("cut at byte %d: got %q, want %q", cut, got, want)
		}
		if err := j.close(); err != nil {
			t.Fatal(err)
		}
		writeJournal(t, dir, `{"after":true}`)
		if j, got = readJournal(t, dir); len(got) != len(want)+1 {
			t.Fatalf("cut at byte %d: after another change: %q", cut, got)
		}
		if err := j.close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALastLineOfGarbageIsNoDamageButOneInTheMiddleIs(t *testing.T) {
	for name, tc := range map[string]struct {
		corrupt func([]byte) []byte
		damaged bool
	}{
		"zeros where the last line was": {func(b []byte) []byte {
			clear(b[len(b)-5 : len(b)-1])
			return b
		}, false},
		"a bit in the first line": {func(b []byte) []byte {
			b[crcDigits+3] ^= 1
			return b
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeJournal(t, dir, `{"a":1}`, `{"b":2}`)
			path := filepath.Join(dir, journalFile)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, tc.corrupt(data), 0o600); err != nil {
				t.Fatal(err)
			}
			j, err := openJournal(dir, func([]byte) error { return nil })
			if errors.Is(err, errDamaged) != tc.damaged {
				t.Fatalf("error %v, want damage: %v", err, tc.damaged)
			}
			if err == nil {
				if err := j.close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestADirectoryIsUsedByOneAtATime(t *testing.T) {
	dir := t.TempDir()
	first, _ := readJournal(t, dir)
	if _, err := openJournal(dir, nil); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("a second one: %v", err)
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	again, _ := readJournal(t, dir)
	if err := again.close(); err != nil {
		t.Fatal(err)
	}
}

func TestChangesOfManyAreAllThereInOrder(t *testing.T) {
	dir := t.TempDir()
	j, _ := readJournal(t, dir)
	var wg sync.WaitGroup
	for writer := range 8 {
		wg.Go(func() {
			for n := range 50 {
				if _, err := j.append(fmt.Appendf(nil, `"%d %03d"`, writer, n)); err != nil {
					t.Error(err)
				}
				if err := j.wait(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	j, got := readJournal(t, dir)
	defer func() { _ = j.close() }()
	if len(got) != 400 {
		t.Fatalf("%d changes, want 400", len(got))
	}
	for writer := range 8 {
		prefix := fmt.Sprintf(`"%d `, writer)
		mine := slices.DeleteFunc(slices.Clone(got), func(line string) bool { return !strings.HasPrefix(line, prefix) })
		if !slices.IsSorted(mine) {
			t.Errorf("writer %d: out of order", writer)
		}
	}
}

func TestAFailedWriteRefusesEverythingAfterIt(t *testing.T) {
	j, _ := readJournal(t, t.TempDir())
	if err := j.file.Close(); err != nil { // as a full disk would: the next write fails
		t.Fatal(err)
	}
	if _, err := j.append([]byte(`1`)); err != nil {
		t.Fatal(err)
	}
	if err := j.wait(); err == nil {
		t.Fatal("a change that was not written counts as kept")
	}
	if _, err := j.append([]byte(`2`)); err == nil {
		t.Fatal("another change was taken")
	}
}
