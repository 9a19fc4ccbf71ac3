package callouttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// Algorithms of [Issuer.AddKey], those of Zitadel's web keys.
const (
	RS256 = "RS256" // RSA 2048
	ES256 = "ES256" // P-256
	EdDSA = "EdDSA" // Ed25519
)

// SigningKey is a web key that was made elsewhere: an RSA 2048, P-256 or Ed25519 key.
type SigningKey struct {
	ID      string
	Private crypto.Signer
}

// signingKey is one web key. A withheld one signs but is not in the key set.
type signingKey struct {
	id, alg  string
	private  crypto.Signer
	withheld bool
}

// keyRing is the issuer's keys in the order in which they were added. It is never empty once
// the issuer has started, and active is always one of them.
type keyRing struct {
	mu     sync.RWMutex
	keys   []*signingKey
	active *signingKey
	leased []*rsa.PrivateKey
}

// AddKey makes a key for RS256, ES256 or EdDSA, publishes it, and returns its id. The first
// key of an issuer is active; later ones sign once activated.
func (i *Issuer) AddKey(alg string) (kid string) {
	r := &i.keys
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.add(alg).id
}

// ImportKey publishes a key that was made elsewhere, under its own id, which must be free.
// The first key of an issuer is active.
func (i *Issuer) ImportKey(key SigningKey) {
	r := &i.keys
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.keys, func(k *signingKey) bool { return k.id == key.ID }) {
		panic(fmt.Sprintf("callouttest: import key: %q exists at this issuer", key.ID))
	}
	r.append(&signingKey{id: key.ID, alg: algorithmOf(key.Private), private: key.Private})
}

// Activate makes a key the one that signs.
func (i *Issuer) Activate(kid string) {
	r := &i.keys
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active = r.keys[r.index(kid)]
}

// ActiveKey is the id of the key that signs.
func (i *Issuer) ActiveKey() (kid string) {
	r := &i.keys
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.active.id
}

// Rotate adds a key of the active one's algorithm and activates it at once, as Zitadel
// allows. The former one stays published.
func (i *Issuer) Rotate() (kid string) {
	r := &i.keys
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active = r.add(r.active.alg)
	return r.active.id
}

// RemoveKey forgets a key: it leaves the key set and signs no more. If it was the active one,
// the newest that remains takes over; the last key cannot go.
func (i *Issuer) RemoveKey(kid string) {
	r := &i.keys
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.index(kid)
	if len(r.keys) == 1 {
		panic("callouttest: remove key: an issuer needs one; add another first")
	}
	gone := r.keys[n]
	r.keys = slices.Delete(r.keys, n, n+1)
	if r.active == gone {
		r.active = r.keys[len(r.keys)-1]
	}
}

// Withhold takes a key out of the key set while it goes on signing.
func (i *Issuer) Withhold(kid string) { i.setWithheld(kid, true) }

// Publish puts a withheld key back into the key set.
func (i *Issuer) Publish(kid string) { i.setWithheld(kid, false) }

func (i *Issuer) setWithheld(kid string, withheld bool) {
	r := &i.keys
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys[r.index(kid)].withheld = withheld
}

// PublicKey is the public half of a key, withheld or not.
func (i *Issuer) PublicKey(kid string) crypto.PublicKey { return i.keys.signer(kid).private.Public() }

// signer returns the key with that id; an empty one means the active key.
func (r *keyRing) signer(kid string) *signingKey {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if kid == "" {
		return r.active
	}
	return r.keys[r.index(kid)]
}

// index finds a key; r.mu is held.
func (r *keyRing) index(kid string) int {
	n := slices.IndexFunc(r.keys, func(k *signingKey) bool { return k.id == kid })
	if n < 0 {
		panic(fmt.Sprintf("callouttest: no key %q at this issuer", kid))
	}
	return n
}

// add appends a new key; r.mu is held.
func (r *keyRing) add(alg string) *signingKey {
	k := &signingKey{id: nextID(), alg: alg}
	switch alg {
	case RS256:
		private := leaseRSA()
		r.leased = append(r.leased, private)
		k.private = private
	default:
		k.private = newPrivateKey(alg)
	}
	r.append(k)
	return k
}

// append publishes a key; r.mu is held.
func (r *keyRing) append(k *signingKey) {
	r.keys = append(r.keys, k)
	if r.active == nil {
		r.active = k
	}
}

func (r *keyRing) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	releaseRSA(r.leased)
	r.leased = nil
}

// jwks is the published key set of RFC 7517.
func (r *keyRing) jwks() []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range r.keys {
		if !k.withheld {
			set.Keys = append(set.Keys, jose.JSONWebKey{
				Key: k.private.Public(), KeyID: k.id, Algorithm: k.alg, Use: "sig",
			})
		}
	}
	return mustJSON(set)
}

func newPrivateKey(alg string) crypto.Signer {
	var private crypto.Signer
	var err error
	switch alg {
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("algorithm %q: want %s, %s or %s", alg, RS256, ES256, EdDSA)
	}
	if err != nil {
		panic("callouttest: make key: " + err.Error())
	}
	return private
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("callouttest: encode JSON: " + err.Error())
	}
	return data
}
