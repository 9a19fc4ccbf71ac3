package standin_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"harmony-callout/provision/zitadel/standin"
)

func TestADeviceIsApprovedByItsCodeAlone(t *testing.T) {
	s := start(t, standin.Config{})
	clientID := at(s.must("POST", "/zitadel.application.v2.ApplicationService/CreateApplication", object{
		"projectId": s.project("nats"), "name": "cli", "oidcConfiguration": object{
			"grantTypes":     []string{"OIDC_GRANT_TYPE_DEVICE_CODE", "OIDC_GRANT_TYPE_REFRESH_TOKEN"},
			"authMethodType": "OIDC_AUTH_METHOD_TYPE_NONE", "applicationType": "OIDC_APP_TYPE_NATIVE", "accessTokenType": "OIDC_TOKEN_TYPE_JWT",
			"idTokenUserinfoAssertion": true,
		}}), "oidcConfiguration.clientId")
	_, device, err := s.send("POST", "/oauth/v2/device_authorization", "", url.Values{"client_id": {clientID}, "scope": {"openid profile offline_access"}})
	if err != nil {
		t.Fatal(err)
	}
	poll := func() (int, map[string]any) {
		status, answer, err := s.send("POST", "/oauth/v2/token", "", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {at(device, "device_code")}, "client_id": {clientID},
		})
		if err != nil {
			t.Fatal(err)
		}
		return status, answer
	}
	page, err := http.Get(at(device, "verification_uri_complete"))
	if err != nil {
		t.Fatal(err)
	}
	html, err := io.ReadAll(page.Body)
	if err := errors.Join(err, page.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(html), at(device, "user_code")) {
		t.Error("the page knows the code that is to be typed")
	}
	person := string(html)[strings.Index(string(html), `<option value="`)+len(`<option value="`):]
	person = person[:strings.IndexByte(person, '"')]
	decide := func(code, origin string) int {
		form := url.Values{"user_code": {code}, "user": {person}, "decision": {"approve"}}
		request := httptest.NewRequest("POST", s.URL()+"/device", strings.NewReader(form.Encode()))
		request.RequestURI = ""
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", origin)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	if status := decide("BBBB-BBBB", s.URL()); status != http.StatusBadRequest {
		t.Errorf("a wrong code: status %d", status)
	}
	if status := decide(at(device, "user_code"), "https://evil.example"); status != http.StatusForbidden {
		t.Errorf("from a foreign page: status %d", status)
	}
	if _, answer := poll(); answer["error"] != "authorization_pending" {
		t.Fatalf("before approval: %v", answer)
	}
	if status := decide(strings.ToLower(strings.ReplaceAll(at(device, "user_code"), "-", "")), s.URL()); status != http.StatusOK {
		t.Fatalf("the code, typed carelessly: status %d", status)
	}
	status, tokens := poll()
	_, claims := decodeJWT(at(tokens, "id_token"))
	if status != http.StatusOK || at(claims, "preferred_username") != "admin" || at(tokens, "refresh_token") == "" {
		t.Fatalf("after approval: %d %v %v", status, tokens, claims)
	}
	if _, answer := poll(); answer["error"] != "invalid_grant" {
		t.Errorf("a second poll: %v", answer)
	}
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {at(tokens, "refresh_token")}, "client_id": {clientID}}
	if status, answer, _ := s.send("POST", "/oauth/v2/token", "", refresh); status != http.StatusOK {
		t.Errorf("refresh: %v", answer)
	}
	if status, _, _ := s.send("POST", "/oauth/v2/token", "", refresh); status != http.StatusBadRequest {
		t.Errorf("the used refresh token again: status %d", status)
	}
}
