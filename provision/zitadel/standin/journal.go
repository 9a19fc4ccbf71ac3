package standin

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// journal is the file that survives: one line for each change, checked by a CRC and appended
// in order. Changes that are made at the same time share one fsync, so that a thousand users
// with keys and grants cost as many writes to the disk as it takes to keep up, not three
// thousand. A line that a kill or a power cut left half written is not there at the next
// start: each change is kept whole or not at all.
//
// After a write has failed nothing is known of the file's end; the journal then refuses
// everything until it is opened again.
type journal struct {
	dir  string // empty: nothing is kept
	lock *os.File

	mu      sync.Mutex
	wake    *sync.Cond // pending, durable, err or closing changed
	file    *os.File
	pending bytes.Buffer
	queued  uint64 // number of the last change in pending
	durable uint64 // number of the last change on the disk
	err     error
	closing bool
	done    chan struct{}
}

const (
	journalFile = "journal.jsonl"
	lockFile    = "lock"
	crcDigits   = 8
)

var errDamaged = errors.New("the file is damaged")

// openJournal reads what is there, line by line, and is then ready to append. An empty
// directory name keeps nothing.
func openJournal(dir string, replay func(line []byte) error) (*journal, error) {
	j := &journal{dir: dir, done: make(chan struct{})}
	j.wake = sync.NewCond(&j.mu)
	if dir == "" {
		close(j.done)
		return j, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	var err error
	if j.lock, err = lockDir(dir); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	if err := j.open(replay); err != nil {
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), j.lock.Close())
	}
	go j.write()
	return j, nil
}

// lockDir makes sure that no other process writes there. The kernel lets go of the lock when
// the process ends, however it ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	// A plan or a status of a stopped system uses the directory for a moment.
	for end := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return nil, errors.Join(err, f.Close())
		case time.Now().After(end):
			return nil, errors.Join(fmt.Errorf("%s is in use by another process", dir), f.Close())
		}
	}
}

// lockPatience is how long the directory is waited for.
const lockPatience = 5 * time.Second

func (j *journal) open(replay func([]byte) error) error {
	path := filepath.Join(j.dir, journalFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	good, err := readLines(f, replay)
	if err == nil {
		err = f.Truncate(good)
	}
	if err == nil {
		_, err = f.Seek(good, io.SeekStart)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(j.dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	j.file = f
	return nil
}

// readLines replays whole lines and returns where the last of them ends. What comes after
// it may be a line that was never finished; a bad line before others is damage.
func readLines(r io.Reader, replay func([]byte) error) (good int64, err error) {
	in := bufio.NewReaderSize(r, 1<<20)
	for number := 1; ; number++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return good, nil // a line without its end was never finished
		}
		if err != nil {
			return good, err
		}
		body, ok := checkLine(line)
		if !ok {
			if _, err := in.Peek(1); errors.Is(err, io.EOF) {
				return good, nil
			}
			return good, fmt.Errorf("line %d: %w", number, errDamaged)
		}
		if err := replay(body); err != nil {
			return good, fmt.Errorf("line %d: %w", number, err)
		}
		good += int64(len(line))
	}
}

// formatLine frames one change: its CRC, a blank, the change, a line feed.
func formatLine(body []byte) []byte {
	return fmt.Appendf(nil, "%0*x %s\n", crcDigits, crc32.ChecksumIEEE(body), body)
}

func checkLine(line []byte) (body []byte, ok bool) {
	if len(line) < crcDigits+2 || line[crcDigits] != ' ' {
		return nil, false
	}
	body = line[crcDigits+1 : len(line)-1]
	return body, fmt.Sprintf("%0*x", crcDigits, crc32.ChecksumIEEE(body)) == string(line[:crcDigits])
}

// append queues a change and returns its number. It must be called in the order in which the
// changes were made.
func (j *journal) append(body []byte) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.err != nil:
		return 0, j.err
	case j.closing:
		return 0, os.ErrClosed
	}
	j.queued++
	if j.file == nil {
		j.durable = j.queued
		return j.queued, nil
	}
	j.pending.Write(formatLine(body))
	j.wake.Broadcast()
	return j.queued, nil
}

// wait returns once everything that was queued so far is on the disk.
func (j *journal) wait() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for want := j.queued; j.err == nil && j.durable < want; {
		j.wake.Wait()
	}
	return j.err
}

// write takes to the disk whatever has gathered meanwhile, again and again.
func (j *journal) write() {
	defer close(j.done)
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		for j.pending.Len() == 0 && !j.closing {
			j.wake.Wait()
		}
		if j.pending.Len() == 0 || j.err != nil {
			return
		}
		batch, number, file := bytes.Clone(j.pending.Bytes()), j.queued, j.file
		j.pending.Reset()
		j.mu.Unlock()
		_, err := file.Write(batch)
		if err == nil {
			err = file.Sync()
		}
		j.mu.Lock()
		if err != nil {
			j.err = fmt.Errorf("write journal: %w", err)
		} else {
			j.durable = number
		}
		j.wake.Broadcast()
	}
}

// rewrite replaces the file by these changes, or leaves it as it was.
func (j *journal) rewrite(bodies func(put func([]byte) error) error) error {
	if j.file == nil {
		return nil
	}
	path := filepath.Join(j.dir, journalFile)
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("rewrite journal: %w", err)
	}
	out := bufio.NewWriterSize(f, 1<<20)
	err = bodies(func(body []byte) error {
		_, err := out.Write(formatLine(body))
		return err
	})
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(j.dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("rewrite journal: %w", err), f.Close())
	}
	j.mu.Lock()
	former := j.file
	j.file = f
	j.mu.Unlock()
	return former.Close()
}

// close writes what is queued and lets others have the directory.
func (j *journal) close() error {
	j.mu.Lock()
	if j.closing {
		j.mu.Unlock()
		return nil
	}
	j.closing = true
	j.wake.Broadcast()
	j.mu.Unlock()
	<-j.done
	if j.file == nil {
		return nil
	}
	return errors.Join(j.err, j.file.Close(), j.lock.Close())
}

// syncDir makes a name in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
