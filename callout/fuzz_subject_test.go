package callout

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nats-io/jwt/v2"
)

// checkRendered holds a rendered subject against its template with a harmless value.
func checkRendered(t *testing.T, text, got, harmless string) {
	t.Helper()
	got, queue, _ := strings.Cut(got, " ")
	harmless, harmlessQueue, _ := strings.Cut(harmless, " ")
	if queue != harmlessQueue {
		t.Fatalf("%s: queue group %q", text, queue)
	}
	gotTokens, harmlessTokens := strings.Split(got, "."), strings.Split(harmless, ".")
	if len(gotTokens) != len(harmlessTokens) {
		t.Fatalf("%s: %q has other tokens than %q", text, got, harmless)
	}
	for i, token := range gotTokens {
		wild := token == "*" || token == ">"
		if wild != (harmlessTokens[i] == token) && wild || token == "" {
			t.Fatalf("%s: %q matches more than %q", text, got, harmless)
		}
		if !wild && strings.ContainsAny(token, "*> \t\r\n\x00") && token != harmlessTokens[i] {
			t.Fatalf("%s: %q", text, got)
		}
	}
	for _, reserved := range reservedFirst {
		if strings.HasPrefix(got, reserved) && !strings.HasPrefix(text, reserved) {
			t.Fatalf("%s: %q begins with %s", text, got, reserved)
		}
	}
}

// FuzzTemplate: no value ever makes a subject of a template that matches more, or another
// number of tokens, than a harmless value does.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{"a.{user}.>", "{username}.>", "_INBOX_{user}.>", "a.{claim:c:b32}", "{user}{org}.*", "a.{username:trim=x}.b", "a.{user} q", "_{user}.a"} {
		for _, value := range []string{"x", "xa", ">", "*", "a.b", "$JS", "_INBOX", "INBOX", "x\u200b", "{user}", " ", "x\xff"} {
			f.Add(text, value)
		}
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		tpl, err := compileTemplate(text, true)
		if err != nil {
			return
		}
		got, err := tpl.render(&values{user: value, username: value, org: value, role: value, claims: everyClaim(&tpl, value)})
		if err != nil {
			if reasonOf(t, err) != ReasonUnsafeValue || got != "" {
				t.Fatalf("%q, %v", got, err)
			}
			return
		}
		var harmless strings.Builder
		for _, p := range tpl.parts {
			harmless.WriteString(p.literal)
			if p.name != "" {
				harmless.WriteString("v")
			}
		}
		checkRendered(t, text, got, harmless.String())
		if !utf8.ValidString(got) || len(got) > maxSubject {
			t.Fatalf("%s: %q", text, got)
		}
	})
}

func everyClaim(tpl *template, value string) map[string]string {
	claims := map[string]string{}
	for _, p := range tpl.parts {
		if p.name == "claim" {
			claims[p.claim] = value
		}
	}
	return claims
}

