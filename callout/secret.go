package callout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"harmony-callout/internal/secret"
)

// Secret holds a seed, password or key file and never prints it.
type Secret = secret.Text

// NewSecret returns a Secret that holds the text.
func NewSecret(text string) Secret { return secret.New(text) }

// readSecretFile reads a file of at most limit bytes that holds a secret, without the line
// end that editors leave behind it. A file that others than its owner may read gives a
// warning and is read all the same: a mounted Kubernetes Secret is often readable by its
// group. Errors name the path and what to do, never the content.
func readSecretFile(path string, limit int64) (Secret, []string, error) {
	data, mode, err := readRegular(path, limit)
	if err != nil {
		return Secret{}, nil, fmt.Errorf("read secret file %s: %w", path, err)
	}
	defer clear(data)
	content := bytes.TrimRight(data, "\r\n")
	if len(content) == 0 {
		return Secret{}, nil, fmt.Errorf("read secret file %s: the file is empty: put the secret into it", path)
	}
	var warnings []string
	if mode.Perm()&0o077 != 0 {
		warnings = append(warnings, fmt.Sprintf("%s has mode %04o, so others than its owner may use it: chmod 600 %s", path, mode.Perm(), path))
	}
	return NewSecret(string(content)), warnings, nil
}

// readRegular reads a whole regular file. Anything else is refused before it is opened:
// opening a pipe would wait for its writer.
func readRegular(path string, limit int64) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, fmt.Errorf("%w: correct the path, which starts at the configuration's directory, or make the file", fs.ErrNotExist)
	case err != nil:
		return nil, 0, withoutPath(err)
	case info.IsDir():
		return nil, 0, errors.New("it is a directory: name a file in it")
	case !info.Mode().IsRegular():
		return nil, 0, errors.New("it is not a regular file: name one")
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, 0, fmt.Errorf("%w: let the user that runs callout read it", fs.ErrPermission)
	}
	if err != nil {
		return nil, 0, withoutPath(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, 0, withoutPath(err)
	}
	if int64(len(data)) > limit {
		clear(data)
		return nil, 0, fmt.Errorf("it is larger than %d bytes: name the file that holds the secret alone", limit)
	}
	return data, info.Mode(), nil
}

// withoutPath leaves the path out of an error whose caller names it.
func withoutPath(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
