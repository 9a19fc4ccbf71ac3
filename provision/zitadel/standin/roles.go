package standin

import (
	"cmp"
	"errors"
	"slices"
)

type role struct {
	ProjectID    string `json:"projectId"`
	Key          string `json:"key"`
	CreationDate stamp  `json:"creationDate"`
	ChangeDate   stamp  `json:"changeDate"`
	DisplayName  string `json:"displayName,omitempty"`
	Group        string `json:"group,omitempty"`
}

func roleID(projectID, key string) string { return projectID + "/" + key }

func addRole(c *call) (any, error) {
	req, err := decode[struct{ ProjectID, RoleKey, DisplayName, Group string }](c)
	if err != nil {
		return nil, err
	}
	if err := checkLength("AddProjectRoleRequest", "RoleKey", req.RoleKey); err != nil {
		return nil, err
	}
	if err := checkLength("AddProjectRoleRequest", "DisplayName", req.DisplayName); err != nil {
		return nil, err
	}
	var m meta
	err = c.update(func(t *tx) error {
		project := t.projects.rows[req.ProjectID]
		if project == nil {
			return fail(notFound, "COMMAND-3M9sd", "Project not found")
		}
		if t.roles.rows[roleID(req.ProjectID, req.RoleKey)] != nil {
			return errTaken
		}
		var err error
		m, err = t.event("project.role.added", "project", req.ProjectID, project.Owner, struct {
			Key         string `json:"key"`
			DisplayName string `json:"displayName,omitempty"`
			Group       string `json:"group,omitempty"`
		}{req.RoleKey, req.DisplayName, req.Group})
		if err != nil {
			return err
		}
		return put(t, t.roles, roleID(req.ProjectID, req.RoleKey), &roleRow{
			meta: m, ProjectID: req.ProjectID, Key: req.RoleKey, DisplayName: req.DisplayName, Group: req.Group,
		})
	})
	if errors.Is(err, errTaken) {
		return nil, fail(alreadyExists, "V3-DKcYh", "Role already exists")
	}
	return createdAnswer{m.Created}, err
}

// updateRole sets name and group; a group that is left out is wiped (#46).
func updateRole(c *call) (any, error) {
	req, err := decode[struct {
		ProjectID, RoleKey string
		DisplayName        *string
		Group              string
	}](c)
	if err != nil {
		return nil, err
	}
	var changed stamp
	err = c.update(func(t *tx) error {
		id := roleID(req.ProjectID, req.RoleKey)
		row := t.roles.rows[id]
		if row == nil {
			return fail(notFound, "COMMAND-2M0cs", "Role not found")
		}
		next := *row
		set(&next.DisplayName, req.DisplayName)
		next.Group = req.Group
		if next == *row {
			changed = row.Changed
			return nil
		}
		m, err := t.event("project.role.changed", "project", req.ProjectID, row.Owner, map[string]any{"key": row.Key})
		if err != nil {
			return err
		}
		next.meta, changed = row.changedBy(m), m.Changed
		return put(t, t.roles, id, &next)
	})
	return changedAnswer{changed}, err
}

// removeRole takes the role out of every grant; a grant stays even when it was its last.
func removeRole(c *call) (any, error) {
	req, err := decode[struct{ ProjectID, RoleKey string }](c)
	if err != nil {
		return nil, err
	}
	var at stamp
	err = c.update(func(t *tx) error {
		id := roleID(req.ProjectID, req.RoleKey)
		row := t.roles.rows[id]
		if row == nil {
			at = t.lastOf("project", req.ProjectID).Changed // #52
			return nil
		}
		m, err := t.event("project.role.removed", "project", req.ProjectID, row.Owner, map[string]any{"key": row.Key})
		if err != nil {
			return err
		}
		at = m.Changed
		drop(t, t.roles, id)
		for id, grant := range t.grants.rows {
			if grant.ProjectID != req.ProjectID || !slices.Contains(grant.Roles, req.RoleKey) {
				continue
			}
			rest := slices.DeleteFunc(slices.Clone(grant.Roles), func(key string) bool { return key == req.RoleKey })
			if _, err := t.changeGrant(id, grant, rest, "user.grant.cascade.changed"); err != nil {
				return err
			}
		}
		return nil
	})
	return struct {
		RemovalDate stamp `json:"removalDate,omitzero"`
	}{at}, err
}

var roleFilters = filterKinds[roleRow]{
	"roleKeyFilter":     byText("key", func(r *found[roleRow]) string { return r.row.Key }),
	"displayNameFilter": byText("displayName", func(r *found[roleRow]) string { return r.row.DisplayName }),
}

func listRoles(c *call) (any, error) {
	req, err := decode[struct {
		listRequest
		ProjectID string
	}](c)
	if err != nil {
		return nil, err
	}
	if err := checkLength("ListProjectRolesRequest", "ProjectId", req.ProjectID); err != nil {
		return nil, err
	}
	rows, err := listRows(c, c.store.roles, roleFilters, req.listRequest)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(f found[roleRow]) bool { return f.row.ProjectID != req.ProjectID })
	slices.SortFunc(rows, func(a, b found[roleRow]) int { return cmp.Compare(b.row.Key, a.row.Key) })
	answer := struct {
		Pagination   pagination `json:"pagination"`
		ProjectRoles []role     `json:"projectRoles,omitempty"`
	}{Pagination: req.Pagination.pagination(len(rows))}
	for _, f := range pageOf(req.Pagination, rows) {
		answer.ProjectRoles = append(answer.ProjectRoles, role{
			ProjectID: f.row.ProjectID, Key: f.row.Key, CreationDate: f.row.Created, ChangeDate: f.row.Changed,
			DisplayName: f.row.DisplayName, Group: f.row.Group,
		})
	}
	return answer, nil
}
