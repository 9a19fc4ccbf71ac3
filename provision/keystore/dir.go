// Package keystore keeps keys in files: the [provision.KeyStore] of one machine.
//
// A [Dir] is a directory (0700) with one file (0600) for each key, under the key's own name.
// A key is written to a hidden file beside its place, synced, and then given its name, so
// that a kill at any instant leaves the old key or the new one, and never half of one. What
// such a kill leaves of hidden files is cleaned up by the next that opens the directory.
//
// Package keystoretest holds the promises that every key store keeps, and the tests of them.
package keystore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"harmony-callout/internal/durable"
	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// MaxSize is the largest key that is stored, in bytes.
const MaxSize = 1 << 20

// Dir is a key store in a directory. Any number of goroutines and processes may use it.
type Dir struct {
	path string

	mu   sync.Mutex
	root *os.Root // nothing outside is reached, by no name and by no link; nil: no directory yet

	synced sync.Map // of the directories that are known to be durable
}

var _ provision.KeyStore = (*Dir)(nil)

// Open opens the store in a directory, and takes from everybody else what the directory's
// mode gave them. Where there is none the store is empty, and the first write makes it.
func Open(dir string) (*Dir, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open key store: %w", err)
	}
	d := &Dir{path: dir}
	if _, err := d.directory(false); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open key store: %w", err)
	}
	return d, nil
}

// directory opens the directory, which it makes if it is to be written. The error is
// fs.ErrNotExist where there is none.
func (d *Dir) directory(write bool) (*os.Root, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root != nil {
		return d.root, nil
	}
	if write {
		if err := durable.MkdirAll(d.path); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return nil, err
	}
	err = root.Chmod(".", 0o700)
	if err == nil {
		err = clean(root)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	d.root = root
	return root, nil
}

// Close lets go of the directory.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root == nil {
		return nil
	}
	return d.root.Close()
}

// Location returns the path of a key's file.
func (d *Dir) Location(name string) string {
	return filepath.Join(d.path, filepath.FromSlash(name))
}

// Get returns a key, or an error that is [provision.ErrNoKey].
func (d *Dir) Get(ctx context.Context, name string) (secret.Text, error) {
	if err := ready(ctx, "get", name); err != nil {
		return secret.Text{}, err
	}
	f, err := d.openKey(name)
	if errors.Is(err, fs.ErrNotExist) {
		return secret.Text{}, fmt.Errorf("get key %s: %w in %s", name, provision.ErrNoKey, d.path)
	}
	if err != nil {
		return secret.Text{}, fmt.Errorf("get key %s: %w", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	switch {
	case err != nil:
		return secret.Text{}, fmt.Errorf("get key %s: %w", name, err)
	case len(data) > MaxSize:
		return secret.Text{}, fmt.Errorf("get key %s: %s is larger than %d bytes", name, d.Location(name), MaxSize)
	}
	return secret.New(string(data)), nil
}

func (d *Dir) openKey(name string) (*os.File, error) {
	root, err := d.directory(false)
	if err != nil {
		return nil, err
	}
	return root.Open(name)
}

// Create stores a key under a name that is free, or returns an error that is
// [provision.ErrKeyExists].
func (d *Dir) Create(ctx context.Context, name string, key secret.Text) error {
	if err := ready(ctx, "create", name); err != nil {
		return err
	}
	// A link, since it fails where the name is taken, and renaming would not.
	if err := d.write(name, key, (*os.Root).Link); err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = provision.ErrKeyExists
		}
		return fmt.Errorf("create key %s: %w", name, err)
	}
	return nil
}

// Replace stores a key under a name that may be taken.
func (d *Dir) Replace(ctx context.Context, name string, key secret.Text) error {
	if err := ready(ctx, "replace", name); err != nil {
		return err
	}
	if err := d.write(name, key, (*os.Root).Rename); err != nil {
		return fmt.Errorf("replace key %s: %w", name, err)
	}
	return nil
}

// Delete removes a key; there being none is no error.
func (d *Dir) Delete(ctx context.Context, name string) error {
	if err := ready(ctx, "delete", name); err != nil {
		return err
	}
	root, err := d.directory(false)
	if err == nil {
		err = root.Remove(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(root, path.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("delete key %s: %w", name, err)
	}
	return nil
}

// List returns the names that begin with a prefix, sorted.
func (d *Dir) List(ctx context.Context, prefix string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	root, err := d.directory(false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	var names []string
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist): // deleted, or given its name, meanwhile
			return nil
		case err != nil:
			return err
		case entry.Type().IsRegular() && strings.HasPrefix(name, prefix) && ValidName(name) == nil:
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

// ready checks what every method needs.
func ready(ctx context.Context, operation, name string) error {
	if err := errors.Join(ctx.Err(), ValidName(name)); err != nil {
		return fmt.Errorf("%s key: %w", operation, err)
	}
	return nil
}
