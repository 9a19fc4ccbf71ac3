package callout

import (
	"crypto"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"harmony-callout/callout/callouttest"
)

// What the tests of a decision share: one issuer, one project, one moment.
const (
	testIssuerURL = "http://sso.example.test:8080"
	testProjectID = "400888114106661377"
	testOrg       = "400888114106661376"
	testRoles     = "urn:zitadel:iam:org:project:" + testProjectID + ":roles"
)

var testNow = time.Unix(1_800_000_000, 0)

// payload is a good token's with changes: `"name":value` replaces a claim or adds one, `-name`
// takes it away, and `+text` is put at the end as it is.
func payload(edits ...string) []byte {
	claims := []string{
		`"iss":"` + testIssuerURL + `"`, `"sub":"4711"`, `"aud":["` + testProjectID + `"]`,
		`"exp":1800000900`, `"iat":1799999990`, `"nbf":1799999990`,
		`"client_id":"sensor-1"`, `"jti":"V2_1-at_1"`,
		`"` + testRoles + `":{"sensor":{"` + testOrg + `":"example.test"}}`,
	}
	tail := ""
	find := func(name string) int {
		return slices.IndexFunc(claims, func(c string) bool { return strings.HasPrefix(c, `"`+name+`":`) })
	}
	for _, edit := range edits {
		switch edit[0] {
		case '+':
			tail += edit[1:]
		case '-':
			claims = slices.Delete(claims, find(edit[1:]), find(edit[1:])+1)
		default:
			name, _, _ := strings.Cut(edit[1:], `":`)
			if i := find(name); i >= 0 {
				claims[i] = edit
				continue
			}
			claims = append(claims, edit)
		}
	}
	return []byte("{" + strings.Join(claims, ",") + tail + "}")
}

// mint holds keys of each type, and the key set that has their public halves and asks nobody.
type mint struct {
	private map[string]crypto.Signer // by kid: rsa, ec, ed
	keys    *KeySet
}

func newMint(t testing.TB) *mint {
	t.Helper()
	ed, _ := newEd25519(t)
	m := &mint{private: map[string]crypto.Signer{"rsa": testRSA(t), "ec": testEC(t), "ed": ed}}
	m.keys = &KeySet{issuer: testIssuerURL, now: func() time.Time { return testNow }}
	v := &view{keys: map[string]*Key{}, fetchedAt: testNow, trustedUntil: testNow.Add(time.Hour), refreshAt: testNow.Add(time.Hour)}
	for kid, alg := range map[string]string{"rsa": algRS256, "ec": algES256, "ed": algEdDSA} {
		key := &Key{id: kid, algorithm: alg, public: m.private[kid].Public().(comparableKey)}
		key.trustUntil(v.trustedUntil)
		v.keys[kid] = key
	}
	m.keys.current.Store(v)
	return m
}

// sign makes a token of any header and payload; kid says whose key signs.
func (m *mint) sign(kid, header string, payload []byte) string {
	return callouttest.SignJWT([]byte(header), payload, m.private[kid])
}

// token is signed by the Ed25519 key, which is the fastest.
func (m *mint) token(payload []byte) string {
	return m.sign("ed", `{"alg":"EdDSA","kid":"ed","typ":"JWT"}`, payload)
}

func (m *mint) verifier() *Verifier {
	return &Verifier{
		Issuer: testIssuerURL, ProjectID: testProjectID, Leeway: 5 * time.Second,
		Algorithms: []string{algRS256, algES256, algEdDSA}, Keys: m.keys,
	}
}

// policyOf compiles roles; without any it is one that lets sensors publish.
func policyOf(t testing.TB, edit func(*Config), roles ...RoleConfig) *Policy {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Zitadel.Issuer, cfg.Zitadel.ProjectID = testIssuerURL, testProjectID
	if cfg.Roles = roles; len(roles) == 0 {
		cfg.Roles = []RoleConfig{{Role: "sensor", Account: "APP", Publish: PermissionConfig{Allow: []string{"telemetry.{user}.>"}}}}
	}
	if edit != nil {
		edit(&cfg)
	}
	p, err := NewPolicy(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (m *mint) decider(p *Policy) *Decider {
	return newDecider(m.verifier(), p, []string{"jwt"}, CacheConfig{Tokens: 64, Refused: 64})
}

var standardConnection = Connection{Source: netip.MustParseAddr("192.0.2.1"), Type: TypeStandard}

// keyWantedReason stands in tables for a token whose key would be fetched.
const keyWantedReason Reason = "key wanted"

// decideAt decides about a credential; the reason is empty when it is let in.
func decideAt(t testing.TB, d *Decider, credential string, now time.Time) (*permit, Decision, Reason) {
	t.Helper()
	var out Decision
	p, err := d.decide([]byte(credential), standardConnection, now, nil, &out)
	return p, out, reasonOf(t, err)
}

func reasonOf(t testing.TB, err error) Reason {
	t.Helper()
	var wanted *keyWanted
	var refused *RejectError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &wanted):
		return keyWantedReason
	case errors.As(err, &refused):
		return refused.Reason
	}
	t.Fatalf("an error without a reason: %v", err)
	return ""
}

func quoteJSON(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}
