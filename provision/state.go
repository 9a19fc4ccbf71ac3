package provision

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"harmony-callout/internal/durable"
)

const (
	stateFile   = "state.json"
	journalFile = "state.journal"

	// stateVersion is what this version writes. It reads all older ones: what a field that
	// they lack means is its zero value, and that is always the careful one. A record without
	// made, for instance, is never pruned.
	stateVersion = 1
	// maxStateSize bounds what is read, in bytes.
	maxStateSize = 64 << 20
	// compactAfter is the number of journal lines that are folded into the file: large, so
	// that thousands of notes cost one line each and not one file each.
	compactAfter = 4096
)

// State is the notes of one system in the directory of its target: the file state.json, and
// beside it state.journal with what was noted since, one line and one fsync each. Closing
// folds the journal into the file. Any number of processes may read; who writes holds the
// [Lock] of the directory.
type State struct {
	dir string

	mu      sync.Mutex
	notes   map[string]map[string]Record // kind → name
	seq     uint64                       // of the last entry in notes
	journal journal
	closed  bool
}

// stateContent is state.json.
type stateContent struct {
	Version int                          `json:"version"`
	Seq     uint64                       `json:"seq"` // journal entries up to it are folded in
	Notes   map[string]map[string]Record `json:"notes"`
}

// OpenState reads the notes in a directory. Nothing is created before the first write, so
// that there being no directory means that nothing is noted. A file of a newer version, and
// one that is no state, are errors that name the file.
func OpenState(dir string) (*State, error) {
	s := &State{dir: dir, notes: map[string]map[string]Record{}, journal: journal{path: filepath.Join(dir, journalFile)}}
	// The journal first: one that is folded in meanwhile is then in the file, whose seq says so.
	entries, err := s.journal.read()
	if err != nil {
		return nil, err
	}
	if err := s.readFile(filepath.Join(dir, stateFile)); err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Seq > s.seq {
			s.apply(e)
		}
	}
	return s, nil
}

func (s *State) readFile(path string) error {
	data, err := readBounded(path, maxStateSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	var content stateContent
	if err := json.Unmarshal(data, &content); err != nil || content.Notes == nil {
		if err == nil {
			err = errors.New("no notes in it")
		}
		return WithHint(fmt.Errorf("read state: %s is no state file: %w", path, err),
			"restore it from a backup, or move it away: what is wanted is then found again by its name, and nothing that exists is deleted")
	}
	if content.Version > stateVersion {
		return WithHint(fmt.Errorf("read state: %s has version %d, and this program knows versions up to %d", path, content.Version, stateVersion),
			"a newer provision wrote it: use that one or a later one")
	}
	s.seq = content.Seq
	for kind, names := range content.Notes {
		s.notes[kind] = map[string]Record{}
		maps.Copy(s.notes[kind], names)
	}
	return nil
}

// Note returns what is noted of a thing.
func (s *State) Note(kind, name string) (Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.notes[kind][name]
	return r, ok
}

// Noted returns the names that are noted of a kind, sorted.
func (s *State) Noted(kind string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.notes[kind]))
}

// SetNote notes a thing, durably. What is noted already in the same words is not written
// again, and keeps its time.
func (s *State) SetNote(kind, name string, r Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.notes[kind][name]
	r.At = old.At
	if ok && r == old {
		return nil
	}
	r.At = time.Now().UTC().Truncate(time.Second)
	return s.write(entry{Kind: kind, Name: name, Record: &r})
}

// DropNote forgets a thing, durably.
func (s *State) DropNote(kind, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.notes[kind][name]; !ok {
		return nil
	}
	return s.write(entry{Kind: kind, Name: name})
}

func (s *State) write(e entry) error {
	if s.closed { // somebody else may be writing by now
		return fmt.Errorf("note %s %s: the state is closed", e.Kind, e.Name)
	}
	e.Seq = s.seq + 1
	if err := s.journal.append(e); err != nil {
		return fmt.Errorf("note %s %s: %w", e.Kind, e.Name, err)
	}
	s.apply(e)
	if s.journal.lines >= compactAfter {
		return s.compact()
	}
	return nil
}

func (s *State) apply(e entry) {
	s.seq = e.Seq
	if e.Record == nil {
		delete(s.notes[e.Kind], e.Name)
		return
	}
	if s.notes[e.Kind] == nil {
		s.notes[e.Kind] = map[string]Record{}
	}
	s.notes[e.Kind][e.Name] = *e.Record
}

// compact folds the journal into the file. A kill between the two writes leaves a journal
// whose entries the file has already, which its seq tells.
func (s *State) compact() error {
	data, err := json.MarshalIndent(stateContent{Version: stateVersion, Seq: s.seq, Notes: s.notes}, "", " ")
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := durable.WriteFile(filepath.Join(s.dir, stateFile), append(data, '\n')); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return s.journal.clear()
}

// Close folds the journal into the file and closes it, before the lock is released. A state
// that only was read is not written. Nothing is lost where Close is never called.
func (s *State) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.journal.file == nil {
		return nil
	}
	return errors.Join(s.compact(), s.journal.close())
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var data bytes.Buffer
	if n, err := io.Copy(&data, io.LimitReader(f, limit+1)); err != nil {
		return nil, err
	} else if n > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data.Bytes(), nil
}
