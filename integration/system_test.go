//go:build integration

package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// system is a deployment in processes of its own: the real callout as often as wanted, a
// nats-server and an issuer, with the files that their users would write.
type system struct {
	t                  *testing.T
	dir                string
	natsAddr, issuer   string // host:port
	nats, issuerServer *process
}

// roles let the users of the test issuer in.
const roles = `
roles:
  - role: sensor
    account: APP
    publish:   {allow: ["telemetry.{user}.>"]}
    subscribe: {allow: ["_INBOX_{user}.>"]}
`

// newSystem builds the programs, makes keys with keygen, and starts the server with the
// configuration that keygen printed.
func newSystem(t *testing.T) *system {
	t.Helper()
	s := &system{t: t, dir: t.TempDir(), natsAddr: freeAddress(t), issuer: freeAddress(t)}
	build := exec.Command("go", "build", "-trimpath", "-o", s.dir+"/",
		"harmony-callout/cmd/callout", "harmony-callout/callout/callouttest/testissuer", "github.com/nats-io/nats-server/v2")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	conf, _ := s.run(0, "callout", "keygen", "--dir", "keys")
	s.write("nats.conf", conf+fmt.Sprintf("\nlisten: %q\n", s.natsAddr))
	s.startNATS()
	s.issuerServer = s.start("testissuer", "--listen", s.issuer, "--user", "sensor-1=sensor", "--user", "nobody")
	s.eventually("the issuer listens", func() bool { return dials(s.issuer) })
	return s
}

func (s *system) startNATS() {
	s.t.Helper()
	s.nats = s.start("nats-server", "-c", "nats.conf")
	s.eventually("the server listens", func() bool { return dials(s.natsAddr) })
}

func (s *system) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// run runs a program to its end and wants an exit code.
func (s *system) run(code int, program string, args ...string) (stdout, stderr string) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.dir, program), args...)
	cmd.Dir = s.dir
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("%s %s: exit code %d, want %d\n%s%s", program, strings.Join(args, " "), got, code, &out, &problems)
	}
	return out.String(), problems.String()
}

// token asks the issuer for a user's access token.
func (s *system) token(user string) string {
	s.t.Helper()
	status, token := get(s.t, "http://"+s.issuer+"/token?user="+user)
	if status != http.StatusOK {
		s.t.Fatalf("token: %d %s", status, token)
	}
	return token
}

// connect connects once, as a client of the system.
func (s *system) connect(token string) error {
	c, err := nats.Connect("nats://"+s.natsAddr, nats.Token(token), nats.NoReconnect(), nats.Timeout(10*time.Second))
	if err == nil {
		c.Close()
	}
	return err
}

// eventually waits for something to come true.
func (s *system) eventually(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("never: %s", what)
		}
	}
}

// replica is one callout.
type replica struct {
	*process
	file, http string
}

// startCallout starts a callout with a configuration file of its own and waits until it is ready.
func (s *system) startCallout(name, more string) *replica {
	s.t.Helper()
	r := &replica{file: name + ".yaml", http: freeAddress(s.t)}
	s.write(r.file, s.config(r, more))
	r.process = s.start("callout", "serve", "--config", r.file, "--log-format", "json")
	s.eventually(name+" is ready", func() bool { return isReady(r.http) })
	return r
}

func (s *system) config(r *replica, more string) string {
	return fmt.Sprintf(`
nats: {servers: ["nats://%s"], nkeySeedFile: keys/service.nk}
keys: {accountSeedFile: keys/account.nk, xkeySeedFile: keys/xkey.nk}
zitadel: {issuer: "http://%s", projectID: "400888114106661377"}
http: {listen: %q}
%s%s`, s.natsAddr, s.issuer, r.http, roles, more)
}

// process is a running program and what it wrote.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *system) start(program string, args ...string) *process {
	s.t.Helper()
	p := &process{cmd: exec.Command(filepath.Join(s.dir, program), args...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = s.dir, p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // its end shows in ProcessState
	}()
	s.t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.done
		if s.t.Failed() {
			s.t.Logf("%s:\n%s", program, tail(p.output()))
		}
	})
	return p
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func (p *process) signal(signal os.Signal) { _ = p.cmd.Process.Signal(signal) }

// end sends a signal and returns the exit code, -1 for a process that was killed.
func (p *process) end(signal os.Signal) int {
	p.signal(signal)
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// tail is the end of a log.
func tail(s string) string { return s[max(0, len(s)-4000):] }

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}
