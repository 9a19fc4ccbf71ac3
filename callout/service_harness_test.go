package callout_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"harmony-callout/callout"
	"harmony-callout/callout/callouttest"
)

// harness is a whole system: an issuer, a server, and callouts between them.
type harness struct {
	t      *testing.T
	issuer *callouttest.Issuer
	nats   *callouttest.NATS
	dir    string
	logs   *logBuffer
}

// defaultRoles are the roles of most tests.
const defaultRoles = `
roles:
  - role: sensor
    account: APP
    publish:   {allow: ["telemetry.{user}.>"]}
    subscribe: {allow: ["commands.{user}.>", "_INBOX_{user}.>"]}
  - role: operator
    account: APP
    publish:   {allow: ["commands.>"], deny: ["commands.secret.>"]}
    subscribe: {allow: ["telemetry.>", "_INBOX_{user}.>"]}
    responses: {max: 1, ttl: 30s}
  - role: guest
    account: OTHER
    publish:   {allow: ["guests.{user}"]}
`

func newHarness(t *testing.T, server callouttest.NATSConfig, issuer callouttest.IssuerConfig) *harness {
	t.Helper()
	h := &harness{t: t, dir: t.TempDir(), logs: new(logBuffer)}
	h.issuer = callouttest.StartIssuer(t, issuer)
	h.nats = callouttest.StartNATS(t, server)
	if err := h.nats.WriteSeeds(h.dir); err != nil {
		t.Fatal(err)
	}
	return h
}

// serve starts another server with the configuration of h.nats, changed, and returns its URL.
func (h *harness) serve(edit func(conf string) string) string {
	h.t.Helper()
	conf := edit(strings.Replace(h.nats.Config(), h.nats.URL()[len("nats://"):], "127.0.0.1:-1", 1))
	var opts server.Options
	if err := opts.ProcessConfigString(conf); err != nil {
		h.t.Fatalf("%v in\n%s", err, conf)
	}
	opts.NoLog, opts.NoSigs = true, true
	s, err := server.NewServer(&opts)
	if err != nil {
		h.t.Fatal(err)
	}
	s.Start()
	h.t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		h.t.Fatal("the server is not ready")
	}
	return s.ClientURL()
}

// config is a callout.yaml for this system; more is put at its end.
func (h *harness) config(more string) string {
	xkey := ""
	if len(h.nats.Seeds().XKey) > 0 {
		xkey = "xkeySeedFile: xkey.nk"
	}
	return fmt.Sprintf(`
nats:
  servers: [%q]
  nkeySeedFile: service.nk
keys: {accountSeedFile: account.nk, %s}
zitadel:
  issuer: %q
  projectID: %q
http: {listen: "127.0.0.1:0"}
%s`, h.nats.URL(), xkey, h.issuer.URL(), h.issuer.ProjectID(), more)
}

// quickKeys makes a callout look at the issuer's keys as often as it may: with an issuer whose
// MaxAge is a second, about once in that time.
func quickKeys(config string) string {
	return strings.Replace(config, "zitadel:\n", "zitadel:\n  jwks: {minRefetch: 1s}\n", 1)
}

func (h *harness) load(text string) *callout.Config {
	h.t.Helper()
	cfg, _, err := callout.Parse(filepath.Join(h.dir, "callout.yaml"), []byte(text), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return cfg
}

// running is a callout that serves.
type running struct {
	*callout.Service
	t    *testing.T
	stop func()
}

// start starts a callout with a configuration and waits until it is ready.
func (h *harness) start(text string) *running {
	h.t.Helper()
	r := h.startUnready(text)
	r.eventually("ready", func() bool { return r.Readiness().Ready })
	return r
}

func (h *harness) startUnready(text string) *running {
	h.t.Helper()
	service, err := callout.New(h.load(text), slog.New(slog.NewJSONHandler(io.MultiWriter(h.logs), nil)))
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := service.Run(ctx); err != nil {
			h.t.Error(err)
		}
	}()
	r := &running{Service: service, t: h.t, stop: sync.OnceFunc(func() { cancel(); <-done })}
	h.t.Cleanup(r.stop)
	return r
}

func (r *running) eventually(what string, ok func() bool) {
	r.t.Helper()
	eventually(r.t, what, ok)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never %s", what)
		}
	}
}

// get returns status and body of a path of the callout's HTTP server.
func (r *running) get(path string) (int, string) {
	r.t.Helper()
	resp, err := http.Get("http://" + r.HTTPAddr() + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// readyz waits until /readyz answers with a status and a text that holds a part.
func (r *running) readyz(status int, part string) {
	r.t.Helper()
	var code int
	var body string
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if code, body = r.get("/readyz"); code == status && strings.Contains(body, part) {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("/readyz is %d %q, want %d with %q", code, body, status, part)
		}
	}
}

// token mints a token of a user with roles.
func (h *harness) token(user string, roles ...string) string {
	return h.issuer.Token(callouttest.TokenSpec{Subject: user, Username: user + "-name", Roles: roles})
}

// connect connects as a client that must get in.
func (h *harness) connect(token, user string) *nats.Conn {
	h.t.Helper()
	before := h.logs.len()
	c, err := h.nats.Connect(token, nats.CustomInboxPrefix("_INBOX_"+user))
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", user, err, h.logs)
	}
	h.t.Cleanup(c.Close)
	// The record is written after the answer is sent: it is not to be taken for the next one's.
	eventually(h.t, "logged", func() bool { return len(decisions(h.logs.since(before))) > 0 })
	return c
}

// refused connects as a client that must not get in, and returns the reason in the log.
func (h *harness) refused(token string, opts ...nats.Option) string {
	h.t.Helper()
	before := h.logs.len()
	c, err := h.nats.Connect(token, opts...)
	if err == nil {
		c.Close()
		h.t.Fatalf("got in\n%s", h.logs)
	}
	// A server that gets no answer gives up after 2 s. Soon after that it pings, and a client
	// whose refusal is late takes the ping for it.
	if text := strings.ToLower(err.Error()); !strings.Contains(text, "authorization violation") && !strings.Contains(text, "expected 'pong', got 'ping'") {
		h.t.Fatalf("the client learns %q, want Authorization Violation alone", err)
	}
	// The record is written after the answer is sent.
	eventually(h.t, "logged", func() bool { return reasonIn(h.logs.since(before)) != "" })
	return reasonIn(h.logs.since(before))
}

// letsIn tells whether a client with the token gets in.
func (h *harness) letsIn(token string, opts ...nats.Option) bool {
	c, err := h.nats.Connect(token, opts...)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
