package standin_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"harmony-callout/callout/callouttest"
	"harmony-callout/provision/zitadel/standin"
)

func TestASecondStartIsTheSameIssuerAndKnowsEverything(t *testing.T) {
	dir := t.TempDir()
	first := start(t, standin.Config{Dir: dir})
	project := first.project("nats")
	userID, key := first.machine("sensor-1")
	scope := "openid urn:zitadel:iam:org:project:id:" + project + ":aud"
	_, before := first.token(key, scope)
	_, keys, err := first.send("GET", "/oauth/v2/keys", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()

	second := start(t, standin.Config{Dir: dir})
	if second.URL() != first.URL() {
		t.Errorf("issuer %s, before %s", second.URL(), first.URL())
	}
	if second.AdminPAT().Reveal() != first.AdminPAT().Reveal() {
		t.Error("another token of the administrator")
	}
	_, keysAgain, err := second.send("GET", "/oauth/v2/keys", "", nil)
	if err != nil || fmt.Sprint(keys) != fmt.Sprint(keysAgain) {
		t.Errorf("key set %v, before %v (%v)", keysAgain, keys, err)
	}
	if name := at(second.must("GET", "/v2/users/"+userID, nil), "user.username"); name != "sensor-1" {
		t.Errorf("user %q", name)
	}
	if status, answer := second.token(key, scope); status != http.StatusOK {
		t.Errorf("token by a key of before: %d %v", status, answer)
	}
	if status, answer, _ := second.send("GET", "/oidc/v1/userinfo", at(before, "access_token"), nil); status != http.StatusOK || at(answer, "sub") != userID {
		t.Errorf("a token of before: %d %v", status, answer)
	}
	for _, file := range []string{"iam-admin.pat", "login-client.pat", "journal.jsonl"} {
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", file, info, err)
		}
	}
}

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.org:80"} {
		if server, err := standin.New(standin.Config{Addr: addr}); err == nil {
			server.Close()
			t.Errorf("listens on %s", addr)
		}
	}
}

func TestALagHidesFromSearchesWhatIsThereByID(t *testing.T) {
	s := start(t, standin.Config{})
	s.SetLag(time.Hour)
	body := object{"organizationId": s.orgID(), "username": "sensor-1", "machine": object{"name": "Sensor"}}
	id := at(s.must("POST", "/v2/users/new", body), "id")
	search := object{"queries": []any{object{"userNameQuery": object{"userName": "sensor-1"}}}}
	if found := s.must("POST", "/v2/users", search)["result"]; found != nil {
		t.Errorf("found at once: %v", found)
	}
	s.must("GET", "/v2/users/"+id, nil)
	if status, _, _ := s.send("POST", "/v2/users/new", s.AdminPAT().Reveal(), body); status != http.StatusConflict {
		t.Errorf("made again: status %d", status)
	}
	s.SetLag(0)
	if found := s.must("POST", "/v2/users", search)["result"]; found == nil {
		t.Error("not found without the lag")
	}
}

func TestFaultsComeWhenAskedFor(t *testing.T) {
	s := start(t, standin.Config{})
	create := "/zitadel.project.v2.ProjectService/CreateProject"
	isCreate := func(r *http.Request) bool { return r.URL.Path == create }
	body := func(name string) object { return object{"organizationId": s.orgID(), "name": name} }
	count := func() int {
		projects, _ := s.must("POST", "/zitadel.project.v2.ProjectService/ListProjects", object{})["projects"].([]any)
		return len(projects)
	}
	had := count()

	s.FailNext(2, http.StatusServiceUnavailable, isCreate)
	for range 2 {
		if status, _, _ := s.send("POST", create, s.AdminPAT().Reveal(), body("a")); status != http.StatusServiceUnavailable {
			t.Errorf("status %d, want 503", status)
		}
	}
	s.DropNext(1, standin.DropBefore, isCreate)
	if _, _, err := s.send("POST", create, s.AdminPAT().Reveal(), body("a")); err == nil {
		t.Error("an answer, want a dropped connection")
	}
	if now := count(); now != had {
		t.Fatalf("%d projects, want %d: a fault made one", now, had)
	}
	s.DropNext(1, standin.DropAfter, isCreate)
	if _, _, err := s.send("POST", create, s.AdminPAT().Reveal(), body("a")); err == nil {
		t.Error("an answer, want a dropped connection")
	}
	if now := count(); now != had+1 {
		t.Fatalf("%d projects, want %d: the action took place", now, had+1)
	}

	s.Intercept(func(r *http.Request) (int, string, bool) { return 418, `{"tea":true}`, isCreate(r) })
	if status, answer, _ := s.send("POST", create, s.AdminPAT().Reveal(), body("b")); status != 418 || answer["tea"] != true {
		t.Errorf("intercepted: %d %v", status, answer)
	}
	s.Intercept(nil)

	s.SetLatency(time.Hour)
	client := &http.Client{Timeout: 50 * time.Millisecond}
	if _, err := client.Get(s.URL() + "/debug/ready"); err == nil {
		t.Error("an answer in spite of the latency")
	}
	s.SetLatency(0)

	s.ResetCounts()
	s.must("POST", create, body("c"))
	s.must("POST", "/zitadel.project.v2.ProjectService/ListProjects", object{})
	if n := s.Requests("POST", create); n != 1 {
		t.Errorf("%d requests counted, want 1", n)
	}
	writes := s.Writes()
	if len(writes) != 1 || writes[0] != (standin.Write{Method: "POST", Path: create, Changed: true}) {
		t.Errorf("writes %v", writes)
	}
}

