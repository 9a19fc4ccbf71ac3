package provision

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"harmony-callout/internal/durable"
)

const (
	// RunLock is the lock of a directory's [State]: up, down and rotate hold it.
	RunLock = "lock"

	lastTargetFile = "target"
)

// SystemDir is where the state of a system lies.
func SystemDir(stateDir, name, target string) string { return filepath.Join(stateDir, name, target) }

// LastTarget returns the target of the last up of a name; "" where there was none.
func LastTarget(stateDir, name string) (string, error) {
	data, err := readBounded(filepath.Join(stateDir, name, lastTargetFile), 64)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the target of the last up: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// SetLastTarget remembers the target of an up.
func SetLastTarget(stateDir, name, target string) error {
	dir := filepath.Join(stateDir, name)
	err := durable.MkdirAll(dir)
	if err == nil {
		err = durable.WriteFile(filepath.Join(dir, lastTargetFile), []byte(target+"\n"))
	}
	if err != nil {
		return fmt.Errorf("remember the target: %w", err)
	}
	return nil
}

// KeyDir is where the file [KeyStore] of a system lies.
func KeyDir(systemDir string) string { return filepath.Join(systemDir, "keys") }
