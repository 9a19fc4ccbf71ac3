package callout

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"harmony-callout/internal/conf"
)

var knownConnectionTypes = []string{"STANDARD", "WEBSOCKET", "MQTT", "LEAFNODE"}

func (v *validator) roles(c *Config) {
	if len(c.Roles) == 0 {
		v.fail("roles", "required", "without a role nobody is let in")
	}
	for i := range c.Roles {
		v.role(fmt.Sprintf("roles[%d]", i), &c.Roles[i], c.ForbiddenAccounts)
	}
}

func (v *validator) role(path string, r *RoleConfig, forbidden []string) {
	switch { // a role key may hold spaces
	case r.Role == "":
		v.fail(path+".role", "required", "the role's key in the Zitadel project")
	case strings.TrimSpace(r.Role) != r.Role:
		v.fail(path+".role", conf.Quote(r.Role)+" begins or ends with white space", "")
	}
	v.word(path+".account", r.Account, "the NATS account that the role's users belong to")
	if r.Account != "" && slices.Contains(forbidden, r.Account) {
		v.fail(path+".account", conf.Quote(r.Account)+" is one of forbiddenAccounts", "")
	}
	v.words(path+".organizations", r.Organizations)
	v.templates(path+".publish.allow", r.Publish.Allow, false)
	v.templates(path+".publish.deny", r.Publish.Deny, false)
	v.templates(path+".subscribe.allow", r.Subscribe.Allow, true)
	v.templates(path+".subscribe.deny", r.Subscribe.Deny, true)
	if r.Responses != nil {
		if r.Responses.Max < 1 {
			v.fail(path+".responses.max", fmt.Sprintf("must be at least 1, not %d", r.Responses.Max), "leave responses out to allow none")
		}
		v.positive(path+".responses.ttl", r.Responses.TTL)
	}
	v.oneOf(path+".connectionTypes", r.ConnectionTypes, knownConnectionTypes)
	for i, source := range r.Sources {
		v.source(fmt.Sprintf("%s.sources[%d]", path, i), source)
	}
	if r.MaxTTL != 0 && r.MaxTTL < minTTL {
		v.fail(path+".maxTTL", fmt.Sprintf("must be at least %s, not %s", minTTL, r.MaxTTL), "")
	}
	v.files(path+".signingSeedFile", r.SigningSeedFile)
}

func (v *validator) templates(path string, templates []string, subscribe bool) {
	for i, t := range templates {
		if _, err := compileTemplate(t, subscribe); err != nil {
			v.fail(fmt.Sprintf("%s[%d]", path, i), err.Error(), "")
		}
	}
}

// source checks a CIDR prefix. One with bits behind its length could have been meant as a
// single address or as the whole network, so it is refused.
func (v *validator) source(path, source string) {
	prefix, err := netip.ParsePrefix(source)
	if err != nil {
		hint := "write it like 10.0.0.0/8"
		if ip, err := netip.ParseAddr(source); err == nil && ip.Zone() == "" {
			hint = fmt.Sprintf("a single address is %s/%d", ip, ip.BitLen())
		}
		v.fail(path, "must be a CIDR prefix, not "+conf.Quote(source), hint)
		return
	}
	switch {
	case prefix.Addr().Is4In6():
		v.fail(path, conf.Quote(source)+" is an IPv4 address written as IPv6", "write the IPv4 prefix")
	case prefix != prefix.Masked():
		v.fail(path, conf.Quote(source)+" has bits set behind its length",
			fmt.Sprintf("the network is %s, the address alone %s/%d", prefix.Masked(), prefix.Addr(), prefix.Addr().BitLen()))
	}
}
