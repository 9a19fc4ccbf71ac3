package callout

import (
	"slices"
	"time"
)

// Grant is what a client gets: an account, and in it the permissions of all roles that
// are granted there.
type Grant struct {
	Account string
	// Roles are the granted role keys of that account, in the order of the configuration.
	Roles       []string
	Permissions Permissions
	// MaxTTL bounds the life of the user JWT.
	MaxTTL time.Duration
}

// Permissions are NATS permissions. An empty allow list allows nothing.
type Permissions struct {
	PublishAllow   []string         `json:"publishAllow"`
	PublishDeny    []string         `json:"publishDeny,omitempty"`
	SubscribeAllow []string         `json:"subscribeAllow"`
	SubscribeDeny  []string         `json:"subscribeDeny,omitempty"`
	Responses      *ResponsesConfig `json:"-"`
}

// Authorize decides what a principal gets on a connection. It is a pure function of its
// arguments; the error is a *RejectError.
//
// The first configured role that is granted decides the account, unless the client names
// one; all roles granted in that account are merged: allow ∪ allow, deny ∪ deny, the
// smallest MaxTTL, the largest responses.
func (p *Policy) Authorize(who *Principal, conn Connection) (Grant, error) {
	granted, err := p.granted(nil, who, conn)
	if err != nil {
		return Grant{}, err
	}
	return p.merge(who, granted)
}

// denied checks the deny list.
func (p *Policy) denied(who *Principal) error {
	if _, ok := p.deniedUsers[who.Subject]; ok {
		return reject(ReasonDenied, "deny.users names the subject")
	}
	if _, ok := p.deniedTokens[who.TokenID]; ok {
		return reject(ReasonDenied, "deny.tokens names the token")
	}
	return nil
}

// granted appends to list the indexes of the roles that are granted in the account that the
// connection gets.
func (p *Policy) granted(list []int, who *Principal, conn Connection) ([]int, error) {
	if err := p.denied(who); err != nil {
		return nil, err
	}
	account := ""
	_, picked := p.accounts[conn.User]
	if picked {
		account = conn.User
	}
	var unfit Reason // why a role that the token grants does not fit this connection
	for i := range p.roles {
		r := &p.roles[i]
		if picked && r.account != account || r.account == conn.OwnAccount || !p.holds(r, who) {
			continue
		}
		switch {
		case r.types&conn.Type == 0:
			unfit = ReasonConnectionType
		case !r.fromSource(conn.Source):
			unfit = ReasonSource
		case account == "" || account == r.account:
			account = r.account
			list = append(list, i)
		}
	}
	switch {
	case len(list) > 0:
		return list, nil
	case unfit == ReasonSource:
		return nil, rejectf(unfit, "granted roles are not for the client address %s", conn.Source)
	case unfit == ReasonConnectionType:
		return nil, rejectf(unfit, "granted roles are not for connections of type %s", conn.Type)
	case picked:
		return nil, rejectf(ReasonAccountNotGranted, "no role of account %s, which CONNECT's user names, is granted", account)
	}
	return nil, rejectf(ReasonNoRole, "the token grants %s, none of which is configured for an allowed organisation", printableList(who.roleKeys()))
}

// holds tells whether the token grants the role's key for an allowed organisation.
func (p *Policy) holds(r *role, who *Principal) bool {
	for _, id := range who.Grants[r.key] {
		if p.allows(r, id) {
			return true
		}
	}
	return false
}

// allows tells whether grants of an organisation count for the role.
func (p *Policy) allows(r *role, organization string) bool {
	if p.organizations != nil {
		if _, ok := p.organizations[organization]; !ok {
			return false
		}
	}
	if r.organizations != nil {
		if _, ok := r.organizations[organization]; !ok {
			return false
		}
	}
	return true
}

// merge joins the roles of one account and puts the principal's values into their subjects.
func (p *Policy) merge(who *Principal, granted []int) (Grant, error) {
	g := Grant{Account: p.roles[granted[0]].account, MaxTTL: p.maxTTL, Roles: make([]string, 0, len(granted))}
	g.Permissions.reserve(p.roles, granted)
	for _, i := range granted {
		r := &p.roles[i]
		v := values{user: who.Subject, username: who.Username, role: r.key, claims: who.Claims}
		if r.usesOrg {
			organization, err := p.organization(r, who)
			if err != nil {
				return Grant{}, err
			}
			v.org = organization
		}
		for _, part := range []struct {
			to   *[]string
			from []template
		}{
			{&g.Permissions.PublishAllow, r.publish.allow}, {&g.Permissions.PublishDeny, r.publish.deny},
			{&g.Permissions.SubscribeAllow, r.subscribe.allow}, {&g.Permissions.SubscribeDeny, r.subscribe.deny},
		} {
			for t := range part.from {
				subject, err := part.from[t].render(&v)
				if err != nil {
					return Grant{}, err
				}
				if !slices.Contains(*part.to, subject) {
					*part.to = append(*part.to, subject)
				}
			}
		}
		if !slices.Contains(g.Roles, r.key) {
			g.Roles = append(g.Roles, r.key)
		}
		if r.maxTTL > 0 {
			g.MaxTTL = min(g.MaxTTL, r.maxTTL)
		}
		g.Permissions.Responses = largerResponses(g.Permissions.Responses, r.responses)
	}
	return g, nil
}

// reserve makes room for the subjects of roles, where there are any.
func (p *Permissions) reserve(roles []role, granted []int) {
	var n [4]int
	for _, i := range granted {
		r := &roles[i]
		n[0] += len(r.publish.allow)
		n[1] += len(r.publish.deny)
		n[2] += len(r.subscribe.allow)
		n[3] += len(r.subscribe.deny)
	}
	for i, list := range []*[]string{&p.PublishAllow, &p.PublishDeny, &p.SubscribeAllow, &p.SubscribeDeny} {
		if n[i] > 0 {
			*list = make([]string, 0, n[i])
		}
	}
}

// organization is what {org} stands for: the one organisation whose grant of the role
// counts. Two would make two subjects of one template, so they are refused.
func (p *Policy) organization(r *role, who *Principal) (string, error) {
	var one string
	for _, id := range who.Grants[r.key] {
		switch {
		case !p.allows(r, id):
		case one != "":
			return "", rejectf(ReasonUnsafeValue, "{org}: two organisations grant the role %s", r.key)
		default:
			one = id
		}
	}
	return one, nil
}

func largerResponses(a, b *ResponsesConfig) *ResponsesConfig {
	if a == nil || b == nil {
		if a == nil {
			return b
		}
		return a
	}
	return &ResponsesConfig{Max: max(a.Max, b.Max), TTL: max(a.TTL, b.TTL)}
}

// roleKeys lists what the token grants, sorted, for the log.
func (who *Principal) roleKeys() []string {
	keys := make([]string, 0, len(who.Grants))
	for key := range who.Grants {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
