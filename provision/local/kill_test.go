package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"harmony-callout/provision"
	"harmony-callout/provision/zitadel/standin"
)

// childVariable holds, for the test program as a child, what it is to do.
const childVariable = "PROVISION_LOCAL_TEST"

// child is a process of its own that brings a site up.
type child struct {
	Site    site
	At      int64 // the point at which it kills itself; negative: never
	Trouble trouble
	// MaxFile bounds the size of every file, in bytes: a disk that is full. 0: none.
	MaxFile uint64
	Serve   bool // until it is killed
}

// trouble is what the stand-in gives its clients to bear.
type trouble struct {
	Lag      time.Duration
	Failures bool // errors of the server and connections that drop, before and after the fact
}

func (x trouble) make(stand *standin.Server) {
	stand.SetLag(x.Lag)
	if !x.Failures {
		return
	}
	writes := func(r *http.Request) bool { return r.Method != http.MethodGet }
	stand.FailNext(2, http.StatusInternalServerError, writes)
	stand.DropNext(1, standin.DropBefore, writes)
	stand.DropNext(1, standin.DropAfter, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/CreateProject") })
	stand.DropNext(1, standin.DropAfter, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/keys") })
	stand.FailNext(1, http.StatusServiceUnavailable, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/new") })
}

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(childVariable); ok {
		var c child
		err := json.Unmarshal([]byte(text), &c)
		if err == nil {
			err = c.run(context.Background())
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%v\nhint: %s\n", err, provision.HintOf(err))
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// run brings the site up and prints the number of points that it passed.
func (c child) run(ctx context.Context) error {
	if c.MaxFile > 0 {
		limit := syscall.Rlimit{Cur: c.MaxFile, Max: c.MaxFile}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
	}
	p, err := c.Site.open(ctx, true, nil)
	if err != nil {
		return err
	}
	p.points.at, p.trouble = c.At, c.Trouble.make
	if _, err := p.up(ctx); err != nil {
		return errors.Join(err, p.Close())
	}
	fmt.Println(p.points.passed.Load())
	if c.Serve {
		select {}
	}
	return p.Close()
}

func (c child) command(t *testing.T) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childVariable+"="+string(text), "GORACE=atexit_sleep_ms=0")
	return cmd
}

// countPoints runs a child to its end.
func countPoints(t *testing.T, x trouble) int64 {
	t.Helper()
	out, err := child{Site: newSite(t), At: -1, Trouble: x}.command(t).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderrOf(err))
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func stderrOf(err error) string {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(exit.Stderr)
	}
	return ""
}

// wasKilled tells whether a child died of SIGKILL; any other failure fails the test.
func wasKilled(t *testing.T, err error) bool {
	t.Helper()
	if err == nil {
		return false
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
			return true
		}
	}
	t.Fatalf("the child failed: %v: %s", err, stderrOf(err))
	return false
}

// TestKilledAtAnyPointTheNextUpEndsTheWork kills an up by SIGKILL around each of its steps,
// changes, requests and writes; with the build tag integration at all of them, else at some.
func TestKilledAtAnyPointTheNextUpEndsTheWork(t *testing.T) {
	killAtPoints(t, trouble{}, killSample)
}

// TestKilledInTroubleTheNextUpEndsTheWork is the same while searches lag behind and requests
// fail, before and after the kill.
func TestKilledInTroubleTheNextUpEndsTheWork(t *testing.T) {
	killAtPoints(t, trouble{Lag: troubleLag, Failures: true}, troubleSample)
}

func killAtPoints(t *testing.T, x trouble, sample int64) {
	total := countPoints(t, x)
	if total < 100 {
		t.Fatalf("an up has only %d points to be killed at", total)
	}
	stride := max(1, float64(total)/float64(sample))
	t.Logf("%d points, each %.1fth of them", total, stride)
	slots := make(chan struct{}, 3) // while one waits for the disk another computes
	t.Run("killed", func(t *testing.T) {
		for next := rand.Float64() * (stride - 1); next < float64(total); next += stride {
			at := int64(next)
			t.Run(fmt.Sprintf("at point %d", at), func(t *testing.T) {
				t.Parallel()
				slots <- struct{}{}
				defer func() { <-slots }()
				s := newSite(t)
				_, err := child{Site: s, At: at, Trouble: x}.command(t).Output()
				if !wasKilled(t, err) {
					t.Logf("it ended before")
				}
				converges(t, s, x)
			})
		}
	})
}

// TestKilledAtAnyMomentTheNextUpEndsTheWork kills by the clock, also in the middle of a file.
func TestKilledAtAnyMomentTheNextUpEndsTheWork(t *testing.T) {
	whole := newSite(t)
	began := time.Now()
	if out, err := (child{Site: whole, At: -1}).command(t).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	took := time.Since(began)
	for range momentSample {
		s, after := newSite(t), rand.N(took)
		cmd := child{Site: s, At: -1}.command(t)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after)
		_ = cmd.Process.Kill() // it may have ended
		wasKilled(t, cmd.Wait())
		converges(t, s, trouble{})
		if t.Failed() {
			t.Fatalf("killed after %s", after)
		}
	}
}

// converges wants an up to end what another began, and a further one to find nothing to do.
func converges(t *testing.T, s site, x trouble) {
	t.Helper()
	p, err := s.open(t.Context(), true, nil)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	p.trouble = x.make
	if _, err := p.up(t.Context()); err != nil {
		t.Fatal(errors.Join(fmt.Errorf("up: %w, hint: %s", err, provision.HintOf(err)), p.Close()))
	}
	p.checkContent(t)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	unchanged(t, s)
}

// unchanged wants an up to write nothing, and every step to be as wanted.
func unchanged(t *testing.T, s site) {
	t.Helper()
	p, sum, end := mustUp(t, s, nil)
	defer end()
	for _, w := range p.standin.Writes() {
		if w.Changed {
			t.Errorf("up again wrote %s %s", w.Method, w.Path)
		}
	}
	if n := p.points.writes.Load(); sum.Changes > 0 || n > 0 {
		t.Errorf("up again made %d changes and %d writes of keys and notes:\n%s", sum.Changes, n, p.changes(provision.Done))
	}
	for _, e := range p.events {
		if e.Kind == provision.EventStep && e.Status != provision.Started && e.Condition != provision.InSync {
			t.Errorf("%s is %s: %s", e.Step, e.Condition, e.Detail)
		}
	}
}
