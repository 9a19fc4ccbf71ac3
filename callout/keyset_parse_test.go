package callout

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	jose "github.com/go-jose/go-jose/v4"
)

var allAlgorithms = []string{"RS256", "ES256", "EdDSA"}

// rsaJWK writes a JWK that no library would: any modulus, any exponent, more members.
func rsaJWK(kid string, n *big.Int, e int64, more string) string {
	b64 := base64.RawURLEncoding
	return fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":%q,"e":%q%s}`, kid,
		b64.EncodeToString(n.Bytes()), b64.EncodeToString(big.NewInt(e).Bytes()), more)
}

// oddNumber has exactly that many bits; nobody needs its factors.
func oddNumber(bits uint) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return n.Add(n, big.NewInt(1))
}

func TestOnlyUsableKeysAreTaken(t *testing.T) {
	n := testRSA(t).N
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPrivate, edPublic := newEd25519(t)
	ed := jwkOf(t, jose.JSONWebKey{Key: edPublic, KeyID: "k"})
	with := func(member string) string { return strings.Replace(ed, "{", "{"+member+",", 1) }
	long := strings.Repeat("k", maxKeyIDBytes)

	for _, tt := range []struct {
		name string
		keys []string
		want []string // kids
		says string   // in a reason
	}{
		{"RSA, EC and Ed25519", []string{rsaJWK("r", n, 65537, ""), jwkOf(t, jose.JSONWebKey{Key: testEC(t).Public(), KeyID: "e"}), ed}, []string{"e", "k", "r"}, ""},
		{"no key", nil, nil, ""},
		{"use sig and key_ops verify", []string{with(`"use":"sig","key_ops":["sign","verify"]`)}, []string{"k"}, ""},
		{"use enc", []string{with(`"use":"enc"`)}, nil, `"enc"`},
		{"key_ops without verify", []string{with(`"key_ops":["encrypt"]`)}, nil, "key_ops"},
		{"empty key_ops", []string{with(`"key_ops":[]`)}, nil, "key_ops"},
		{"its own alg", []string{with(`"alg":"EdDSA"`)}, []string{"k"}, ""},
		{"another alg than its type's", []string{with(`"alg":"RS256"`)}, nil, `"RS256"`},
		{"RS512", []string{rsaJWK("r", n, 65537, `,"alg":"RS512"`)}, nil, "RS512"},
		{"RSA of 4096 bits", []string{rsaJWK("r", oddNumber(4096), 65537, "")}, []string{"r"}, ""},
		{"RSA of 2047 bits", []string{rsaJWK("r", oddNumber(2047), 65537, "")}, nil, "2047 bits"},
		{"RSA of 4097 bits", []string{rsaJWK("r", oddNumber(4097), 65537, "")}, nil, `kid "r"`},
		{"RSA of 100,000 bits", []string{rsaJWK("r", oddNumber(100_000), 65537, "")}, nil, `kid "r"`},
		{"RSA with exponent 1, with which everybody signs", []string{rsaJWK("r", n, 1, "")}, nil, `kid "r"`},
		{"RSA with an even exponent", []string{rsaJWK("r", n, 2, "")}, nil, "exponent"},
		{"RSA with a huge exponent", []string{rsaJWK("r", n, 1<<33+1, "")}, nil, "exponent"},
		{"RSA with an even modulus", []string{rsaJWK("r", new(big.Int).Add(n, big.NewInt(1)), 65537, "")}, nil, "modulus"},
		{"RSA without modulus", []string{`{"kty":"RSA","kid":"r","e":"AQAB"}`}, nil, `kid "r"`},
		{"EC on P-384", []string{jwkOf(t, jose.JSONWebKey{Key: p384.Public(), KeyID: "e"})}, nil, "P-384"},
		{"EC beside its curve", []string{`{"kty":"EC","kid":"e","crv":"P-256","x":"` + strings.Repeat("A", 42) + "E" + `","y":"` + strings.Repeat("A", 42) + "E" + `"}`}, nil, "curve"},
		{"Ed25519 of 31 bytes", []string{`{"kty":"OKP","kid":"k","crv":"Ed25519","x":"` + base64.RawURLEncoding.EncodeToString(edPublic[1:]) + `"}`}, nil, `kid "k"`},
		{"Ed25519 of low order, for which anybody signs", []string{`{"kty":"OKP","kid":"k","crv":"Ed25519","x":"AQ` + strings.Repeat("A", 41) + `"}`}, nil, "low-order"},
		{"X25519", []string{`{"kty":"OKP","kid":"k","crv":"X25519","x":"` + base64.RawURLEncoding.EncodeToString(edPublic) + `"}`}, nil, "OKP"},
		{"a type of key from the future", []string{`{"kty":"LATTICE","kid":"k"}`, ed}, []string{"k"}, "LATTICE"},
		{"a symmetric key", []string{`{"kty":"oct","kid":"k","k":"c2VjcmV0"}`}, nil, "symmetric"},
		{"a private key", []string{jwkOf(t, jose.JSONWebKey{Key: edPrivate, KeyID: "k"})}, nil, "private"},
		{"a private RSA key", []string{rsaJWK("r", n, 65537, `,"d":"AQ"`)}, nil, "private"},
		{"a private prime alone", []string{rsaJWK("r", n, 65537, `,"p":"AQ"`)}, nil, "private"},
		{"a public key whose private half is published too", []string{ed, jwkOf(t, jose.JSONWebKey{Key: edPrivate, KeyID: "k"})}, nil, "private"},
		{"no kid", []string{jwkOf(t, jose.JSONWebKey{Key: edPublic})}, nil, "no kid"},
		{"a kid that is a number", []string{`{"kty":"RSA","kid":7}`}, nil, "not a JWK"},
		{"the longest kid", []string{strings.Replace(ed, `"k"`, `"`+long+`"`, 1)}, []string{long}, ""},
		{"a kid that is longer", []string{strings.Replace(ed, `"k"`, `"`+long+`k"`, 1)}, nil, "longer"},
		{"the same key twice", []string{ed, ed}, []string{"k"}, ""},
		{"two keys under one kid, and a third", []string{ed, edJWK(t, "k"), ed, edJWK(t, "other")}, []string{"other"}, "different key"},
		{"keys of two types under one kid", []string{ed, rsaJWK("k", n, 65537, "")}, nil, "different key"},
		{"a member twice", []string{with(`"kid":"j"`)}, nil, "duplicate"},
		{"names of another case", []string{strings.Replace(ed, `"kid"`, `"KID"`, 1)}, nil, "no kid"},
		{"no objects", []string{"7", "null", `"key"`, "[]", ed}, []string{"k"}, "keys[0]"},
		{"a certificate of something else", []string{with(`"x5c":["AAAA"]`)}, nil, "x5c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			parsed, err := parseJWKS([]byte(`{"keys":[`+strings.Join(tt.keys, ",")+`]}`), allAlgorithms)
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Sorted(maps.Keys(parsed.keys)); !slices.Equal(got, tt.want) {
				t.Errorf("kids %q, want %q; skipped: %q", got, tt.want, parsed.skipped)
			}
			if reasons := strings.Join(parsed.skipped, "\n"); !strings.Contains(reasons, tt.says) || (reasons != "") != (tt.says != "") {
				t.Errorf("reasons %q, want one with %q", reasons, tt.says)
			}
		})
	}
}

