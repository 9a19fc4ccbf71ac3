//go:build integration

package integration

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// Users of the quickstart, and the addresses that it uses.
const (
	sensorID, operatorID = "470620482435813161", "418766741764852435"
	issuerAddress        = "127.0.0.1:8080"
	natsAddress          = "127.0.0.1:4222"
)

// TestQuickstart types the quickstart of the callout alone into one shell, block by block, and
// wants it to print what the document says. Only the ports differ, so that it runs beside
// anything.
func TestQuickstart(t *testing.T) {
	root := copyRepository(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "quickstart-callout.md"))
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]string{issuerAddress: freeAddress(t), natsAddress: freeAddress(t)}
	example := filepath.Join(root, "examples", "quickstart", "callout.yaml")
	configuration, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	health := freeAddress(t)
	edited := readdress(string(configuration), addresses) + fmt.Sprintf("\nhttp: {listen: %q}\n", health)
	if err := os.WriteFile(example, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}

	blocks := blocksMarked(readdress(string(text), addresses), "quickstart")
	if len(blocks) != 7 {
		t.Fatalf("the document has %d blocks marked quickstart, want 7: those between which this test waits", len(blocks))
	}
	sh := startShell(t, root)
	bin := filepath.Join(root, "bin")
	next := func(refusals int) {
		t.Helper()
		sh.run(t, blocks[0], refusals)
		blocks = blocks[1:]
	}
	next(0) // build, keygen
	next(0) // issuer and server
	eventually(t, sh, "the issuer listens", func() bool { return dials(addresses[issuerAddress]) })
	eventually(t, sh, "the server listens", func() bool { return dials(addresses[natsAddress]) })
	next(0) // check, serve
	eventually(t, sh, "the callout is ready", func() bool { return isReady(health) })
	next(0) // two clients that wait
	sensor := connect(t, bin, addresses, "sensor-1", sensorID)
	operator := connect(t, bin, addresses, "operator-1", operatorID)
	eventually(t, sh, "the operator's client subscribes", func() bool {
		_ = sensor.Publish("telemetry."+sensorID+".ready", nil)
		return strings.Contains(sh.output(), "telemetry."+sensorID+".ready")
	})
	eventually(t, sh, "the sensor's client answers", func() bool {
		_, err := operator.Request("commands."+sensorID+".reboot", nil, time.Second)
		return err == nil
	})
	next(2) // what they may do, and not
	eventually(t, sh, "telemetry arrives", func() bool {
		return strings.Contains(sh.output(), `Received on "telemetry.`+sensorID+`.temp"`)
	})
	next(0) // log and explain
	for _, block := range blocksMarked(readdress(string(text), addresses), "prints") {
		for line := range strings.Lines(block) {
			sh.wantLine(t, strings.TrimRight(line, "\n"))
		}
	}
	next(0) // stop
	for _, address := range addresses {
		eventually(t, sh, "nothing listens at "+address, func() bool { return !dials(address) })
	}
	eventually(t, sh, "the callout has stopped", func() bool { return !dials(health) })
}

// copyRepository copies what git would clone, with changes that are not committed yet.
func copyRepository(t *testing.T) string {
	t.Helper()
	from, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = from
	files, err := list.Output()
	if err != nil {
		t.Fatalf("list the repository's files: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(files), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(from, name))
		if os.IsNotExist(err) {
			continue // deleted, not yet committed
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// blocksMarked returns the fenced blocks below <!-- mark -->.
func blocksMarked(markdown, mark string) []string {
	var blocks []string
	for _, found := range regexp.MustCompile("(?ms)^<!-- "+mark+" -->\n```[a-z]+\n(.*?)^```$").FindAllStringSubmatch(markdown, -1) {
		blocks = append(blocks, found[1])
	}
	return blocks
}

// readdress puts other addresses into a text, also where host and port stand apart.
func readdress(text string, addresses map[string]string) string {
	for from, to := range addresses {
		_, fromPort, _ := net.SplitHostPort(from)
		_, toPort, _ := net.SplitHostPort(to)
		text = strings.ReplaceAll(text, from, to)
		text = strings.ReplaceAll(text, "--port "+fromPort, "--port "+toPort)
	}
	return strings.ReplaceAll(text, "testissuer token ", "testissuer token --listen "+addresses[issuerAddress]+" ")
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func dials(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

func isReady(address string) bool {
	resp, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return err == nil && string(body) == "ok\n"
}

func connect(t *testing.T, bin string, addresses map[string]string, user, id string) *nats.Conn {
	t.Helper()
	token, err := exec.Command(filepath.Join(bin, "testissuer"), "token", "--listen", addresses[issuerAddress], user).Output()
	if err != nil {
		t.Fatal(err)
	}
	c, err := nats.Connect("nats://"+addresses[natsAddress], nats.Token(strings.TrimSpace(string(token))), nats.CustomInboxPrefix("_INBOX_"+id))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// shell is a bash into which blocks are typed.
type shell struct {
	stdin     io.Writer
	interrupt func() error // as Ctrl-C

	mu   sync.Mutex
	text bytes.Buffer
	ran  int
}

func startShell(t *testing.T, dir string, environ ...string) *shell {
	t.Helper()
	sh := &shell{}
	cmd := exec.Command("bash", "--noprofile", "--norc")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, sh, sh
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+t.TempDir()) // contexts of the NATS CLI
	cmd.Env = append(cmd.Env, environ...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 10 * time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	sh.stdin = stdin
	sh.interrupt = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(stdin, "trap 'echo %s' ERR\n", failed); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		// What a failed test left running is in the shell's process group, and nothing else is.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	return sh
}

func (sh *shell) Write(p []byte) (int, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.text.Write(p)
}

func (sh *shell) output() string {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.text.String()
}

// failed is what the shell says of each command in the foreground that fails.
const failed = "a command failed"

// run types a block, waits until the shell has come to its end, and wants so many of its
// commands to fail.
func (sh *shell) run(t *testing.T, block string, failures int) {
	t.Helper()
	sh.ran++
	before := strings.Count(sh.output(), failed)
	end := fmt.Sprintf("end of block %d", sh.ran)
	if _, err := io.WriteString(sh.stdin, block+"echo '"+end+"'\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, sh, end, func() bool { return strings.Contains(sh.output(), end+"\n") })
	if n := strings.Count(sh.output(), failed) - before; n != failures {
		t.Fatalf("%d commands of block %d failed, want %d:\n%s", n, sh.ran, failures, sh.output())
	}
}

// wantLine wants a line of a document in the output; … in it stands for anything.
func (sh *shell) wantLine(t *testing.T, line string) {
	t.Helper()
	pattern := strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*")
	pattern = strings.ReplaceAll(pattern, `\[#1\]`, `\[#\d+\]`) // we publish too
	if !regexp.MustCompile(`(?m)^` + pattern + `\s*$`).MatchString(sh.output()) {
		t.Errorf("the document says that this is printed:\n%s\nprinted was\n%s", line, sh.output())
	}
}

// eventually is patient enough for building everything from nothing on a slow machine. What
// fails is seen before that: see run.
func eventually(t *testing.T, sh *shell, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s\n%s", what, sh.output())
		}
	}
}
