package callout

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"

	"harmony-callout/callout/callouttest"
)

// FuzzRequest: what we take for a request of a server, NATS' own library takes too, and
// reads the same in it.
func FuzzRequest(f *testing.F) {
	seeds := clearSeeds()
	wire := callouttest.NewWire(seeds)
	r := wire.Request(callouttest.RequestSpec{Token: "eyJ.eyJ.x", Username: "ann", Password: "p"})
	good, err := json.Marshal(r.Claims)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, edit := range []string{`"exp":1`, `"aud":"x"`, `"nats":{}`, `"sub":"\u0041"`, `"iss":null`} {
		f.Add(bytes.Replace(good, []byte(`{`), []byte(`{`+edit+`,`), 1))
	}
	f.Add([]byte(`{"nats":{"connect_opts":{"auth_token":"\ud83d\ude00"}}}`))
	account, err := newSigner(NewSecret(string(seeds.Account)))
	if err != nil {
		f.Fatal(err)
	}
	keys := &keyring{signers: []*signer{account}}
	f.Fuzz(func(t *testing.T, payload []byte) {
		token := wire.Sign(payload)
		ours, jws, _, err := decodeRequest(token, nil)
		if err != nil {
			return
		}
		if got, want := jws.signed, token[:bytes.LastIndexByte(token, '.')]; !bytes.Equal(got, want) {
			t.Fatalf("signed part %q", got)
		}
		if _, err := ours.check(keys); err != nil {
			return
		}
		if hasCaseVariants(payload) {
			return // which encoding/json does not tell apart
		}
		theirs, err := jwt.DecodeAuthorizationRequestClaims(string(token))
		if err != nil {
			// It wants a version and a subject that are not ours to check, and its own types
			// for claims that we do not read.
			return
		}
		for name, pair := range map[string][2]string{
			"iss": {string(ours.issuer), theirs.Issuer}, "sub": {string(ours.subject), theirs.Subject}, "aud": {string(ours.audience), theirs.Audience},
			"user_nkey": {string(ours.userNkey), theirs.UserNkey}, "server": {string(ours.server.id), theirs.Server.ID},
			"auth_token": {string(ours.connect.authToken), theirs.ConnectOptions.Token}, "pass": {string(ours.connect.password), theirs.ConnectOptions.Password},
			"user": {string(ours.connect.user), theirs.ConnectOptions.Username}, "host": {string(ours.client.host), theirs.ClientInformation.Host},
			"kind": {string(ours.client.kind), theirs.ClientInformation.Kind}, "xkey": {string(ours.server.xkey), theirs.Server.XKey},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: we read %q, jwt/v2 %q", name, pair[0], pair[1])
			}
		}
		if ours.expires != theirs.Expires || ours.issued != theirs.IssuedAt {
			t.Errorf("times: we read %d, %d, jwt/v2 %d, %d", ours.expires, ours.issued, theirs.Expires, theirs.IssuedAt)
		}
	})
}

// hasCaseVariants tells whether an object of a JSON text has two names that differ only in
// case, or one that differs in case from a name that we read: encoding/json takes one for
// the other, which is its leniency and not ours.
func hasCaseVariants(text []byte) bool {
	known := []string{
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "preferred_username", "name", "nats", "server_id", "user_nkey", "client_info",
		"connect_opts", "type", "version", "id", "xkey", "host", "kind", "user", "pass", "auth_token", "mqtt_id", "nonce", "jwt", "nkey", "sig", "tags",
		"client_tls", "cluster", "lang", "protocol", "request_nonce", "name_tag",
	}
	var visit func(v any) bool
	visit = func(v any) bool {
		switch v := v.(type) {
		case map[string]any:
			for name, value := range v {
				if slices.ContainsFunc(known, func(k string) bool { return k != name && strings.EqualFold(k, name) }) || visit(value) {
					return true
				}
			}
		case []any:
			return slices.ContainsFunc(v, visit)
		}
		return false
	}
	var v any
	return json.Unmarshal(text, &v) == nil && visit(v)
}
