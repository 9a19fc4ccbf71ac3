package zitadel

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
	"harmony-callout/provision/keystore"
	"harmony-callout/provision/zitadel/standin"
)

func TestFromNothingToEverythingAndNoWriteAfterwards(t *testing.T) {
	t.Parallel()
	s := newSite(t, startStandin(t))
	s.keys, s.notes = files(t)
	want := example("a")
	if plan := s.plan(want); !strings.Contains(plan, "create grant operator-a: +sensor +operator") || strings.Count(plan, "create ") != 15 {
		t.Errorf("the plan of an empty instance is\n%s", plan)
	}
	s.up(want)
	s.check(want)
	s.unchanged(want)
	s.down(want)
}

// files are the key store and the notes that provision uses.
func files(t *testing.T) (provision.KeyStore, provision.Notes) {
	t.Helper()
	keys, err := keystore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	state, err := provision.OpenState(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := state.Close(); err != nil {
			t.Error(err)
		}
	})
	return keys, state
}

func TestARealZitadelIsConvergedToo(t *testing.T) {
	s := realSite(t)
	want := example(newID())
	s.up(want)
	defer s.down(want)
	s.check(want)
	s.unchanged(want)
}

func TestAPlanWithoutAZitadelAsksNobody(t *testing.T) {
	t.Parallel()
	s := bareSite(t)
	s.issuer = parseIssuer(t, "http://127.0.0.1:1")
	s.tune = func(set *Settings) {
		set.Installed = func(context.Context) (bool, error) { return false, nil }
		set.OwnInstance = true
		set.Want.TokenLifetime = time.Minute
	}
	p := s.process(example("a"), nil)
	plans, err := p.runner.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, plan := range plans {
		n += len(plan.Changes)
	}
	if n != 16 || p.sent.Load() != 0 {
		t.Errorf("%d changes by %d requests", n, p.sent.Load())
	}
}

