package callout

import (
	"fmt"
	"slices"
	"strings"

	"harmony-callout/internal/conf"
)

// unavailable is the problem of a key that the contract has and this version has not.
const unavailable = "not available in this version of callout"

// unavailableKeys are the keys to refuse, and when they ask for something.
var unavailableKeys = []struct {
	path string
	on   func(*Config) bool
}{
	{"keys.operator", func(c *Config) bool { return c.Keys.Operator != nil }},
	{"openbao.address", func(c *Config) bool { return c.OpenBao.Address != "" }},
	{"audit.subject", func(c *Config) bool { return c.Audit.Subject != "" }},
	{"audit.required", func(c *Config) bool { return c.Audit.Required }},
	{"revocation.enabled", func(c *Config) bool { return c.Revocation.Enabled }},
	{"otlp.endpoint", func(c *Config) bool { return c.OTLP.Endpoint != "" }},
}

// unavailableRoleKeys are those of a role.
var unavailableRoleKeys = []struct {
	key string
	on  func(*RoleConfig) bool
}{
	{"kv", func(r *RoleConfig) bool { return len(r.KV) > 0 }},
	{"streams", func(r *RoleConfig) bool { return len(r.Streams) > 0 }},
	{"signingSeedFile", func(r *RoleConfig) bool { return r.SigningSeedFile != "" }},
}

// unavailableCredentials are kinds that zitadel.credentials must not name.
var unavailableCredentials = []string{"opaque"}

func (v *validator) unavailable(c *Config) {
	for _, u := range unavailableKeys {
		if u.on(c) {
			v.fail(u.path, unavailable, "")
		}
	}
	for i := range c.Roles {
		for _, u := range unavailableRoleKeys {
			if u.on(&c.Roles[i]) {
				v.fail(fmt.Sprintf("roles[%d].%s", i, u.key), unavailable, "")
			}
		}
	}
	for i, credential := range c.Zitadel.Credentials {
		if slices.Contains(unavailableCredentials, credential) {
			v.fail(fmt.Sprintf("zitadel.credentials[%d]", i), conf.Quote(credential)+" is "+unavailable, "")
		}
	}
}

// openBaoKeys are the last words of the keys that take a key from OpenBao, as in
// accountSeed: {openbao: …}, and of those that take it from a file.
var openBaoKeys = map[string]string{
	"accountSeed":  "accountSeedFile",
	"accountSeeds": "accountSeedFiles",
	"xkeySeed":     "xkeySeedFile",
	"xkeySeeds":    "xkeySeedFiles",
	"nkeySeed":     "nkeySeedFile",
	"signingSeed":  "signingSeedFile",
	"apiKey":       "apiKeyFile",
	"zitadelKey":   "zitadelKeyFile",
}

// hintAtOpenBao says what is the matter with keys that are right but for this version.
func hintAtOpenBao(problems conf.Problems) {
	for i, p := range problems {
		key := p.Path[strings.LastIndexByte(p.Path, '.')+1:]
		if file := openBaoKeys[key]; file != "" && p.Message == conf.UnknownKey {
			problems[i].Hint = "keys from OpenBao are " + unavailable + ": use " + file
		}
	}
}
