package callout

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"
)

// The JWS algorithms (RFC 7518, RFC 8037) that an issuer's key may verify. There is one for
// each type of key, so a key can never be used with an algorithm of the attacker's choice.
const (
	algRS256 = "RS256"
	algES256 = "ES256"
	algEdDSA = "EdDSA"
)

var (
	// ErrAlgorithm means that a key does not verify signatures of the token's algorithm.
	ErrAlgorithm = errors.New("algorithm does not fit the key")
	// ErrSignature means that a signature is not by the key over the input.
	ErrSignature = errors.New("signature is not valid")
)

// Key is a public key of the issuer. Its material never changes; whether it is trusted does,
// so whoever remembers a verified token remembers its *Key and asks [Key.Trusted] again.
type Key struct {
	id        string
	algorithm string
	public    comparableKey // *rsa.PublicKey, *ecdsa.PublicKey on P-256 or ed25519.PublicKey

	// trustedUntil is in nanoseconds since 1970; 0 once the key has left the issuer's set.
	trustedUntil atomic.Int64
}

// comparableKey is what all public keys of the standard library have.
type comparableKey interface {
	Equal(crypto.PublicKey) bool
}

// ID is the key's kid.
func (k *Key) ID() string { return k.id }

// Algorithm is the one JWS algorithm that the key verifies.
func (k *Key) Algorithm() string { return k.algorithm }

// Trusted reports whether the last set that was fetched holds this very key and is not too
// old. It is cheap enough for each use of a cached decision.
func (k *Key) Trusted(now time.Time) bool {
	return now.UnixNano() < k.trustedUntil.Load()
}

// Verify checks that sig is the key's signature, by the JWS algorithm alg, over signingInput,
// which is header and payload of a compact JWS with the dot between them (RFC 7515 section
// 5.2). The error is [ErrAlgorithm] or [ErrSignature]. It does not ask whether the key is
// trusted.
func (k *Key) Verify(alg string, signingInput, sig []byte) error {
	if err := k.fits(alg); err != nil {
		return err
	}
	valid := false
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		digest := sha256.Sum256(signingInput)
		valid = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], sig) == nil
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(signingInput)
		valid = verifyES256(public, digest[:], sig)
	case ed25519.PublicKey:
		valid = ed25519.Verify(public, signingInput, sig)
	}
	if !valid {
		return fmt.Errorf("verify %s with key %q: %w", alg, k.id, ErrSignature)
	}
	return nil
}

// fits refuses an algorithm that is not the key's own.
func (k *Key) fits(alg string) error {
	if alg != k.algorithm {
		return fmt.Errorf("verify with key %q: %w: %s wanted, the key is for %s", k.id, ErrAlgorithm, excerpt(alg), k.algorithm)
	}
	return nil
}

// verifyES256 takes a signature in the form of RFC 7518 section 3.4: r and s, 32 bytes each.
func verifyES256(public *ecdsa.PublicKey, digest, sig []byte) bool {
	if len(sig) != 64 {
		return false
	}
	r := new(big.Int).SetBytes(sig[:32])
	s := new(big.Int).SetBytes(sig[32:])
	return ecdsa.Verify(public, digest, r, s)
}

// same reports whether two keys are interchangeable.
func (k *Key) same(other *Key) bool {
	return k.id == other.id && k.algorithm == other.algorithm && k.public.Equal(other.public)
}

func (k *Key) trustUntil(t time.Time) { k.trustedUntil.Store(t.UnixNano()) }

func (k *Key) withdraw() { k.trustedUntil.Store(0) }
