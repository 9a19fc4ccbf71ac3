package callout

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Policy is what the configuration grants, compiled once. It does no I/O and never
// changes, so that any number of goroutines may ask it; a reload makes another one.
type Policy struct {
	roles    []role
	accounts map[string]struct{}
	// organizations whose grants count; nil: any.
	organizations map[string]struct{}
	maxTTL        time.Duration
	deniedUsers   map[string]struct{}
	deniedTokens  map[string]struct{}
	// claims are the names that templates use.
	claims map[string]struct{}
}

// role is one compiled entry of `roles`.
type role struct {
	key, account  string
	organizations map[string]struct{} // nil: any
	publish       permission
	subscribe     permission
	responses     *ResponsesConfig
	types         connectionTypes
	sources       []netip.Prefix // nil: any
	maxTTL        time.Duration
	// usesOrg: a template holds {org}, so that the granting organisation must be one.
	usesOrg bool
}

type permission struct{ allow, deny []template }

// NewPolicy compiles the parts of a configuration that may be reloaded: roles, deny list,
// organisations and the longest life of a user JWT.
func NewPolicy(cfg *Config) (*Policy, error) {
	p := &Policy{
		accounts:      make(map[string]struct{}),
		organizations: set(cfg.Zitadel.Organizations),
		maxTTL:        cfg.MaxTTL,
		deniedUsers:   set(cfg.Deny.Users),
		deniedTokens:  set(cfg.Deny.Tokens),
		claims:        make(map[string]struct{}),
	}
	var problems []error
	for i := range cfg.Roles {
		rc := &cfg.Roles[i]
		if slices.Contains(cfg.ForbiddenAccounts, rc.Account) {
			problems = append(problems, fmt.Errorf("roles[%d].account: %q is one of forbiddenAccounts", i, rc.Account))
			continue
		}
		r, err := compileRole(rc)
		if err != nil {
			problems = append(problems, fmt.Errorf("roles[%d]: %w", i, err))
			continue
		}
		p.roles = append(p.roles, r)
		p.accounts[r.account] = struct{}{}
		r.eachPart(func(pt *part) {
			if pt.name == "claim" {
				p.claims[pt.claim] = struct{}{}
			}
		})
	}
	return p, errors.Join(problems...)
}

func compileRole(rc *RoleConfig) (role, error) {
	r := role{
		key: rc.Role, account: rc.Account,
		organizations: set(rc.Organizations),
		responses:     rc.Responses,
		maxTTL:        rc.MaxTTL,
	}
	if r.key == "" || r.account == "" {
		return r, errors.New("role and account are required")
	}
	var problems []error
	compile := func(field string, texts []string, subscribe bool) []template {
		list := make([]template, 0, len(texts))
		for i, text := range texts {
			t, err := compileTemplate(text, subscribe)
			if err != nil {
				problems = append(problems, fmt.Errorf("%s[%d]: %w", field, i, err))
				continue
			}
			list = append(list, t)
		}
		return list
	}
	r.publish = permission{compile("publish.allow", rc.Publish.Allow, false), compile("publish.deny", rc.Publish.Deny, false)}
	r.subscribe = permission{compile("subscribe.allow", rc.Subscribe.Allow, true), compile("subscribe.deny", rc.Subscribe.Deny, true)}
	types, err := parseConnectionTypes(rc.ConnectionTypes)
	if err != nil {
		problems = append(problems, err)
	}
	r.types = types
	for i, text := range rc.Sources {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("sources[%d]: %w", i, err))
			continue
		}
		r.sources = append(r.sources, prefix.Masked())
	}
	r.eachPart(func(pt *part) { r.usesOrg = r.usesOrg || pt.name == "org" })
	return r, errors.Join(problems...)
}

// eachPart visits every part of every template of the role.
func (r *role) eachPart(visit func(*part)) {
	for _, list := range [][]template{r.publish.allow, r.publish.deny, r.subscribe.allow, r.subscribe.deny} {
		for i := range list {
			for j := range list[i].parts {
				visit(&list[i].parts[j])
			}
		}
	}
}

// fromSource tells whether the role may be used from a client address. An address that
// could not be read fits no restriction.
func (r *role) fromSource(addr netip.Addr) bool {
	if r.sources == nil {
		return true
	}
	if !addr.IsValid() {
		return false
	}
	addr = addr.Unmap().WithZone("")
	for _, prefix := range r.sources {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// set makes a set of names; no names make nil.
func set(names []string) map[string]struct{} {
	if len(names) == 0 {
		return nil
	}
	s := make(map[string]struct{}, len(names))
	for _, name := range names {
		s[name] = struct{}{}
	}
	return s
}
