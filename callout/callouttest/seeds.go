package callouttest

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/nats-io/nkeys"
)

// Seeds are the secrets of a callout: what signs, what logs in to NATS, and what opens sealed
// requests.
type Seeds struct {
	Account []byte // SA…: signs responses and user JWTs; its public key is auth_callout's issuer
	Service []byte // SU…: the callout's own user
	XKey    []byte // SX…: nil where requests are not sealed
}

// NewSeeds makes fresh seeds, all three.
func NewSeeds() Seeds { return Seeds{}.complete(true) }

// complete makes what is missing, an xkey only if wanted.
func (s Seeds) complete(xkey bool) Seeds {
	if s.Account == nil {
		s.Account = newSeed(nkeys.CreateAccount)
	}
	if s.Service == nil {
		s.Service = newSeed(nkeys.CreateUser)
	}
	if s.XKey == nil && xkey {
		s.XKey = newSeed(nkeys.CreateCurveKeys)
	}
	return s
}

// IssuerKey is the public account key, A….
func (s Seeds) IssuerKey() string { return publicKey(keyPair(s.Account)) }

// ServiceKey is the public key of the callout's user, U….
func (s Seeds) ServiceKey() string { return publicKey(keyPair(s.Service)) }

// XKeyPublic is the public curve key, X…, or empty.
func (s Seeds) XKeyPublic() string {
	if s.XKey == nil {
		return ""
	}
	return publicKey(keyPair(s.XKey))
}

// Write puts account.nk, service.nk and, if there is one, xkey.nk into dir, each 0600.
func (s Seeds) Write(dir string) error {
	for name, seed := range map[string][]byte{
		"account.nk": s.Account, "service.nk": s.Service, "xkey.nk": s.XKey,
	} {
		if seed == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), append(seed[:len(seed):len(seed)], '\n'), 0o600); err != nil {
			return fmt.Errorf("write seeds: %w", err)
		}
	}
	return nil
}

func newSeed(create func() (nkeys.KeyPair, error)) []byte {
	kp, err := create()
	if err != nil {
		panic("callouttest: make nkey: " + err.Error())
	}
	seed, err := kp.Seed()
	if err != nil {
		panic("callouttest: make nkey: " + err.Error())
	}
	return seed
}

func keyPair(seed []byte) nkeys.KeyPair {
	var kp nkeys.KeyPair
	var err error
	if prefix, _, derr := nkeys.DecodeSeed(seed); derr == nil && prefix == nkeys.PrefixByteCurve {
		kp, err = nkeys.FromCurveSeed(seed)
	} else {
		kp, err = nkeys.FromSeed(seed)
	}
	if err != nil {
		panic("callouttest: read nkey seed: " + err.Error())
	}
	return kp
}

func publicKey(kp nkeys.KeyPair) string {
	public, err := kp.PublicKey()
	if err != nil {
		panic("callouttest: public half of nkey: " + err.Error())
	}
	return public
}
