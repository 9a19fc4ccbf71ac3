package callouttest

import (
	"crypto/ed25519"
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// What a real Zitadel issued, decoded; the strings that differ each time stand for their form.
const (
	recordedHeader  = `{"alg":"RS256","kid":"400888065805318657","typ":"JWT"}`
	recordedMachine = `{"aud":["400888114106661377"],"client_id":"svc-nats-jwt","exp":1795487155,"iat":1795443955,
		"iss":"http://sso.harmony.local:8080","jti":"V2_400888146956515841-at_400888146956581377","nbf":1795443955,
		"sub":"400888116740684289","urn:zitadel:iam:org:project:400888114106661377:roles":{
		"nats-reader":{"400888063842187777":"harmony.sso.harmony.local"},
		"nats-writer":{"400888063842187777":"harmony.sso.harmony.local"}}}`
	recordedNoRoles = `{"iss":"http://sso.harmony.local:8080","sub":"400888116740684289","aud":["400888114106661377"],
		"exp":1795487156,"iat":1795443956,"nbf":1795443956,"client_id":"svc-nats-jwt",
		"jti":"V2_400888148365736449-at_400888148365801985"}`
	recordedPerson = `{"aud":["400888115465615873","400888114106661377"],"client_id":"400888115465615873",
		"exp":1795487185,"iat":1795443985,"iss":"http://sso.harmony.local:8080",
		"jti":"V2_400888196868733441-at_400888196868798977","nbf":1795443985,"sub":"400888189251942913",
		"urn:zitadel:iam:org:project:400888114106661377:roles":{"nats-reader":{"400888063842187777":"harmony.sso.harmony.local"}},
		"urn:zitadel:iam:org:project:roles":{"nats-reader":{"400888063842187777":"harmony.sso.harmony.local"}}}`
	recordedClientCredentialsID = `{"amr":["pwd"],"at_hash":"KfhmKyQ3OWq83R8wFVBh1g","aud":["400888114106661377","svc-nats-jwt"],
		"auth_time":1795443980,"azp":"svc-nats-jwt","client_id":"svc-nats-jwt","exp":1795487180,"iat":1795443980,
		"iss":"http://sso.harmony.local:8080","sub":"400888116740684289"}`
)

// unlike are claims whose value differs from token to token; the test compares their form.
var unlike = []string{"jti", "at_hash", "sid"}

func TestTokensHaveTheClaimsThatZitadelIssued(t *testing.T) {
	iss := StartIssuer(t, IssuerConfig{Issuer: "http://sso.harmony.local:8080"})
	tests := map[string]struct {
		spec     TokenSpec
		recorded string
		added    []string // claims that ours has on purpose and the recording has not
	}{
		"a machine user with roles": {
			TokenSpec{IssuedAt: time.Unix(1795443955, 0), Username: "svc-nats-jwt", Roles: []string{"nats-reader", "nats-writer"}},
			recordedMachine, nil,
		},
		"a machine user without roles": {
			TokenSpec{IssuedAt: time.Unix(1795443956, 0), Username: "svc-nats-jwt"},
			recordedNoRoles, nil,
		},
		"a person who logged in through an app": {
			TokenSpec{
				IssuedAt: time.Unix(1795443985, 0), Subject: "400888189251942913", Username: "alice",
				ClientID: "400888115465615873", Roles: []string{"nats-reader"},
			},
			recordedPerson, []string{"preferred_username"},
		},
		"an ID token": {
			TokenSpec{IssuedAt: time.Unix(1795443980, 0), Username: "svc-nats-jwt", IDToken: true},
			recordedClientCredentialsID, []string{"sid"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			header, got := decode(t, iss.Token(tt.spec))
			wantHeader := asMap(t, recordedHeader)
			wantHeader["kid"] = iss.ActiveKey()
			if !reflect.DeepEqual(header, wantHeader) {
				t.Errorf("header %v, want %v", header, wantHeader)
			}
			want := asMap(t, tt.recorded)
			for _, claim := range unlike {
				if text, ok := want[claim].(string); ok && shape(text) != shape(got[claim].(string)) {
					t.Errorf("%s is like %q, want %q", claim, got[claim], text)
				}
				delete(want, claim)
			}
			for _, claim := range slices.Concat(unlike, tt.added) {
				delete(got, claim)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("claims\n got %v\nwant %v", got, want)
			}
		})
	}
}

// shape keeps of a value what does not change: where ids stand in it, else its length.
func shape(s string) string {
	if digits := regexp.MustCompile(`[0-9]{10,}`); digits.MatchString(s) {
		return digits.ReplaceAllString(s, "#")
	}
	return strings.Repeat("x", len(s))
}

func TestEveryAlgorithmVerifiesAgainstThePublishedKeySet(t *testing.T) {
	iss := StartIssuer(t, IssuerConfig{})
	for _, alg := range []string{RS256, ES256, EdDSA} {
		t.Run(alg, func(t *testing.T) {
			kid := iss.AddKey(alg)
			token := iss.Token(TokenSpec{KeyID: kid})
			header, _ := decode(t, token)
			if header["alg"] != alg || header["kid"] != kid {
				t.Errorf("header %v, want alg %s and kid %s", header, alg, kid)
			}
			if err := verify(t, iss, token); err != nil {
				t.Error(err)
			}
		})
	}
}

// verify checks a token's signature with go-jose and nothing but the served key set.
func verify(t *testing.T, iss *Issuer, token string) error {
	t.Helper()
	host := strings.TrimPrefix(iss.URL(), "http://")
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(get(t, iss, JWKSPath, host).body), &set); err != nil {
		t.Fatal(err)
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
	if err != nil {
		return err
	}
	_, err = signed.Verify(set)
	return err
}

func TestAttackTokensAreWhatTheyClaimToBe(t *testing.T) {
	iss := StartIssuer(t, IssuerConfig{})
	foreign := StartIssuer(t, IssuerConfig{})
	active := iss.ActiveKey()
	tests := map[string]struct {
		spec      TokenSpec
		alg       string
		signature bool // verifies against the key set
	}{
		"nothing wrong":                {TokenSpec{}, RS256, true},
		"no algorithm":                 {TokenSpec{Algorithm: "none"}, "none", false},
		"HMAC with the public key":     {TokenSpec{Algorithm: "HS256"}, "HS256", false},
		"another algorithm's name":     {TokenSpec{Algorithm: "ES256"}, "ES256", false},
		"another key under our key id": {TokenSpec{SignWith: newPrivateKey(EdDSA)}, EdDSA, false},
		"raw claims":                   {TokenSpec{RawClaims: []byte(`{"sub":1,"sub":"2"}`)}, RS256, true},
		"a key id that nobody knows":   {TokenSpec{Header: map[string]any{"kid": "1"}}, RS256, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			token := iss.Token(tt.spec)
			header, _ := decode(t, token)
			if header["alg"] != tt.alg {
				t.Errorf("alg %v, want %s", header["alg"], tt.alg)
			}
			if err := verify(t, iss, token); (err == nil) != tt.signature {
				t.Errorf("verify: %v, want success %t", err, tt.signature)
			}
		})
	}
	t.Run("issuers of one process share no keys", func(t *testing.T) {
		if err := verify(t, iss, foreign.Token(TokenSpec{Header: map[string]any{"kid": active}})); err == nil {
			t.Error("a foreign issuer's token verifies")
		}
	})
	t.Run("an empty signature is empty", func(t *testing.T) {
		if token := iss.Token(TokenSpec{Algorithm: "none"}); !strings.HasSuffix(token, ".") {
			t.Errorf("token %q does not end with a dot", token)
		}
	})
	t.Run("nil removes claims and header fields", func(t *testing.T) {
		header, claims := decode(t, iss.Token(TokenSpec{
			Claims: map[string]any{"jti": nil, "x": 1}, Header: map[string]any{"typ": nil, "jku": "http://evil"},
		}))
		if got := slices.Sorted(maps.Keys(header)); !slices.Equal(got, []string{"alg", "jku", "kid"}) {
			t.Errorf("header fields %v", got)
		}
		if _, has := claims["jti"]; has || claims["x"] != 1.0 {
			t.Errorf("claims %v", claims)
		}
	})
	t.Run("grants of other organisations", func(t *testing.T) {
		_, claims := decode(t, iss.Token(TokenSpec{Roles: []string{"a"}, Grants: map[string][]string{"a": {"7"}, "b": {"8"}}}))
		want := asMap(t, `{"a":{"400888063842187777":"harmony.sso.harmony.local","7":"org-7.127.0.0.1"},"b":{"8":"org-8.127.0.0.1"}}`)
		if got := claims[RolesClaim(iss.ProjectID())]; !reflect.DeepEqual(got, any(want)) {
			t.Errorf("roles %v, want %v", got, want)
		}
	})
}

func TestAccessTokenHashMatchesTheRecordedLengths(t *testing.T) {
	for alg, length := range map[string]int{RS256: 22, ES256: 22, EdDSA: 43} {
		if got := len(accessTokenHash(alg, "token")); got != length {
			t.Errorf("%s: %d characters, want %d", alg, got, length)
		}
	}
}

func TestOpaqueTokenLooksLikeZitadels(t *testing.T) {
	token := OpaqueToken()
	if !strings.HasPrefix(token, "eyJ") || strings.Count(token, ".") != 4 || len(token) < 270 || len(token) > 290 {
		t.Errorf("%d characters, %d dots: %q", len(token), strings.Count(token, "."), token)
	}
	if token == OpaqueToken() {
		t.Error("two opaque tokens are alike")
	}
}

func TestSignJWTTakesEd25519Bytes(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	token := SignJWT([]byte(`{"alg":"EdDSA"}`), []byte("no JSON"), private)
	dot := strings.LastIndexByte(token, '.')
	signature, err := b64.DecodeString(token[dot+1:])
	if err != nil || !ed25519.Verify(public, []byte(token[:dot]), signature) {
		t.Errorf("signature does not verify: %v", err)
	}
}
