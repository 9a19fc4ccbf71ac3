package callout_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"harmony-callout/callout/callouttest"
)

// attack is one token that must not get in, and the reason that the log must give.
type attack struct {
	name, token, reason string
}

// attacks makes the tokens. The key server is the attacker's.
func attacks(h *harness, keyServer string) []attack {
	iss := h.issuer
	attacker := callouttest.StartIssuer(h.t, callouttest.IssuerConfig{})
	ec := iss.AddKey(callouttest.ES256)
	url, port, ok := cutPort(iss.URL())
	if !ok {
		h.t.Fatalf("issuer %s has no port", iss.URL())
	}
	token := func(edit func(*callouttest.TokenSpec)) string {
		spec := callouttest.TokenSpec{Subject: "mallory", Username: "mallory", Roles: []string{"sensor"}}
		edit(&spec)
		return iss.Token(spec)
	}
	claim := func(name string, value any) string {
		return token(func(s *callouttest.TokenSpec) { s.Claims = map[string]any{name: value} })
	}
	header := func(fields map[string]any) string {
		return attacker.Token(callouttest.TokenSpec{IssuerClaim: iss.URL(), Audience: []string{iss.ProjectID()}, Header: fields})
	}
	raw := func(more string) string {
		return token(func(s *callouttest.TokenSpec) {
			s.RawClaims = fmt.Appendf(nil, `{"iss":%q,"sub":"mallory","aud":[%q],"exp":%d,"iat":%d,"jti":"j",%q:{"sensor":{"1":"x"}}%s}`,
				iss.URL(), iss.ProjectID(), time.Now().Add(time.Hour).Unix(), time.Now().Unix(), callouttest.RolesClaim(iss.ProjectID()), more)
		})
	}
	issuedBy := func(claim string) string {
		return token(func(s *callouttest.TokenSpec) { s.IssuerClaim = claim })
	}
	named := func(username string) string {
		return token(func(s *callouttest.TokenSpec) { s.Username, s.Roles = username, []string{"named"} })
	}
	jwk := map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
	kid := iss.ActiveKey()
	good := token(func(*callouttest.TokenSpec) {})
	return []attack{
		{"issuer without its port", issuedBy(url), "issuer"},
		{"issuer with a slash at the end", issuedBy(iss.URL() + "/"), "issuer"},
		{"issuer with https", issuedBy("https" + strings.TrimPrefix(iss.URL(), "http")), "issuer"},
		{"issuer with port 80", issuedBy(url + ":80"), "issuer"},
		{"issuer with another name of the same host", issuedBy("http://localhost:" + port), "issuer"},
		{"issuer of the attacker, with his own key", attacker.Token(callouttest.TokenSpec{Roles: []string{"sensor"}, Audience: []string{iss.ProjectID()}}), "issuer"},
		{"foreign audience", token(func(s *callouttest.TokenSpec) { s.Audience = []string{"400888114106661378"} }), "audience"},
		{"expired", token(func(s *callouttest.TokenSpec) { s.Expires = time.Now() }), "expired"},
		{"not yet valid", token(func(s *callouttest.TokenSpec) { s.NotBefore = time.Now().Add(time.Minute) }), "not_yet_valid"},
		{"issued in the future", token(func(s *callouttest.TokenSpec) {
			s.IssuedAt, s.NotBefore, s.Expires = time.Now().Add(time.Minute), time.Now(), time.Now().Add(time.Hour)
		}), "not_yet_valid"},
		{"ID token", token(func(s *callouttest.TokenSpec) { s.IDToken, s.ClientID = true, "app" }), "not_access_token"},
		{"the algorithm none", token(func(s *callouttest.TokenSpec) { s.Algorithm = "none" }), "algorithm"},
		{"the algorithm none with a signature", token(func(s *callouttest.TokenSpec) { s.Header = map[string]any{"alg": "none"} }), "algorithm"},
		{"HS256 with the public key as secret", token(func(s *callouttest.TokenSpec) { s.Algorithm = "HS256" }), "algorithm"},
		{"RS512", token(func(s *callouttest.TokenSpec) { s.Algorithm = "RS512" }), "algorithm"},
		{"the EC key's id on an RSA token", token(func(s *callouttest.TokenSpec) { s.Header = map[string]any{"kid": ec} }), "algorithm"},
		{"the EC key's id and algorithm on an RSA signature", token(func(s *callouttest.TokenSpec) { s.Header = map[string]any{"kid": ec, "alg": "ES256"} }), "signature"},
		{"the attacker's key under our key's id", header(map[string]any{"kid": kid}), "signature"},
		{"a key set of the attacker", header(map[string]any{"jku": keyServer + "/keys"}), "unknown_key"},
		{"a key set of the attacker under our key's id", header(map[string]any{"kid": kid, "jku": keyServer + "/keys", "x5u": keyServer + "/cert"}), "signature"},
		{"a key within the token", header(map[string]any{"kid": kid, "jwk": jwk, "x5c": []string{"MIIB"}}), "signature"},
		{"a key id that is a URL", header(map[string]any{"kid": keyServer + "/keys"}), "unknown_key"},
		{"a key id that is a path", header(map[string]any{"kid": "../../dev/null"}), "unknown_key"},
		{"a claim twice", raw(`,"sub":"admin"`), "malformed_token"},
		{"a claim twice, once escaped", raw(`,"\u0073ub":"admin"`), "malformed_token"},
		{"a subject in another case only", token(func(s *callouttest.TokenSpec) { s.Claims = map[string]any{"sub": nil, "Sub": "admin"} }), "malformed_token"},
		{"an audience in another case only", token(func(s *callouttest.TokenSpec) { s.Claims = map[string]any{"aud": nil, "AUD": iss.ProjectID()} }), "audience"},
		{"exp that is text", claim("exp", "9999999999"), "malformed_token"},
		{"exp that is a fraction", claim("exp", 9999999999.5), "malformed_token"},
		{"exp that overflows", claim("exp", json.RawMessage("9223372036854775807")), "malformed_token"},
		{"nbf that overflows", claim("nbf", json.RawMessage("9223372036854775807")), "malformed_token"},
		{"sub that is a list", claim("sub", []string{"mallory"}), "malformed_token"},
		{"no jti", claim("jti", nil), "not_access_token"},
		{"JSON nested deep", raw(`,"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), "malformed_token"},
		{"60 kB of claims and no role", token(func(s *callouttest.TokenSpec) {
			s.Roles, s.Claims = nil, map[string]any{"x": strings.Repeat("x", 44_000)}
		}), "no_role"},
		{"60 kB that are no token", "eyJ" + strings.Repeat("A", 60_000), "unsupported_credential"},
		{"the unqualified roles claim", token(func(s *callouttest.TokenSpec) {
			s.Roles, s.Claims = nil, map[string]any{"urn:zitadel:iam:org:project:roles": map[string]any{"sensor": map[string]any{"1": "x"}}}
		}), "no_role"},
		{"another project's roles claim", token(func(s *callouttest.TokenSpec) {
			s.Roles, s.Claims = nil, map[string]any{callouttest.RolesClaim("1"): map[string]any{"sensor": map[string]any{"1": "x"}}}
		}), "no_role"},
		{"a user called >", named(">"), "unsafe_value"},
		{"a user called *", named("*"), "unsafe_value"},
		{"a user with a dot", named("ann.>"), "unsafe_value"},
		{"a user with a space", named("ann bob"), "unsafe_value"},
		{"a user with YAML in his name", named("x\n  publish: {allow: [\">\"]}"), "unsafe_value"},
		{"a user called $SYS", named("$SYS"), "unsafe_value"},
		{"a user called _INBOX", named("_INBOX"), "unsafe_value"},
		{"a user called as another's inbox", named("_INBOX_s1"), "unsafe_value"},
		{"a user with a zero-width space", named("ann\u200b"), "unsafe_value"},
		{"a user who is denied", token(func(s *callouttest.TokenSpec) { s.Subject = "banned" }), "denied"},
		{"a token that is denied", token(func(s *callouttest.TokenSpec) { s.JTI = "stolen" }), "denied"},
		{"an assertion", token(func(s *callouttest.TokenSpec) { s.IssuerClaim, s.Audience = "mallory", []string{iss.URL()} }), "unsupported_credential"},
		{"a role for other client addresses", token(func(s *callouttest.TokenSpec) { s.Roles = []string{"plant"} }), "source"},
		{"a good token with a newline", good + "\n", "unsupported_credential"},
		{"a good token with padding", good + "==", "malformed_token"},
		{"a good token with a segment more", good + ".x", "unsupported_credential"},
		{"a good token with its signature cut", good[:len(good)-2], "signature"},
		{"the payload of one token with another's signature", swapSignature(good, named("ann")), "signature"},
		{"nothing that is a token", "hunter2-and-a-bit-more-of-it", "unsupported_credential"},
	}
}

func cutPort(url string) (before, port string, ok bool) {
	i := strings.LastIndexByte(url, ':')
	return url[:max(i, 0)], url[i+1:], i > len("https:")
}

func swapSignature(token, other string) string {
	return token[:strings.LastIndexByte(token, '.')] + other[strings.LastIndexByte(other, '.'):]
}
