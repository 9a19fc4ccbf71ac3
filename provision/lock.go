package provision

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"harmony-callout/internal/durable"
)

// Lock is held by the one process that may change something: what the directory's system
// is, or, under a second name, what it serves. The kernel releases it when the process ends,
// however it ends; the file says whose it is.
type Lock struct{ file *os.File }

// LockedError says that somebody else holds a lock.
type LockedError struct {
	Path  string
	Owner Owner // the zero Owner: not written yet
	// Elsewhere: the owner is on another host, where nobody can look whether it still runs.
	// [TakeLock] is for a person who knows that it does not.
	Elsewhere bool
}

func (e *LockedError) Error() string {
	if e.Owner == (Owner{}) {
		return fmt.Sprintf("lock %s: another process is taking it", e.Path)
	}
	return fmt.Sprintf("lock %s: %s", e.Path, e.Owner)
}

// AcquireLock takes the lock that is a file of the name in the directory, for what the
// command says. Somebody else holding it is a *LockedError. A lock whose process is gone, or
// whose process id now belongs to a process that started at another time, is taken over.
func AcquireLock(dir, name, command string) (*Lock, error) {
	return acquire(dir, name, command, false)
}

// TakeLock is [AcquireLock] that also takes a lock over from another host.
func TakeLock(dir, name, command string) (*Lock, error) {
	return acquire(dir, name, command, true)
}

func acquire(dir, name, command string, fromElsewhere bool) (*Lock, error) {
	path := filepath.Join(dir, name)
	if err := durable.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := flock(f); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, locked(path, readOwner(f), false)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// It is ours, as far as this kernel knows. What is written there is of a process that
	// ended without release, or of a host whose locks this file system does not show.
	me, owner := self(command), readOwner(f)
	switch {
	case owner == Owner{}:
	case owner.Host != me.Host && !fromElsewhere:
		return nil, errors.Join(locked(path, owner, true), f.Close())
	case owner.Host == me.Host && owner.runs() && !owner.same(me):
		return nil, errors.Join(locked(path, owner, false), f.Close())
	}
	if err := writeOwner(f, me); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return &Lock{file: f}, nil
}

// flock tries for a moment: [LockOwner] holds a lock for as long as it looks at it.
func flock(f *os.File) error {
	for attempt := 1; ; attempt++ {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) || attempt == 10 {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func locked(path string, owner Owner, elsewhere bool) error {
	hint := "wait until it is done, or end it: it finishes the change in hand first"
	if elsewhere {
		hint = "if it no longer runs there, repeat with --yes"
	}
	return WithHint(&LockedError{Path: path, Owner: owner, Elsewhere: elsewhere}, hint)
}

// LockOwner returns who holds a lock; false where nobody does.
func LockOwner(dir, name string) (Owner, bool) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return Owner{}, false
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return readOwner(f), true
	}
	owner := readOwner(f)
	return owner, owner != (Owner{}) && (owner.Host != hostname() || owner.runs() && owner.PID != os.Getpid())
}

// Release gives the lock back. The file stays: taking it away could take it from the next.
func (l *Lock) Release() error {
	// Closing does not unlock while a program that is being started still has the descriptor.
	if err := errors.Join(l.file.Truncate(0), syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN), l.file.Close()); err != nil {
		return fmt.Errorf("release lock: %w", err)
	}
	return nil
}

// LockHeld returns who holds a lock right now, as this kernel knows. It is for what only a
// process of this host can do; what the file says of others is of the past.
func LockHeld(dir, name string) (Owner, bool) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return Owner{}, false
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
		return Owner{}, false
	}
	return readOwner(f), true
}

func writeOwner(f *os.File, o Owner) error {
	data, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(data, '\n'), 0)
	return err
}

// readOwner returns the zero Owner where none is written, or not yet to its end.
func readOwner(f *os.File) Owner {
	data := make([]byte, 4096)
	n, _ := f.ReadAt(data, 0) // io.EOF: the file is shorter, as it should be
	var o Owner
	if json.Unmarshal(data[:n], &o) != nil {
		return Owner{}
	}
	o.Since = o.Since.Round(time.Second)
	return o
}
