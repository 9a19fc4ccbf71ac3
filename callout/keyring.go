package callout

import (
	"errors"
	"fmt"
	"strings"
)

// keyring holds what the callout signs and opens with. Several of a kind are there while
// keys are being rotated: a request is answered with the account key that it names, and
// opened with the xkey that it was sealed for.
type keyring struct {
	signers []*signer
	xkeys   []*xkey
}

// newKeyring reads seeds. xkeys may be empty: requests then come in clear.
func newKeyring(accountSeeds, xkeySeeds []Secret) (*keyring, error) {
	k := &keyring{}
	if len(accountSeeds) == 0 {
		return nil, errors.New("no account seed")
	}
	for i, seed := range accountSeeds {
		s, err := newSigner(seed)
		if err != nil {
			return nil, fmt.Errorf("account seed %d: %w", i+1, err)
		}
		k.signers = append(k.signers, s)
	}
	for i, seed := range xkeySeeds {
		x, err := newXKey(seed)
		if err != nil {
			return nil, fmt.Errorf("xkey seed %d: %w", i+1, err)
		}
		k.xkeys = append(k.xkeys, x)
	}
	return k, nil
}

// signer returns the account key that a request names as issuer, or nil.
func (k *keyring) signer(public []byte) *signer {
	for _, s := range k.signers {
		if s.public == string(public) {
			return s
		}
	}
	return nil
}

// accounts lists the public account keys, for messages.
func (k *keyring) accounts() string {
	names := make([]string, len(k.signers))
	for i, s := range k.signers {
		names[i] = s.public
	}
	return strings.Join(names, ", ")
}
