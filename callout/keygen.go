package callout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"
)

// GeneratedKeys are the three keys of a callout in config mode.
type GeneratedKeys struct {
	Account GeneratedKey // account.nk: signs user JWTs and responses
	XKey    GeneratedKey // xkey.nk: opens requests and seals responses
	Service GeneratedKey // service.nk: logs the service in to NATS
}

// GeneratedKey is one key: where its seed lies, and its public half.
type GeneratedKey struct {
	Path    string
	Public  string
	Created bool // false: the file was there and was kept
}

// keyKind is a kind of nkey that [GenerateKeys] makes.
type keyKind struct {
	file   string
	name   string
	prefix nkeys.PrefixByte
	create func() (nkeys.KeyPair, error)
}

var (
	accountKind = keyKind{"account.nk", "an account seed", nkeys.PrefixByteAccount, nkeys.CreateAccount}
	xkeyKind    = keyKind{"xkey.nk", "an xkey seed", nkeys.PrefixByteCurve, nkeys.CreateCurveKeys}
	serviceKind = keyKind{"service.nk", "a user seed", nkeys.PrefixByteUser, nkeys.CreateUser}
)

const (
	maxSeedFile = 1 << 10    // bytes; a seed has 58
	unfinished  = ".keygen-" // begins the names of files that are being written
)

// GenerateKeys makes account.nk, xkey.nk and service.nk in dir, each readable by its owner
// alone, and makes dir when it is missing. It never overwrites: a file that holds a seed of
// the right kind is kept, so that repeating it is safe and completes a partial set, and any
// other file is an error that names it. A seed appears under its name whole and on disk, or
// not at all, wherever the program is stopped.
func GenerateKeys(dir string) (*GeneratedKeys, error) {
	if err := makeKeyDir(dir); err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	var keys GeneratedKeys
	for _, k := range []struct {
		kind keyKind
		key  *GeneratedKey
	}{{accountKind, &keys.Account}, {xkeyKind, &keys.XKey}, {serviceKind, &keys.Service}} {
		key, err := k.kind.ensure(dir)
		if err != nil {
			return nil, fmt.Errorf("make keys: %w", err)
		}
		*k.key = key
	}
	if err := removeUnfinished(dir); err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	return &keys, nil
}

func makeKeyDir(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		return syncDir(filepath.Dir(dir))
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	if info.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("everybody may write to %s (mode %04o) and replace a seed there: chmod 700 it, or choose another directory", dir, info.Mode().Perm())
	}
	return nil
}

// ensure returns the key that lies in dir, and makes it when there is none.
func (k keyKind) ensure(dir string) (GeneratedKey, error) {
	path := filepath.Join(dir, k.file)
	public, err := k.read(path)
	if err == nil {
		return GeneratedKey{Path: path, Public: public}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return GeneratedKey{}, err
	}
	public, err = k.write(path)
	if err == nil {
		return GeneratedKey{Path: path, Public: public, Created: true}, nil
	}
	// Another process may have put its key there in the meantime: then that one holds.
	if public, readErr := k.read(path); readErr == nil {
		return GeneratedKey{Path: path, Public: public}, nil
	}
	return GeneratedKey{}, err
}

// read returns the public half of the seed in path. Its errors never hold what the file does.
func (k keyKind) read(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() { // opening a named pipe would block
		return "", fmt.Errorf("%s is not a regular file: move it away", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s is open to others than its owner (mode %04o): chmod 600 it, or move it away if somebody may have read it", path, info.Mode().Perm())
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSeedFile))
	defer clear(text)
	if err != nil {
		return "", err
	}

	seed := bytes.TrimSpace(text)
	prefix, raw, err := nkeys.DecodeSeed(seed)
	clear(raw)
	if err != nil || prefix != k.prefix {
		return "", fmt.Errorf("%s does not hold %s: move it away, it is not overwritten", path, k.name)
	}
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	defer pair.Wipe()
	return pair.PublicKey()
}

// write makes a key and links its finished file to path: unlike a rename, a link fails where
// there is a file already.
func (k keyKind) write(path string) (public string, err error) {
	pair, err := k.create()
	if err != nil {
		return "", err
	}
	defer pair.Wipe()
	public, err = pair.PublicKey()
	if err != nil {
		return "", err
	}
	seed, err := pair.Seed()
	if err != nil {
		return "", err
	}
	text := append(slices.Clip(seed), '\n')
	defer clear(seed)
	defer clear(text)

	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, unfinished+"*") // mode 0600
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	return public, err
}

// removeUnfinished deletes what a run that was stopped left behind. It comes last: another
// run that loses its file to it finds every key in place.
func removeUnfinished(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), unfinished) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
