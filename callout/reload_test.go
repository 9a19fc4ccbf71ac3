package callout_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"harmony-callout/callout/callouttest"
)

// watched is a callout that reloads its file.
type watched struct {
	*running
	file   string
	hangup chan os.Signal
}

func (h *harness) watch(text string) *watched {
	h.t.Helper()
	w := &watched{running: h.start(text), file: filepath.Join(h.dir, "callout.yaml"), hangup: make(chan os.Signal, 1)}
	writeFile(h.t, w.file, text)
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { w.Watch(ctx, w.file, nil, w.hangup) })
	h.t.Cleanup(func() { cancel(); watching.Wait() })
	return w
}

// reload puts another text into the file and waits until the log has an entry about it.
func (h *harness) reload(w *watched, text, logged string) {
	h.t.Helper()
	before := h.logs.len()
	writeFile(h.t, w.file, text)
	w.hangup <- syscall.SIGHUP
	eventually(h.t, "logged "+logged, func() bool { return strings.Contains(h.logs.since(before), logged) })
}

func TestRolesDenyAndMaxTTLApplyToNewConnections(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{XKey: true}, callouttest.IssuerConfig{})
	w := h.watch(h.config(defaultRoles))
	token := h.token("s1", "sensor")
	before := h.connect(token, "s1")
	mayPublish(t, before, "telemetry.s1.x", true)

	h.reload(w, h.config(strings.ReplaceAll(defaultRoles, "telemetry.{user}.>", "measured.{user}.>")), "reloaded")
	mayPublish(t, before, "telemetry.s1.x", true) // a connection keeps what it got
	after := h.connect(token, "s1")
	mayPublish(t, after, "telemetry.s1.x", false)
	mayPublish(t, after, "measured.s1.x", true)

	h.reload(w, h.config(defaultRoles+"deny: {users: [s1]}\n"), "reloaded")
	if reason := h.refused(token); reason != "denied" {
		t.Errorf("reason %s, want denied", reason)
	}
	h.connect(h.token("s2", "sensor"), "s2")
	jti := h.issuer.Token(callouttest.TokenSpec{Subject: "s3", Roles: []string{"sensor"}, JTI: "stolen"})
	h.connect(jti, "s3")
	h.reload(w, h.config(defaultRoles+"deny: {tokens: [stolen]}\n"), "reloaded")
	if reason := h.refused(jti); reason != "denied" {
		t.Errorf("reason %s, want denied", reason)
	}

	h.reload(w, h.config(defaultRoles+"maxTTL: 90s\n"), "reloaded")
	h.connect(token, "s1")
	var until string
	for _, d := range decisions(h.logs.String()) {
		until, _ = d["until"].(string)
	}
	if end, err := time.Parse(time.RFC3339, until); err != nil || time.Until(end) > 90*time.Second {
		t.Errorf("until %q, %v; want 90 s from now at most", until, err)
	}
}

func TestABadFileChangesNothingAndIsLogged(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
	w := h.watch(h.config(defaultRoles))
	token := h.token("s1", "sensor")
	for name, text := range map[string]string{
		"not YAML":            "roles: [",
		"an unknown key":      h.config(defaultRoles + "nonsense: 1\n"),
		"a wrong template":    h.config(strings.ReplaceAll(defaultRoles, "{user}", "{nobody}")),
		"a forbidden account": h.config(strings.ReplaceAll(defaultRoles, "account: APP", "account: SYS")),
		"no roles":            h.config(""),
		"nothing":             "",
	} {
		h.reload(w, text, "the configuration stays as it was")
		mayPublish(t, h.connect(token, "s1"), "telemetry.s1.x", true)
		if t.Failed() {
			t.Fatalf("after %s", name)
		}
	}
	if err := os.Remove(w.file); err != nil {
		t.Fatal(err)
	}
	before := h.logs.len()
	w.hangup <- syscall.SIGHUP
	eventually(t, "logged", func() bool { return strings.Contains(h.logs.since(before), "the configuration stays as it was") })
	h.connect(token, "s1")
}

func TestOtherChangesNeedARestartAndAreNamed(t *testing.T) {
	t.Parallel()
	h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
	w := h.watch(h.config(defaultRoles))
	text := strings.Replace(h.config(defaultRoles+"admission: {maxAge: 1s}\n"), `projectID: "`, `projectID: "9`, 1)
	h.reload(w, text, `"msg":"restart needed","changed":["admission","zitadel"]`)
	h.connect(h.token("s1", "sensor"), "s1") // the project is what it was
}

func TestAChangedFileIsNoticedWithoutASignal(t *testing.T) {
	t.Parallel()
	h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
	w := h.watch(h.config(defaultRoles))
	token := h.token("s1", "sensor")
	h.connect(token, "s1")
	// As a mounted ConfigMap changes: the name points to another file.
	next := w.file + ".next"
	writeFile(t, next, h.config(defaultRoles+"deny: {users: [s1]}\n"))
	if err := os.Rename(next, w.file); err != nil {
		t.Fatal(err)
	}
	eventually(t, "denied", func() bool { return !h.letsIn(token) })
}

func TestAChangeDuringTheStartIsNotMissed(t *testing.T) {
	t.Parallel()
	h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
	r := h.start(h.config(defaultRoles))
	file := filepath.Join(h.dir, "callout.yaml")
	writeFile(t, file, h.config(defaultRoles+"deny: {users: [s1]}\n"))
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { r.Watch(ctx, file, nil, nil) })
	eventually(t, "denied", func() bool { return !h.letsIn(h.token("s1", "sensor")) })
	cancel()
	watching.Wait()
	if n := strings.Count(h.logs.String(), "reloaded roles"); n != 1 {
		t.Errorf("reloaded %d times, want once", n)
	}
}

func TestReloadingUnderLoadMixesNothing(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{XKey: true}, callouttest.IssuerConfig{})
	w := h.start(h.config(defaultRoles))
	var stop atomic.Bool
	var reloading sync.WaitGroup
	reloading.Go(func() {
		for i := 0; !stop.Load(); i++ {
			roles := strings.ReplaceAll(defaultRoles, "telemetry.{user}.>", "telemetry.{user}.v"+strconv.Itoa(i%3)+".>")
			if _, err := w.Reload(h.load(h.config(roles))); err != nil {
				t.Error(err)
			}
		}
	})
	l := h.connectInLoops(4)
	l.wait(t, 100)
	l.end()
	stop.Store(true)
	reloading.Wait()
	if n := l.failed.Load(); n > 0 {
		t.Errorf("%d of %d connects failed", n, l.connects.Load())
	}
	for _, d := range decisions(h.logs.String()) {
		if d["result"] != "allowed" {
			t.Errorf("decision %v", d)
		}
	}
}
