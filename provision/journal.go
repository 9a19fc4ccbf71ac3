package provision

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"harmony-callout/internal/durable"
)

// entry is one line of the journal: a note, or without a record the end of one.
type entry struct {
	Seq    uint64  `json:"seq"`
	Kind   string  `json:"kind"`
	Name   string  `json:"name"`
	Record *Record `json:"record,omitempty"`
}

// journal is a file to which entries are added, one line and one fsync each.
type journal struct {
	path  string
	file  *os.File // nil until the first append
	size  int64    // of the whole lines; behind them may lie what a kill tore
	lines int
}

// read returns the entries. A last line without an end was torn by a kill before its note
// was acknowledged, or is just being written: it does not count.
func (j *journal) read() ([]entry, error) {
	data, err := readBounded(j.path, maxStateSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	var entries []entry
	for {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		if !whole {
			return entries, nil
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil || e.Seq == 0 {
			return nil, WithHint(fmt.Errorf("read state: %s: line %d is no note", j.path, len(entries)+1),
				"move the file away: what it noted is found again by its name")
		}
		entries = append(entries, e)
		j.size += int64(len(line)) + 1
		j.lines++
		data = rest
	}
}

// append writes an entry and waits until it is durable. Of one that failed nothing is left.
func (j *journal) append(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := j.open(); err != nil {
		return err
	}
	line = append(line, '\n')
	_, err = j.file.WriteAt(line, j.size)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return errors.Join(err, j.file.Truncate(j.size))
	}
	j.size += int64(len(line))
	j.lines++
	return nil
}

// open makes the file and its directory, and takes off what a kill tore.
func (j *journal) open() error {
	if j.file != nil {
		return nil
	}
	if err := durable.MkdirAll(filepath.Dir(j.path)); err != nil {
		return err
	}
	f, err := os.OpenFile(j.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(j.size), durable.SyncDir(filepath.Dir(j.path))); err != nil {
		return errors.Join(err, f.Close())
	}
	j.file = f
	return nil
}

// clear empties the journal.
func (j *journal) clear() error {
	if err := j.file.Truncate(0); err != nil {
		return fmt.Errorf("clear journal: %w", err)
	}
	j.size, j.lines = 0, 0
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("clear journal: %w", err)
	}
	return nil
}

func (j *journal) close() error {
	err := j.file.Close()
	j.file = nil
	return err
}
