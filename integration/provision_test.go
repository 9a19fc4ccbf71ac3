//go:build integration

package integration

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// TestTheLocalTargetServesTheRealPrograms brings a system up by the built provision, lets a
// client in by its token, and has the built callout explain what it decides.
func TestTheLocalTargetServesTheRealPrograms(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-o", dir+"/", "harmony-callout/cmd/callout", "harmony-callout/cmd/provision")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	state := filepath.Join(dir, "state")
	command := func(program string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(dir, program), args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PROVISION_STATE_DIR="+state)
		return cmd
	}

	up := command("provision", "up", "--target", "local", "--port-issuer", "0", "--port-nats", "0", "--json")
	stdout, err := up.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = up.Process.Kill() }) // it has ended, unless the test failed
	var ready struct {
		Event, NATS, Issuer, ProjectID string
		Users                          []string
	}
	for lines := bufio.NewScanner(stdout); ready.Event != "ready"; {
		if !lines.Scan() {
			t.Fatalf("up ended before it was ready: %v", lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &ready); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
	}
	t.Logf("ready after %s", time.Since(began))

	text, err := command("provision", "token", "sensor-1").Output()
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(string(text))
	c, err := nats.Connect(ready.NATS, nats.Token(token))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := nats.Connect(ready.NATS); err == nil {
		t.Error("a client without a token is let in")
	}

	for _, test := range []struct {
		token, want string
		code        int
	}{{token, "APP", 0}, {token[:len(token)-8] + "AAAAAAAA", "signature", 3}} {
		explain := command("callout", "explain", "--config", filepath.Join(state, "harmony-example", "local", "callout.yaml"))
		explain.Stdin = strings.NewReader(test.token)
		out, err := explain.CombinedOutput()
		if code := explain.ProcessState.ExitCode(); code != test.code || !strings.Contains(string(out), test.want) {
			t.Errorf("explain: %v\n%s", err, out)
		}
		if strings.Contains(string(out), test.token) {
			t.Error("explain prints the token")
		}
	}
	if out, err := command("callout", "check", "--config", filepath.Join(state, "harmony-example", "local", "callout.yaml"), "--online").CombinedOutput(); err != nil {
		t.Errorf("check: %v\n%s", err, out)
	}

	began = time.Now()
	if err := up.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := up.Wait(); err != nil {
		t.Errorf("up ends with %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("up took %s to end", took)
	}
}