func TestDriftIsRepairedAndNothingElseIsTouched(t *testing.T) {
	t.Parallel()
	want := example("d")
	for _, drift := range []struct {
		name string
		// spoil changes something behind our back.
		spoil func(*testing.T, *process, *site) error
		plan  string
	}{
		{"the project forgets to assert roles", func(t *testing.T, p *process, _ *site) error {
			return p.client.do(t.Context(), call{what: "spoil", path: projectService + "UpdateProject", in: map[string]any{"projectId": p.proj.ID, "projectRoleAssertion": false}})
		}, "update project nats-d: projectRoleAssertion: false → true"},
		{"a role is renamed and loses its group", func(t *testing.T, p *process, _ *site) error {
			return p.client.updateRole(t.Context(), p.proj.ID, role{Key: "sensor", DisplayName: "Spoiled"})
		}, "update role sensor: displayName: Spoiled → Sensor, group: → nats"},
		{"a role is removed, which takes it out of the grants", func(t *testing.T, p *process, _ *site) error {
			return p.client.removeRole(t.Context(), p.proj.ID, "operator")
		}, "create role operator:\nupdate grant operator-d: +operator"},
		{"a device app gives out opaque tokens", func(t *testing.T, p *process, _ *site) error {
			w := wantedApps(want)[2]
			config := *w.oidc
			config.AccessTokenType = "OIDC_TOKEN_TYPE_BEARER"
			w.oidc = &config
			live, err := p.liveApps(t.Context(), false)
			return errors.Join(err, p.client.updateApp(t.Context(), p.proj.ID, live[w.name].ID, w))
		}, "update application nats-cli: accessTokenType: OIDC_TOKEN_TYPE_BEARER → OIDC_TOKEN_TYPE_JWT"},
		{"an application is deleted", func(t *testing.T, p *process, _ *site) error {
			live, err := p.liveApps(t.Context(), false)
			return errors.Join(err, p.client.deleteApp(t.Context(), p.proj.ID, live["nats-callout"].ID))
		}, "create application nats-callout:\ncreate application key nats-callout:"},
		{"a machine user is renamed and gives out opaque tokens", func(t *testing.T, p *process, _ *site) error {
			return p.client.do(t.Context(), call{
				what: "spoil", method: http.MethodPatch, path: "/v2/users/" + p.userID(t, "sensor-d"),
				in: map[string]any{"machine": map[string]string{"name": "Spoiled", "accessTokenType": "ACCESS_TOKEN_TYPE_BEARER"}},
			})
		}, "update machine user sensor-d: name: Spoiled → Sensor, accessTokenType: ACCESS_TOKEN_TYPE_BEARER → ACCESS_TOKEN_TYPE_JWT"},
		{"a machine user is deleted", func(t *testing.T, p *process, _ *site) error {
			return p.client.deleteUser(t.Context(), p.userID(t, "sensor-d"))
		}, "create machine user sensor-d:\ncreate machine key sensor-d:\ncreate grant sensor-d: +sensor"},
		{"a machine key is deleted", func(t *testing.T, p *process, s *site) error {
			return p.client.deleteUserKey(t.Context(), p.userID(t, "sensor-d"), s.storedKey(userDir("sensor-d")+keyName))
		}, "create machine key sensor-d: key KEY is gone from zitadel"},
		{"a machine key is lost here", func(t *testing.T, _ *process, s *site) error {
			return s.keys.Delete(t.Context(), userDir("sensor-d")+keyName)
		}, "create machine key sensor-d: its private key is lost here: replaces key KEY"},
		{"a key of Zitadel's making is lost here", func(t *testing.T, _ *process, s *site) error {
			return s.keys.Delete(t.Context(), userDir("operator-d")+keyName)
		}, "create machine key operator-d: its private key is lost here: replaces key OPERATOR"},
		{"an application key is lost here", func(t *testing.T, _ *process, s *site) error {
			return s.keys.Delete(t.Context(), appDir("nats-callout")+keyName)
		}, "create application key nats-callout: its private key is lost here: replaces key APP"},
		{"a client secret is lost here", func(t *testing.T, _ *process, s *site) error {
			return s.keys.Delete(t.Context(), appDir("gateway")+clientName)
		}, "create client secret gateway: it is lost here: a new one replaces it for all who use it"},
		{"a grant has other roles", func(t *testing.T, p *process, _ *site) error {
			list, err := p.client.listGrants(t.Context(), p.proj.ID, p.userID(t, "sensor-d"))
			if err != nil {
				return err
			}
			return p.client.updateGrant(t.Context(), list[0].ID, []string{"operator"})
		}, "update grant sensor-d: +sensor −operator"},
		{"a grant is deleted", func(t *testing.T, p *process, _ *site) error {
			list, err := p.client.listGrants(t.Context(), p.proj.ID, p.userID(t, "sensor-d"))
			if err != nil {
				return err
			}
			return p.client.deleteGrant(t.Context(), list[0].ID)
		}, "create grant sensor-d: +sensor"},
		{"the note of a key was lost", func(_ *testing.T, _ *process, s *site) error {
			return s.notes.DropNote(kindMachineKey, "sensor-d")
		}, "adopt machine key sensor-d: KEY"},
	} {
		t.Run(drift.name, func(t *testing.T) {
			s := newSite(t, startStandin(t))
			p := s.up(want)
			keys := strings.NewReplacer(
				"KEY", s.storedKey(userDir("sensor-d")+keyName),
				"OPERATOR", s.storedKey(userDir("operator-d")+keyName),
				"APP", s.storedKey(appDir("nats-callout")+keyName),
			)
			if err := drift.spoil(t, p, s); err != nil {
				t.Fatal(err)
			}
			s.plan(want)
			again := s.up(want)
			var lines []string
			for _, e := range again.events {
				if e.Kind == provision.EventChange && e.Status == provision.Done {
					lines = append(lines, strings.TrimSpace(string(e.Change.Action)+" "+e.Change.Kind+" "+e.Change.Name+": "+e.Change.Detail))
				}
			}
			got := strings.Join(lines, "\n")
			if wantLines := keys.Replace(drift.plan); !samePlan(got, wantLines) {
				t.Errorf("changes:\n%s\nwanted:\n%s", got, wantLines)
			}
			s.unchanged(want)
			s.check(want)
		})
	}
}

// samePlan compares lines; a detail that the test leaves out may be anything.
func samePlan(got, want string) bool {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	if len(g) != len(w) {
		return false
	}
	for i := range g {
		if g[i] != w[i] && (!strings.HasSuffix(w[i], ":") || !strings.HasPrefix(g[i], w[i])) {
			return false
		}
	}
	return true
}

func (p *process) userID(t *testing.T, username string) string {
	t.Helper()
	u, found, err := p.client.searchUser(t.Context(), username)
	if err != nil || !found {
		t.Fatalf("user %s: %v", username, err)
	}
	return u.ID
}

