package callout

import (
	"reflect"
	"strings"
	"testing"

	"harmony-callout/internal/conf"
)

func TestValidateOfAConfigBuiltInCode(t *testing.T) {
	c := DefaultConfig()
	err := c.Validate()
	want := []string{
		"nats.servers: required", "nats: one of", "keys.accountSeedFile: required",
		"zitadel.issuer: required", "zitadel.projectID: required", "roles: required",
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d problems:\n%v", len(lines), err)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("got %q, want %q", line, want[i])
		}
	}
}

func TestValidationChangesNothing(t *testing.T) {
	c, _, err := Parse("callout.yaml", configFile(t, "issuer-path-and-case"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Zitadel.Issuer, "http://LOCALHOST:8080/Tenant"; got != want {
		t.Errorf("the issuer became %q, want %q", got, want)
	}
}

// TestEveryUnavailableKeyIsKnown: a row whose key is renamed or gone would refuse nothing.
func TestEveryUnavailableKeyIsKnown(t *testing.T) {
	for _, u := range unavailableKeys {
		if !hasKey(reflect.TypeFor[Config](), u.path) {
			t.Errorf("the configuration has no key %s", u.path)
		}
	}
	for _, u := range unavailableRoleKeys {
		if !hasKey(reflect.TypeFor[RoleConfig](), u.key) {
			t.Errorf("a role has no key %s", u.key)
		}
	}
}

func hasKey(t reflect.Type, path string) bool {
	name, rest, more := strings.Cut(path, ".")
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("yaml") == name {
			return !more || hasKey(f.Type, rest)
		}
	}
	return false
}

func TestDefaultsAskForNothingUnavailable(t *testing.T) {
	v := &validator{}
	c := DefaultConfig()
	c.Roles = []RoleConfig{{}}
	v.unavailable(&c)
	if len(v.problems) != 0 {
		t.Errorf("got %v", v.problems)
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "localhost.": true, "sso.localhost": true,
		"127.0.0.1": true, "127.255.255.254": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "localhost.example.com": false, "mylocalhost": false, "127.0.0.1.example.com": false,
		"126.0.0.1": false, "0.0.0.0": false, "::": false, "::2": false, "127.1": false, "0x7f.1": false,
	} {
		if got := isLoopback(host); got != want {
			t.Errorf("%q: got %v, want %v", host, got, want)
		}
	}
}

func TestMessagesNeverRepeatASeedOrPassword(t *testing.T) {
	for _, name := range []string{"keys", "nats", "issuer-userinfo"} {
		_, _, err := Parse("callout.yaml", configFile(t, name), nil)
		for _, secret := range []string{"SAAGG7", "secret", "hunter2"} {
			if err == nil || strings.Contains(strings.ToLower(err.Error()), strings.ToLower(secret)) {
				t.Errorf("%s: the message shows %q:\n%v", name, secret, err)
			}
		}
	}
}

func TestProblemsOfSomethingElseAreNone(t *testing.T) {
	if got := problemsOf(nil); got != nil {
		t.Errorf("got %v", got)
	}
	if got := problemsOf(conf.Problems{{Message: "a"}}); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}