func TestKeysOfAlgorithmsThatAreNotAllowedAreNotTaken(t *testing.T) {
	body := `{"keys":[` + edJWK(t, "ed") + "," + rsaJWK("rsa", testRSA(t).N, 65537, "") + `]}`
	parsed, err := parseJWKS([]byte(body), []string{"RS256"})
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.keys) != 1 || parsed.keys["rsa"] == nil {
		t.Errorf("keys %v, want the RSA key alone", parsed.keys)
	}
}

func TestNotMoreThan64KeysAreLookedAt(t *testing.T) {
	many := strings.Repeat(`{"kty":"OKP"},`, maxKeys-1) + edJWK(t, "64th") + "," + edJWK(t, "65th")
	many += strings.Repeat(",1", 10_000)
	parsed, err := parseJWKS([]byte(`{"keys":[`+many+`]}`), allAlgorithms)
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.keys) != 1 || parsed.keys["64th"] == nil {
		t.Errorf("keys %v, want the 64th alone", parsed.keys)
	}
	if len(parsed.skipped) > maxKeys {
		t.Errorf("%d reasons", len(parsed.skipped))
	}
}

func TestABodyThatIsNoSetIsAnError(t *testing.T) {
	for name, body := range map[string]string{
		"empty":               "",
		"text":                "Errors.Internal",
		"an array":            "[]",
		"no keys":             "{}",
		"keys of another":     `{"KEYS":[]}`,
		"null":                `{"keys":null}`,
		"an object of keys":   `{"keys":{}}`,
		"keys twice":          `{"keys":[],"keys":[]}`,
		"cut short":           `{"keys":[`,
		"more behind it":      `{"keys":[]}{}`,
		"deep arrays":         `{"keys":` + strings.Repeat("[", 100_000),
		"deep objects":        `{"keys":[` + strings.Repeat(`{"a":`, 40_000) + "1" + strings.Repeat("}", 40_000) + `]}`,
		"a name of 200 KB":    `{"keys":[],"` + strings.Repeat("a", 100_000) + `":1,"` + strings.Repeat("a", 100_000) + `":1}`,
		"control characters":  "\x1b[31m\n",
		"not even characters": "\xff\xfe",
	} {
		_, err := parseJWKS([]byte(body), allAlgorithms)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if text := err.Error(); len(text) > 2048 || strings.ContainsAny(text, "\x1b\n") || !utf8.ValidString(text) {
			t.Errorf("%s: the error does not fit for a log: %.300q", name, text)
		}
	}
}

