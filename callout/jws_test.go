package callout

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

func TestATokenHasOneSpellingOnly(t *testing.T) {
	m := newMint(t)
	good := m.token(payload())
	parts := strings.Split(good, ".")
	header, body, signature := parts[0], parts[1], parts[2]
	// The last of 86 characters holds 4 bits that mean nothing: a lenient reader takes 16
	// spellings of one signature.
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, signature[len(signature)-1])
	twin := signature[:len(signature)-1] + alphabet[last^1:last^1+1]
	for _, tt := range []struct {
		name  string
		token string
		want  Reason
	}{
		{"as it was made", good, ""},
		{"nothing", "", ReasonNoCredential},
		{"a space", " ", ReasonUnsupportedCredential},
		{"a password", "hunter2", ReasonUnsupportedCredential},
		{"dots alone", "..", ReasonUnsupportedCredential},
		{"padding behind the signature", good + "=", ReasonMalformedToken},
		{"padding behind the header", header + "=." + body + "." + signature, ReasonMalformedToken},
		{"a newline at the end", good + "\n", ReasonUnsupportedCredential},
		{"a newline within the signature", header + "." + body + "." + signature[:9] + "\n" + signature[9:], ReasonUnsupportedCredential},
		{"a carriage return within the payload", header + "." + body[:9] + "\r" + body[9:] + "." + signature, ReasonUnsupportedCredential},
		{"a space before", " " + good, ReasonUnsupportedCredential},
		{"Bearer before", "Bearer " + good, ReasonUnsupportedCredential},
		{"a NUL behind", good + "\x00", ReasonMalformedToken},
		{"the alphabet of ordinary base64", strings.Replace(good, body[:8], body[:7]+"+", 1), ReasonMalformedToken},
		{"bits that mean nothing", header + "." + body + "." + twin, ReasonMalformedToken},
		{"a signature cut off", good[:len(good)-2], ReasonSignature},
		{"a signature with something behind", good + "AAAA", ReasonSignature},
		{"a base64 length that cannot be", good + "AAA", ReasonMalformedToken},
		{"two segments", header + "." + body, ReasonUnsupportedCredential},
		{"four segments", good + "." + signature, ReasonUnsupportedCredential},
		{"five segments: an opaque token, which is not accepted here", good + ".x.x", ReasonUnsupportedCredential},
		{"six segments", good + ".x.x.x", ReasonUnsupportedCredential},
		{"an empty payload", header + ".." + signature, ReasonMalformedToken},
		{"an empty signature", header + "." + body + ".", ReasonSignature},
		{"the JSON serialisation of a JWS", fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, header, body, signature), ReasonUnsupportedCredential},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := m.decider(policyOf(t, nil))
			for range 2 { // the second time perhaps from a cache
				if _, _, reason := decideAt(t, d, tt.token, testNow); reason != tt.want {
					t.Errorf("reason %q, want %q", reason, tt.want)
				}
			}
		})
	}
}

func TestPayloadsAreReadStrictly(t *testing.T) {
	m := newMint(t)
	deep := func(n int) string {
		return `"x":` + strings.Repeat(`{"a":[`, n/2) + strings.Repeat(`]}`, n/2)
	}
	for _, tt := range []struct {
		name    string
		payload string
		want    Reason
	}{
		{"no JSON", `hello`, ReasonMalformedToken},
		{"an array", `[]`, ReasonMalformedToken},
		{"an empty object", `{}`, ReasonIssuer},
		{"something behind the object", string(payload()) + `{}`, ReasonMalformedToken},
		{"white space behind the object", string(payload()) + " \n", ""},
		{"a byte order mark", "\uFEFF" + string(payload()), ReasonMalformedToken},
		{"a comma at the end", string(payload(`+,`)), ReasonMalformedToken},
		{"a comment", string(payload(`+/**/`)), ReasonMalformedToken},
		{"text that is not UTF-8", string(payload("\"x\":\"\xff\"")), ReasonMalformedToken},
		{"half a surrogate pair", string(payload(`"x":"\ud800"`)), ReasonMalformedToken},
		{"a control character", string(payload("\"x\":\"\x01\"")), ReasonMalformedToken},
		{"a user id with NUL, escaped", string(payload(`"sub":"a\u0000b"`)), ReasonUnsafeValue},
		{"nested 20 deep", string(payload(deep(20))), ""},
		{"nested 40 deep", string(payload(deep(40))), ReasonMalformedToken},
		{"nested 10,000 deep", string(payload(deep(10_000))), ReasonMalformedToken},
		{"a token of 60 kB", string(payload(`"x":"` + strings.Repeat("x", 44_500) + `"`)), ""},
		{"a token of 70 kB", string(payload(`"x":"` + strings.Repeat("x", 52_000) + `"`)), ReasonMalformedToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := m.token([]byte(tt.payload))
			if _, _, reason := decideAt(t, m.decider(policyOf(t, nil)), token, testNow); reason != tt.want {
				t.Errorf("reason %q, want %q", reason, tt.want)
			}
		})
	}
}

