package local

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"harmony-callout/provision"
	"harmony-callout/provision/keystore"
	"harmony-callout/provision/zitadel/standin"
)

// small has one of everything, and a key made on either side.
const small = `
name: test
issuer: {host: sso.example.com}
nats: {accounts: {APP: {jetstream: true}}}
zitadel:
  project: nats
  roles: [{key: sensor}, {key: operator}]
  apiApps: [{name: gateway, auth: private_key_jwt}]
  deviceApps: [{name: nats-cli}]
  machineUsers: [{username: sensor-1}, {username: operator-1, key: zitadel}]
  grants: [{user: sensor-1, roles: [sensor]}, {user: operator-1, roles: [operator, sensor]}]
callout:
  roles:
    - {role: operator, account: APP, publish: {allow: ["commands.>"]}, subscribe: {allow: ["telemetry.>"]}}
    - {role: sensor, account: APP, publish: {allow: ["telemetry.{user}.>"]}, subscribe: {allow: ["commands.{user}.>"]}}
`

// site is where a system is brought up again and again.
type site struct {
	Dir    string
	Text   string // of the configuration
	Issuer int    // ports
	NATS   int
}

func newSite(t *testing.T) site {
	t.Helper()
	return site{Dir: filepath.Join(t.TempDir(), "system"), Text: small, Issuer: freePort(t), NATS: freePort(t)}
}

func (s site) config() (*provision.Config, error) {
	config, _, err := provision.ParseConfig("test.yaml", []byte(s.Text), nil)
	return config, err
}

// process is one run of the program on a site.
type process struct {
	*System
	points *points
	state  *provision.State
	keys   *keystore.Dir
	lock   *provision.Lock
	events []provision.Event
	// trouble is called once with the stand-in, as soon as it runs.
	trouble func(*standin.Server)
}

// open does what a command does before it works; serve is for up, which then brings the
// stand-in into trouble.
func (s site) open(ctx context.Context, serve bool, change func(*provision.Options)) (p *process, err error) {
	p = &process{points: &points{at: -1}}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	config, err := s.config()
	if err != nil {
		return p, err
	}
	if serve {
		if p.lock, err = provision.AcquireLock(s.Dir, provision.RunLock, "provision up"); err != nil {
			return p, err
		}
	}
	if p.state, err = provision.OpenState(s.Dir); err != nil {
		return p, err
	}
	if p.keys, err = keystore.Open(provision.KeyDir(s.Dir)); err != nil {
		return p, err
	}
	opts := provision.Options{
		Dir: s.Dir, Notes: countedNotes{p.state, p.points}, Keys: countedKeys{p.keys, p.points},
		Serve: serve, PortIssuer: s.Issuer, PortNATS: s.NATS,
	}
	if change != nil {
		change(&opts)
	}
	system, err := Target{}.Open(ctx, config, opts)
	if err != nil {
		return p, err
	}
	p.System = system.(*System)
	return p, nil
}

func (p *process) runner() *provision.Runner {
	var steps []provision.Step
	for _, step := range p.Steps() {
		steps = append(steps, countedStep{step, p})
	}
	return &provision.Runner{Steps: steps, Events: func(e provision.Event) { p.events = append(p.events, e) }}
}

// up brings everything up and closes the notes, as the command does before it serves.
func (p *process) up(ctx context.Context) (provision.Summary, error) {
	sum, err := p.runner().Up(ctx)
	p.points.pass()
	err = errors.Join(err, p.state.Close(), p.lock.Release())
	p.lock = nil
	p.points.pass()
	return sum, err
}

func (p *process) Close() error {
	var errs []error
	if p.System != nil {
		errs = append(errs, p.System.Close())
	}
	if p.keys != nil {
		errs = append(errs, p.keys.Close())
	}
	if p.state != nil {
		errs = append(errs, p.state.Close())
	}
	if p.lock != nil {
		errs = append(errs, p.lock.Release())
		p.lock = nil
	}
	return errors.Join(errs...)
}

// mustUp brings a site up and serves it until the test or the function that it returns ends it.
func mustUp(t *testing.T, s site, change func(*provision.Options)) (*process, provision.Summary, func()) {
	t.Helper()
	p, err := s.open(t.Context(), true, change)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	closed := sync.OnceFunc(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(closed)
	sum, err := p.up(t.Context())
	if err != nil {
		t.Fatalf("up: %v\nhint: %s", err, provision.HintOf(err))
	}
	return p, sum, closed
}

// changes are those of the events with a status, one line each.
func (p *process) changes(status provision.Status) string {
	var lines []string
	for _, e := range p.events {
		if e.Change != nil && e.Status == status {
			lines = append(lines, strings.TrimSpace(strings.Join([]string{string(e.Change.Action), e.Change.Kind, e.Change.Name, e.Change.Detail}, " ")))
		}
	}
	return strings.Join(lines, "\n")
}

var given sync.Map // ports that this process has used

// freePort finds a port that no outgoing connection gets by chance: it has to stay free while
// nobody listens on it.
func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := 10000 + rand.IntN(20000)
		if _, used := given.LoadOrStore(port, true); used {
			continue
		}
		if l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port))); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}
