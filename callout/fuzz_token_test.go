package callout

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"harmony-callout/callout/callouttest"
)

// joseKeys is an oidc.KeySet that verifies with go-jose alone.
type joseKeys map[string]any

func (k joseKeys) VerifySignature(_ context.Context, jws *jose.JSONWebSignature) ([]byte, error) {
	return jws.Verify(k[jws.Signatures[0].Protected.KeyID])
}

// FuzzToken: every token that we take, go-jose and zitadel/oidc take too, and read the same
// claims in it. Headers and payloads are the fuzzer's, signatures are good ones; tail is put
// behind the token.
func FuzzToken(f *testing.F) {
	m := newMint(f)
	now := time.Now() // zitadel/oidc looks at the real clock
	m.keys.now = func() time.Time { return now }
	m.keys.current.Load().trustedUntil = now.Add(24 * time.Hour)
	theirs := joseKeys{}
	for kid, key := range m.keys.current.Load().keys {
		key.trustUntil(now.Add(24 * time.Hour))
		theirs[kid] = m.private[kid].Public()
	}
	verifier := op.NewAccessTokenVerifier(testIssuerURL, theirs, op.WithSupportedAccessTokenSigningAlgorithms("RS256", "ES256", "EdDSA"))
	header := []byte(`{"alg":"EdDSA","kid":"ed","typ":"JWT"}`)
	current := func(edits ...string) []byte {
		exp, iat := now.Add(24*time.Hour).Unix(), now.Unix()-1
		return payload(append([]string{`"exp":` + number(exp), `"iat":` + number(iat), `"nbf":` + number(iat)}, edits...)...)
	}
	for _, p := range [][]byte{
		current(), current(`"aud":"` + testProjectID + `"`), current(`+,"Sub":"x"`), current(`"sub":"\u0041\ud83d\ude00"`), current(`"exp":1e10`),
		current(`"x":{"a":[1,2.5e3,null,true,"\n"]}`), current("-nbf"), current(`"client_id":"a","preferred_username":"b"`), current(`"aud":["a","` + testProjectID + `"]`),
	} {
		f.Add(header, p, "")
	}
	f.Add([]byte(`{"alg":"none","kid":"ed"}`), current(), "")
	f.Add([]byte(`{"kid":"ed","alg":"EdDSA","jwk":{"kty":"oct","k":"AA"},"x5c":["AA=="]}`), current(), "")
	f.Add([]byte(`{"alg":"EdDSA","kid":"ed","b64":false}`), current(), "")
	f.Add(header, current(), "\n")
	f.Add(header, current(), "=")
	d := m.decider(policyOf(f, nil))
	d.verified, d.refused = newCache[*verifiedToken](1), newCache[refusedToken](1)
	f.Fuzz(func(t *testing.T, header, payload []byte, tail string) {
		token := callouttest.SignJWT(header, payload, m.private["ed"]) + tail
		_, out, _ := decideAt(t, d, token, now)
		who := out.Principal
		if who == nil || hasCaseVariants(payload) || hasCaseVariants(header) {
			return
		}
		parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
		if err != nil {
			if caveat := string(header); strings.Contains(caveat, "jwk") || strings.Contains(caveat, "x5") {
				return // a key in the header that go-jose cannot read, and we do not read at all
			}
			t.Fatalf("we take what go-jose does not: %v\n%s\n%s", err, header, payload)
		}
		if _, err := parsed.Verify(theirs["ed"]); err != nil {
			t.Fatalf("go-jose: %v\n%s\n%s", err, header, payload)
		}
		got, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](context.Background(), token, verifier)
		if err != nil {
			if optionalClaimOfAnotherType(payload) {
				return
			}
			t.Fatalf("we take what zitadel/oidc does not: %v\n%s\n%s", err, header, payload)
		}
		if got.Subject != who.Subject || got.JWTID != who.TokenID || got.Expiration.AsTime().Unix() != who.Expires.Unix() ||
			got.Issuer != testIssuerURL || !slices.Contains(got.Audience, testProjectID) {
			t.Errorf("we read %+v, zitadel/oidc %+v", who, got)
		}
		if who.Username != "" && who.Username != got.ClientID && who.Username != asText(got.Claims["preferred_username"]) {
			t.Errorf("user name %q, zitadel/oidc has %q and %v", who.Username, got.ClientID, got.Claims["preferred_username"])
		}
		if want := grantsIn(got.Claims[testRoles]); !maps.EqualFunc(who.Grants, want, sameSet) {
			t.Errorf("grants %v, by zitadel/oidc's claims %v", who.Grants, want)
		}
	})
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func asText(v any) string { s, _ := v.(string); return s }

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// grantsIn reads a roles claim as encoding/json has read it.
func grantsIn(claim any) map[string][]string {
	grants := map[string][]string{}
	roles, _ := claim.(map[string]any)
	for role, value := range roles {
		orgs, _ := value.(map[string]any)
		if role != "" && len(orgs) > 0 {
			grants[role] = slices.Collect(maps.Keys(orgs))
		}
	}
	return grants
}

// optionalClaimOfAnotherType tells whether a claim that zitadel/oidc gives a type to, and we
// do not read, is of another type.
func optionalClaimOfAnotherType(payload []byte) bool {
	var claims map[string]json.RawMessage
	if json.Unmarshal(payload, &claims) != nil {
		return false
	}
	for _, name := range []string{"auth_time", "nonce", "acr", "amr", "azp", "act", "sid", "scope", "at_hash", "c_hash"} {
		if _, there := claims[name]; there {
			return true
		}
	}
	return false
}

// FuzzClaims: what we read of a payload is what encoding/json reads, or it is refused.
func FuzzClaims(f *testing.F) {
	for _, p := range [][]byte{
		payload(), payload(`"exp":1.5`), payload(`"sub":"\ud800"`), payload(`+,"sub":"x"`), payload(`"team":"blue"`), payload(`"aud":"x"`), payload(`"aud":[]`), []byte(`{}`), []byte(`null`),
	} {
		f.Add(p)
	}
	read := newClaimReader(testProjectID, set([]string{"team"}))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := read.parse(bytes.Clone(payload))
		if err != nil {
			return
		}
		var want map[string]any
		decoder := json.NewDecoder(bytes.NewReader(payload))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil {
			t.Fatalf("we read what encoding/json does not: %v", err)
		}
		for name, got := range map[string]string{
			"iss": c.issuer, "sub": c.subject, "jti": c.tokenID, "client_id": c.clientID, "preferred_username": c.preferredUsername, "team": c.custom["team"],
		} {
			if !utf8.ValidString(got) || got != asText(want[name]) {
				t.Errorf("%s: %q, want %v", name, got, want[name])
			}
		}
		for name, got := range map[string]int64{"exp": c.expires, "nbf": c.notBefore, "iat": c.issued} {
			written, _ := want[name].(json.Number)
			if got < 0 || got > maxNumericDate || (got != 0) != (written != "") || got != 0 && number(got) != string(written) {
				t.Errorf("%s: %d, want %v", name, got, want[name])
			}
		}
		if got := grantsIn(want[testRoles]); !maps.EqualFunc(c.grants, got, sameSet) {
			t.Errorf("grants %v, want %v", c.grants, got)
		}
	})
}
