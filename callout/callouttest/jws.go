package callouttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"

	"github.com/nats-io/nkeys"
)

var b64 = base64.RawURLEncoding

// SignJWT makes a compact JWS (RFC 7515) of any header and payload, valid JSON or not. The
// key alone decides how it is signed, whatever the header says:
//
//   - *rsa.PrivateKey: RS256
//   - *ecdsa.PrivateKey: ES256
//   - ed25519.PrivateKey: EdDSA
//   - []byte: HS256 with it as the secret
//   - nkeys.KeyPair: ed25519-nkey, as NATS' JWTs
//   - nil: an empty signature
func SignJWT(header, payload []byte, key any) string {
	input := b64.EncodeToString(header) + "." + b64.EncodeToString(payload)
	signature, err := sign([]byte(input), key)
	if err != nil {
		panic("callouttest: sign JWT: " + err.Error())
	}
	return input + "." + b64.EncodeToString(signature)
}

func sign(input []byte, key any) ([]byte, error) {
	digest := sha256.Sum256(input)
	switch key := key.(type) {
	case nil:
		return nil, nil
	case []byte:
		mac := hmac.New(sha256.New, key)
		mac.Write(input)
		return mac.Sum(nil), nil
	case *rsa.PrivateKey:
		return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			return nil, err
		}
		size := (key.Curve.Params().BitSize + 7) / 8
		signature := make([]byte, 2*size) // R || S, RFC 7518 section 3.4
		r.FillBytes(signature[:size])
		s.FillBytes(signature[size:])
		return signature, nil
	case ed25519.PrivateKey:
		return ed25519.Sign(key, input), nil
	case nkeys.KeyPair:
		return key.Sign(input)
	default:
		return nil, fmt.Errorf("key of type %T: want RSA, ECDSA, Ed25519, bytes, nkey or nil", key)
	}
}

// algorithmOf names in a header what sign does with a key.
func algorithmOf(key any) string {
	switch key.(type) {
	case []byte:
		return "HS256"
	case *ecdsa.PrivateKey:
		return ES256
	case ed25519.PrivateKey:
		return EdDSA
	case nkeys.KeyPair:
		return "ed25519-nkey"
	default:
		return RS256
	}
}

// accessTokenHash is at_hash: the left half of the hash that goes with the algorithm (OpenID
// Connect Core section 3.1.3.6; SHA-512 for Ed25519, as Zitadel does).
func accessTokenHash(alg, token string) string {
	if alg == EdDSA {
		sum := sha512.Sum512([]byte(token))
		return b64.EncodeToString(sum[:len(sum)/2])
	}
	sum := sha256.Sum256([]byte(token))
	return b64.EncodeToString(sum[:len(sum)/2])
}

// publicPEM is what an attacker who knows only the key set would use as an HMAC secret.
func publicPEM(public crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic("callouttest: encode public key: " + err.Error())
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}
