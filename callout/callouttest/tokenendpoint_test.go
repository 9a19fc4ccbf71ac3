package callouttest

import (
	"encoding/json"
	"net/url"
	"reflect"
	"slices"
	"testing"
	"time"
)

const (
	audScope   = "urn:zitadel:iam:org:project:id:" + DefaultProjectID + ":aud"
	rolesScope = "urn:zitadel:iam:org:projects:roles"
)

// machine registers a user with two roles and returns the key.
func machine(iss *Issuer) []byte {
	return iss.AddMachineUser(MachineUser{
		ID: DefaultSubject, Username: "svc-nats-jwt", Roles: []string{"nats-reader", "nats-writer"},
	})
}

func assertion(t *testing.T, key []byte, audience string, claims map[string]any) string {
	t.Helper()
	text, err := Assertion(key, audience, claims)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestScopesDecideAudienceAndRoles(t *testing.T) {
	iss := StartIssuer(t, IssuerConfig{})
	key := machine(iss)
	project, user := []any{DefaultProjectID}, []any{"svc-nats-jwt"}
	tests := map[string]struct {
		scope string
		aud   []any
		roles []string
		id    bool
	}{
		"openid":                        {"openid", user, nil, true},
		"nothing":                       {"", user, nil, false},
		"the audience alone":            {"openid " + audScope, project, nil, true},
		"audience and roles":            {"openid " + audScope + " " + rolesScope, project, []string{"nats-reader", "nats-writer"}, true},
		"audience and roles, no openid": {audScope + " " + rolesScope, project, []string{"nats-reader", "nats-writer"}, false},
		"roles without the audience":    {"openid " + rolesScope, user, nil, true},
		"one role":                      {audScope + " urn:zitadel:iam:org:project:role:nats-reader", project, []string{"nats-reader"}, false},
		"a role that is not granted":    {audScope + " urn:zitadel:iam:org:project:role:nats-admin", project, nil, false},
		"the singular scope":            {audScope + " urn:zitadel:iam:org:project:roles", project, nil, false},
		"a project that does not exist": {"urn:zitadel:iam:org:project:id:12345:aud " + rolesScope, []any{"12345"}, nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := exchange(t, iss, url.Values{
				"grant_type": {JWTBearer}, "scope": {tt.scope}, "assertion": {assertion(t, key, iss.URL(), nil)},
			})
			if a.status != 200 || a.header.Get("Cache-Control") != "no-store" {
				t.Fatalf("status %d, %v: %s", a.status, a.header, a.body)
			}
			body := asMap(t, a.body)
			if body["token_type"] != "Bearer" || body["expires_in"] != 43199.0 {
				t.Errorf("response %v", body)
			}
			access := body["access_token"].(string)
			if err := verify(t, iss, access); err != nil {
				t.Error(err)
			}
			_, claims := decode(t, access)
			if !reflect.DeepEqual(claims["aud"], any(tt.aud)) || claims["client_id"] != "svc-nats-jwt" || claims["sub"] != DefaultSubject {
				t.Errorf("claims %v, want aud %v", claims, tt.aud)
			}
			roles, _ := claims[RolesClaim(DefaultProjectID)].(map[string]any)
			var got []string
			for role := range roles {
				got = append(got, role)
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.roles) {
				t.Errorf("roles %v, want %v", got, tt.roles)
			}
			idToken, has := body["id_token"].(string)
			if has != tt.id {
				t.Fatalf("id_token present: %t, want %t", has, tt.id)
			}
			if has {
				_, id := decode(t, idToken)
				if id["exp"] != id["iat"] || id["at_hash"] != accessTokenHash(RS256, access) || id["jti"] != nil || id["amr"] != nil {
					t.Errorf("ID token %v", id)
				}
			}
		})
	}
}

