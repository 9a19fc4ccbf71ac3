package standin

import "errors"

// stateName is a state in a service's words: PROJECT_STATE_ACTIVE.
func stateName(prefix, state string) string {
	if state == active {
		state = "ACTIVE"
	}
	return prefix + state
}

type project struct {
	ProjectID             string `json:"projectId"`
	OrganizationID        string `json:"organizationId"`
	CreationDate          stamp  `json:"creationDate"`
	ChangeDate            stamp  `json:"changeDate"`
	Name                  string `json:"name"`
	State                 string `json:"state"`
	ProjectRoleAssertion  bool   `json:"projectRoleAssertion,omitempty"`
	AuthorizationRequired bool   `json:"authorizationRequired,omitempty"`
	ProjectAccessRequired bool   `json:"projectAccessRequired,omitempty"`
}

func projectOf(id string, p *projectRow) project {
	return project{
		ProjectID: id, OrganizationID: p.Owner, CreationDate: p.Created, ChangeDate: p.Changed,
		Name: p.Name, State: stateName("PROJECT_STATE_", p.State),
		ProjectRoleAssertion: p.RoleAssertion, AuthorizationRequired: p.AuthorizationRequired,
		ProjectAccessRequired: p.AccessRequired,
	}
}

var errProjectNotFound = fail(notFound, "QUERY-fk2fs", "Project not found")

func (s *Server) routeProjects() {
	const service = "ProjectService"
	s.connect(service, "CreateProject", needOrg, createProject)
	s.connect(service, "GetProject", needMember, getProject)
	s.connect(service, "ListProjects", needMember, listProjects)
	s.connect(service, "UpdateProject", needOrg, updateProject)
	s.connect(service, "DeleteProject", needOrg, deleteProject)
	s.connect(service, "ActivateProject", needOrg, func(c *call) (any, error) {
		return setProjectState(c, active, "project.reactivated", fail(failedPrecondition, "COMMAND-5M9bs", "Project is not deactivated"))
	})
	s.connect(service, "DeactivateProject", needOrg, func(c *call) (any, error) {
		return setProjectState(c, inactive, "project.deactivated", fail(failedPrecondition, "COMMAND-112M9", "Project is not active"))
	})
	s.connect(service, "AddProjectRole", needOrg, addRole)
	s.connect(service, "UpdateProjectRole", needOrg, updateRole)
	s.connect(service, "RemoveProjectRole", needOrg, removeRole)
	s.connect(service, "ListProjectRoles", needMember, listRoles)
}

func createProject(c *call) (any, error) {
	req, err := decode[struct {
		OrganizationID, ProjectID, Name                                    string
		ProjectRoleAssertion, AuthorizationRequired, ProjectAccessRequired bool
	}](c)
	if err != nil {
		return nil, err
	}
	if err := checkLength("CreateProjectRequest", "OrganizationId", req.OrganizationID); err != nil {
		return nil, err
	}
	if err := checkLength("CreateProjectRequest", "Name", req.Name); err != nil {
		return nil, err
	}
	var m meta
	id := req.ProjectID
	err = c.update(func(t *tx) error {
		if t.orgs.rows[req.OrganizationID] == nil {
			return fail(failedPrecondition, "COMMAND-QXPGs", "Organisation not found")
		}
		if id == "" {
			id = t.clock.newID()
		}
		if t.projects.rows[id] != nil {
			return fail(alreadyExists, "COMMAND-opamwu", "Errors.Project.AlreadyExisting")
		}
		var err error
		m, err = t.event("project.added", "project", id, req.OrganizationID, map[string]any{"name": req.Name})
		if err != nil {
			return err
		}
		return put(t, t.projects, id, &projectRow{
			meta: m, Name: req.Name, RoleAssertion: req.ProjectRoleAssertion,
			AuthorizationRequired: req.AuthorizationRequired, AccessRequired: req.ProjectAccessRequired,
		})
	})
	if errors.Is(err, errTaken) {
		return nil, fail(alreadyExists, "V3-DKcYh", "Project already exists on organization")
	}
	return struct {
		ProjectID    string `json:"projectId"`
		CreationDate stamp  `json:"creationDate"`
	}{id, m.Created}, err
}

func getProject(c *call) (any, error) {
	req, err := decode[struct{ ProjectID string }](c)
	if err != nil {
		return nil, err
	}
	var row *projectRow
	c.store.view(func() { row = c.store.projects.rows[req.ProjectID] })
	if row == nil {
		return nil, errProjectNotFound
	}
	return map[string]project{"project": projectOf(req.ProjectID, row)}, nil
}

