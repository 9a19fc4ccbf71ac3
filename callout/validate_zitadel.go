package callout

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

var (
	knownCredentials = []string{"jwt", "assertion", "opaque"}
	knownAlgorithms  = []string{"RS256", "ES256", "EdDSA"}
)

func (v *validator) zitadel(c *Config) {
	z := &c.Zitadel
	v.issuer(c)
	v.word("zitadel.projectID", z.ProjectID, "the id of the Zitadel project that has the roles")
	v.words("zitadel.organizations", z.Organizations)
	if z.DialAddress != "" {
		v.dialAddress(z.DialAddress)
	}
	v.files("zitadel.apiKeyFile", z.APIKeyFile)
	if len(z.Credentials) == 0 {
		v.fail("zitadel.credentials", "must name one kind at least", "jwt is the usual one")
	}
	v.oneOf("zitadel.credentials", z.Credentials, knownCredentials)
	if len(z.Algorithms) == 0 {
		v.fail("zitadel.algorithms", "must name one at least", "RS256 is Zitadel's default")
	}
	v.oneOf("zitadel.algorithms", z.Algorithms, knownAlgorithms)
	if z.Leeway < 0 || z.Leeway > maxLeeway {
		v.fail("zitadel.leeway", fmt.Sprintf("must be between 0s and %s, not %s", maxLeeway, z.Leeway), "")
	}
	v.positive("zitadel.introspectionTTL", z.IntrospectionTTL)
	v.positive("zitadel.jwks.minRefetch", z.JWKS.MinRefetch)
	v.positive("zitadel.jwks.outage", z.JWKS.Outage)
}

// issuer checks the URL, which stays as it is: tokens are compared with it byte for byte.
func (v *validator) issuer(c *Config) {
	const path, hint = "zitadel.issuer", "write it as in the token's iss, like https://sso.example.com"
	issuer := c.Zitadel.Issuer
	u, err := url.Parse(issuer)
	switch {
	case issuer == "":
		v.fail(path, "required", hint)
	case err != nil || u.Hostname() == "" || !strings.HasPrefix(issuer, "http://") && !strings.HasPrefix(issuer, "https://"):
		v.fail(path, "must be an absolute http:// or https:// URL", hint)
	case u.User != nil:
		v.fail(path, "must not hold credentials", hint)
	case strings.ContainsAny(issuer, "?#"):
		v.fail(path, "must not have a query or fragment", hint)
	case strings.ContainsAny(issuer, " \t\r\n"):
		v.fail(path, "must not contain white space", hint)
	case strings.HasSuffix(issuer, "/"):
		v.fail(path, "must not end with a slash", "it is compared byte for byte with the token's iss, which has none")
	case !validPort(u.Port()) || strings.HasSuffix(u.Host, ":"):
		v.fail(path, "must have a port between 1 and 65535, or none", hint)
	case u.Scheme == "http" && !isLoopback(dialledHost(&c.Zitadel, u)) && !c.Insecure:
		v.fail(path, "plain http beyond loopback lets anyone on the way replace the issuer's keys",
			"use https://, or set insecure: true")
	}
}

func (v *validator) dialAddress(address string) {
	const path, hint = "zitadel.dialAddress", "write it like 10.0.0.5:8080"
	host, port, err := net.SplitHostPort(address)
	if err == nil && (host == "" || port == "0" || port == "") {
		v.fail(path, "must name both host and port, unlike "+fmt.Sprintf("%q", address), hint)
		return
	}
	v.address(path, address, hint)
}

// dialledHost is the host that connections for the issuer go to.
func dialledHost(z *ZitadelConfig, issuer *url.URL) string {
	if z.DialAddress == "" {
		return issuer.Hostname()
	}
	host, _, _ := net.SplitHostPort(z.DialAddress) // malformed: no host, so not loopback
	return host
}