func TestAThousandUsersWithKeysAndGrantsGoInAndAreFoundOnPages(t *testing.T) {
	const users, workers = 1000, 16
	s := start(t, standin.Config{Dir: t.TempDir()})
	org, project := s.orgID(), s.project("nats")
	s.must("POST", "/zitadel.project.v2.ProjectService/AddProjectRole", object{"projectId": project, "roleKey": "sensor", "displayName": "Sensor"})
	public := base64.StdEncoding.EncodeToString(examplePublicKey(t))
	began := time.Now()
	names := make(chan string)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for name := range names {
				id := at(s.must("POST", "/v2/users/new", object{"organizationId": org, "username": name, "machine": object{"name": name}}), "id")
				s.must("POST", "/v2/users/"+id+"/keys", object{"expirationDate": "2099-01-01T00:00:00Z", "publicKey": public})
				s.must("POST", "/zitadel.authorization.v2.AuthorizationService/CreateAuthorization",
					object{"userId": id, "projectId": project, "organizationId": org, "roleKeys": []string{"sensor"}})
			}
		})
	}
	for n := range users {
		names <- fmt.Sprintf("sensor-%04d", n)
	}
	close(names)
	wg.Wait()
	t.Logf("%d users with keys and grants in %v", users, time.Since(began))

	for _, list := range []struct{ path, query, rows, id string }{
		{"/v2/users", "query", "result", "userId"},
		{"/v2/users/keys/search", "pagination", "result", "id"},
		{"/zitadel.authorization.v2.AuthorizationService/ListAuthorizations", "pagination", "authorizations", "id"},
	} {
		seen := map[string]bool{}
		for offset := 0; ; {
			rows, _ := s.must("POST", list.path, object{list.query: object{"offset": fmt.Sprint(offset), "limit": 400, "asc": true}})[list.rows].([]any)
			for _, row := range rows {
				seen[at(row, list.id)] = true
			}
			if offset += len(rows); len(rows) < 400 {
				break
			}
		}
		if len(seen) < users {
			t.Errorf("%s: %d different rows on the pages, want at least %d", list.path, len(seen), users)
		}
	}
}

func TestASystemUserCallsByItsOwnKey(t *testing.T) {
	key := callouttest.LeaseRSA()
	t.Cleanup(func() { callouttest.ReleaseRSA([]*rsa.PrivateKey{key}) })
	s := start(t, standin.Config{SystemUsers: map[string]*rsa.PublicKey{"provisioner": &key.PublicKey}})
	sign := func(edit func(object)) string {
		claims := object{"iss": "provisioner", "sub": "provisioner", "aud": s.URL(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
		edit(claims)
		data, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		return callouttest.SignJWT([]byte(`{"alg":"RS256","kid":""}`), data, key)
	}
	for name, tc := range map[string]struct {
		edit func(object)
		want int
	}{
		"a good one":             {func(object) {}, http.StatusOK},
		"another audience":       {func(c object) { c["aud"] = "http://other.local" }, http.StatusUnauthorized},
		"without exp":            {func(c object) { delete(c, "exp") }, http.StatusUnauthorized},
		"without iat":            {func(c object) { delete(c, "iat") }, http.StatusUnauthorized},
		"two hours old":          {func(c object) { c["iat"] = time.Now().Add(-2 * time.Hour).Unix() }, http.StatusUnauthorized},
		"a user without a key":   {func(c object) { c["iss"], c["sub"] = "nobody", "nobody" }, http.StatusUnauthorized},
		"somebody else's in sub": {func(c object) { c["iss"] = "nobody" }, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer, err := s.send("POST", "/zitadel.webkey.v2.WebKeyService/ListWebKeys", sign(tc.edit), object{})
			if err != nil || status != tc.want {
				t.Errorf("status %d, want %d: %v %v", status, tc.want, answer, err)
			}
		})
	}
}

func TestEventsTellOfARevocationOnce(t *testing.T) {
	s := start(t, standin.Config{})
	org, project := s.orgID(), s.project("nats")
	s.must("POST", "/zitadel.project.v2.ProjectService/AddProjectRole", object{"projectId": project, "roleKey": "sensor", "displayName": "Sensor"})
	user, _ := s.machine("sensor-1")
	grant := at(s.must("POST", "/zitadel.authorization.v2.AuthorizationService/CreateAuthorization",
		object{"userId": user, "projectId": project, "organizationId": org, "roleKeys": []string{"sensor"}}), "id")
	search := func(filter object) []any {
		filter["asc"] = true
		events, _ := s.must("POST", "/admin/v1/events/_search", filter)["events"].([]any)
		return events
	}
	added := search(object{"eventTypes": []string{"user.grant.added"}})
	if len(added) != 1 || at(added[0], "aggregate.id") != grant || at(added[0], "payload.userId") != user {
		t.Fatalf("events of the grant: %v", added)
	}
	s.must("DELETE", "/v2/users/"+user, nil)
	after := search(object{"range": object{"since": at(added[0], "creationDate")}})
	if len(after) != 2 || at(after[0], "type.type") != "user.removed" || at(after[1], "type.type") != "user.grant.cascade.removed" {
		t.Fatalf("events since the grant: %v", after)
	}
	if more := search(object{"from": at(after[1], "creationDate")}); len(more) != 0 {
		t.Errorf("events after the last: %v", more)
	}
	if all := search(object{"aggregateId": grant}); len(all) != 2 {
		t.Errorf("events of a grant that is gone: %v", all)
	}
}
