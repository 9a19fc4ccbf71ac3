package standin

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

type org struct {
	ID            string  `json:"id"`
	Details       details `json:"details"`
	State         string  `json:"state"`
	Name          string  `json:"name"`
	PrimaryDomain string  `json:"primaryDomain"`
}

func (s *Server) routeOrgs() {
	s.handle("POST /v2/organizations/_search", route{need: needMember, do: listOrgs})
	s.connect("OrganizationService", "ListOrganizations", needMember, listOrgs)
	s.connect("OrganizationService", "AddOrganization", needIAM, addOrg)
	s.connect("InternalPermissionService", "CreateAdministrator", needOrg, createAdministrator)
}

// listOrgs finds organisations by name, id or domain, or the default one.
func listOrgs(c *call) (any, error) {
	req, err := decode[struct {
		Query   page
		Queries []filter
	}](c)
	if err != nil {
		return nil, err
	}
	var defaultOrg string
	c.store.view(func() { defaultOrg = c.store.theInstance().OrgID })
	kinds := filterKinds[orgRow]{
		"nameQuery":   byText("name", func(o *found[orgRow]) string { return o.row.Name }),
		"idQuery":     byText("id", func(o *found[orgRow]) string { return o.id }),
		"domainQuery": byText("domain", func(o *found[orgRow]) string { return o.row.Domain }),
		"stateQuery":  byText("state", func(*found[orgRow]) string { return "ORGANIZATION_STATE_ACTIVE" }),
		"defaultQuery": func(json.RawMessage) (func(*found[orgRow]) bool, error) {
			return func(o *found[orgRow]) bool { return o.id == defaultOrg }, nil
		},
	}
	rows, err := listRows(c, c.store.orgs, kinds, listRequest{req.Query, req.Queries})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b found[orgRow]) int { return cmp.Compare(b.row.Name, a.row.Name) })
	answer := struct {
		Details listDetails `json:"details"`
		Result  []org       `json:"result,omitempty"`
	}{Details: listDetails{total(len(rows)), c.store.latestEvent()}}
	for _, f := range pageOf(req.Query, rows) {
		answer.Result = append(answer.Result, org{
			ID: f.id, Details: detailsOf(f.row.meta), State: "ORGANIZATION_STATE_ACTIVE",
			Name: f.row.Name, PrimaryDomain: f.row.Domain,
		})
	}
	return answer, nil
}

func addOrg(c *call) (any, error) {
	req, err := decode[struct{ Name, OrgID string }](c)
	if err != nil {
		return nil, err
	}
	if err := checkLength("AddOrganizationRequest", "Name", req.Name); err != nil {
		return nil, err
	}
	id, m := req.OrgID, meta{}
	err = c.update(func(t *tx) error {
		if id == "" {
			id = t.clock.newID()
		}
		if t.orgs.rows[id] != nil {
			return errTaken
		}
		var err error
		if m, err = t.event("org.added", "org", id, id, map[string]any{"name": req.Name}); err != nil {
			return err
		}
		return put(t, t.orgs, id, &orgRow{meta: m, Name: req.Name, Domain: orgDomain(req.Name, c.server.hostname())})
	})
	if errors.Is(err, errTaken) {
		return nil, fail(alreadyExists, "V3-DKcYh", "Organisation's name already taken")
	}
	return struct {
		Details        details `json:"details"`
		OrganizationID string  `json:"organizationId"`
	}{changedDetails(m), id}, err
}

// orgDomain is the domain that Zitadel makes up for an organisation.
func orgDomain(name, host string) string {
	return strings.ReplaceAll(strings.ToLower(name), " ", "-") + "." + host
}

// createAdministrator makes a user an administrator of an organisation or of the instance.
func createAdministrator(c *call) (any, error) {
	req, err := decode[struct {
		UserID   string
		Resource struct {
			OrganizationID string
			Instance       bool
		}
		Roles []string
	}](c)
	if err != nil {
		return nil, err
	}
	resource, event, aggregate := req.Resource.OrganizationID, "org.member.added", "org"
	exists := fail(alreadyExists, "ORG-poWwe", "Errors.Org.Member.AlreadyExists")
	if req.Resource.Instance {
		if err := c.who.check(needIAM, ""); err != nil {
			return nil, err
		}
		resource, event, aggregate = instanceID, "instance.member.added", "instance"
		exists = fail(alreadyExists, "INSTANCE-3m9fs", "Errors.Instance.Member.AlreadyExists")
	}
	var m meta
	err = c.update(func(t *tx) error {
		if t.users.rows[req.UserID] == nil {
			return fail(failedPrecondition, "ORG-GoXOn", "User could not be found")
		}
		var err error
		m, err = t.event(event, aggregate, resource, resource, map[string]any{"userId": req.UserID, "roles": req.Roles})
		if err != nil {
			return err
		}
		return put(t, t.members, t.clock.newID(), &memberRow{meta: m, UserID: req.UserID, Resource: resource, Roles: req.Roles})
	})
	if errors.Is(err, errTaken) {
		return nil, exists
	}
	return createdAnswer{m.Created}, err
}
