package zitadel

import (
	"context"

	"harmony-callout/internal/secret"
)

type organization struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// searchOrganization finds an organisation by name, or the instance's default one.
func (c *Client) searchOrganization(ctx context.Context, name string, with secret.Text) (organization, bool, error) {
	query := map[string]any{"defaultQuery": struct{}{}}
	if name != "" {
		query = map[string]any{"nameQuery": map[string]string{"name": name, "method": "TEXT_QUERY_METHOD_EQUALS"}}
	}
	var out struct{ Result []organization }
	err := c.do(ctx, call{
		what: "search organisation", path: "/v2/organizations/_search", repeat: true, with: with,
		in: map[string]any{"queries": []any{query}}, out: &out,
	})
	if err != nil || len(out.Result) == 0 {
		return organization{}, false, err
	}
	return out.Result[0], true, nil
}

const projectService = "/zitadel.project.v2.ProjectService/"

type project struct {
	ID            string `json:"projectId"`
	OrgID         string `json:"organizationId"`
	Name          string `json:"name"`
	State         string `json:"state"`
	RoleAssertion bool   `json:"projectRoleAssertion"`
}

func (c *Client) searchProject(ctx context.Context, orgID, name string) (project, bool, error) {
	var out struct{ Projects []project }
	err := c.do(ctx, call{
		what: "search project " + name, path: projectService + "ListProjects", repeat: true, out: &out,
		in: map[string]any{"filters": []any{
			map[string]any{"projectNameFilter": map[string]string{"projectName": name, "method": "TEXT_FILTER_METHOD_EQUALS"}},
			map[string]any{"organizationIdFilter": map[string]string{"organizationId": orgID}},
		}},
	})
	if err != nil || len(out.Projects) == 0 {
		return project{}, false, err
	}
	return out.Projects[0], true, nil
}

// getProject never lags behind, unlike a search.
func (c *Client) getProject(ctx context.Context, id string) (project, error) {
	var out struct{ Project project }
	err := c.do(ctx, call{
		what: "get project " + id, path: projectService + "GetProject", repeat: true, out: &out,
		in: map[string]string{"projectId": id},
	})
	return out.Project, err
}

func (c *Client) createProject(ctx context.Context, orgID, id, name string) error {
	return c.do(ctx, call{
		what: "create project " + name, path: projectService + "CreateProject",
		in: map[string]any{"organizationId": orgID, "projectId": id, "name": name, "projectRoleAssertion": true},
	})
}

func (c *Client) assertProjectRoles(ctx context.Context, id string) error {
	err := c.do(ctx, call{
		what: "update project " + id, path: projectService + "UpdateProject", repeat: true,
		in: map[string]any{"projectId": id, "projectRoleAssertion": true},
	})
	return ignoring(err, ErrNoChange)
}

// deleteProject takes all that is in it along. There being none is no error (#528).
func (c *Client) deleteProject(ctx context.Context, id string) error {
	err := c.do(ctx, call{
		what: "delete project " + id, path: projectService + "DeleteProject", repeat: true,
		in: map[string]string{"projectId": id},
	})
	return ignoring(err, ErrNotFound)
}

type role struct {
	Key         string `json:"key"`
	DisplayName string `json:"displayName"`
	Group       string `json:"group"`
}

func (c *Client) listRoles(ctx context.Context, projectID string) ([]role, error) {
	return pages(ctx, "list roles", func(ctx context.Context, p page) ([]role, total, error) {
		var out struct {
			Pagination   struct{ TotalResult total }
			ProjectRoles []role
		}
		err := c.do(ctx, call{
			what: "list roles", path: projectService + "ListProjectRoles", repeat: true, out: &out,
			in: map[string]any{"projectId": projectID, "pagination": p},
		})
		return out.ProjectRoles, out.Pagination.TotalResult, err
	})
}

func (c *Client) addRole(ctx context.Context, projectID string, r role) error {
	return c.do(ctx, call{
		what: "add role " + r.Key, path: projectService + "AddProjectRole",
		in: map[string]string{"projectId": projectID, "roleKey": r.Key, "displayName": r.DisplayName, "group": r.Group},
	})
}

// updateRole replaces both: a group that is left out is wiped (#45, #46).
func (c *Client) updateRole(ctx context.Context, projectID string, r role) error {
	err := c.do(ctx, call{
		what: "update role " + r.Key, path: projectService + "UpdateProjectRole", repeat: true,
		in: map[string]string{"projectId": projectID, "roleKey": r.Key, "displayName": r.DisplayName, "group": r.Group},
	})
	return ignoring(err, ErrNoChange)
}

// removeRole takes it out of all grants too (#887).
func (c *Client) removeRole(ctx context.Context, projectID, key string) error {
	err := c.do(ctx, call{
		what: "remove role " + key, path: projectService + "RemoveProjectRole", repeat: true,
		in: map[string]string{"projectId": projectID, "roleKey": key},
	})
	return ignoring(err, ErrNotFound)
}

const oidcSettingsPath = "/admin/v1/settings/oidc"

// oidcSettings are lifetimes, as durations in seconds: "900s".
type oidcSettings struct {
	AccessTokenLifetime        string `json:"accessTokenLifetime,omitempty"`
	IDTokenLifetime            string `json:"idTokenLifetime,omitempty"`
	RefreshTokenIdleExpiration string `json:"refreshTokenIdleExpiration,omitempty"`
	RefreshTokenExpiration     string `json:"refreshTokenExpiration,omitempty"`
}

func (c *Client) getOIDCSettings(ctx context.Context) (oidcSettings, error) {
	var out struct{ Settings oidcSettings }
	err := c.do(ctx, call{what: "get token lifetimes", method: "GET", path: oidcSettingsPath, repeat: true, out: &out})
	return out.Settings, err
}

func (c *Client) setOIDCSettings(ctx context.Context, s oidcSettings) error {
	err := c.do(ctx, call{what: "set token lifetimes", method: "PUT", path: oidcSettingsPath, repeat: true, in: s})
	return ignoring(err, ErrNoChange)
}
