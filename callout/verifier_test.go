package callout

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"harmony-callout/callout/callouttest"
)

func TestEveryClaimIsCheckedAtItsEdge(t *testing.T) {
	m := newMint(t)
	for _, tt := range []struct {
		name  string
		edits []string
		want  Reason
	}{
		{"a good token", nil, ""},

		{"exp is now", []string{`"exp":1800000000`}, ReasonExpired},
		{"exp was a second ago, within the leeway", []string{`"exp":1799999999`}, ReasonExpired},
		{"exp is in a second", []string{`"exp":1800000001`}, ""},
		{"exp is the end of 9999", []string{`"exp":253402300799`}, ""},
		{"exp is after 9999", []string{`"exp":253402300800`}, ReasonMalformedToken},
		{"exp overflows when it is added to", []string{`"exp":9223372036854775807`}, ReasonMalformedToken},
		{"exp does not fit 64 bits", []string{`"exp":9223372036854775808`}, ReasonMalformedToken},
		{"exp has 40 digits", []string{`"exp":1800000900180000090018000009001800000900`}, ReasonMalformedToken},
		{"exp is a fraction", []string{`"exp":1800000900.5`}, ReasonMalformedToken},
		{"exp has an exponent", []string{`"exp":18e8`}, ReasonMalformedToken},
		{"exp is negative", []string{`"exp":-1`}, ReasonMalformedToken},
		{"exp is zero", []string{`"exp":0`}, ReasonMalformedToken},
		{"exp is minus zero", []string{`"exp":-0`}, ReasonMalformedToken},
		{"exp begins with a zero", []string{`"exp":01800000900`}, ReasonMalformedToken},
		{"exp is text", []string{`"exp":"1800000900"`}, ReasonMalformedToken},
		{"exp is null", []string{`"exp":null`}, ReasonMalformedToken},
		{"exp is true", []string{`"exp":true`}, ReasonMalformedToken},
		{"exp is an array", []string{`"exp":[1800000900]`}, ReasonMalformedToken},
		{"exp is missing", []string{"-exp"}, ReasonMalformedToken},

		{"iat is as far ahead as the leeway", []string{`"iat":1800000005`}, ""},
		{"iat is a second further ahead", []string{`"iat":1800000006`}, ReasonNotYetValid},
		{"iat overflows when it is added to", []string{`"iat":9223372036854775807`}, ReasonMalformedToken},
		{"iat is missing", []string{"-iat"}, ReasonMalformedToken},
		{"iat is text", []string{`"iat":"1799999990"`}, ReasonMalformedToken},
		{"nbf is as far ahead as the leeway", []string{`"nbf":1800000005`}, ""},
		{"nbf is a second further ahead", []string{`"nbf":1800000006`}, ReasonNotYetValid},
		{"nbf is in the year 3000", []string{`"nbf":32503680000`}, ReasonNotYetValid},
		{"nbf overflows when it is added to", []string{`"nbf":9223372036854775807`}, ReasonMalformedToken},
		{"nbf is missing, which RFC 7519 allows", []string{"-nbf"}, ""},
		{"nbf is a fraction", []string{`"nbf":1799999990.0`}, ReasonMalformedToken},

		{"aud is one string", []string{`"aud":"` + testProjectID + `"`}, ""},
		{"aud has others beside the project", []string{`"aud":["app","` + testProjectID + `","app2"]`}, ""},
		{"aud is another project", []string{`"aud":["400888114106661378"]`}, ReasonAudience},
		{"aud begins with the project", []string{`"aud":["` + testProjectID + `0"]`}, ReasonAudience},
		{"aud is the project and a space", []string{`"aud":["` + testProjectID + ` "]`}, ReasonAudience},
		{"aud is several in one string", []string{`"aud":"app ` + testProjectID + `"`}, ReasonAudience},
		{"aud is empty", []string{`"aud":[]`}, ReasonAudience},
		{"aud is missing", []string{"-aud"}, ReasonAudience},
		{"aud is the number of the project", []string{`"aud":` + testProjectID}, ReasonMalformedToken},
		{"aud holds the number of the project", []string{`"aud":[` + testProjectID + `]`}, ReasonMalformedToken},
		{"aud is null", []string{`"aud":null`}, ReasonMalformedToken},
		{"aud is an object", []string{`"aud":{"` + testProjectID + `":1}`}, ReasonMalformedToken},
		{"aud is nested", []string{`"aud":[["` + testProjectID + `"]]`}, ReasonMalformedToken},

		{"iss without its port", []string{`"iss":"http://sso.example.test"`}, ReasonIssuer},
		{"iss with another port", []string{`"iss":"http://sso.example.test:80"`}, ReasonIssuer},
		{"iss with a slash at the end", []string{`"iss":"` + testIssuerURL + `/"`}, ReasonIssuer},
		{"iss with https", []string{`"iss":"https://sso.example.test:8080"`}, ReasonIssuer},
		{"iss with a host in capitals", []string{`"iss":"http://SSO.example.test:8080"`}, ReasonIssuer},
		{"iss with a space at the end", []string{`"iss":"` + testIssuerURL + ` "`}, ReasonIssuer},
		{"iss with a user", []string{`"iss":"http://x@sso.example.test:8080"`}, ReasonIssuer},
		{"iss is another issuer", []string{`"iss":"http://evil.test"`}, ReasonIssuer},
		{"iss is escaped, and the same", []string{`"iss":"http:\/\/sso.example.test:8080"`}, ""},
		{"iss is empty", []string{`"iss":""`}, ReasonIssuer},
		{"iss is missing", []string{"-iss"}, ReasonIssuer},
		{"iss is a list with ours", []string{`"iss":["` + testIssuerURL + `"]`}, ReasonMalformedToken},
		{"iss is the subject: an assertion", []string{`"iss":"4711"`}, ReasonUnsupportedCredential},

		{"sub is missing", []string{"-sub"}, ReasonMalformedToken},
		{"sub is empty", []string{`"sub":""`}, ReasonMalformedToken},
		{"sub is a number", []string{`"sub":4711`}, ReasonMalformedToken},
		{"jti is missing", []string{"-jti"}, ReasonNotAccessToken},
		{"jti is empty", []string{`"jti":""`}, ReasonNotAccessToken},
		{"jti is a number", []string{`"jti":1`}, ReasonMalformedToken},
		{"an ID token by at_hash", []string{`"at_hash":"x"`}, ReasonNotAccessToken},
		{"an ID token by c_hash", []string{`"c_hash":"x"`}, ReasonNotAccessToken},
		{"an ID token by nonce, even of null", []string{`"nonce":null`}, ReasonNotAccessToken},
		{"client_id is a number", []string{`"client_id":1`}, ReasonMalformedToken},
		{"preferred_username is null", []string{`"preferred_username":null`}, ReasonMalformedToken},

		{"sub stands twice", []string{`+,"sub":"4712"`}, ReasonMalformedToken},
		{"sub stands twice, once escaped", []string{`+,"\u0073ub":"4712"`}, ReasonMalformedToken},
		{"exp stands twice with one value", []string{`+,"exp":1800000900`}, ReasonMalformedToken},
		{"a claim that nobody reads stands twice", []string{`+,"x":1,"x":1`}, ReasonMalformedToken},
		{"Sub is not sub", []string{`"Sub":"4712"`}, ""},
		{"EXP does not stand for exp", []string{"-exp", `"EXP":1800000900`}, ReasonMalformedToken},
		{"aUd does not stand for aud", []string{"-aud", `"aUd":["` + testProjectID + `"]`}, ReasonAudience},
		{"Jti does not stand for jti", []string{"-jti", `"Jti":"1"`}, ReasonNotAccessToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := m.decider(policyOf(t, nil))
			_, out, reason := decideAt(t, d, m.token(payload(tt.edits...)), testNow)
			if reason != tt.want {
				t.Errorf("reason %q, want %q", reason, tt.want)
			}
			if reason == "" && out.Principal.Subject != "4711" {
				t.Errorf("principal %+v", out.Principal)
			}
			if reason != "" && out.Principal != nil {
				t.Errorf("refused, and yet the log says it is verified: %+v", out.Principal)
			}
		})
	}
}

