package callout

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"harmony-callout/callout/callouttest"
)

// newLinkService prepares a service for a server that may not be there, without HTTP.
func newLinkService(t *testing.T, url string) *Service {
	t.Helper()
	return newSeededService(t, url, callouttest.NewSeeds(), nil)
}

func newSeededService(t *testing.T, url string, seeds callouttest.Seeds, logger *slog.Logger) *Service {
	t.Helper()
	dir := t.TempDir()
	if err := seeds.Write(dir); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.NATS.Servers, cfg.NATS.NKeySeedFile = []string{url}, filepath.Join(dir, "service.nk")
	cfg.Keys.AccountSeedFile = filepath.Join(dir, "account.nk")
	cfg.Zitadel.Issuer, cfg.Zitadel.ProjectID = "http://127.0.0.1:1", "42"
	cfg.Roles = []RoleConfig{{Role: "sensor", Account: "APP"}}
	cfg.HTTP.Listen = ""
	s, err := New(&cfg, logger)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func linkEventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never %s", what)
		}
	}
}

func TestAConnectionThatCannotBeMadeClosesTheOthers(t *testing.T) {
	server := callouttest.StartNATS(t, callouttest.NATSConfig{})
	s := newSeededService(t, server.URL(), server.Seeds(), nil)
	mistake := errors.New("no such option")
	var mu sync.Mutex
	var made int
	s.options = append(s.options, func(*nats.Options) error {
		mu.Lock()
		defer mu.Unlock()
		if made++; made == 3 {
			// The others first: they are what has to be closed.
			mu.Unlock()
			linkEventually(t, "connected", func() bool { return server.Server().NumClients() >= 3 })
			mu.Lock()
			return mistake
		}
		return nil
	})
	if err := s.Run(t.Context()); !errors.Is(err, mistake) {
		t.Fatalf("error %v, want %v", err, mistake)
	}
	linkEventually(t, "closed", func() bool { return server.Server().NumClients() == 0 })
	for _, l := range s.links {
		<-l.ended
	}
}

// blackHole accepts connections and says nothing, as a host that hangs.
func blackHole(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return "nats://" + ln.Addr().String()
}

func TestAServerThatHangsDelaysNeitherReadinessNorTheEnd(t *testing.T) {
	t.Parallel()
	s := newLinkService(t, blackHole(t))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	// For longer than the first attempt takes, readiness is asked again and again.
	for end := time.Now().Add(loginTimeout + 300*time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		began := time.Now()
		r := s.Readiness()
		if took := time.Since(began); took > loginTimeout/2 {
			t.Errorf("readiness took %s", took)
		}
		if r.Ready {
			t.Fatalf("ready: %s", r.Text)
		}
	}
	if text := s.Readiness().Text; !strings.HasPrefix(text, "not serving: nats: ") || !strings.Contains(text, "timeout") {
		t.Errorf("text %q, want one about a timeout", text)
	}
	began := time.Now()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > closeTimeout+time.Second {
		t.Errorf("the end took %s", took)
	}
	for _, l := range s.links { // and nothing stays behind
		select {
		case <-l.ended:
		case <-time.After(3 * loginTimeout):
			t.Error("a link runs on")
		}
	}
}

func TestAServiceStopsWhileItsFirstAttemptIsUnderWay(t *testing.T) {
	t.Parallel()
	s := newLinkService(t, blackHole(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > closeTimeout {
		t.Errorf("the end took %s", took)
	}
	for _, l := range s.links {
		<-l.ended
		l.mu.Lock()
		if !l.conn.IsClosed() {
			t.Error("a connection stays open")
		}
		l.mu.Unlock()
	}
}

func TestRepeatedFailuresAreLoggedOnce(t *testing.T) {
	var out bytes.Buffer
	l := (&Service{logger: slog.New(slog.NewTextHandler(&out, nil))}).newLink(0)
	refused, gone := errors.New("refused"), errors.New("gone")
	for range 100 {
		l.onFailure(refused)
		l.onFailure(gone)
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("%d records in a moment, want 1:\n%s", n, &out)
	}
	l.reportedAt = l.reportedAt.Add(-2 * linkReport)
	l.onFailure(refused)
	l.onFailure(gone)
	if n := strings.Count(out.String(), "\n"); n != 2 || !strings.Contains(out.String(), "gone") {
		t.Errorf("%d records, want another problem in the second:\n%s", n, &out)
	}
	l.note(nil)
	l.onFailure(gone)
	if n := strings.Count(out.String(), "\n"); n != 3 {
		t.Errorf("%d records, want one after a success:\n%s", n, &out)
	}
	if status := l.status(); status.serving || !errors.Is(status.problem, gone) {
		t.Errorf("status %+v", status)
	}
}

func TestALinkThatIsBeingClosedDoesNotSubscribe(t *testing.T) {
	server := callouttest.StartNATS(t, callouttest.NATSConfig{})
	s := newSeededService(t, server.URL(), server.Seeds(), nil)
	conn, err := connectNATS(&s.cfg.NATS, s.options)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	l := s.newLink(0)
	l.unsubscribe(t.Context())
	if err := l.begin(t.Context(), conn); err != nil || l.sub != nil || conn.NumSubscriptions() > 1 {
		t.Errorf("subscribed %v, %d subscriptions, error %v; a request that comes now would never be answered", l.sub != nil, conn.NumSubscriptions(), err)
	}
}

func TestALinkThatCannotLearnItsAccountAgainServesAndSaysSo(t *testing.T) {
	server := callouttest.StartNATS(t, callouttest.NATSConfig{})
	s := newSeededService(t, server.URL(), server.Seeds(), nil)
	l := s.newLink(0)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _ = l.run(ctx) }()
	linkEventually(t, "serving", func() bool { return l.status() == linkStatus{serving: true} })
	if own := s.handler.decider.ownAccount.Load(); own == nil || *own != callouttest.CalloutAccount {
		t.Errorf("own account %v, want %s", own, callouttest.CalloutAccount)
	}
	l.note(errors.New("no answer"))
	if status := l.status(); !status.serving || status.problem == nil {
		t.Errorf("status %+v, want one that serves with a problem", status)
	}
	l.wake <- struct{}{} // as after a reconnect: it is learnt again
	linkEventually(t, "healed", func() bool { return l.status() == linkStatus{serving: true} })
	cancel()
	<-l.ended
	l.close()
	linkEventually(t, "closed", func() bool { return server.Server().NumClients() == 0 })
}
