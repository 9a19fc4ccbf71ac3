package callout

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math"
	"slices"

	jose "github.com/go-jose/go-jose/v4"
	// This fork of encoding/json is case-sensitive, refuses duplicate members and bounds depth.
	"github.com/go-jose/go-jose/v4/json"
)

const (
	maxKeys       = 64
	maxKeyIDBytes = 256
	// Zitadel makes RSA keys of 2048, 3072 and 4096 bits; go-jose parses none that are larger.
	minRSABits = 2048
	maxRSABits = 4096
)

// parsedKeys is a JWK Set reduced to what can verify access tokens.
type parsedKeys struct {
	keys    map[string]*Key // by kid
	skipped []string        // why others are not among them, for the log
}

// jwkMembers are the members of a JWK (RFC 7517 section 4, RFC 7518 section 6) that decide
// whether it may be looked at any further.
type jwkMembers struct {
	KeyType    string   `json:"kty"`
	KeyID      string   `json:"kid"`
	Use        string   `json:"use"`
	Algorithm  string   `json:"alg"`
	Operations []string `json:"key_ops"`

	K     json.RawMessage `json:"k"`
	D     json.RawMessage `json:"d"`
	P     json.RawMessage `json:"p"`
	Q     json.RawMessage `json:"q"`
	DP    json.RawMessage `json:"dp"`
	DQ    json.RawMessage `json:"dq"`
	QI    json.RawMessage `json:"qi"`
	Other json.RawMessage `json:"oth"`
	Priv  json.RawMessage `json:"priv"`
}

// secret reports whether the JWK carries private or symmetric material.
func (m *jwkMembers) secret() bool {
	for _, member := range []json.RawMessage{m.K, m.D, m.P, m.Q, m.DP, m.DQ, m.QI, m.Other, m.Priv} {
		if member != nil {
			return true
		}
	}
	return false
}

// parseJWKS reads a JWK Set (RFC 7517 section 5) and keeps the keys that can verify one of
// the algorithms. A key that cannot is skipped, with a reason; only a body that is no JWK
// Set at all is an error. A kid is of no use when two different keys claim it, or when
// its private half is published: whoever signs with it is not known to be the issuer.
func parseJWKS(body []byte, algorithms []string) (*parsedKeys, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		// The error's own text may repeat all of the body.
		return nil, fmt.Errorf("parse the JWK set: %s in %s", excerpt(err.Error()), excerpt(string(body)))
	}
	if set.Keys == nil {
		return nil, fmt.Errorf("parse the JWK set: it has no array \"keys\": %s", excerpt(string(body)))
	}
	parsed := &parsedKeys{keys: make(map[string]*Key)}
	skip := func(format string, args ...any) {
		parsed.skipped = append(parsed.skipped, fmt.Sprintf(format, args...))
	}
	if len(set.Keys) > maxKeys {
		skip("the set has %d keys, those after the first %d are ignored", len(set.Keys), maxKeys)
		set.Keys = set.Keys[:maxKeys]
	}
	barred := make(map[string]bool)
	for i, raw := range set.Keys {
		key, err := parseJWK(raw, algorithms)
		if secret := (*secretKeyError)(nil); errors.As(err, &secret) {
			barred[secret.kid] = true
		}
		if err != nil {
			skip("keys[%d]: %v", i, err)
			continue
		}
		if first := parsed.keys[key.id]; first != nil {
			if !first.same(key) {
				skip("keys[%d]: kid %q is also that of a different key: neither is used", i, key.id)
				barred[key.id] = true
			}
			continue
		}
		parsed.keys[key.id] = key
	}
	for kid := range barred {
		delete(parsed.keys, kid)
	}
	return parsed, nil
}

// secretKeyError is a JWK with material that nobody should see.
type secretKeyError struct{ kid string }

func (e *secretKeyError) Error() string {
	return fmt.Sprintf("kid %q: holds private or symmetric material", e.kid)
}

// parseJWK returns the key of one JWK, or why it is of no use.
func parseJWK(raw []byte, algorithms []string) (*Key, error) {
	var members jwkMembers
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fmt.Errorf("not a JWK: %s", excerpt(err.Error()))
	}
	kid := members.KeyID
	switch {
	case kid == "":
		return nil, errors.New("has no kid")
	case len(kid) > maxKeyIDBytes:
		return nil, fmt.Errorf("its kid is longer than %d bytes", maxKeyIDBytes)
	case members.secret():
		// Before any of it is computed with: go-jose would validate a private key.
		return nil, &secretKeyError{kid}
	case members.Use != "" && members.Use != "sig":
		return nil, fmt.Errorf("kid %q: its use is %s, not sig", kid, excerpt(members.Use))
	case members.Operations != nil && !slices.Contains(members.Operations, "verify"):
		return nil, fmt.Errorf("kid %q: its key_ops do not allow verify", kid)
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(raw); err != nil {
		return nil, fmt.Errorf("kid %q: kty %s: %s", kid, excerpt(members.KeyType), excerpt(err.Error()))
	}
	key, err := newKey(kid, jwk.Key)
	if err != nil {
		return nil, fmt.Errorf("kid %q: %w", kid, err)
	}
	if members.Algorithm != "" && members.Algorithm != key.algorithm {
		return nil, fmt.Errorf("kid %q: its alg is %s, its type allows only %s", kid, excerpt(members.Algorithm), key.algorithm)
	}
	if !slices.Contains(algorithms, key.algorithm) {
		return nil, fmt.Errorf("kid %q: %s is not among the allowed algorithms %v", kid, key.algorithm, algorithms)
	}
	return key, nil
}

// newKey finds the algorithm of a public key and refuses keys that are too weak, or so
// strong that checking a signature would be an attack by itself.
func newKey(kid string, public any) (*Key, error) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, fmt.Errorf("RSA of %d bits, want %d to %d", bits, minRSABits, maxRSABits)
		}
		// With an exponent of 1 everybody can sign; an even one or modulus is no RSA key.
		if public.E < 3 || public.E > math.MaxInt32 || public.E%2 == 0 || public.N.Bit(0) == 0 {
			return nil, errors.New("not an RSA key: bad modulus or exponent")
		}
		return &Key{id: kid, algorithm: algRS256, public: public}, nil
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return nil, fmt.Errorf("EC on %s, want P-256", public.Params().Name)
		}
		return &Key{id: kid, algorithm: algES256, public: public}, nil
	case ed25519.PublicKey:
		if len(public) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("Ed25519 of %d bytes, want %d", len(public), ed25519.PublicKeySize)
		}
		return &Key{id: kid, algorithm: algEdDSA, public: public}, nil
	}
	return nil, fmt.Errorf("key of type %T verifies nothing that is allowed", public)
}
