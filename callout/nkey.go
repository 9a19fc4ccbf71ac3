package callout

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nkeys"
)

var errNkey = errors.New("not an nkey of the wanted kind")

// nkeyText is the length of a public nkey as text: 1 + 32 + 2 bytes in base32.
const nkeyText = 56

// decodeNkey reads a public nkey of one kind into its raw Ed25519 or X25519 key.
func decodeNkey(prefix nkeys.PrefixByte, text []byte) ([]byte, error) {
	if len(text) != nkeyText {
		return nil, errNkey
	}
	raw, err := nkeys.Decode(prefix, text)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, errNkey
	}
	return raw, nil
}

// signer signs as an account. The key is expanded once: nkeys derives it from the seed
// again at each use, which costs as much as the signature.
type signer struct {
	public string // A…
	key    ed25519.PrivateKey
}

// newSigner reads an account seed (SA…).
func newSigner(seed Secret) (*signer, error) {
	prefix, raw, err := nkeys.DecodeSeed([]byte(seed.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("not an nkey seed: %w", err)
	}
	if prefix != nkeys.PrefixByteAccount {
		return nil, fmt.Errorf("a seed of kind %s, want an account seed (SA…)", prefix)
	}
	key := ed25519.NewKeyFromSeed(raw)
	clear(raw)
	public, err := nkeys.Encode(prefix, slices.Clone(key.Public().(ed25519.PublicKey)))
	if err != nil {
		return nil, err
	}
	return &signer{public: string(public), key: key}, nil
}

func (s *signer) sign(text []byte) []byte { return ed25519.Sign(s.key, text) }
