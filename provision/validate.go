package provision

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"harmony-callout/internal/conf"
)

// unavailable is the problem of a key that later versions have.
const unavailable = "not part of this version of provision"

var (
	// systemName fits a cluster of k3d, a directory and a label of DNS.
	systemName = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$`)
	// accountName needs no escaping in a server's configuration, nor in a subject.
	accountName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)
)

// CalloutAccount is the NATS account of the callout itself, SystemAccount that of the
// server. No client is ever placed in them.
const (
	CalloutAccount = "AUTH"
	SystemAccount  = "SYS"
)

// forbiddenAccounts are no accounts of clients.
var forbiddenAccounts = []string{CalloutAccount, SystemAccount, "$SYS", "$G"}

// validator collects problems. Its methods take the path of the key that they check.
type validator struct {
	doc      *conf.Document
	problems conf.Problems
}

func (c *Config) validate(doc *conf.Document) (conf.Problems, []string) {
	v := &validator{doc: doc}
	switch {
	case c.Name == "":
		v.fail("name", "required", "it names the cluster and the directory of the state")
	case !systemName.MatchString(c.Name):
		v.fail("name", conf.Quote(c.Name)+" is no name", "at most 32 lower-case letters, digits and -, the first a letter")
	}
	v.issuer(&c.Issuer)
	v.openBao(&c.OpenBao)
	v.nats(&c.NATS)
	v.zitadel(&c.Zitadel)
	warnings := v.callout(c)
	return v.problems, warnings
}

func (v *validator) issuer(c *IssuerConfig) {
	if c.Host == "" {
		v.fail("issuer.host", "required", "the host name under which tokens name their issuer")
	} else if _, err := (IssuerConfig{Host: c.Host}).Issuer(); err != nil {
		v.fail("issuer.host", err.Error(), "")
	}
	if c.Port != 0 {
		v.port("issuer.port", c.Port)
	}
	if c.TLS.SecretName != "" && c.TLS.IssuerRef != "" {
		v.fail("issuer.tls", "has both secretName and issuerRef", "keep one of them")
	}
}

func (v *validator) openBao(c *OpenBaoConfig) {
	v.port("openbao.port", c.Port)
	v.oneOf("openbao.seal", c.Seal, "static", "shamir")
	v.oneOf("openbao.storage", c.Storage, "raft", "file")
	if c.Address != "" {
		v.url("openbao.address", c.Address)
	}
}

func (v *validator) nats(c *NATSConfig) {
	v.port("nats.port", c.Port)
	v.positive("nats.replicas", c.Replicas)
	if len(c.Accounts) == 0 {
		v.fail("nats.accounts", "required", "clients are placed in them: {APP: {jetstream: true}}")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Accounts)) {
		at := "nats.accounts." + name
		switch {
		case slices.Contains(forbiddenAccounts, name):
			v.fail(at, "the account is the server's or the callout's own", "choose another name")
		case !accountName.MatchString(name):
			v.fail("nats.accounts", conf.Quote(name)+" is no account name", "a letter, then at most 63 letters, digits, - and _")
		}
	}
}

func (v *validator) fail(path, message, hint string) {
	v.problems = append(v.problems, v.doc.Problem(path, message, hint))
}

func (v *validator) port(path string, port int) {
	if port < 1 || port > 65535 {
		v.fail(path, fmt.Sprintf("must be between 1 and 65535, not %d", port), "")
	}
}

func (v *validator) positive(path string, n int) {
	if n < 1 {
		v.fail(path, fmt.Sprintf("must be at least 1, not %d", n), "")
	}
}

func (v *validator) oneOf(path, value string, known ...string) {
	if slices.Contains(known, value) {
		return
	}
	hint := conf.Suggest(value, known)
	if hint == "" {
		hint = "known are " + strings.Join(known, ", ")
	}
	if value == "" {
		v.fail(path, "required", hint)
		return
	}
	v.fail(path, conf.Quote(value)+" is unknown", hint)
}

func (v *validator) url(path, text string) {
	u, err := url.Parse(text)
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		err = errors.New("no http or https URL")
	}
	if err != nil {
		v.fail(path, "must be a URL, not "+conf.Quote(text), "write it like https://host:8200")
	}
}

// name checks what a person chose, and reports whether it can be used.
func (v *validator) name(path, value string) bool {
	switch {
	case value == "":
		v.fail(path, "required", "")
	case len(value) > 200:
		v.fail(path, "must have at most 200 bytes", "")
	case strings.TrimSpace(value) != value:
		v.fail(path, conf.Quote(value)+" begins or ends with white space", "")
	case strings.ContainsFunc(value, unicode.IsControl):
		v.fail(path, conf.Quote(value)+" holds control characters", "")
	default:
		return true
	}
	return false
}

// unique remembers where names of one kind were met.
type unique map[string]string

// name checks a name that must be met once.
func (u unique) name(v *validator, path, value string) {
	if !v.name(path, value) {
		return
	}
	if first, taken := u[value]; taken {
		v.fail(path, fmt.Sprintf("%s is named twice, first by %s", conf.Quote(value), first), "")
		return
	}
	u[value] = path
}
