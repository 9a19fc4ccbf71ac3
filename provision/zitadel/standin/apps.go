package standin

import (
	"errors"
	"net/url"
	"reflect"
	"slices"
)

type app struct {
	ApplicationID     string   `json:"applicationId"`
	CreationDate      stamp    `json:"creationDate"`
	ChangeDate        stamp    `json:"changeDate"`
	State             string   `json:"state"`
	Name              string   `json:"name"`
	OIDCConfiguration *oidcApp `json:"oidcConfiguration,omitempty"`
	APIConfiguration  *apiApp  `json:"apiConfiguration,omitempty"`
	ProjectID         string   `json:"projectId"`
}

type oidcApp struct {
	oidcConfig
	ClientID       string   `json:"clientId"`
	ClockSkew      string   `json:"clockSkew"`
	AllowedOrigins []string `json:"allowedOrigins,omitempty"`
}

type apiApp struct {
	ClientID string `json:"clientId"`
	apiConfig
}

func appOf(id string, a *appRow) app {
	out := app{
		ApplicationID: id, CreationDate: a.Created, ChangeDate: a.Changed,
		State: stateName("APPLICATION_STATE_", a.State), Name: a.Name, ProjectID: a.ProjectID,
	}
	if a.API != nil {
		out.APIConfiguration = &apiApp{a.ClientID, *a.API}
	}
	if a.OIDC != nil {
		out.OIDCConfiguration = &oidcApp{oidcConfig: *a.OIDC, ClientID: a.ClientID, ClockSkew: "0s"}
		for _, raw := range a.OIDC.RedirectURIs {
			if u, err := url.Parse(raw); err == nil && u.Host != "" {
				out.OIDCConfiguration.AllowedOrigins = append(out.OIDCConfiguration.AllowedOrigins, u.Scheme+"://"+u.Host)
			}
		}
	}
	return out
}

var (
	errAppExists   = fail(alreadyExists, "V3-DKcYh", "Application already exists")
	errAppNotFound = fail(notFound, "COMMAND-0po9s", "Application doesn't exist")
)

func (s *Server) routeApps() {
	const service = "ApplicationService"
	s.connect(service, "CreateApplication", needOrg, createApp)
	s.connect(service, "GetApplication", needMember, getApp)
	s.connect(service, "ListApplications", needMember, listApps)
	s.connect(service, "UpdateApplication", needOrg, updateApp)
	s.connect(service, "DeleteApplication", needOrg, deleteApp)
	s.connect(service, "DeactivateApplication", needOrg, func(c *call) (any, error) { return setAppState(c, inactive) })
	s.connect(service, "ReactivateApplication", needOrg, func(c *call) (any, error) { return setAppState(c, active) })
	s.connect(service, "GenerateClientSecret", needOrg, generateSecret)
	s.connect(service, "CreateApplicationKey", needOrg, createAppKey)
	s.connect(service, "ListApplicationKeys", needMember, listAppKeys)
	s.connect(service, "DeleteApplicationKey", needOrg, deleteAppKey)
}