func TestExpHasNoLeewayWhateverTheOthersHave(t *testing.T) {
	m := newMint(t)
	v := m.verifier()
	v.Leeway = time.Minute
	read := newClaimReader(testProjectID, nil)
	token := []byte(m.token(payload()))
	exp := time.Unix(1_800_000_900, 0)
	for now, want := range map[time.Time]Reason{
		exp.Add(-1): "", exp: ReasonExpired, exp.Add(1): ReasonExpired, exp.Add(59 * time.Second): ReasonExpired,
	} {
		_, _, _, err := v.Verify(token, &read, now, nil)
		if got := reasonOf(t, err); got != want {
			t.Errorf("%s after exp: %q, want %q", now.Sub(exp), got, want)
		}
	}
}

func TestOnlyTheNamedKeyWithItsOwnAlgorithmVerifies(t *testing.T) {
	m, stranger := newMint(t), newMint(t)
	der, err := x509.MarshalPKIXPublicKey(m.private["rsa"].Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for _, tt := range []struct {
		name   string
		header string
		key    any
		want   Reason
	}{
		{"RS256 by the RSA key", `{"alg":"RS256","kid":"rsa"}`, m.private["rsa"], ""},
		{"ES256 by the EC key", `{"alg":"ES256","kid":"ec"}`, m.private["ec"], ""},
		{"EdDSA by the Ed25519 key", `{"alg":"EdDSA","kid":"ed"}`, m.private["ed"], ""},
		{"the algorithm none, with some signature", `{"alg":"none","kid":"rsa"}`, m.private["rsa"], ReasonAlgorithm},
		{"the algorithm nOnE", `{"alg":"nOnE","kid":"rsa"}`, m.private["rsa"], ReasonAlgorithm},
		{"the algorithm none, without a signature", `{"alg":"none","kid":"rsa"}`, nil, ReasonAlgorithm},
		{"RS256, without a signature", `{"alg":"RS256","kid":"rsa"}`, nil, ReasonSignature},
		{"HS256 with the public key as its secret", `{"alg":"HS256","kid":"rsa"}`, public, ReasonAlgorithm},
		{"RS256 said, HMAC with the public key done", `{"alg":"RS256","kid":"rsa"}`, public, ReasonSignature},
		{"RS384", `{"alg":"RS384","kid":"rsa"}`, m.private["rsa"], ReasonAlgorithm},
		{"PS256", `{"alg":"PS256","kid":"rsa"}`, m.private["rsa"], ReasonAlgorithm},
		{"rs256 in small letters", `{"alg":"rs256","kid":"rsa"}`, m.private["rsa"], ReasonAlgorithm},
		{"no algorithm", `{"kid":"rsa"}`, m.private["rsa"], ReasonAlgorithm},
		{"an algorithm that is a list", `{"alg":["RS256"],"kid":"rsa"}`, m.private["rsa"], ReasonMalformedToken},
		{"the EC key's id on an RSA token", `{"alg":"RS256","kid":"ec"}`, m.private["rsa"], ReasonAlgorithm},
		{"the RSA key's id on an EC token", `{"alg":"ES256","kid":"rsa"}`, m.private["ec"], ReasonAlgorithm},
		{"the EC key's id and algorithm on an RSA signature", `{"alg":"ES256","kid":"ec"}`, m.private["rsa"], ReasonSignature},
		{"another issuer's RSA key under our id", `{"alg":"EdDSA","kid":"ed"}`, stranger.private["ed"], ReasonSignature},
		{"a kid that the issuer does not have", `{"alg":"EdDSA","kid":"other"}`, m.private["ed"], keyWantedReason},
		{"no kid", `{"alg":"EdDSA"}`, m.private["ed"], ReasonUnknownKey},
		{"an empty kid", `{"alg":"EdDSA","kid":""}`, m.private["ed"], ReasonUnknownKey},
		{"a kid of 4 kB", `{"alg":"EdDSA","kid":"` + strings.Repeat("k", 4096) + `"}`, m.private["ed"], ReasonUnknownKey},
		{"a kid that is a number", `{"alg":"EdDSA","kid":1}`, m.private["ed"], ReasonMalformedToken},
		{"a kid that is a path", `{"alg":"EdDSA","kid":"../ed"}`, m.private["ed"], keyWantedReason},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := callouttest.SignJWT([]byte(tt.header), payload(), tt.key)
			if _, _, reason := decideAt(t, m.decider(policyOf(t, nil)), token, testNow); reason != tt.want {
				t.Errorf("reason %q, want %q", reason, tt.want)
			}
		})
	}
}

