package zitadel

import (
	"bytes"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
	"harmony-callout/provision/zitadel/standin"
)

// errKilled is what everything answers in a process that was killed.
var errKilled = errors.New("killed")

// mortal kills a process at one of the points where it leaves a trace: a request, a write of
// a key or of a note. Each has several moments.
type mortal struct {
	mu    sync.Mutex
	at    int // the point, from 0; negative: never
	when  moment
	point int
	dead  bool
	last  string // what the point of death was

	sent, wrote atomic.Int64 // requests, and those among them that change things
}

type moment string

const (
	before moment = "before"
	after  moment = "after"
	midway moment = "midway" // the server has acted, and its answer is half read
)

// pass tells what becomes of the next point.
func (m *mortal) pass(what string) (die moment, dead bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return "", true
	}
	m.point++
	if m.at >= 0 && m.point-1 == m.at {
		m.dead, m.last = true, what
		return m.when, false
	}
	return "", false
}

// transport is the way to the server.
type transport struct {
	*mortal
	next http.RoundTripper
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	die, dead := t.pass(r.Method + " " + r.URL.Path)
	if dead || die == before {
		return nil, errKilled
	}
	t.sent.Add(1)
	if changes(r) {
		t.wrote.Add(1)
	}
	res, err := t.next.RoundTrip(r)
	if err != nil || die == "" {
		return res, err
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if die == after {
		return nil, errKilled
	}
	res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:len(body)/2]), failingReader{}))
	return res, nil
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errKilled }

func changes(r *http.Request) bool {
	p := r.URL.Path
	switch {
	case r.Method == http.MethodGet:
		return false
	case strings.HasSuffix(p, "search"), p == "/v2/users", p == "/oauth/v2/token":
		return false
	}
	method := p[strings.LastIndexByte(p, '/')+1:]
	return !strings.HasPrefix(method, "List") && !strings.HasPrefix(method, "Get")
}

// mortalKeys is a key store in the process that is killed.
type mortalKeys struct {
	*mortal
	provision.KeyStore
}

func (k mortalKeys) write(what, name string, do func() error) error {
	die, dead := k.pass(what + " " + name)
	if dead || die == before {
		return errKilled
	}
	err := do()
	if die != "" {
		return errKilled
	}
	return err
}

func (k mortalKeys) Create(ctx context.Context, name string, key secret.Text) error {
	return k.write("create", name, func() error { return k.KeyStore.Create(ctx, name, key) })
}

func (k mortalKeys) Replace(ctx context.Context, name string, key secret.Text) error {
	return k.write("replace", name, func() error { return k.KeyStore.Replace(ctx, name, key) })
}

func (k mortalKeys) Delete(ctx context.Context, name string) error {
	return k.write("delete", name, func() error { return k.KeyStore.Delete(ctx, name) })
}

// mortalNotes are the notes of the process that is killed.
type mortalNotes struct {
	*mortal
	provision.Notes
}

func (n mortalNotes) SetNote(kind, name string, r provision.Record) error {
	return mortalKeys{mortal: n.mortal}.write("note "+kind, name, func() error { return n.Notes.SetNote(kind, name, r) })
}

func (n mortalNotes) DropNote(kind, name string) error {
	return mortalKeys{mortal: n.mortal}.write("drop "+kind, name, func() error { return n.Notes.DropNote(kind, name) })
}

// site is a server and a machine with a state of its own.
type site struct {
	t      *testing.T
	issuer provision.Issuer
	pat    secret.Text
	keys   provision.KeyStore
	notes  provision.Notes
	// stand is nil against a real Zitadel.
	stand *standin.Server
	slow  bool // searches lag, or it is real
	tune  func(*Settings)
}

