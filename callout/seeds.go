package callout

import (
	"errors"
	"fmt"
)

// seedReader reads the files that hold secrets and collects what is odd about them.
type seedReader struct{ warnings []string }

func (r *seedReader) read(field, file string) (Secret, error) {
	secret, warnings, err := readSecretFile(file, maxSeedFile)
	for _, w := range warnings {
		r.warnings = append(r.warnings, field+": "+w)
	}
	if err != nil {
		return secret, fmt.Errorf("%s: %w", field, err)
	}
	return secret, nil
}

// keyring reads the seeds that the configuration names.
func (r *seedReader) keyring(cfg *KeysConfig) (*keyring, error) {
	accounts, accountErr := r.several("keys.accountSeedFile", cfg.AccountSeedFile, cfg.AccountSeedFiles,
		func(seed Secret) error { _, err := newSigner(seed); return err })
	xkeys, xkeyErr := r.several("keys.xkeySeedFile", cfg.XKeySeedFile, cfg.XKeySeedFiles,
		func(seed Secret) error { _, err := newXKey(seed); return err })
	if err := errors.Join(accountErr, xkeyErr); err != nil {
		return nil, err
	}
	keys, err := newKeyring(accounts, xkeys)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return keys, nil
}

// several reads the files of the singular or the plural form of a key. check says what is
// wrong with a seed: here, where the file's name is known.
func (r *seedReader) several(field, one string, more []string, check func(Secret) error) ([]Secret, error) {
	if one != "" {
		more = append([]string{one}, more...)
	}
	var seeds []Secret
	var problems []error
	for _, file := range more {
		seed, err := r.read(field, file)
		if err == nil {
			if err = check(seed); err != nil {
				err = fmt.Errorf("%s: %s holds %w", field, file, err)
			}
		}
		problems = append(problems, err)
		seeds = append(seeds, seed)
	}
	return seeds, errors.Join(problems...)
}