func TestWhatWasThereIsAdoptedAndNeverDeleted(t *testing.T) {
	t.Parallel()
	stand := startStandin(t)
	want := example("o")
	theirs := newSite(t, stand)
	theirs.up(want)
	live := theirs.process(want, nil)
	if err := live.client.do(t.Context(), call{
		what: "spoil", method: http.MethodPatch, path: "/v2/users/" + live.userID(t, "sensor-o"),
		in: map[string]any{"machine": map[string]string{"name": "Theirs"}},
	}); err != nil {
		t.Fatal(err)
	}

	ours := newSite(t, stand)
	first := ours.up(want)
	for _, line := range []string{"adopt project", "adopt role sensor", "adopt application nats-cli", "update machine user sensor-o", "adopt machine user operator-o", "adopt grant sensor-o", "create machine key sensor-o"} {
		if !strings.Contains(first.done(), line) {
			t.Errorf("no %q in\n%s", line, first.done())
		}
	}
	ours.unchanged(want)
	for _, kind := range []string{kindProject, kindRole, kindApp, kindUser, kindGrant} {
		for _, name := range ours.notes.Noted(kind) {
			if note, _ := ours.notes.Note(kind, name); note.Made {
				t.Errorf("%s %s is noted as ours", kind, name)
			}
		}
	}

	// Nothing of theirs is pruned, and nothing but our keys removed.
	ours.tune = func(s *Settings) { s.Prune = true }
	if got := ours.plan(provision.ZitadelConfig{Project: want.Project}); strings.Contains(got, "delete grant") ||
		strings.Contains(got, "delete machine user") || strings.Contains(got, "delete role") || strings.Contains(got, "delete application ") && !strings.Contains(got, "delete application key") {
		t.Errorf("pruning would\n%s", got)
	}
	if _, err := ours.process(want, nil).runner.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	theirs.unchanged(example("o"))
	for _, username := range []string{"sensor-o", "operator-o"} {
		p := theirs.process(want, nil)
		keys, err := p.client.listUserKeys(t.Context(), "", p.userID(t, username))
		if err != nil || len(keys) != 1 || keys[0].ID != theirs.storedKey(userDir(username)+keyName) {
			t.Errorf("%s has the keys %v, %v", username, keys, err)
		}
	}
}

func TestPruningDeletesWhatTheConfigurationNoLongerNames(t *testing.T) {
	t.Parallel()
	s := newSite(t, startStandin(t))
	whole := example("p")
	p := s.up(whole)
	// Beside ours lies something of somebody else.
	if err := p.client.addRole(t.Context(), p.proj.ID, role{Key: "theirs", DisplayName: "Theirs"}); err != nil {
		t.Fatal(err)
	}
	less := whole
	less.Roles, less.APIApps, less.DeviceApps = whole.Roles[:1], whole.APIApps[1:], nil
	less.MachineUsers, less.Grants = whole.MachineUsers[:1], whole.Grants[:1]
	s.unchanged(less)

	s.tune = func(set *Settings) { set.Prune = true }
	pruned := s.up(less)
	for _, line := range []string{
		"delete role operator", "delete application nats-callout", "delete application nats-cli", "delete application key nats-callout",
		"delete machine key operator-p", "delete machine user operator-p", "delete grant operator-p",
	} {
		if !strings.Contains(pruned.done(), line) {
			t.Errorf("no %q in\n%s", line, pruned.done())
		}
	}
	s.unchanged(less)
	if err := p.client.removeRole(t.Context(), p.proj.ID, "theirs"); err != nil {
		t.Fatal(err)
	}
	s.check(less)
	s.tune = nil
	s.down(less)
}

func TestRotatingKeepsTheOldKeyForTheOverlap(t *testing.T) {
	t.Parallel()
	s := newSite(t, startStandin(t))
	want := example("r")
	s.up(want)
	old, err := s.process(want, nil).Key(t.Context(), "sensor-r")
	if err != nil {
		t.Fatal(err)
	}
	p := s.process(want, nil)
	rotation, err := p.Rotate(t.Context(), "sensor-r")
	if err != nil {
		t.Fatal(err)
	}
	if rotation.OldKeyID != old.KeyID || rotation.KeyID == old.KeyID || time.Until(rotation.OldUntil) < 50*time.Minute {
		t.Errorf("rotation: %+v", rotation)
	}
	for name, key := range map[string]func() (KeyFile, error){
		"old": func() (KeyFile, error) { return old, nil },
		"new": func() (KeyFile, error) { return p.Key(t.Context(), "sensor-r") },
	} {
		f, err := key()
		if err == nil {
			_, err = p.client.MintToken(t.Context(), f, p.proj.ID)
		}
		if err != nil {
			t.Errorf("the %s key: %v", name, err)
		}
	}
	s.unchanged(want)

	s.tune = func(set *Settings) { set.KeyOverlap = time.Nanosecond }
	if done := s.up(want).done(); done != "delete machine key sensor-r" {
		t.Errorf("after the overlap: %s", done)
	}
	if _, err := p.client.MintToken(t.Context(), old, p.proj.ID); !errors.Is(err, ErrAssertion) {
		t.Errorf("the old key: %v", err)
	}
	s.unchanged(want)
	s.check(want)
}