func FuzzParseJWKS(f *testing.F) {
	edPrivate, _ := newEd25519(f)
	for _, jwk := range []string{
		edJWK(f, "ed"),
		rsaJWK("rsa", testRSA(f).N, 65537, `,"alg":"RS256","use":"sig","key_ops":["verify"]`),
		jwkOf(f, jose.JSONWebKey{Key: testEC(f).Public(), KeyID: "ec"}),
		jwkOf(f, jose.JSONWebKey{Key: edPrivate, KeyID: "private"}),
		`{"kty":"oct","k":"AA","kid":"o"}`,
		edJWK(f, "ed") + "," + edJWK(f, "ed"),
	} {
		f.Add([]byte(`{"keys":[` + jwk + `]}`))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		parsed, err := parseJWKS(body, allAlgorithms)
		if err != nil {
			return
		}
		if len(parsed.keys) > maxKeys || len(parsed.skipped) > maxKeys+1 {
			t.Fatalf("%d keys, %d reasons", len(parsed.keys), len(parsed.skipped))
		}
		for kid, key := range parsed.keys {
			if kid == "" || kid != key.id || len(kid) > maxKeyIDBytes || !slices.Contains(allAlgorithms, key.algorithm) {
				t.Fatalf("key %q is %q for %q", kid, key.id, key.algorithm)
			}
			if public, ok := key.public.(*rsa.PublicKey); ok && (public.N.BitLen() < minRSABits || public.E < 3) {
				t.Fatalf("weak RSA key: %d bits, exponent %d", public.N.BitLen(), public.E)
			}
			size := 64
			if key.algorithm == algRS256 {
				size = key.public.(*rsa.PublicKey).Size()
			}
			sig := make([]byte, size)
			sig[size-1] = 1
			if key.Verify(key.algorithm, []byte("input"), sig) == nil {
				t.Fatalf("key %q of %s takes a signature that nobody made", kid, key.algorithm)
			}
		}
	})
}
