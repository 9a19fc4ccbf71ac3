package standin

import (
	"errors"
	"slices"
)

type authorization struct {
	ID           string    `json:"id"`
	CreationDate stamp     `json:"creationDate"`
	ChangeDate   stamp     `json:"changeDate"`
	Project      named     `json:"project"`
	Organization named     `json:"organization"`
	User         grantUser `json:"user"`
	State        string    `json:"state"`
	Roles        []granted `json:"roles,omitempty"`
}

type named struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	OrganizationID string `json:"organizationId,omitempty"`
}

type grantUser struct {
	ID                 string `json:"id"`
	PreferredLoginName string `json:"preferredLoginName"`
	DisplayName        string `json:"displayName,omitempty"`
	OrganizationID     string `json:"organizationId"`
}

type granted struct {
	Key         string `json:"key"`
	DisplayName string `json:"displayName,omitempty"`
	Group       string `json:"group,omitempty"`
}

var (
	errGrantRole     = fail(failedPrecondition, "COMMAND-mm9F4", "Errors.Project.Role.NotFound")
	errGrantNotFound = fail(notFound, "COMMAND-3M0sd", "User grant not found")
)

func (s *Server) routeGrants() {
	const service = "AuthorizationService"
	s.connect(service, "CreateAuthorization", needOrg, createGrant)
	s.connect(service, "UpdateAuthorization", needOrg, updateGrant)
	s.connect(service, "DeleteAuthorization", needOrg, deleteGrant)
	s.connect(service, "ListAuthorizations", needMember, listGrants)
	s.connect(service, "ActivateAuthorization", needOrg, func(c *call) (any, error) {
		return setGrantState(c, active, "user.grant.reactivated")
	})
	s.connect(service, "DeactivateAuthorization", needOrg, func(c *call) (any, error) {
		return setGrantState(c, inactive, "user.grant.deactivated")
	})
}

func createGrant(c *call) (any, error) {
	req, err := decode[struct {
		UserID, ProjectID, OrganizationID string
		RoleKeys                          []string
	}](c)
	if err != nil {
		return nil, err
	}
	for _, field := range []struct{ name, value string }{
		{"UserId", req.UserID}, {"ProjectId", req.ProjectID}, {"OrganizationId", req.OrganizationID},
	} {
		if err := checkLength("CreateAuthorizationRequest", field.name, field.value); err != nil {
			return nil, err
		}
	}
	id, m := "", meta{}
	err = c.update(func(t *tx) error {
		if t.users.rows[req.UserID] == nil {
			return fail(failedPrecondition, "COMMAND-4f8sg", "User could not be found")
		}
		if t.projects.rows[req.ProjectID] == nil {
			return fail(failedPrecondition, "COMMAND-3n77S", "Project not found")
		}
		if !t.hasRoles(req.ProjectID, req.RoleKeys) {
			return errGrantRole
		}
		id = t.clock.newID()
		var err error
		m, err = t.event("user.grant.added", "usergrant", id, req.OrganizationID,
			map[string]any{"userId": req.UserID, "projectId": req.ProjectID, "roleKeys": req.RoleKeys})
		if err != nil {
			return err
		}
		return put(t, t.grants, id, &grantRow{meta: m, UserID: req.UserID, ProjectID: req.ProjectID, Roles: req.RoleKeys})
	})
	if errors.Is(err, errTaken) {
		return nil, fail(alreadyExists, "V3-DKcYh", "User grant already exists")
	}
	return struct {
		ID           string `json:"id"`
		CreationDate stamp  `json:"creationDate"`
	}{id, m.Created}, err
}

func (s *store) hasRoles(projectID string, keys []string) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return s.roles.rows[roleID(projectID, key)] == nil })
}

// updateGrant replaces all roles. The same ones in the same order are no change; in another
// they are (#97).
func updateGrant(c *call) (any, error) {
	req, err := decode[struct {
		ID       string
		RoleKeys []string
	}](c)
	if err != nil {
		return nil, err
	}
	var changed stamp
	err = c.update(func(t *tx) error {
		row := t.grants.rows[req.ID]
		switch {
		case row == nil:
			return errGrantNotFound
		case !t.hasRoles(row.ProjectID, req.RoleKeys):
			return errGrantRole
		case slices.Equal(row.Roles, req.RoleKeys):
			changed = row.Changed
			return nil
		}
		m, err := t.changeGrant(req.ID, row, req.RoleKeys, "user.grant.cascade.changed")
		changed = m.Changed
		return err
	})
	return changedAnswer{changed}, err
}

// changeGrant sets the roles of a grant.
func (t *tx) changeGrant(id string, row *grantRow, roles []string, event string) (meta, error) {
	payload := map[string]any{}
	if len(roles) > 0 {
		payload["roleKeys"] = roles
	}
	m, err := t.event(event, "usergrant", id, row.Owner, payload)
	if err != nil {
		return meta{}, err
	}
	next := *row
	next.meta, next.Roles = row.changedBy(m), roles
	return m, put(t, t.grants, id, &next)
}