var projectFilters = filterKinds[projectRow]{
	"projectNameFilter":    byText("projectName", func(p *found[projectRow]) string { return p.row.Name }),
	"organizationIdFilter": byText("organizationId", func(p *found[projectRow]) string { return p.row.Owner }),
	"inProjectIdsFilter":   byIDs("ids", func(p *found[projectRow]) string { return p.id }),
}

func listProjects(c *call) (any, error) {
	req, err := decode[listRequest](c)
	if err != nil {
		return nil, err
	}
	rows, err := listRows(c, c.store.projects, projectFilters, req)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Pagination pagination `json:"pagination"`
		Projects   []project  `json:"projects,omitempty"`
	}{Pagination: req.Pagination.pagination(len(rows))}
	for _, f := range pageOf(req.Pagination, rows) {
		answer.Projects = append(answer.Projects, projectOf(f.id, f.row))
	}
	return answer, nil
}

func updateProject(c *call) (any, error) {
	req, err := decode[struct {
		ProjectID                                                          string
		Name                                                               *string
		ProjectRoleAssertion, AuthorizationRequired, ProjectAccessRequired *bool
	}](c)
	if err != nil {
		return nil, err
	}
	var changed stamp
	err = c.update(func(t *tx) error {
		row := t.projects.rows[req.ProjectID]
		if row == nil {
			return fail(notFound, "COMMAND-3M9sd", "Project not found")
		}
		next := *row
		set(&next.Name, req.Name)
		set(&next.RoleAssertion, req.ProjectRoleAssertion)
		set(&next.AuthorizationRequired, req.AuthorizationRequired)
		set(&next.AccessRequired, req.ProjectAccessRequired)
		if next == *row {
			changed = row.Changed // #34: no change, no error
			return nil
		}
		m, err := t.event("project.changed", "project", req.ProjectID, row.Owner, map[string]any{"name": next.Name})
		if err != nil {
			return err
		}
		next.meta, changed = row.changedBy(m), m.Changed
		return put(t, t.projects, req.ProjectID, &next)
	})
	if errors.Is(err, errTaken) {
		return nil, fail(alreadyExists, "V3-DKcYh", "Project already exists on organization")
	}
	return changedAnswer{changed}, err
}

// set changes a field that a request names; the others it leaves alone.
func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

func setProjectState(c *call, state, event string, already error) (any, error) {
	req, err := decode[struct{ ProjectID string }](c)
	if err != nil {
		return nil, err
	}
	var m meta
	err = c.update(func(t *tx) error {
		row := t.projects.rows[req.ProjectID]
		switch {
		case row == nil:
			return fail(notFound, "COMMAND-3M9sd", "Project not found")
		case row.State == state:
			return already
		}
		var err error
		if m, err = t.event(event, "project", req.ProjectID, row.Owner, nil); err != nil {
			return err
		}
		next := *row
		next.meta, next.State = row.changedBy(m), state
		return put(t, t.projects, req.ProjectID, &next)
	})
	return changedAnswer{m.Changed}, err
}

// deleteProject succeeds again and again, with the date of the first time (#500).
func deleteProject(c *call) (any, error) {
	req, err := decode[struct{ ProjectID string }](c)
	if err != nil {
		return nil, err
	}
	var at stamp
	err = c.update(func(t *tx) error {
		row := t.projects.rows[req.ProjectID]
		if row == nil {
			at = t.lastOf("project", req.ProjectID).Changed
			return nil
		}
		m, err := t.event("project.removed", "project", req.ProjectID, row.Owner, map[string]any{"name": row.Name})
		if err != nil {
			return err
		}
		at = m.Changed
		for id, role := range t.roles.rows {
			if role.ProjectID == req.ProjectID {
				drop(t, t.roles, id)
			}
		}
		for id, app := range t.apps.rows {
			if app.ProjectID == req.ProjectID {
				t.dropApp(id)
			}
		}
		for id, grant := range t.grants.rows {
			if grant.ProjectID == req.ProjectID {
				if err := t.cascadeGrant(id, grant); err != nil {
					return err
				}
			}
		}
		drop(t, t.projects, req.ProjectID)
		return nil
	})
	return deletedAnswer{at}, err
}

// listRequest is how v2's newer services are searched.
type listRequest struct {
	Pagination page
	Filters    []filter
}

// listRows runs a search that is written in the newer services' form.
func listRows[T any](c *call, in *table[T], kinds filterKinds[T], req listRequest) (rows []found[T], err error) {
	if err := req.Pagination.check(); err != nil {
		return nil, err
	}
	c.store.view(func() { rows, err = search(c.store, in, kinds, req.Filters) })
	return rows, err
}
