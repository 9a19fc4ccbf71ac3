package callout

import (
	"strings"
	"testing"
)

func TestTheShapeOfACredentialTellsItsKind(t *testing.T) {
	for _, tt := range []struct {
		name, credential string
		want             CredentialKind
	}{
		{"nothing", "", CredentialNone},
		{"a password", "hunter2", CredentialOther},
		{"three segments", "eyJh.eyJi.c2ln", CredentialJWT},
		{"five segments, as opaque tokens have", "eyJh..aXY.dGV4dA.dGFn", CredentialOpaque},
		{"two segments", "eyJh.eyJi", CredentialOther},
		{"four segments", "eyJh.eyJi.c2ln.x", CredentialOther},
		{"six segments", "eyJh.a.b.c.d.e", CredentialOther},
		{"three segments that begin with no JSON object", "abcd.eyJi.c2ln", CredentialOther},
		{"in capitals", "EYJh.eyJi.c2ln", CredentialOther},
		{"a space before", " eyJh.eyJi.c2ln", CredentialOther},
		{"Bearer before", "Bearer eyJh.eyJi.c2ln", CredentialOther},
		{"a line break, which base64 would skip", "eyJh.eyJi.c2\nln", CredentialOther},
		{"a carriage return at the end", "eyJh.eyJi.c2ln\r", CredentialOther},
		{"a NATS seed", "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY", CredentialOther},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := shapeOf([]byte(tt.credential)); got != tt.want {
				t.Errorf("kind %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTheTokenGoesBeforeThePassword(t *testing.T) {
	for _, tt := range []struct{ name, token, password, want string }{
		{"token alone", "t", "", "t"},
		{"password alone", "", "p", "p"},
		{"both", "t", "p", "t"},
		{"neither", "", "", ""},
	} {
		o := connectOptions{authToken: []byte(tt.token), password: []byte(tt.password), user: []byte("u")}
		if got := string(o.credential()); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestOnlyConfiguredKindsOfCredentialAreAccepted(t *testing.T) {
	m := newMint(t)
	p := policyOf(t, nil)
	token := m.token(payload())
	for _, kinds := range [][]string{nil, {"opaque"}, {"assertion"}} {
		d := newDecider(m.verifier(), p, kinds, CacheConfig{Tokens: 1, Refused: 1})
		if _, _, reason := decideAt(t, d, token, testNow); reason != ReasonUnsupportedCredential {
			t.Errorf("credentials %v: %q", kinds, reason)
		}
	}
}

func TestAnAssertionIsCountedAsOneAlsoFromTheCache(t *testing.T) {
	m := newMint(t)
	d := m.decider(policyOf(t, nil))
	assertion := m.token(payload(`"iss":"4711"`, `"aud":"`+testIssuerURL+`"`))
	for range 2 {
		_, out, reason := decideAt(t, d, assertion, testNow)
		if reason != ReasonUnsupportedCredential || out.Credential != CredentialAssertion {
			t.Errorf("reason %q, kind %q", reason, out.Credential)
		}
	}
}

func TestACredentialOfMoreThanTheLimitIsNotLookedAt(t *testing.T) {
	m := newMint(t)
	long := "eyJ" + strings.Repeat("A", maxCredential-3)
	d := m.decider(policyOf(t, nil))
	if _, _, reason := decideAt(t, d, long, testNow); reason != ReasonUnsupportedCredential {
		t.Errorf("at the limit: %q", reason)
	}
	if _, _, reason := decideAt(t, d, long+"A", testNow); reason != ReasonMalformedToken {
		t.Errorf("above the limit: %q", reason)
	}
	if n := d.refused.len(); n != 0 {
		t.Errorf("%d entries remembered for what is no token", n)
	}
}
