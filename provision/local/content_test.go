package local

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"harmony-callout/provision"
	"harmony-callout/provision/keystore"
	"harmony-callout/provision/zitadel"
)

const (
	projectAPI       = "/zitadel.project.v2.ProjectService/"
	applicationAPI   = "/zitadel.application.v2.ApplicationService/"
	authorizationAPI = "/zitadel.authorization.v2.AuthorizationService/"
)

// remote is what the stand-in's API shows, of the fields that matter.
type remote struct {
	Projects     []struct{ ProjectID, Name string }
	ProjectRoles []struct{ Key string }
	Applications []struct {
		ApplicationID, Name string
		APIConfiguration    *struct{}
	}
	Keys   []struct{ KeyID string }
	Result []struct {
		ID, UserID, Username string
	}
	Authorizations []struct {
		User  struct{ ID string }
		Roles []struct{ Key string }
	}
}

func (p *process) ask(t *testing.T, path string, in any) remote {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.standin.URL()+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+p.standin.AdminPAT().Reveal())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out remote
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, res.Status, err)
	}
	return out
}

// content lists what the server holds and whether its keys are those that are stored.
func (p *process) content(t *testing.T) []string {
	t.Helper()
	p.standin.SetLag(0)
	var have []string
	stored := func(dir, name, id string) string {
		text, err := p.keys.Get(t.Context(), "zitadel/"+dir+"/"+keystore.Word(name)+"/key.json")
		if err != nil {
			return "lost key of " + name
		}
		file, err := zitadel.ReadKeyFile(text)
		if err != nil || file.KeyID != id {
			return "orphaned key of " + name
		}
		return "key of " + name
	}
	for _, project := range p.ask(t, projectAPI+"ListProjects", struct{}{}).Projects {
		if project.Name == "ZITADEL" {
			continue
		}
		have = append(have, "project "+project.Name)
		for _, role := range p.ask(t, projectAPI+"ListProjectRoles", map[string]string{"projectId": project.ProjectID}).ProjectRoles {
			have = append(have, "role "+role.Key)
		}
		for _, app := range p.ask(t, applicationAPI+"ListApplications", filter("projectIdFilter", "projectId", project.ProjectID)).Applications {
			have = append(have, "app "+app.Name)
			for _, key := range p.ask(t, applicationAPI+"ListApplicationKeys", filter("applicationIdFilter", "applicationId", app.ApplicationID)).Keys {
				have = append(have, stored("apps", app.Name, key.KeyID))
			}
		}
	}
	names := map[string]string{}
	for _, user := range p.ask(t, "/v2/users", map[string]any{"queries": []any{map[string]any{"typeQuery": map[string]string{"type": "TYPE_MACHINE"}}}}).Result {
		names[user.UserID] = user.Username
		if user.Username != "iam-admin" && user.Username != "login-client" {
			have = append(have, "user "+user.Username)
		}
	}
	for _, key := range p.ask(t, "/v2/users/keys/search", struct{}{}).Result {
		have = append(have, stored("users", names[key.UserID], key.ID))
	}
	for _, grant := range p.ask(t, authorizationAPI+"ListAuthorizations", struct{}{}).Authorizations {
		var roles []string
		for _, role := range grant.Roles {
			roles = append(roles, role.Key)
		}
		slices.Sort(roles)
		have = append(have, "grant "+names[grant.User.ID]+" "+strings.Join(roles, ","))
	}
	slices.Sort(have)
	return have
}

func filter(name, field, value string) map[string]any {
	return map[string]any{"filters": []any{map[string]any{name: map[string]string{field: value}}}}
}

// wanted is what the server is to hold, by the configuration.
func wantedContent(c *provision.Config) []string {
	want := []string{"project " + c.Zitadel.Project}
	for _, role := range c.Zitadel.Roles {
		want = append(want, "role "+role.Key)
	}
	for _, app := range c.Zitadel.APIApps {
		want = append(want, "app "+app.Name, "key of "+app.Name)
	}
	for _, app := range c.Zitadel.DeviceApps {
		want = append(want, "app "+app.Name)
	}
	for _, user := range c.Zitadel.MachineUsers {
		want = append(want, "user "+user.Username, "key of "+user.Username)
	}
	for _, grant := range c.Zitadel.Grants {
		want = append(want, "grant "+grant.User+" "+strings.Join(slices.Sorted(slices.Values(grant.Roles)), ","))
	}
	slices.Sort(want)
	return want
}

// checkContent fails the test where the server, the key store or the users' tokens are not as
// the configuration wants them.
func (p *process) checkContent(t *testing.T) {
	t.Helper()
	if have, want := p.content(t), wantedContent(p.cfg); !slices.Equal(have, want) {
		t.Errorf("the server holds\n\t%s\nwant\n\t%s", strings.Join(have, "\n\t"), strings.Join(want, "\n\t"))
	}
	names, err := p.keys.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"nats/account.nk", "nats/service.nk", "nats/system.nk", "nats/xkey.nk"}
	for _, app := range p.cfg.Zitadel.APIApps {
		want = append(want, "zitadel/apps/"+keystore.Word(app.Name)+"/key.json")
	}
	for _, user := range p.cfg.Zitadel.MachineUsers {
		want = append(want, "zitadel/users/"+keystore.Word(user.Username)+"/key.json")
		if _, err := p.Token(t.Context(), user.Username); err != nil {
			t.Errorf("token of %s: %v", user.Username, err)
		}
	}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("the key store holds %q, want %q", names, want)
	}
}
