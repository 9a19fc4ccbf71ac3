package callout

import (
	"slices"
	"sync"
	"testing"
	"time"
)

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
	for range 2 {
		_, out, reason := decideAt(t, d, token, testNow.Add(900*time.Second))
		if reason != ReasonExpired || out.Principal != nil || out.CacheHit {
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

func TestADecisionUnderWayDuringAReloadLeavesNothingOfTheOldPolicy(t *testing.T) {
	m := newMint(t)
	d := m.decider(policyOf(t, nil))
	token := m.token(payload(`"team":"blue"`))
	old := d.policy.Load()
	d.setPolicy(policyOf(t, nil, publishing("sensor", "APP", "team.{claim:team}")))
	// One that began before the reload verifies the token now, by the claims of its policy.
	if _, err := d.identify(old, []byte(token), testNow, nil, new(Decision)); err != nil {
		t.Fatal(err)
	}
	p, _, reason := decideAt(t, d, token, testNow)
	if reason != "" || !slices.Equal(p.Permissions.PublishAllow, []string{"team.blue"}) {
		t.Errorf("reason %q, permit %+v", reason, p)
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