func createApp(c *call) (any, error) {
	req, err := decode[struct {
		ProjectID, ApplicationID, Name string
		APIConfiguration               *apiConfig
		OIDCConfiguration              *oidcConfig
	}](c)
	if err != nil {
		return nil, err
	}
	if err := checkLength("CreateApplicationRequest", "Name", req.Name); err != nil {
		return nil, err
	}
	if (req.APIConfiguration == nil) == (req.OIDCConfiguration == nil) {
		return nil, invalid("CreateApplicationRequest", "ApplicationType", "value is required")
	}
	row := &appRow{ProjectID: req.ProjectID, Name: req.Name, API: req.APIConfiguration, OIDC: req.OIDCConfiguration}
	secret := row.prepare()
	id := req.ApplicationID
	err = c.update(func(t *tx) error {
		project := t.projects.rows[req.ProjectID]
		if project == nil {
			return fail(notFound, "COMMAND-3M9sd", "Project not found")
		}
		if id == "" {
			id = t.clock.newID()
		}
		if t.apps.rows[id] != nil {
			return errTaken
		}
		row.ClientID = t.clock.newID()
		var err error
		row.meta, err = t.event("project.application.added", "project", req.ProjectID, project.Owner,
			map[string]any{"appId": id, "name": req.Name})
		if err != nil {
			return err
		}
		return put(t, t.apps, id, row)
	})
	if errors.Is(err, errTaken) {
		return nil, errAppExists
	}
	if err != nil {
		return nil, err
	}
	type made struct {
		ClientID     string `json:"clientId"`
		ClientSecret string `json:"clientSecret,omitempty"`
	}
	answer := struct {
		ApplicationID     string `json:"applicationId"`
		CreationDate      stamp  `json:"creationDate"`
		OIDCConfiguration *made  `json:"oidcConfiguration,omitempty"`
		APIConfiguration  *made  `json:"apiConfiguration,omitempty"`
	}{ApplicationID: id, CreationDate: row.Created}
	if row.API != nil {
		answer.APIConfiguration = &made{row.ClientID, secret}
	} else {
		answer.OIDCConfiguration = &made{row.ClientID, secret}
	}
	return answer, nil
}

// prepare brings a new application into its stored form and makes its secret, if it has one.
func (a *appRow) prepare() (secret string) {
	needsSecret := false
	if a.API != nil {
		a.API.normalize()
		needsSecret = a.API.AuthMethodType == ""
	} else {
		a.OIDC.normalize()
		needsSecret = a.OIDC.AuthMethodType == "" || a.OIDC.AuthMethodType == oidcAuthPost
	}
	if needsSecret {
		secret = newSecret()
		a.SecretDigest = digest(secret)
	}
	return secret
}

func getApp(c *call) (any, error) {
	req, err := decode[struct{ ApplicationID string }](c)
	if err != nil {
		return nil, err
	}
	var row *appRow
	c.store.view(func() { row = c.store.apps.rows[req.ApplicationID] })
	if row == nil {
		return nil, fail(notFound, "QUERY-pCP8P", "Application doesn't exist")
	}
	return map[string]app{"application": appOf(req.ApplicationID, row)}, nil
}

var appFilters = filterKinds[appRow]{
	"projectIdFilter": byText("projectId", func(a *found[appRow]) string { return a.row.ProjectID }),
	"nameFilter":      byText("name", func(a *found[appRow]) string { return a.row.Name }),
	"clientIdFilter":  byText("clientId", func(a *found[appRow]) string { return a.row.ClientID }),
}

func listApps(c *call) (any, error) {
	req, err := decode[listRequest](c)
	if err != nil {
		return nil, err
	}
	rows, err := listRows(c, c.store.apps, appFilters, req)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Applications []app      `json:"applications,omitempty"`
		Pagination   pagination `json:"pagination"`
	}{Pagination: req.Pagination.pagination(len(rows))}
	for _, f := range pageOf(req.Pagination, rows) {
		answer.Applications = append(answer.Applications, appOf(f.id, f.row))
	}
	return answer, nil
}