// startStandin starts a server that no other test uses.
func startStandin(t *testing.T) *standin.Server {
	t.Helper()
	s, err := standin.New(standin.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// newSite makes a machine for a server.
func newSite(t *testing.T, stand *standin.Server) *site {
	t.Helper()
	s := bareSite(t)
	s.stand, s.pat = stand, stand.AdminPAT()
	s.issuer = parseIssuer(t, stand.URL())
	return s
}

func bareSite(t *testing.T) *site {
	t.Helper()
	return &site{t: t, keys: newKeys(), notes: newNotes()}
}

func parseIssuer(t *testing.T, url string) provision.Issuer {
	t.Helper()
	issuer, err := provision.ParseIssuer(url)
	if err != nil {
		t.Fatal(err)
	}
	return issuer
}

// process is one run of the program on a site.
type process struct {
	*mortal
	client *Client
	*Convergence
	runner *provision.Runner
	events []provision.Event
}

func (s *site) process(want provision.ZitadelConfig, m *mortal) *process {
	s.t.Helper()
	if m == nil {
		m = &mortal{at: -1}
	}
	client, err := New(Config{Issuer: s.issuer, Timeout: 30 * time.Second, Credentials: []CredentialSource{
		source{"test PAT", func(context.Context) (Bearer, error) { return personal(s.pat) }},
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(client.Close)
	client.http.Transport = transport{m, client.http.Transport}
	client.backoff = backoff{first: time.Millisecond, most: 20 * time.Millisecond}
	settings := Settings{
		Want: want, Keys: mortalKeys{m, s.keys}, Notes: mortalNotes{m, s.notes},
		Settle: 200 * time.Millisecond,
	}
	if s.slow {
		settings.Settle = 20 * time.Second
	}
	if s.tune != nil {
		s.tune(&settings)
	}
	c, err := NewConvergence(client, settings)
	if err != nil {
		s.t.Fatal(err)
	}
	c.generate = pooledKey
	c.poll = backoff{first: 5 * time.Millisecond, most: 50 * time.Millisecond}
	p := &process{mortal: m, client: client, Convergence: c}
	p.runner = &provision.Runner{
		Steps: c.Steps(), Parallel: 1, Settle: settings.Settle,
		Events: func(e provision.Event) { p.events = append(p.events, e) },
	}
	return p
}

// up brings the site to what is wanted, and fails the test where it does not get there.
func (s *site) up(want provision.ZitadelConfig) *process {
	s.t.Helper()
	p := s.process(want, nil)
	if _, err := p.runner.Up(s.t.Context()); err != nil {
		s.t.Fatalf("up: %v\nhint: %s", err, provision.HintOf(err))
	}
	return p
}

// unchanged runs once more and fails the test where that changes anything.
func (s *site) unchanged(want provision.ZitadelConfig) *process {
	s.t.Helper()
	p := s.process(want, nil)
	sum, err := p.runner.Up(s.t.Context())
	if err != nil {
		s.t.Fatalf("up again: %v\nhint: %s", err, provision.HintOf(err))
	}
	if sum.Changes > 0 || p.wrote.Load() > 0 {
		s.t.Fatalf("up again made %d changes by %d writes: %s", sum.Changes, p.wrote.Load(), p.done())
	}
	return p
}

// plan returns what would change, one line each.
func (s *site) plan(want provision.ZitadelConfig) string {
	s.t.Helper()
	plans, err := s.process(want, nil).runner.Plan(s.t.Context())
	if err != nil {
		s.t.Fatalf("plan: %v", err)
	}
	var lines []string
	for _, p := range plans {
		for _, c := range p.Changes {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s: %s", c.Action, c.Kind, c.Name, c.Detail)))
		}
	}
	return strings.Join(lines, "\n")
}

// done lists the changes that were applied.
func (p *process) done() string {
	var lines []string
	for _, e := range p.events {
		if e.Kind == provision.EventChange && e.Status == provision.Done {
			lines = append(lines, fmt.Sprintf("%s %s %s", e.Change.Action, e.Change.Kind, e.Change.Name))
		}
	}
	return strings.Join(lines, "\n")
}

// pooledKey hands out few keys again and again: making them takes longer than the tests.
var pooledKey = func() func() (*rsa.PrivateKey, error) {
	var next atomic.Int64
	var pool [4]*rsa.PrivateKey
	once := sync.OnceValue(func() error {
		for i := range pool {
			var err error
			if pool[i], err = generateKey(); err != nil {
				return err
			}
		}
		return nil
	})
	return func() (*rsa.PrivateKey, error) {
		if err := once(); err != nil {
			return nil, err
		}
		return pool[next.Add(1)%int64(len(pool))], nil
	}
}()

// example is a configuration with one of everything, its names of its own.
func example(suffix string) provision.ZitadelConfig {
	return provision.ZitadelConfig{
		Project: "nats-" + suffix,
		Roles: []provision.RoleConfig{
			{Key: "sensor", DisplayName: "Sensor", Group: "nats"},
			{Key: "operator", DisplayName: "Operator", Group: "nats"},
		},
		APIApps: []provision.APIAppConfig{
			{Name: "nats-callout", Auth: "private_key_jwt"},
			{Name: "gateway", Auth: "basic"},
		},
		DeviceApps: []provision.DeviceAppConfig{{Name: "nats-cli"}},
		WebApps:    []provision.WebAppConfig{{Name: "console", RedirectURIs: []string{"http://bao.localhost:8200/callback"}}},
		MachineUsers: []provision.MachineUserConfig{
			{Username: "sensor-" + suffix, Name: "Sensor"},
			{Username: "operator-" + suffix, Name: "Operator", Key: "zitadel"},
		},
		Grants: []provision.GrantConfig{
			{User: "sensor-" + suffix, Roles: []string{"sensor"}},
			{User: "operator-" + suffix, Roles: []string{"sensor", "operator"}},
		},
	}
}

// realSite is a site of the Zitadel that ZITADEL_URL and ZITADEL_PAT_FILE name.
func realSite(t *testing.T) *site {
	t.Helper()
	url, file := os.Getenv("ZITADEL_URL"), os.Getenv("ZITADEL_PAT_FILE")
	if url == "" || file == "" {
		t.Skip("needs a real Zitadel: set ZITADEL_URL and ZITADEL_PAT_FILE")
	}
	pat, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := bareSite(t)
	s.issuer, s.pat, s.slow = parseIssuer(t, url), secret.New(string(pat)), true
	return s
}