func TestHeadersAreReadStrictly(t *testing.T) {
	m := newMint(t)
	jwk := `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	for _, tt := range []struct {
		name   string
		header string
		want   Reason
	}{
		{"without a type", `{"alg":"EdDSA","kid":"ed"}`, ""},
		{"of type jwt", `{"alg":"EdDSA","kid":"ed","typ":"jwt"}`, ""},
		{"of type at+jwt", `{"alg":"EdDSA","kid":"ed","typ":"at+jwt"}`, ""},
		{"of type application/at+JWT", `{"alg":"EdDSA","kid":"ed","typ":"application/at+JWT"}`, ""},
		{"of a logout token's type", `{"alg":"EdDSA","kid":"ed","typ":"logout+jwt"}`, ReasonNotAccessToken},
		{"of a security event's type", `{"alg":"EdDSA","kid":"ed","typ":"secevent+jwt"}`, ReasonNotAccessToken},
		{"of a type with a space", `{"alg":"EdDSA","kid":"ed","typ":"JWT "}`, ReasonNotAccessToken},
		{"of a type that is no text", `{"alg":"EdDSA","kid":"ed","typ":1}`, ReasonMalformedToken},
		{"with crit", `{"alg":"EdDSA","kid":"ed","crit":["exp"],"exp":1}`, ReasonMalformedToken},
		{"with an empty crit", `{"alg":"EdDSA","kid":"ed","crit":[]}`, ReasonMalformedToken},
		{"with b64 of false, which readers differ on", `{"alg":"EdDSA","kid":"ed","b64":false}`, ReasonMalformedToken},
		{"with two algorithms", `{"alg":"EdDSA","alg":"none","kid":"ed"}`, ReasonMalformedToken},
		{"with two kids, one escaped", `{"alg":"EdDSA","kid":"ed","\u006bid":"rsa"}`, ReasonMalformedToken},
		{"with Alg beside alg", `{"alg":"EdDSA","Alg":"none","kid":"ed"}`, ""},
		{"with ALG alone", `{"ALG":"EdDSA","kid":"ed"}`, ReasonAlgorithm},
		{"with a key of its own, which nobody reads", `{"alg":"EdDSA","kid":"ed","jwk":` + jwk + `}`, ""},
		{"with a key of its own and an id of none", `{"alg":"EdDSA","jwk":` + jwk + `}`, ReasonUnknownKey},
		{"that is no object", `["EdDSA"]`, ReasonUnsupportedCredential},
		{"with something behind", `{"alg":"EdDSA","kid":"ed"}x`, ReasonMalformedToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := m.sign("ed", tt.header, payload())
			if _, _, reason := decideAt(t, m.decider(policyOf(t, nil)), token, testNow); reason != tt.want {
				t.Errorf("reason %q, want %q", reason, tt.want)
			}
		})
	}
}

func TestSplitJWSCutsThreeSegmentsAndNothingElse(t *testing.T) {
	for token, want := range map[string]bool{
		"a.b.c": true, "": false, ".": false, "..": false, "a": false, "a.b": false, "a.b.": true,
		".b.c": false, "a..c": false, "a.b.c.d": false, "a.b.c.": false, "...": false,
	} {
		jws, ok := splitJWS([]byte(token))
		if ok != want {
			t.Errorf("%q: %v", token, ok)
		}
		if ok && (string(jws.signed) != "a.b" || string(jws.signature) != token[len("a.b."):] || string(jws.payload) != "b") {
			t.Errorf("%q: %+v", token, jws)
		}
	}
}

func TestStrictBase64KnowsNoSecondSpelling(t *testing.T) {
	for _, text := range []string{"QR", "QUJ="} {
		if _, err := b64.DecodeString(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
	if _, err := base64.RawURLEncoding.DecodeString("QR"); err != nil {
		t.Error("encoding/base64 has become strict by itself")
	}
}