// cascadeGrant deletes a grant since what it was about is gone.
func (t *tx) cascadeGrant(id string, row *grantRow) error {
	_, err := t.event("user.grant.cascade.removed", "usergrant", id, row.Owner, nil)
	drop(t, t.grants, id)
	return err
}

// deleteGrant succeeds again and again, with the date of the first time (#272).
func deleteGrant(c *call) (any, error) {
	req, err := decode[struct{ ID string }](c)
	if err != nil {
		return nil, err
	}
	var at stamp
	err = c.update(func(t *tx) error {
		row := t.grants.rows[req.ID]
		if row == nil {
			at = t.lastOf("usergrant", req.ID).Changed
			return nil
		}
		m, err := t.event("user.grant.removed", "usergrant", req.ID, row.Owner,
			map[string]any{"userId": row.UserID, "projectId": row.ProjectID})
		at = m.Changed
		drop(t, t.grants, req.ID)
		return err
	})
	return deletedAnswer{at}, err
}

func setGrantState(c *call, state, event string) (any, error) {
	req, err := decode[struct{ ID string }](c)
	if err != nil {
		return nil, err
	}
	var changed stamp
	err = c.update(func(t *tx) error {
		row := t.grants.rows[req.ID]
		switch {
		case row == nil:
			return errGrantNotFound
		case row.State == state:
			changed = row.Changed
			return nil
		}
		m, err := t.event(event, "usergrant", req.ID, row.Owner, nil)
		if err != nil {
			return err
		}
		next := *row
		next.meta, next.State, changed = row.changedBy(m), state, m.Changed
		return put(t, t.grants, req.ID, &next)
	})
	return changedAnswer{changed}, err
}

func grantFilters(s *store) filterKinds[grantRow] {
	return filterKinds[grantRow]{
		"authorizationIds":   byIDs("ids", func(g *found[grantRow]) string { return g.id }),
		"inUserIds":          byIDs("ids", func(g *found[grantRow]) string { return g.row.UserID }),
		"projectId":          byText("id", func(g *found[grantRow]) string { return g.row.ProjectID }),
		"organizationId":     byText("id", func(g *found[grantRow]) string { return g.row.Owner }),
		"state":              byText("state", func(g *found[grantRow]) string { return stateName("STATE_", g.row.State) }),
		"userOrganizationId": byText("id", func(g *found[grantRow]) string { return s.users.rows[g.row.UserID].owner() }),
		"projectName":        byText("name", func(g *found[grantRow]) string { return s.projects.rows[g.row.ProjectID].name() }),
	}
}

func listGrants(c *call) (any, error) {
	req, err := decode[listRequest](c)
	if err != nil {
		return nil, err
	}
	rows, err := listRows(c, c.store.grants, grantFilters(c.store), req)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Pagination     pagination      `json:"pagination"`
		Authorizations []authorization `json:"authorizations,omitempty"`
	}{Pagination: req.Pagination.pagination(len(rows))}
	c.store.view(func() {
		for _, f := range pageOf(req.Pagination, rows) {
			answer.Authorizations = append(answer.Authorizations, c.store.authorization(f.id, f.row))
		}
	})
	return answer, nil
}

func (s *store) authorization(id string, g *grantRow) authorization {
	project, user := s.projects.rows[g.ProjectID], s.users.rows[g.UserID]
	a := authorization{
		ID: id, CreationDate: g.Created, ChangeDate: g.Changed,
		Project:      named{g.ProjectID, project.name(), project.owner()},
		Organization: named{g.Owner, s.orgs.rows[g.Owner].name(), ""},
		User:         grantUser{ID: g.UserID, OrganizationID: user.owner()},
		State:        stateName("STATE_", g.State),
	}
	if user != nil {
		a.User.PreferredLoginName = user.Username
		if user.Human != nil {
			a.User.DisplayName = user.Human.Profile.DisplayName
		}
	}
	for _, key := range g.Roles {
		if role := s.roles.rows[roleID(g.ProjectID, key)]; role != nil {
			a.Roles = append(a.Roles, granted{key, role.DisplayName, role.Group})
		}
	}
	return a
}

// What a row that a lagging search still points at may no longer have: a nil row has no name.

func (p *projectRow) name() string {
	if p == nil {
		return ""
	}
	return p.Name
}

func (p *projectRow) owner() string {
	if p == nil {
		return ""
	}
	return p.Owner
}

func (u *userRow) owner() string {
	if u == nil {
		return ""
	}
	return u.Owner
}

func (o *orgRow) name() string {
	if o == nil {
		return ""
	}
	return o.Name
}
