package keystoretest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// The environment of a test binary that is started again as a helper.
const (
	envMode  = "KEYSTORETEST_MODE" // churn, race
	envPlace = "KEYSTORETEST_PLACE"
	envName  = "KEYSTORETEST_NAME"
	envCount = "KEYSTORETEST_COUNT"
)

// Main runs the tests of a package, or what [Run] started this process for.
func Main(m *testing.M, b Backend) {
	mode := os.Getenv(envMode)
	if mode == "" {
		os.Exit(m.Run())
	}
	s, err := b.Open(os.Getenv(envPlace))
	if err == nil {
		err = help(mode, s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func help(mode string, s provision.KeyStore) (err error) {
	count, err := strconv.Atoi(os.Getenv(envCount))
	if err != nil {
		return err
	}
	if mode == "churn" {
		return churn(s, count)
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	race(s, os.Getenv(envName), count, func(i int, who string) { fmt.Println(i, who) }, func(args ...any) { err = fmt.Errorf("%v", args) })
	return err
}

// churn writes keys without end, and says after each which one it was told is durable.
func churn(s provision.KeyStore, from int) error {
	ctx := context.Background()
	for i := from; ; i++ {
		if err := s.Create(ctx, createdName(i), secret.New(content(i))); err != nil {
			return err
		}
		if err := s.Replace(ctx, replacedName, secret.New(content(i))); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// helper is another process that uses the store.
type helper struct {
	cmd   *exec.Cmd
	stdin io.Writer
	out   *bufio.Scanner
}

func startHelper(t *testing.T, mode, place, name string, count int) *helper {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", envMode+"="+mode, envPlace+"="+place, envName+"="+name, envCount+"="+strconv.Itoa(count))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return &helper{cmd: cmd, stdin: stdin, out: bufio.NewScanner(stdout)}
}

// line returns the next line that the helper prints.
func (h *helper) line(t *testing.T) string {
	t.Helper()
	if !h.out.Scan() {
		t.Fatalf("the helper has ended: %v", h.out.Err())
	}
	return h.out.Text()
}

// begin lets a helper that is ready begin.
func (h *helper) begin(t *testing.T) {
	t.Helper()
	_, err := io.WriteString(h.stdin, "go\n")
	must(t, err)
}

// wins collects what the helper says that it has won, until it ends.
func (h *helper) wins(t *testing.T, winners []map[string]bool) {
	t.Helper()
	for h.out.Scan() {
		number, who, _ := strings.Cut(h.out.Text(), " ")
		i, err := strconv.Atoi(number)
		must(t, err)
		winners[i][who] = true
	}
	must(t, h.cmd.Wait())
}
