package provision

import (
	"fmt"
	"slices"
	"strings"

	"harmony-callout/callout"
	"harmony-callout/internal/conf"
)

// callout checks the callout's part, its roles by the callout's own rules, and returns the
// callout's own warnings about them.
func (v *validator) callout(c *Config) (warnings []string) {
	v.positive("callout.replicas", c.Callout.Replicas)
	built := calloutConfig(c.Callout.Roles)
	for _, p := range problemsOf(built.Validate()) {
		v.fail("callout."+p.Path, p.Message, p.Hint)
	}
	for i, r := range c.Callout.Roles {
		at := fmt.Sprintf("callout.roles[%d]", i)
		known := slices.ContainsFunc(c.Zitadel.Roles, func(z RoleConfig) bool { return z.Key == r.Role })
		if r.Role != "" && !known {
			v.fail(at+".role", conf.Quote(r.Role)+" is not in zitadel.roles", suggest(r.Role, roleKeys(c)))
		}
		_, exists := c.NATS.Accounts[r.Account]
		if r.Account != "" && !exists && !slices.Contains(forbiddenAccounts, r.Account) {
			v.fail(at+".account", conf.Quote(r.Account)+" is not in nats.accounts", "")
		}
	}
	for _, w := range built.Warnings() {
		if strings.HasPrefix(w, "roles[") {
			warnings = append(warnings, "callout."+w)
		}
	}
	return warnings
}

// calloutConfig is a configuration of the callout that is valid but for the roles.
func calloutConfig(roles []callout.RoleConfig) callout.Config {
	c := callout.DefaultConfig()
	c.NATS.Servers = []string{"nats://127.0.0.1:4222"}
	c.NATS.NKeySeedFile = "service.nk"
	c.Keys.AccountSeedFile = "account.nk"
	c.Zitadel.Issuer = "http://127.0.0.1:8080"
	c.Zitadel.ProjectID = "1"
	c.Roles = roles
	c.ForbiddenAccounts = forbiddenAccounts
	return c
}

func roleKeys(c *Config) unique {
	keys := unique{}
	for _, r := range c.Zitadel.Roles {
		keys[r.Key] = r.Key
	}
	return keys
}
