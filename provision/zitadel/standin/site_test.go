package standin_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"harmony-callout/callout/callouttest"
	"harmony-callout/provision/zitadel/standin"
)

const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// site is a server and whoever speaks to it as its administrator.
type site struct {
	*standin.Server
	t testing.TB
}

func start(t testing.TB, cfg standin.Config) *site {
	t.Helper()
	server, err := standin.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return &site{server, t}
}

// send sends JSON, or a form, and returns the status and the decoded answer.
func (s *site) send(method, path, token string, body any) (int, map[string]any, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var reader io.Reader
	contentType := "application/json"
	switch body := body.(type) {
	case nil:
	case url.Values:
		reader, contentType = strings.NewReader(body.Encode()), "application/x-www-form-urlencoded"
	default:
		data, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		reader = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.URL()+path, reader)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	var answer map[string]any
	data, err := io.ReadAll(response.Body)
	_ = json.Unmarshal(data, &answer) // text is no answer of JSON
	return response.StatusCode, answer, err
}

// must is a call of the administrator that succeeds.
func (s *site) must(method, path string, body any) map[string]any {
	s.t.Helper()
	status, answer, err := s.send(method, path, s.AdminPAT().Reveal(), body)
	if err != nil || status/100 != 2 {
		s.t.Fatalf("%s %s: status %d, %v: %v", method, path, status, err, answer)
	}
	return answer
}

type object = map[string]any

func (s *site) orgID() string {
	s.t.Helper()
	return at(s.must("POST", "/v2/organizations/_search", object{"queries": []any{object{"defaultQuery": object{}}}}), "result.0.id")
}

func (s *site) project(name string) string {
	s.t.Helper()
	return at(s.must("POST", "/zitadel.project.v2.ProjectService/CreateProject",
		object{"organizationId": s.orgID(), "name": name, "projectRoleAssertion": true}), "projectId")
}

func (s *site) machine(name string) (id string, key []byte) {
	s.t.Helper()
	id = at(s.must("POST", "/v2/users/new", object{"organizationId": s.orgID(), "username": name,
		"machine": object{"name": name, "accessTokenType": "ACCESS_TOKEN_TYPE_JWT"}}), "id")
	content := at(s.must("POST", "/v2/users/"+id+"/keys", object{"expirationDate": "2099-01-01T00:00:00Z"}), "keyContent")
	key, err := base64.StdEncoding.DecodeString(content)
	if err != nil {
		s.t.Fatal(err)
	}
	return id, key
}

func (s *site) token(key []byte, scope string) (int, map[string]any) {
	s.t.Helper()
	assertion, err := callouttest.Assertion(key, s.URL(), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	status, answer, err := s.send("POST", "/oauth/v2/token", "", url.Values{
		"grant_type": {jwtBearer}, "assertion": {assertion}, "scope": {scope},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return status, answer
}
