//go:build integration

package integration

import (
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// TestTheSystemSurvives has one deployment meet what deployments meet.
func TestTheSystemSurvives(t *testing.T) {
	s := newSystem(t)
	first, second := s.startCallout("first", ""), s.startCallout("second", "")
	good, bad := s.token("sensor-1"), s.token("nobody")

	t.Run("clients get in by their roles", func(t *testing.T) {
		if err := s.connect(good); err != nil {
			t.Error(err)
		}
		if err := s.connect(bad); err == nil {
			t.Error("a user without a role got in")
		}
	})

	t.Run("check --online and explain agree with it", func(t *testing.T) {
		out, _ := s.run(0, "callout", "check", "--config", first.file, "--online")
		if n := strings.Count(out, "ok    "); n != 3 || strings.Contains(out, "FAIL") {
			t.Errorf("check prints\n%s", out)
		}
		s.write("good.txt", good+"\n")
		s.write("bad.txt", bad+"\n")
		s.write("wrong.yaml", "nonsense: 1\n")
		for _, e := range []struct {
			code         int
			config, file string
		}{{0, first.file, "good.txt"}, {3, first.file, "bad.txt"}, {2, "wrong.yaml", "good.txt"}, {2, first.file, "none.txt"}} {
			out, problems := s.run(e.code, "callout", "explain", "--config", e.config, "--token-file", e.file)
			if strings.Contains(out+problems, good) || strings.Contains(out+problems, bad) {
				t.Error("a token is printed")
			}
		}
	})

	t.Run("a callout is stopped under load and no connect fails", func(t *testing.T) {
		l := s.load(good, 200)
		l.wait(400)
		if code := second.end(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
		l.wait(400)
		if failed := l.end(); len(failed) > 0 {
			t.Errorf("%d of %d connects failed, the first: %v", len(failed), l.connects.Load(), failed[0])
		}
		if log := second.output(); !strings.Contains(log, `"msg":"stopped"`) {
			t.Errorf("its log ends with\n%s", tail(log))
		}
	})

	t.Run("a callout is killed under load and only requests in flight fail", func(t *testing.T) {
		second = s.startCallout("second", "")
		const clients = 50
		l := s.load(good, clients)
		l.wait(200)
		second.end(syscall.SIGKILL)
		l.wait(400)
		failed := l.end()
		t.Logf("%d of %d connects failed", len(failed), l.connects.Load())
		// Each client has one request in flight when it happens, and half of these were its.
		if len(failed) > clients {
			t.Errorf("%d failed with %d clients: %v", len(failed), clients, failed)
		}
	})

	t.Run("SIGHUP reloads", func(t *testing.T) {
		s.write(first.file, s.config(first, "deny: {users: [\""+subjectOf(t, good)+"\"]}\n"))
		first.signal(syscall.SIGHUP)
		s.eventually("denied", func() bool { return s.connect(good) != nil })
		s.write(first.file, "roles: [\n")
		first.signal(syscall.SIGHUP)
		s.eventually("logged", func() bool { return strings.Contains(first.output(), "the configuration stays as it was") })
		if s.connect(good) == nil {
			t.Error("a bad file changed something")
		}
		s.write(first.file, s.config(first, ""))
		first.signal(syscall.SIGHUP)
		s.eventually("allowed again", func() bool { return s.connect(good) == nil })
	})

	t.Run("the NATS server is killed and comes back", func(t *testing.T) {
		var back atomic.Int64
		const clients = 20
		for range clients {
			c, err := nats.Connect("nats://"+s.natsAddr, nats.Token(good), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
				nats.ReconnectWait(50*time.Millisecond), nats.ReconnectHandler(func(*nats.Conn) { back.Add(1) }))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		s.nats.end(syscall.SIGKILL)
		s.eventually("not ready", func() bool { return !isReady(first.http) })
		s.startNATS()
		s.eventually("ready", func() bool { return isReady(first.http) })
		s.eventually("all clients back", func() bool { return back.Load() >= clients })
		if err := s.connect(good); err != nil {
			t.Error(err)
		}
	})

	t.Run("a stop with a dead server is quick", func(t *testing.T) {
		s.nats.end(syscall.SIGKILL)
		began := time.Now()
		if code := first.end(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// load are clients that connect again and again.
type load struct {
	s        *system
	stop     chan struct{}
	clients  sync.WaitGroup
	connects atomic.Int64
	mu       sync.Mutex
	failed   []error
}

func (s *system) load(token string, clients int) *load {
	l := &load{s: s, stop: make(chan struct{})}
	for range clients {
		l.clients.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				err := s.connect(token)
				l.connects.Add(1)
				if err != nil {
					l.mu.Lock()
					l.failed = append(l.failed, err)
					l.mu.Unlock()
				}
			}
		})
	}
	return l
}

// wait lets a number of connects pass.
func (l *load) wait(more int64) {
	l.s.t.Helper()
	target := l.connects.Load() + more
	l.s.eventually("that many connects", func() bool { return l.connects.Load() >= target })
}

// end stops the clients and returns what failed.
func (l *load) end() []error {
	close(l.stop)
	l.clients.Wait()
	return l.failed
}
