package callout

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

var (
	sharedRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	sharedEC  = sync.OnceValues(func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
)

func testRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := sharedRSA()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func testEC(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := sharedEC()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func splitToken(t testing.TB, token string) (input, sig []byte) {
	t.Helper()
	dot := strings.LastIndexByte(token, '.')
	sig, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		t.Fatal(err)
	}
	return []byte(token[:dot]), sig
}

func TestEachKeyVerifiesItsOwnAlgorithmAndNoOther(t *testing.T) {
	edKey, edPublic := newEd25519(t)
	signers := []struct {
		alg     jose.SignatureAlgorithm
		private any
		public  any
	}{
		{jose.RS256, testRSA(t), &testRSA(t).PublicKey},
		{jose.ES256, testEC(t), &testEC(t).PublicKey},
		{jose.EdDSA, edKey, edPublic},
	}
	for _, s := range signers {
		key, err := newKey("k", s.public)
		if err != nil {
			t.Fatal(err)
		}
		if key.Algorithm() != string(s.alg) {
			t.Errorf("%T is for %s, want %s", s.public, key.Algorithm(), s.alg)
		}
		input, sig := splitToken(t, signed(t, s.alg, s.private, "k", `{"sub":"u"}`))
		if err := key.Verify(string(s.alg), input, sig); err != nil {
			t.Errorf("%s: %v", s.alg, err)
		}
		for _, other := range []string{"RS256", "ES256", "EdDSA", "RS512", "PS256", "ES384", "HS256", "none", "None", "rs256", "", strings.Repeat("A", 70000)} {
			if other == string(s.alg) {
				continue
			}
			err := key.Verify(other, input, sig)
			if !errors.Is(err, ErrAlgorithm) || len(err.Error()) > 1024 {
				t.Errorf("%s key asked for %.20s: %.1000v", s.alg, other, err)
			}
		}
		longer := append([]byte("\x00"), sig...)
		flipped := append([]byte(nil), sig...)
		flipped[len(flipped)/2] ^= 1
		for name, bad := range map[string][]byte{
			"no signature": nil, "a flipped bit": flipped, "a byte short": sig[1:], "a byte more": longer,
			"zeros": make([]byte, len(sig)), "64 zeros": make([]byte, 64),
		} {
			if err := key.Verify(string(s.alg), input, bad); !errors.Is(err, ErrSignature) {
				t.Errorf("%s with %s: %v", s.alg, name, err)
			}
		}
		if err := key.Verify(string(s.alg), append(input, 'x'), sig); !errors.Is(err, ErrSignature) {
			t.Errorf("%s over another input: %v", s.alg, err)
		}
	}
}

func TestThePublicKeyIsNoSecret(t *testing.T) {
	public := &testRSA(t).PublicKey
	key, err := newKey("k", public)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, der)
	mac.Write([]byte("input"))
	if err := key.Verify("HS256", []byte("input"), mac.Sum(nil)); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("HS256: %v", err)
	}
	if err := key.Verify("RS256", []byte("input"), mac.Sum(nil)); !errors.Is(err, ErrSignature) {
		t.Errorf("RS256: %v", err)
	}
}

func TestES256TakesExactly64Bytes(t *testing.T) {
	key, err := newKey("k", &testEC(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	input, sig := splitToken(t, signed(t, jose.ES256, testEC(t), "k", "{}"))
	padded := slices.Concat(sig[:32], []byte{0}, sig[32:])
	if err := key.Verify("ES256", input, padded); !errors.Is(err, ErrSignature) {
		t.Errorf("a signature with a longer s: %v", err)
	}
}

func TestES256TakesRawSignaturesOnly(t *testing.T) {
	key, err := newKey("k", &testEC(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("input"))
	der, err := ecdsa.SignASN1(rand.Reader, testEC(t), digest[:])
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Verify("ES256", []byte("input"), der); !errors.Is(err, ErrSignature) {
		t.Errorf("a signature in ASN.1: %v", err)
	}
}

func TestAKeyIsTrustedUntilItsTimeOrItsWithdrawal(t *testing.T) {
	_, public := newEd25519(t)
	key, err := newKey("k", public)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if key.Trusted(now) {
		t.Error("trusted before anybody said so")
	}
	key.trustUntil(now.Add(time.Second))
	if !key.Trusted(now) || key.Trusted(now.Add(time.Second)) {
		t.Error("not trusted until exactly its time")
	}
	key.withdraw()
	if key.Trusted(now) {
		t.Error("trusted after withdrawal")
	}
}