func TestAKeyThatEndsSoonIsReplaced(t *testing.T) {
	t.Parallel()
	s := newSite(t, startStandin(t))
	want := example("e")
	s.tune = func(set *Settings) { set.KeyLifetime = 40 * 24 * time.Hour }
	s.up(want)
	s.tune = func(set *Settings) { set.KeyLifetime = 3 * 365 * 24 * time.Hour }
	plan := s.plan(want)
	if strings.Count(plan, ": replaces key ") != 3 || !strings.Contains(plan, "update machine key sensor-e: ends 20") {
		t.Errorf("plan:\n%s", plan)
	}
	s.up(want)
	s.unchanged(want)
	s.tune = func(set *Settings) { set.KeyOverlap = time.Nanosecond }
	s.up(want) // deletes the old ones
	s.check(want)
}

func TestAnUploadThatArrivesAfterItWasGivenUpIsDeleted(t *testing.T) {
	t.Parallel()
	stand := startStandin(t)
	s := newSite(t, stand)
	want := example("l")
	// The first upload is cut before the server acts, so that the attempt is noted.
	stand.DropNext(1, standin.DropBefore, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/keys") })
	p := s.up(want)
	attempts := s.notes.Noted(kindMachineKey + " attempt")
	if len(attempts) != 1 {
		t.Fatalf("attempts: %v", attempts)
	}
	username, date, _ := strings.Cut(attempts[0], " ")
	expires, err := time.Parse(time.RFC3339, date)
	if err != nil {
		t.Fatal(err)
	}
	key, err := pooledKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := publicPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.client.addUserKey(t.Context(), p.userID(t, username), expires, public); err != nil {
		t.Fatal(err)
	}
	s.tune = func(set *Settings) { set.Settle = time.Nanosecond }
	plan := s.plan(want)
	s.tune = nil
	if !strings.HasPrefix(plan, "delete machine key "+username+": left by an interrupted upload") {
		t.Errorf("plan: %s", plan)
	}
	time.Sleep(s.process(want, nil).Settle)
	if done := s.up(want).done(); done != "delete machine key "+username {
		t.Errorf("done: %s", done)
	}
	s.unchanged(want)
	s.check(want)
}

func TestTheTokenLifetimeIsSetOnlyOnAnInstanceOfOurs(t *testing.T) {
	t.Parallel()
	s := newSite(t, startStandin(t))
	want := example("t")
	want.TokenLifetime = 15 * time.Minute
	s.up(want)
	before, err := s.process(want, nil).client.getOIDCSettings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.tune = func(set *Settings) { set.OwnInstance = true }
	p := s.up(want)
	after, err := p.client.getOIDCSettings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wanted := before
	wanted.AccessTokenLifetime = "900s"
	if before.AccessTokenLifetime == "900s" || after != wanted {
		t.Errorf("before %+v, after %+v", before, after)
	}
	s.unchanged(want)
}

func TestANameThatSomethingElseHasIsNotTouched(t *testing.T) {
	t.Parallel()
	s := newSite(t, startStandin(t))
	want := example("f")
	p := s.up(want)
	clash := want
	clash.APIApps = append(clash.APIApps[:1:1], provision.APIAppConfig{Name: "nats-cli", Auth: "basic"})
	clash.DeviceApps = nil
	writes := p.wrote.Load()
	again := s.process(clash, nil)
	_, err := again.runner.Up(t.Context())
	if !errors.Is(err, errForeign) || provision.HintOf(err) == "" {
		t.Errorf("err: %v", err)
	}
	if again.wrote.Load() != 0 || writes == 0 {
		t.Errorf("%d writes", again.wrote.Load())
	}
}

func TestNoSecretIsInPlansEventsOrNotes(t *testing.T) {
	t.Parallel()
	s := newSite(t, startStandin(t))
	p := s.up(example("s"))
	var printed strings.Builder
	for _, e := range p.events {
		printed.WriteString(e.Detail + e.Error)
		if e.Change != nil {
			printed.WriteString(e.Change.Detail + e.Change.Name)
		}
	}
	names, err := s.keys.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var secrets []secret.Text
	for _, name := range names {
		text, err := s.keys.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, text)
	}
	if len(secrets) != 4 {
		t.Errorf("keys: %v", names)
	}
	for _, text := range append(secrets, s.pat) {
		if strings.Contains(printed.String(), text.Reveal()) || strings.Contains(printed.String(), "PRIVATE KEY") {
			t.Error("a secret is printed")
		}
	}
}
