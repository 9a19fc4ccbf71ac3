package provision

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"harmony-callout/internal/conf"
)

func (v *validator) zitadel(c *ZitadelConfig) {
	v.name("zitadel.project", c.Project)
	if c.TokenLifetime < time.Second || c.TokenLifetime > 24*time.Hour {
		v.fail("zitadel.tokenLifetime", fmt.Sprintf("must be between 1s and 24h, not %s", c.TokenLifetime), "")
	}
	roles := unique{}
	for i, r := range c.Roles {
		roles.name(v, fmt.Sprintf("zitadel.roles[%d].key", i), r.Key)
	}
	v.apps(c)
	users := unique{}
	for i, u := range c.MachineUsers {
		at := fmt.Sprintf("zitadel.machineUsers[%d]", i)
		// Zitadel compares user names without case, as does a person who reads them.
		users.name(v, at+".username", strings.ToLower(u.Username))
		if strings.ContainsFunc(u.Username, unicode.IsSpace) {
			v.fail(at+".username", "must not contain white space: "+conf.Quote(u.Username), "")
		}
		v.oneOf(at+".key", u.Key, "local", "zitadel")
	}
	v.grants(c.Grants, roles, users)
	v.identityProviders(c.IdentityProviders)
}

// apps checks the applications, whose names are unique in a project whatever their type.
func (v *validator) apps(c *ZitadelConfig) {
	names := unique{}
	for i, a := range c.APIApps {
		at := fmt.Sprintf("zitadel.apiApps[%d]", i)
		names.name(v, at+".name", a.Name)
		v.oneOf(at+".auth", a.Auth, "private_key_jwt", "basic")
	}
	for i, a := range c.DeviceApps {
		names.name(v, fmt.Sprintf("zitadel.deviceApps[%d].name", i), a.Name)
	}
	for i, a := range c.WebApps {
		at := fmt.Sprintf("zitadel.webApps[%d]", i)
		names.name(v, at+".name", a.Name)
		if len(a.RedirectURIs) == 0 {
			v.fail(at+".redirectURIs", "required", "where the browser comes back to")
		}
		for j, uri := range a.RedirectURIs {
			v.url(fmt.Sprintf("%s.redirectURIs[%d]", at, j), uri)
		}
		for j, uri := range a.PostLogoutRedirectURIs {
			v.url(fmt.Sprintf("%s.postLogoutRedirectURIs[%d]", at, j), uri)
		}
	}
}

func (v *validator) grants(grants []GrantConfig, roles, users unique) {
	seen := unique{}
	for i, g := range grants {
		at := fmt.Sprintf("zitadel.grants[%d]", i)
		user := strings.ToLower(g.User)
		seen.name(v, at+".user", user)
		if _, known := users[user]; !known && user != "" {
			v.fail(at+".user", conf.Quote(g.User)+" is not in zitadel.machineUsers", suggest(g.User, users))
		}
		if len(g.Roles) == 0 {
			v.fail(at+".roles", "required", "leave the grant out to give none")
		}
		for j, role := range g.Roles {
			path := fmt.Sprintf("%s.roles[%d]", at, j)
			if _, known := roles[role]; !known {
				v.fail(path, conf.Quote(role)+" is not in zitadel.roles", suggest(role, roles))
			} else if slices.Contains(g.Roles[:j], role) {
				v.fail(path, conf.Quote(role)+" is named twice", "")
			}
		}
	}
}

func (v *validator) identityProviders(providers []IdentityProviderConfig) {
	if len(providers) == 0 {
		return
	}
	v.fail("zitadel.identityProviders", unavailable, "leave them out, and add them in Zitadel's console")
	names := unique{}
	for i, p := range providers {
		at := fmt.Sprintf("zitadel.identityProviders[%d]", i)
		names.name(v, at+".name", p.Name)
		v.oneOf(at+".type", p.Type, "google", "github", "entra", "oidc")
		v.name(at+".clientID", p.ClientID)
		if p.ClientSecretFile == "" {
			v.fail(at+".clientSecretFile", "required", "")
		}
		if p.Type == "oidc" {
			v.url(at+".issuer", p.Issuer)
		} else if p.Issuer != "" {
			v.fail(at+".issuer", "is for type oidc alone", "")
		}
	}
}

func suggest(word string, known unique) string {
	words := make([]string, 0, len(known))
	for name := range known {
		words = append(words, name)
	}
	slices.Sort(words)
	return conf.Suggest(word, words)
}
