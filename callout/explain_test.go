package callout_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"harmony-callout/callout"
	"harmony-callout/callout/callouttest"
)

func TestExplainDecidesAsTheServiceDoes(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{XKey: true}, callouttest.IssuerConfig{})
	text := h.config(defaultRoles + `
  - {role: here, account: APP, sources: ["127.0.0.0/8"], publish: {allow: [x]}}
  - {role: there, account: APP, sources: ["10.0.0.0/8"], publish: {allow: [x]}}
  - {role: device, account: APP, connectionTypes: [MQTT], publish: {allow: [x]}}
  - {role: named, account: APP, publish: {allow: ["u.{username:trim=device-}"]}}
deny: {users: [banned]}
`)
	h.start(text)
	spec := func(edit func(*callouttest.TokenSpec)) string {
		s := callouttest.TokenSpec{Subject: "s1", Roles: []string{"sensor"}}
		edit(&s)
		return h.issuer.Token(s)
	}
	tests := map[string]struct{ token, user string }{
		"a sensor":                  {h.token("s1", "sensor"), ""},
		"two roles":                 {h.token("s1", "sensor", "operator"), ""},
		"an account that is picked": {h.token("s1", "sensor", "guest"), "OTHER"},
		"one that is not granted":   {h.token("s1", "sensor"), "OTHER"},
		"no role":                   {h.token("s1"), ""},
		"a role of this address":    {h.token("s1", "here"), ""},
		"a role of another address": {h.token("s1", "there"), ""},
		"a role of another kind":    {h.token("s1", "device"), ""},
		"an unsafe value":           {h.token("s1", "named"), ""},
		"a denied user":             {h.token("banned", "sensor"), ""},
		"expired":                   {spec(func(s *callouttest.TokenSpec) { s.Expires = time.Now().Add(-time.Minute) }), ""},
		"not yet valid":             {spec(func(s *callouttest.TokenSpec) { s.IssuedAt = time.Now().Add(time.Hour) }), ""},
		"another audience":          {spec(func(s *callouttest.TokenSpec) { s.Audience = []string{"1"} }), ""},
		"another issuer":            {spec(func(s *callouttest.TokenSpec) { s.IssuerClaim = h.issuer.URL() + "/" }), ""},
		"no signature":              {spec(func(s *callouttest.TokenSpec) { s.Algorithm = "none" }), ""},
		"an HMAC":                   {spec(func(s *callouttest.TokenSpec) { s.Algorithm = "HS256" }), ""},
		"an ID token":               {spec(func(s *callouttest.TokenSpec) { s.IDToken = true }), ""},
		"an unknown key":            {spec(func(s *callouttest.TokenSpec) { s.Header = map[string]any{"kid": "unseen"} }), ""},
		"garbage":                   {"eyJ.eyJ.garbage", ""},
		"a password":                {"correct horse battery staple", ""},
	}
	cfg := h.load(text)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := h.logs.len()
			c, err := h.nats.ConnectWith(nats.UserInfo(tt.user, tt.token), nats.CustomInboxPrefix("_INBOX_s1"))
			if err == nil {
				c.Close()
			}
			d := h.lastDecision(before)
			served, _ := d["reason"].(string)
			account, _ := d["account"].(string)
			e, err := callout.Explain(t.Context(), cfg, nil, []byte(tt.token), callout.Connection{
				User: tt.user, Source: netip.MustParseAddr("127.0.0.1"), Type: callout.TypeStandard,
			})
			if err != nil {
				t.Fatal(err)
			}
			if string(e.Reason) != served || e.Allowed != (served == "") || e.Account != account || string(e.Credential) != d["credential"] {
				t.Errorf("explained as %q %q %q, served as %q %q %q", e.Reason, e.Account, e.Credential, served, account, d["credential"])
			}
			if e.Allowed != (e.Permissions != nil) || e.Allowed != (e.Until != nil) || !e.Allowed && e.Detail == "" {
				t.Errorf("explanation %+v", e)
			}
			// Neither the token nor its signature, which is what makes it a credential.
			out, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			signature := tt.token[strings.LastIndexByte(tt.token, '.')+1:]
			if strings.Contains(string(out), tt.token) || len(signature) > 8 && strings.Contains(string(out), signature) {
				t.Errorf("the token is in %s", out)
			}
		})
	}
}

func TestExplainWithoutAnIssuerIsARefusal(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
	token := h.token("s1", "sensor")
	h.issuer.Stop()
	e, err := callout.Explain(t.Context(), h.load(h.config(defaultRoles)), nil, []byte(token), callout.Connection{Type: callout.TypeStandard})
	if err != nil {
		t.Fatal(err)
	}
	if e.Allowed || e.Reason != callout.ReasonIssuerUnavailable || !strings.Contains(e.Detail, "connection refused") {
		t.Errorf("explanation %+v", e)
	}
}