func TestAnAlgorithmThatIsNotConfiguredIsRefusedThoughItsKeyIsThere(t *testing.T) {
	m := newMint(t)
	v := m.verifier()
	v.Algorithms = []string{algRS256}
	read := newClaimReader(testProjectID, nil)
	_, _, _, err := v.Verify([]byte(m.token(payload())), &read, testNow, nil)
	if got := reasonOf(t, err); got != ReasonAlgorithm {
		t.Errorf("reason %q", got)
	}
}

func TestATokenThatIsRefusedAnywayCausesNoFetch(t *testing.T) {
	m := newMint(t)
	for name, edit := range map[string]string{
		"foreign issuer": `"iss":"http://evil.test"`, "foreign audience": `"aud":"x"`, "expired": `"exp":1`,
		"not yet valid": `"nbf":1900000000`, "ID token": `"at_hash":"x"`, "no jti": "-jti", "no sub": "-sub",
	} {
		token := m.sign("ed", `{"alg":"EdDSA","kid":"unknown"}`, payload(edit))
		if _, _, reason := decideAt(t, m.decider(policyOf(t, nil)), token, testNow); reason == keyWantedReason || reason == "" {
			t.Errorf("%s: %q", name, reason)
		}
	}
}

func TestTheUserNameIsNeverAnApplication(t *testing.T) {
	m := newMint(t)
	for _, tt := range []struct {
		name  string
		edits []string
		want  string
	}{
		{"a machine user's client_id", nil, "sensor-1"},
		{"a person's preferred_username", []string{`"preferred_username":"ann"`, `"client_id":"app"`, `"aud":["app","` + testProjectID + `"]`}, "ann"},
		{"a person without one has no name", []string{`"client_id":"app"`, `"aud":["app","` + testProjectID + `"]`}, ""},
		{"no client_id", []string{"-client_id"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, out, reason := decideAt(t, m.decider(policyOf(t, nil)), m.token(payload(tt.edits...)), testNow)
			if reason != "" || out.Principal.Username != tt.want {
				t.Errorf("reason %q, principal %+v", reason, out.Principal)
			}
		})
	}
}