// updateApp changes what a request names. One that changes nothing is refused (#71).
func updateApp(c *call) (any, error) {
	req, err := decode[struct {
		ApplicationID, ProjectID, Name string
		APIConfiguration               *apiConfig
		OIDCConfiguration              *struct {
			oidcConfig
			DevelopmentMode          *bool `json:"developmentMode"`
			AccessTokenRoleAssertion *bool `json:"accessTokenRoleAssertion"`
			IDTokenRoleAssertion     *bool `json:"idTokenRoleAssertion"`
			IDTokenUserinfoAssertion *bool `json:"idTokenUserinfoAssertion"`
		}
	}](c)
	if err != nil {
		return nil, err
	}
	var changed stamp
	err = c.update(func(t *tx) error {
		row := t.apps.rows[req.ApplicationID]
		if row == nil {
			return errAppNotFound
		}
		next := *row
		if req.Name != "" {
			next.Name = req.Name
		}
		if req.APIConfiguration != nil && row.API != nil {
			req.APIConfiguration.normalize()
			next.API = req.APIConfiguration
		}
		if req.OIDCConfiguration != nil && row.OIDC != nil {
			in, config := req.OIDCConfiguration, *row.OIDC
			setList(&config.RedirectURIs, in.RedirectURIs)
			setList(&config.ResponseTypes, in.ResponseTypes)
			setList(&config.GrantTypes, in.GrantTypes)
			setList(&config.PostLogoutRedirectURIs, in.PostLogoutRedirectURIs)
			setWord(&config.ApplicationType, in.ApplicationType)
			setWord(&config.AuthMethodType, in.AuthMethodType)
			setWord(&config.AccessTokenType, in.AccessTokenType)
			set(&config.DevelopmentMode, in.DevelopmentMode)
			set(&config.AccessTokenRoleAssertion, in.AccessTokenRoleAssertion)
			set(&config.IDTokenRoleAssertion, in.IDTokenRoleAssertion)
			set(&config.IDTokenUserinfoAssertion, in.IDTokenUserinfoAssertion)
			config.normalize()
			next.OIDC = &config
		}
		if reflect.DeepEqual(next, *row) {
			return fail(failedPrecondition, "COMMAND-2m8vx", "No changes")
		}
		m, err := t.event("project.application.changed", "project", row.ProjectID, row.Owner, map[string]any{"appId": req.ApplicationID})
		if err != nil {
			return err
		}
		next.meta, changed = row.changedBy(m), m.Changed
		return put(t, t.apps, req.ApplicationID, &next)
	})
	if errors.Is(err, errTaken) {
		return nil, errAppExists
	}
	return changedAnswer{changed}, err
}

func setList(field *[]string, value []string) {
	if value != nil {
		*field = value
	}
}

func setWord(field *string, value string) {
	if value != "" {
		*field = value
	}
}

func setAppState(c *call, state string) (any, error) {
	req, err := decode[struct{ ApplicationID string }](c)
	if err != nil {
		return nil, err
	}
	var m meta
	err = c.update(func(t *tx) error {
		row := t.apps.rows[req.ApplicationID]
		switch {
		case row == nil:
			return errAppNotFound
		case row.State == state && state == inactive:
			return fail(failedPrecondition, "COMMAND-dsh35", "Application is not active")
		case row.State == state:
			return fail(failedPrecondition, "COMMAND-1n8cM", "Application is not inactive")
		}
		event := "project.application.deactivated"
		if state == active {
			event = "project.application.reactivated"
		}
		var err error
		if m, err = t.event(event, "project", row.ProjectID, row.Owner, map[string]any{"appId": req.ApplicationID}); err != nil {
			return err
		}
		next := *row
		next.meta, next.State = row.changedBy(m), state
		return put(t, t.apps, req.ApplicationID, &next)
	})
	if state == active {
		return struct {
			ReactivationDate stamp `json:"reactivationDate"`
		}{m.Changed}, err
	}
	return struct {
		DeactivationDate stamp `json:"deactivationDate"`
	}{m.Changed}, err
}

func deleteApp(c *call) (any, error) {
	req, err := decode[struct{ ApplicationID string }](c)
	if err != nil {
		return nil, err
	}
	var m meta
	err = c.update(func(t *tx) error {
		row := t.apps.rows[req.ApplicationID]
		if row == nil {
			return errAppNotFound
		}
		var err error
		m, err = t.event("project.application.removed", "project", row.ProjectID, row.Owner,
			map[string]any{"appId": req.ApplicationID, "name": row.Name})
		t.dropApp(req.ApplicationID)
		return err
	})
	return deletedAnswer{m.Changed}, err
}

func (t *tx) dropApp(id string) {
	for keyID, key := range t.appKeys.rows {
		if key.AppID == id {
			drop(t, t.appKeys, keyID)
		}
	}
	drop(t, t.apps, id)
}

// clientsOf are the client ids of a project's applications, by rising id, and the project.
func (s *store) clientsOf(projectID string) []string {
	var ids []string
	for _, a := range s.apps.rows {
		if a.ProjectID == projectID {
			ids = append(ids, a.ClientID)
		}
	}
	slices.Sort(ids)
	return append(ids, projectID)
}
