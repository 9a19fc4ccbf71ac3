package callout

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

func TestZitadelOIDCVerifiesWithTheKeySet(t *testing.T) {
	rsaKey, ecKey := testRSA(t), testEC(t)
	edKey, edPublic := newEd25519(t)
	s := newScriptedIssuer(t)
	s.publish(
		jwkOf(t, jose.JSONWebKey{Key: rsaKey.Public(), KeyID: "rsa", Use: "sig", Algorithm: "RS256"}),
		jwkOf(t, jose.JSONWebKey{Key: ecKey.Public(), KeyID: "ec", Use: "sig"}),
		jwkOf(t, jose.JSONWebKey{Key: edPublic, KeyID: "ed"}),
	)
	k := s.keySet(t, nil)
	verifier := op.NewAccessTokenVerifier(s.URL, k,
		op.WithSupportedAccessTokenSigningAlgorithms("RS256", "ES256", "EdDSA", "RS512", "HS256"))
	claims := fmt.Sprintf(`{"iss":%q,"sub":"u","aud":["p"],"jti":"t","exp":%d}`, s.URL, time.Now().Add(time.Hour).Unix())
	stranger, _ := newEd25519(t)

	for _, tt := range []struct {
		name string
		alg  jose.SignatureAlgorithm
		key  any
		kid  string
		want error
	}{
		{"RS256 with the RSA key", jose.RS256, rsaKey, "rsa", nil},
		{"ES256 with the EC key", jose.ES256, ecKey, "ec", nil},
		{"EdDSA with the Ed25519 key", jose.EdDSA, edKey, "ed", nil},
		{"RS512 with the RSA key", jose.RS512, rsaKey, "rsa", ErrAlgorithm},
		{"RS256 under the EC key's kid", jose.RS256, rsaKey, "ec", ErrAlgorithm},
		{"ES256 under the RSA key's kid", jose.ES256, ecKey, "rsa", ErrAlgorithm},
		{"HS256 with the public key as secret", jose.HS256, []byte(edPublic), "ed", ErrAlgorithm},
		{"a stranger's key under our kid", jose.EdDSA, stranger, "ed", ErrSignature},
		{"a kid that nobody has", jose.EdDSA, edKey, "nobody", ErrUnknownKey},
		{"no kid", jose.EdDSA, edKey, "", ErrUnknownKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := signed(t, tt.alg, tt.key, tt.kid, claims)
			got, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](t.Context(), token, verifier)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if err == nil && got.Subject != "u" {
				t.Errorf("claims %+v", got)
			}
		})
	}

	t.Run("a signature over other claims", func(t *testing.T) {
		parts := strings.Split(signed(t, jose.EdDSA, edKey, "ed", claims), ".")
		other := strings.Split(signed(t, jose.EdDSA, edKey, "ed", strings.Replace(claims, `"u"`, `"v"`, 1)), ".")
		_, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](t.Context(), parts[0]+"."+other[1]+"."+parts[2], verifier)
		if !errors.Is(err, ErrSignature) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("two signatures", func(t *testing.T) {
		jws, err := jose.ParseSignedCompact(signed(t, jose.EdDSA, edKey, "ed", claims), []jose.SignatureAlgorithm{jose.EdDSA})
		if err != nil {
			t.Fatal(err)
		}
		jws.Signatures = slices.Repeat(jws.Signatures, 2)
		if _, err := k.VerifySignature(t.Context(), jws); !errors.Is(err, ErrSignature) {
			t.Errorf("error %v", err)
		}
	})
}

func signed(t testing.TB, alg jose.SignatureAlgorithm, key any, kid, payload string) string {
	t.Helper()
	options := new(jose.SignerOptions).WithType("JWT")
	if kid != "" {
		options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
