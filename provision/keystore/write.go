package keystore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"harmony-callout/internal/secret"
)

// hidden begins the names of files that are being written.
const hidden = ".new-"

// write puts a key into a hidden file, syncs it, and has publish give it its name. When it
// fails nothing is left of it.
func (d *Dir) write(name string, key secret.Text, publish func(dir *os.Root, from, to string) error) (err error) {
	data := key.Reveal()
	if len(data) > MaxSize {
		return fmt.Errorf("larger than %d bytes", MaxSize)
	}
	root, err := d.directory(true)
	if err != nil {
		return err
	}
	dir := path.Dir(name)
	if err := d.makeDir(root, dir); err != nil {
		return err
	}
	f, temp, err := hiddenFile(root, dir)
	if err != nil {
		return err
	}
	defer func() {
		// After a rename there is none to remove; after a failure there had better be none.
		if rest := root.Remove(temp); rest != nil && !errors.Is(rest, fs.ErrNotExist) {
			err = errors.Join(err, rest)
		}
		// Closed last: the file is locked until it is gone, so that nobody cleans it up.
		err = errors.Join(err, f.Close())
	}()
	if _, err := f.WriteString(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := publish(root, temp, name); err != nil {
		return err
	}
	return syncDir(root, dir)
}

// hiddenFile makes a file that is locked while its writer lives. Whoever cleans up may be
// faster than the lock; then the file is gone and another is made.
func hiddenFile(root *os.Root, dir string) (*os.File, string, error) {
	for {
		name := path.Join(dir, hidden+rand.Text())
		f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, "", err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			return nil, "", errors.Join(err, root.Remove(name), f.Close())
		}
		_, err = root.Lstat(name)
		if err == nil {
			return f, name, nil
		}
		if closed := f.Close(); closed != nil || !errors.Is(err, fs.ErrNotExist) {
			return nil, "", errors.Join(err, closed)
		}
	}
}

// clean removes the hidden files whose writers were killed.
func clean(root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.Type().IsRegular() || !strings.HasPrefix(entry.Name(), hidden) {
			return err
		}
		f, err := root.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer f.Close()
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			return nil // its writer lives
		}
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// makeDir makes a directory and its parents, durably. One that is there already may have
// been made by a writer that had no time to sync it, so that each is synced once by us too.
func (d *Dir) makeDir(root *os.Root, dir string) error {
	if _, synced := d.synced.Load(dir); synced || dir == "." {
		return nil
	}
	parent := path.Dir(dir)
	if err := d.makeDir(root, parent); err != nil {
		return err
	}
	if err := root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := syncDir(root, parent); err != nil {
		return err
	}
	d.synced.Store(dir, true)
	return nil
}

// syncDir makes the names in a directory durable.
func syncDir(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
