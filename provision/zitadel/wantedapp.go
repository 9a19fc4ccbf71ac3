package zitadel

import (
	"cmp"
	"slices"
	"strings"

	"harmony-callout/provision"
)

const (
	authPrivateKeyJWT = "API_AUTH_METHOD_TYPE_PRIVATE_KEY_JWT"
	authBasic         = "API_AUTH_METHOD_TYPE_BASIC"
)

// wantedApp is what an application is to be: one of api and oidc is set.
type wantedApp struct {
	name string
	api  string // its authMethodType
	oidc *oidcConfig
}

// configure fills in a request to create or to update it.
func (w wantedApp) configure(in map[string]any) {
	if w.oidc != nil {
		in["oidcConfiguration"] = w.oidc
		return
	}
	in["apiConfiguration"] = map[string]string{"authMethodType": w.api}
}

// differs compares with what there is. Zitadel leaves out of answers what has the zero value
// of its enum or is false.
func (w wantedApp) differs(is app) differences {
	var d differences
	if w.oidc == nil {
		d.compare("authMethodType", cmp.Or(is.API.AuthMethod, authBasic), w.api)
		return d
	}
	have := is.OIDC.oidcConfig
	d.compare("applicationType", cmp.Or(have.ApplicationType, "OIDC_APP_TYPE_WEB"), w.oidc.ApplicationType)
	d.compare("authMethodType", cmp.Or(have.AuthMethod, "OIDC_AUTH_METHOD_TYPE_BASIC"), w.oidc.AuthMethod)
	d.compare("accessTokenType", cmp.Or(have.AccessTokenType, "OIDC_TOKEN_TYPE_BEARER"), w.oidc.AccessTokenType)
	d.compare("grantTypes", set(have.GrantTypes), set(w.oidc.GrantTypes))
	d.compare("responseTypes", set(have.ResponseTypes), set(w.oidc.ResponseTypes))
	// An update cannot empty these two.
	if len(w.oidc.RedirectURIs) > 0 {
		d.compare("redirectURIs", set(have.RedirectURIs), set(w.oidc.RedirectURIs))
	}
	if len(w.oidc.PostLogoutRedirectURIs) > 0 {
		d.compare("postLogoutRedirectURIs", set(have.PostLogoutRedirectURIs), set(w.oidc.PostLogoutRedirectURIs))
	}
	d.compare("accessTokenRoleAssertion", onOff(have.AccessTokenRoleAssertion), onOff(w.oidc.AccessTokenRoleAssertion))
	d.compare("idTokenRoleAssertion", onOff(have.IDTokenRoleAssertion), onOff(w.oidc.IDTokenRoleAssertion))
	d.compare("idTokenUserinfoAssertion", onOff(have.IDTokenUserinfoAssertion), onOff(w.oidc.IDTokenUserinfoAssertion))
	d.compare("developmentMode", onOff(have.DevelopmentMode), onOff(w.oidc.DevelopmentMode))
	return d
}

func set(list []string) string { return strings.Join(slices.Sorted(slices.Values(list)), " ") }

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// wantedApps are the applications of a configuration.
func wantedApps(cfg provision.ZitadelConfig) []wantedApp {
	var wanted []wantedApp
	for _, a := range cfg.APIApps {
		method := authPrivateKeyJWT
		if a.Auth == "basic" {
			method = authBasic
		}
		wanted = append(wanted, wantedApp{name: a.Name, api: method})
	}
	for _, a := range cfg.DeviceApps {
		config := people("OIDC_APP_TYPE_NATIVE", "OIDC_GRANT_TYPE_DEVICE_CODE", "OIDC_GRANT_TYPE_REFRESH_TOKEN")
		wanted = append(wanted, wantedApp{name: a.Name, oidc: &config})
	}
	for _, a := range cfg.WebApps {
		config := people("OIDC_APP_TYPE_WEB", "OIDC_GRANT_TYPE_AUTHORIZATION_CODE", "OIDC_GRANT_TYPE_REFRESH_TOKEN")
		config.RedirectURIs, config.PostLogoutRedirectURIs = a.RedirectURIs, a.PostLogoutRedirectURIs
		for _, uri := range a.RedirectURIs {
			// Plain http is taken only in this mode (#58).
			config.DevelopmentMode = config.DevelopmentMode || strings.HasPrefix(uri, "http://")
		}
		wanted = append(wanted, wantedApp{name: a.Name, oidc: &config})
	}
	return wanted
}

// people is an application in which people log in: a public client, PKCE instead of a secret,
// JWTs that name the roles.
func people(kind string, grants ...string) oidcConfig {
	return oidcConfig{
		ResponseTypes:            []string{"OIDC_RESPONSE_TYPE_CODE"},
		GrantTypes:               grants,
		ApplicationType:          kind,
		AuthMethod:               "OIDC_AUTH_METHOD_TYPE_NONE",
		AccessTokenType:          "OIDC_TOKEN_TYPE_JWT",
		AccessTokenRoleAssertion: true,
		IDTokenRoleAssertion:     true,
		IDTokenUserinfoAssertion: true,
	}
}
