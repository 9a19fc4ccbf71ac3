package callout

import (
	"crypto"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
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

func TestATokenIsDecidedAboutOnceAndRememberedUntilItsExp(t *testing.T) {
	m := newMint(t)
	d := m.decider(policyOf(t, nil))
	token := m.token(payload())
	for i, now := range []time.Time{testNow, testNow.Add(899 * time.Second), testNow.Add(900*time.Second - 1)} {
		_, out, reason := decideAt(t, d, token, now)
		if reason != "" || out.CacheHit != (i > 0) {
			t.Fatalf("use %d: reason %q, from the cache %v", i+1, reason, out.CacheHit)
		}
	}
	for i := range 2 {
		_, out, reason := decideAt(t, d, token, testNow.Add(900*time.Second))
		if reason != ReasonExpired || out.Principal != nil || out.CacheHit != (i > 0) {
			t.Errorf("at exp: reason %q, principal %v, from the cache %v", reason, out.Principal, out.CacheHit)
		}
	}
	if n := d.verified.len(); n != 0 {
		t.Errorf("%d expired tokens are remembered as good", n)
	}
}

func TestATokenWhoseKeyLeftIsRefusedAtOnce(t *testing.T) {
	m := newMint(t)
	d := m.decider(policyOf(t, nil))
	token := m.token(payload())
	if _, _, reason := decideAt(t, d, token, testNow); reason != "" {
		t.Fatal(reason)
	}
	old := m.keys.current.Load()
	rest := &parsedKeys{keys: map[string]*Key{"rsa": old.keys["rsa"]}}
	next := old.replaced(rest, testNow, testNow.Add(time.Hour), testNow.Add(time.Hour))
	next.askAt = testNow.Add(time.Hour) // no unknown kid may ask
	m.keys.current.Store(next)
	if _, out, reason := decideAt(t, d, token, testNow); reason != ReasonUnknownKey || out.CacheHit {
		t.Errorf("reason %q, from the cache %v", reason, out.CacheHit)
	}
	// A refusal for want of the key is not remembered: the key may come back.
	m.keys.current.Store(old)
	old.keys["ed"].trustUntil(old.trustedUntil)
	if _, _, reason := decideAt(t, d, token, testNow); reason != "" {
		t.Errorf("the key is back: %q", reason)
	}
}

func TestATokenThatCameBeforeItsKeyIsGoodOnceTheKeyIsThere(t *testing.T) {
	m := newMint(t)
	d := m.decider(policyOf(t, nil))
	token := m.token(payload())
	full := m.keys.current.Load()
	empty := *full
	empty.keys = nil
	m.keys.current.Store(&empty)
	for range 3 {
		if _, _, reason := decideAt(t, d, token, testNow); reason != keyWantedReason {
			t.Fatalf("without the key: %q", reason)
		}
	}
	m.keys.current.Store(full)
	if _, _, reason := decideAt(t, d, token, testNow); reason != "" {
		t.Errorf("with the key: %q", reason)
	}
}

func TestARefusedSignatureIsCheckedAgainWhenItsKeyWasReplaced(t *testing.T) {
	m, other := newMint(t), newMint(t)
	d := m.decider(policyOf(t, nil))
	token := other.token(payload())
	for i := range 2 {
		if _, out, reason := decideAt(t, d, token, testNow); reason != ReasonSignature || out.CacheHit != (i > 0) {
			t.Fatalf("by another key of the same id: %q, from the cache %v", reason, out.CacheHit)
		}
	}
	old := m.keys.current.Load()
	next := old.replaced(&parsedKeys{keys: other.keys.current.Load().keys}, testNow, testNow.Add(time.Hour), testNow.Add(time.Hour))
	m.keys.current.Store(next)
	if _, _, reason := decideAt(t, d, token, testNow); reason != "" {
		t.Errorf("after the issuer replaced the key: %q", reason)
	}
}

func TestAnotherPolicyDecidesAgainAboutKnownTokens(t *testing.T) {
	m := newMint(t)
	token := m.token(payload(`"team":"blue"`))
	role := func(account, allow string) RoleConfig {
		return RoleConfig{Role: "sensor", Account: account, Publish: PermissionConfig{Allow: []string{allow}}}
	}
	for _, tt := range []struct {
		name   string
		policy *Policy
		want   Reason
		allow  string
	}{
		{"another subject", policyOf(t, nil, role("APP", "other.{user}")), "", "other.4711"},
		{"a claim that no template named before", policyOf(t, nil, role("APP", "team.{claim:team}")), "", "team.blue"},
		{"another account", policyOf(t, nil, role("OTHER", "x")), "", "x"},
		{"the user is denied", policyOf(t, func(c *Config) { c.Deny.Users = []string{"4711"} }), ReasonDenied, ""},
		{"the token is denied", policyOf(t, func(c *Config) { c.Deny.Tokens = []string{"V2_1-at_1"} }), ReasonDenied, ""},
		{"the role is gone", policyOf(t, nil, RoleConfig{Role: "operator", Account: "APP"}), ReasonNoRole, ""},
		{"the organisation does not count", policyOf(t, func(c *Config) { c.Zitadel.Organizations = []string{"1"} }), ReasonNoRole, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := m.decider(policyOf(t, nil))
			if _, _, reason := decideAt(t, d, token, testNow); reason != "" {
				t.Fatal(reason)
			}
			d.setPolicy(tt.policy)
			p, _, reason := decideAt(t, d, token, testNow)
			if reason != tt.want || reason == "" && !slices.Equal(p.Permissions.PublishAllow, []string{tt.allow}) {
				t.Errorf("reason %q, permit %+v", reason, p)
			}
			d.setPolicy(policyOf(t, nil))
			if p, _, reason := decideAt(t, d, token, testNow); reason != "" || p.Permissions.PublishAllow[0] != "telemetry.4711.>" {
				t.Errorf("with the first policy again: %q, %+v", reason, p)
			}
		})
	}
}

func TestTheAccountOfTheCalloutIsRefusedAlsoToKnownTokens(t *testing.T) {
	m := newMint(t)
	d := m.decider(policyOf(t, nil))
	token := m.token(payload())
	if _, _, reason := decideAt(t, d, token, testNow); reason != "" {
		t.Fatal(reason)
	}
	own := "APP"
	d.ownAccount.Store(&own)
	if _, _, reason := decideAt(t, d, token, testNow); reason != ReasonNoRole {
		t.Errorf("reason %q", reason)
	}
}

func TestConcurrentDecisionsNeverMixTokens(t *testing.T) {
	m := newMint(t)
	d := m.decider(policyOf(t, nil))
	users := []string{"u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"}
	tokens := make([]string, len(users))
	for i, user := range users {
		tokens[i] = m.token(payload(`"sub":` + quoteJSON(user)))
	}
	policies := []*Policy{policyOf(t, nil), policyOf(t, func(c *Config) { c.Deny.Users = []string{"nobody"} })}
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 200 {
				n := (i + worker) % len(users)
				if i%50 == 49 {
					d.setPolicy(policies[worker%2])
				}
				p, out, reason := decideAt(t, d, tokens[n], testNow)
				if reason != "" || out.Principal.Subject != users[n] || p.Permissions.PublishAllow[0] != "telemetry."+users[n]+".>" {
					t.Errorf("token of %s: %q %+v %+v", users[n], reason, out.Principal, p)
				}
			}
		})
	}
	all.Wait()
}

func quoteJSON(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}
