package local

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"harmony-callout/provision"
)

// edited takes a user and a role away, adds others, and gives one more role.
const edited = `
name: test
issuer: {host: sso.example.com}
nats: {accounts: {APP: {jetstream: true}}}
zitadel:
  project: nats
  roles: [{key: sensor, displayName: Sensors}, {key: auditor}]
  apiApps: [{name: gateway, auth: private_key_jwt}]
  deviceApps: [{name: nats-cli}]
  machineUsers: [{username: sensor-1}, {username: sensor-2, key: zitadel}]
  grants: [{user: sensor-1, roles: [sensor, auditor]}, {user: sensor-2, roles: [sensor]}]
callout:
  roles:
    - {role: sensor, account: APP, publish: {allow: ["telemetry.{user}.>"]}}
`

func TestAnEditIsPlannedMadeAndPruned(t *testing.T) {
	s := newSite(t)
	_, _, end := mustUp(t, s, nil)
	end()

	s.Text = edited
	want := strings.Join([]string{
		"update role sensor displayName: sensor → Sensors",
		"create role auditor",
		"create machine user sensor-2",
		"create machine key sensor-2",
		"update grant sensor-1 +auditor",
		"create grant sensor-2 +sensor",
		"update server callout configuration in " + filepath.Join(s.Dir, "callout.yaml"),
	}, "\n")
	if got := planOf(t, s, false); got != want {
		t.Errorf("planned is\n%s\nwant\n%s", got, want)
	}
	p, _, end := mustUp(t, s, nil)
	if got := p.changes(provision.Done); sorted(got) != sorted(want) {
		t.Errorf("done was\n%s\nwant\n%s", got, want)
	}
	if have := strings.Join(p.content(t), "\n"); !strings.Contains(have, "user operator-1") || !strings.Contains(have, "role operator") {
		t.Errorf("without --prune something is gone:\n%s", have)
	}
	end()

	prune := func(o *provision.Options) { o.Prune = true }
	want = planOf(t, s, true)
	for _, line := range []string{"delete role operator", "delete machine user operator-1", "delete machine key operator-1", "delete grant operator-1"} {
		if !strings.Contains(want, line) {
			t.Errorf("pruning is planned as\n%s\nwithout %s", want, line)
		}
	}
	p, _, end = mustUp(t, s, prune)
	gone := " gone already: only forgotten" // with the user
	if got := strings.ReplaceAll(p.changes(provision.Done), gone, ""); sorted(got) != sorted(want) {
		t.Errorf("pruned was\n%s\nplanned\n%s", got, want)
	}
	p.checkContent(t)
	end()
	unchanged(t, s)
}

func planOf(t *testing.T, s site, prune bool) string {
	t.Helper()
	p, err := s.open(t.Context(), false, func(o *provision.Options) { o.Prune = prune })
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.runner().Plan(t.Context())
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	if n := p.points.writes.Load(); n > 0 {
		t.Errorf("a plan made %d writes", n)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	return p.changes(provision.Planned)
}

func sorted(lines string) string {
	list := strings.Split(lines, "\n")
	slices.Sort(list)
	return strings.Join(list, "\n")
}

func TestDownTakesEverythingAwayAndUpWorksFromNothing(t *testing.T) {
	s := newSite(t)
	before, _, end := mustUp(t, s, nil)
	project, err := before.conv.ProjectID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.down(t, false); err == nil || !strings.Contains(provision.HintOf(err), "Ctrl-C") {
		t.Errorf("down of what runs: %v, hint: %s", err, provision.HintOf(err))
	}
	end()

	if _, err := s.down(t, true); err != nil {
		t.Fatal(err)
	}
	unchanged(t, s) // nothing was lost

	done, err := s.down(t, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"callout.yaml", "nats", "keys", "zitadel"} {
		path := filepath.Join(s.Dir, name)
		if !strings.Contains(done, "delete data "+path) {
			t.Errorf("down does not say that it deletes %s:\n%s", name, done)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	state, err := provision.OpenState(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range allKinds {
		if noted := state.Noted(kind); len(noted) > 0 {
			t.Errorf("%s %q is still noted", kind, noted)
		}
	}
	if done, err := s.down(t, false); err != nil || done != "" {
		t.Errorf("down again: %v\n%s", err, done)
	}

	p, _, end := mustUp(t, s, nil)
	p.checkContent(t)
	if fresh, err := p.conv.ProjectID(t.Context()); err != nil || fresh == project {
		t.Errorf("the project is %s again: %v", fresh, err)
	}
	end()
	unchanged(t, s)
}

// down takes the system away and returns what it did.
func (s site) down(t *testing.T, keep bool) (string, error) {
	t.Helper()
	p, err := s.open(t.Context(), false, func(o *provision.Options) { o.KeepData = keep })
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.runner().Down(t.Context())
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	return p.changes(provision.Done), err
}

// allKinds are those of the notes of a whole system.
var allKinds = []string{
	kindPort, "zitadel project", "zitadel role", "zitadel application", "zitadel application key",
	"zitadel machine user", "zitadel machine key", "zitadel grant",
}
