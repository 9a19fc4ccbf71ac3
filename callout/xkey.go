package callout

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/nats-io/nkeys"
	"golang.org/x/crypto/curve25519"
	"golang.org/x/crypto/nacl/box"
)

// The sealed form of nkeys' xkeys: a version, a nonce and a NaCl box.
const (
	xkeyVersion = "xkv1"
	nonceLen    = 24
	sealPrefix  = len(xkeyVersion) + nonceLen
)

var (
	errNotSealed = errors.New("not a sealed message")
	errOpen      = errors.New("none of the xkeys opens it: compare auth_callout.xkey with keys.xkeySeedFile")
)

// xkey is an X25519 key that requests are sealed for.
type xkey struct {
	public  string // X…
	private [32]byte
}

func newXKey(seed Secret) (*xkey, error) {
	prefix, raw, err := nkeys.DecodeSeed([]byte(seed.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("not an nkey seed: %w", err)
	}
	if prefix != nkeys.PrefixByteCurve || len(raw) != 32 {
		return nil, fmt.Errorf("a seed of kind %s, want an xkey seed (SX…)", prefix)
	}
	x := &xkey{private: [32]byte(raw)}
	clear(raw)
	point, err := curve25519.X25519(x.private[:], curve25519.Basepoint)
	if err != nil {
		return nil, err
	}
	public, err := nkeys.Encode(nkeys.PrefixByteCurve, slices.Clone(point))
	if err != nil {
		return nil, err
	}
	x.public = string(public)
	return x, nil
}

// sharedSecret is what a server's xkey and one of ours have in common. Making it costs as
// much as a signature; sealing and opening with it costs next to nothing.
type sharedSecret [32]byte

// open appends the opened message to dst.
func (s *sharedSecret) open(dst, sealed []byte) ([]byte, error) {
	if len(sealed) < sealPrefix+box.Overhead || string(sealed[:len(xkeyVersion)]) != xkeyVersion {
		return dst, errNotSealed
	}
	nonce := [nonceLen]byte(sealed[len(xkeyVersion):sealPrefix])
	out, ok := box.OpenAfterPrecomputation(dst, sealed[sealPrefix:], &nonce, (*[32]byte)(s))
	if !ok {
		return dst, errOpen
	}
	return out, nil
}

// seal appends the sealed message to dst.
func (s *sharedSecret) seal(dst, message []byte) ([]byte, error) {
	var nonce [nonceLen]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return dst, err
	}
	dst = append(dst, xkeyVersion...)
	dst = append(dst, nonce[:]...)
	return box.SealAfterPrecomputation(dst, message, &nonce, (*[32]byte)(s)), nil
}

// maxServers bounds what is remembered of servers. A super-cluster has hundreds.
const maxServers = 1024

// sharedSecrets remembers the secret shared with each server, by the server's xkey. Servers
// make a new xkey at every start; what is remembered of old ones is dropped when the bound
// is reached. Only keys of servers whose request was found good are remembered, so that a
// stranger's keys push nobody out.
type sharedSecrets struct {
	mu    sync.RWMutex
	known map[string]*sharedSecret
}

// open opens a sealed request, appending to dst, and returns the secret it was sealed with.
func (ss *sharedSecrets) open(keys *keyring, serverXKey string, dst, sealed []byte) ([]byte, *sharedSecret, error) {
	ss.mu.RLock()
	secret := ss.known[serverXKey]
	ss.mu.RUnlock()
	if secret != nil {
		if out, err := secret.open(dst, sealed); err == nil {
			return out, secret, nil
		}
		// The server may have gone over to the other xkey of a rotation.
	}
	public, err := decodeNkey(nkeys.PrefixByteCurve, []byte(serverXKey))
	if err != nil {
		return dst, nil, fmt.Errorf("header %s: %w", xkeyHeader, err)
	}
	err = errOpen
	for _, x := range keys.xkeys {
		secret := new(sharedSecret)
		box.Precompute((*[32]byte)(secret), (*[32]byte)(public), &x.private)
		var out []byte
		if out, err = secret.open(dst, sealed); err == nil {
			return out, secret, nil
		}
	}
	return dst, nil, err
}

// remember keeps a secret for the next request of the server.
func (ss *sharedSecrets) remember(serverXKey string, secret *sharedSecret) {
	ss.mu.RLock()
	known := ss.known[serverXKey] == secret
	ss.mu.RUnlock()
	if known {
		return
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.known == nil {
		ss.known = make(map[string]*sharedSecret)
	}
	if len(ss.known) >= maxServers {
		clear(ss.known)
	}
	ss.known[serverXKey] = secret
}