func TestAssertionsAreJudgedAsZitadelDoes(t *testing.T) {
	iss := StartIssuer(t, IssuerConfig{})
	key := machine(iss)
	other := iss.AddMachineUser(MachineUser{Username: "other"})
	own := iss.URL()
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	wrongKey := func(edit func(*machineKey)) []byte {
		var k machineKey
		if err := json.Unmarshal(key, &k); err != nil {
			t.Fatal(err)
		}
		edit(&k)
		return mustJSON(k)
	}
	tests := map[string]struct {
		key    []byte
		claims map[string]any
		ok     bool
	}{
		"good":                          {key, nil, true},
		"an array with the issuer":      {key, map[string]any{"aud": []string{"x", own}}, true},
		"59 minutes old":                {key, map[string]any{"iat": in(-59 * time.Minute)}, true},
		"61 minutes old":                {key, map[string]any{"iat": in(-61 * time.Minute)}, false},
		"ten years to live":             {key, map[string]any{"exp": in(87600 * time.Hour)}, true},
		"expired":                       {key, map[string]any{"exp": in(-time.Second)}, false},
		"without exp":                   {key, map[string]any{"exp": nil}, false},
		"without iat":                   {key, map[string]any{"iat": nil}, false},
		"issued in five seconds":        {key, map[string]any{"iat": in(5 * time.Second)}, false},
		"a trailing slash":              {key, map[string]any{"aud": own + "/"}, false},
		"https":                         {key, map[string]any{"aud": "https" + own[len("http"):]}, false},
		"the token endpoint":            {key, map[string]any{"aud": own + TokenPath}, false},
		"an empty audience":             {key, map[string]any{"aud": ""}, false},
		"sub is not iss":                {key, map[string]any{"sub": "1"}, false},
		"an unknown user":               {key, map[string]any{"sub": "1", "iss": "1"}, false},
		"a key id of nobody":            {wrongKey(func(k *machineKey) { k.KeyID = "123456" }), nil, false},
		"somebody else's key and id":    {other, map[string]any{"sub": DefaultSubject, "iss": DefaultSubject}, false},
		"somebody else's key, our name": {wrongKey(func(k *machineKey) { k.Key = keyOf(t, other) }), nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := exchange(t, iss, url.Values{"grant_type": {JWTBearer}, "assertion": {assertion(t, tt.key, own, tt.claims)}})
			if tt.ok {
				if a.status != 200 {
					t.Errorf("status %d: %s", a.status, a.body)
				}
				return
			}
			if a.status != 400 || a.body != `{"error":"invalid_grant","error_description":"invalid assertion"}` {
				t.Errorf("status %d: %s", a.status, a.body)
			}
		})
	}
}

func keyOf(t *testing.T, keyJSON []byte) string {
	t.Helper()
	return asMap(t, string(keyJSON))["key"].(string)
}

func TestTokenRequestsThatAreWrongInForm(t *testing.T) {
	iss := StartIssuer(t, IssuerConfig{})
	for want, form := range map[string]url.Values{
		`{"error":"invalid_request","error_description":"grant_type missing"}`:       {},
		`{"error":"unsupported_grant_type","error_description":"foo not supported"}`: {"grant_type": {"foo"}},
		`{"error":"invalid_request","error_description":"assertion missing"}`:        {"grant_type": {JWTBearer}},
		`{"error":"invalid_grant","error_description":"invalid assertion"}`:          {"grant_type": {JWTBearer}, "assertion": {"garbage"}},
		`{"error":"invalid_request","error_description":"error parsing form"}`:       {"grant_type": {string(make([]byte, maxTokenRequest))}},
	} {
		if a := exchange(t, iss, form); a.status != 400 || a.body != want {
			t.Errorf("status %d: %s, want %s", a.status, a.body, want)
		}
	}
}

func TestMachineKeysHaveZitadelsForm(t *testing.T) {
	iss := StartIssuer(t, IssuerConfig{})
	first := asMap(t, string(iss.AddMachineUser(MachineUser{Username: "sensor-1"})))
	again := asMap(t, string(iss.AddMachineUser(MachineUser{Username: "sensor-1", Roles: []string{"sensor"}})))
	if first["type"] != "serviceaccount" || first["userId"] == "" || first["expirationDate"] == nil || len(first) != 5 {
		t.Errorf("key %v", first)
	}
	if first["userId"] != again["userId"] || first["keyId"] == again["keyId"] || first["key"] == again["key"] {
		t.Error("adding a user again must give the same user another key")
	}
	iss.RemoveMachineUser(first["userId"].(string))
	a := exchange(t, iss, url.Values{"grant_type": {JWTBearer}, "assertion": {assertion(t, mustJSON(first), iss.URL(), nil)}})
	if a.status != 400 {
		t.Errorf("a removed user got %d: %s", a.status, a.body)
	}
}

func TestAssertionNamesWhatIsWrongWithTheKey(t *testing.T) {
	for name, key := range map[string]string{
		"no JSON": "x", "no PEM": `{"key":"x"}`,
		"no key in it": `{"key":"-----BEGIN RSA PRIVATE KEY-----\neA==\n-----END RSA PRIVATE KEY-----\n"}`,
	} {
		if _, err := Assertion([]byte(key), "http://x", nil); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

// FuzzAssertion holds the token endpoint's promise: what no registered key signed gets nothing.
func FuzzAssertion(f *testing.F) {
	iss, err := NewIssuer(IssuerConfig{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(iss.Close)
	stranger, err := NewIssuer(IssuerConfig{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(stranger.Close)
	machine(iss)
	// The right user and audience, and a key that this issuer has never seen.
	seed, err := Assertion(machine(stranger), iss.URL(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:len(seed)-2])
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(OpaqueToken())
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := iss.verifyAssertion(text, iss.URL()); ok {
			t.Errorf("accepted %q", text)
		}
	})
}