// FuzzAuthorize: whatever a token claims, the account is one of the policy, the roles are
// those that it grants, and no subject matches more than with harmless values.
func FuzzAuthorize(f *testing.F) {
	templates := []string{"telemetry.{user}.>", "names.{username}", "{username}.in", "events.{org}.*", "c.{claim:team}.>"}
	p := policyOf(f, func(c *Config) { c.Deny.Users = []string{"bad"} },
		RoleConfig{Role: "sensor", Account: "APP", Publish: PermissionConfig{Allow: templates[:2]}, Subscribe: PermissionConfig{Allow: templates[2:3]}},
		RoleConfig{Role: "reader", Account: "APP", Organizations: []string{"1", "2"}, Subscribe: PermissionConfig{Allow: templates[3:]}},
		RoleConfig{Role: "guest", Account: "OTHER", Publish: PermissionConfig{Allow: templates[:1], Deny: templates[4:]}},
	)
	read := newClaimReader(testProjectID, p.claims)
	for _, edits := range [][]string{
		nil, {`"sub":"a.b"`}, {`"client_id":">"`}, {`"team":"x"`}, {`"` + testRoles + `":{"reader":{"1":"x","2":"y"},"guest":{"1":"x"}}`}, {`"` + testRoles + `":{"reader":{"1":""}}`, `"team":"*"`},
	} {
		f.Add(payload(edits...), "APP")
		f.Add(payload(edits...), "")
	}
	accounts := []string{"APP", "OTHER"}
	f.Fuzz(func(t *testing.T, payload []byte, user string) {
		c, err := read.parse(bytes.Clone(payload))
		if err != nil {
			return
		}
		who := &Principal{Subject: c.subject, Username: c.userName(), TokenID: c.tokenID, Grants: c.grants, Claims: c.custom}
		conn := standardConnection
		conn.User = user
		g, err := p.Authorize(who, conn)
		if err != nil {
			if reasonOf(t, err) == "" || g.Account != "" || g.Permissions.PublishAllow != nil {
				t.Fatalf("refused, yet %+v: %v", g, err)
			}
			return
		}
		if !slices.Contains(accounts, g.Account) || slices.Contains(accounts, user) && g.Account != user || who.Subject == "bad" {
			t.Fatalf("account %q for user %q", g.Account, user)
		}
		for _, role := range g.Roles {
			if len(c.grants[role]) == 0 || !slices.Contains([]string{"sensor", "reader", "guest"}, role) {
				t.Fatalf("role %q of %v", role, c.grants)
			}
		}
		if g.MaxTTL != time.Hour || g.Permissions.Responses != nil {
			t.Fatalf("%+v", g)
		}
		harmless := &Principal{Subject: "v", Username: "v", Grants: map[string][]string{}, Claims: map[string]string{"team": "v"}}
		for _, role := range g.Roles {
			harmless.Grants[role] = in("1")
		}
		conn.User = g.Account
		want, err := p.Authorize(harmless, conn)
		if err != nil {
			t.Fatal(err)
		}
		got, plain := g.Permissions, want.Permissions
		for _, pair := range [][2][]string{
			{got.PublishAllow, plain.PublishAllow}, {got.PublishDeny, plain.PublishDeny}, {got.SubscribeAllow, plain.SubscribeAllow}, {got.SubscribeDeny, plain.SubscribeDeny},
		} {
			if len(pair[0]) != len(pair[1]) {
				t.Fatalf("%q, with harmless values %q", pair[0], pair[1])
			}
			for i := range pair[0] {
				checkRendered(t, pair[1][i], pair[0][i], pair[1][i])
			}
		}
		encoded := appendPermissions([]byte("{"), &got)
		var back jwt.Permissions
		if err := json.Unmarshal(append(encoded, '}'), &back); err != nil || len(got.PublishAllow) > 0 && !slices.Equal([]string(back.Pub.Allow), got.PublishAllow) {
			t.Fatalf("%s: %v", encoded, err)
		}
	})
}

// FuzzCredentialShape: only what is printable ASCII of three segments is taken for a JWT once
// it has been verified, and no credential makes the decision panic or last.
func FuzzCredentialShape(f *testing.F) {
	m := newMint(f)
	good := m.token(payload())
	for _, s := range []string{"", good, good + "\n", good + "=", "eyJ..", "eyJ....", strings.Repeat(".", 100), "eyJ\x00.a.b", good[1:]} {
		f.Add(s)
	}
	d := m.decider(policyOf(f, nil))
	f.Fuzz(func(t *testing.T, credential string) {
		_, out, reason := decideAt(t, d, credential, testNow)
		if kind := shapeOf([]byte(credential)); kind == CredentialJWT != (strings.Count(credential, ".") == 2 && strings.HasPrefix(credential, "eyJ") && !strings.ContainsAny(credential, "\r\n")) {
			t.Fatalf("kind %q", kind)
		}
		if reason == "" && credential != good {
			t.Fatalf("let in by %q", credential)
		}
		if !slices.Contains(credentialKinds, out.Credential) {
			t.Fatalf("kind %q is no label", out.Credential)
		}
	})
}
