package callout_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"harmony-callout/callout/callouttest"
)

// load are clients that connect again and again until they are stopped.
type load struct {
	stop             chan struct{}
	clients          sync.WaitGroup
	connects, failed atomic.Int64
}

// connectInLoops starts clients with a token each.
func (h *harness) connectInLoops(clients int) *load {
	l := &load{stop: make(chan struct{})}
	for i := range clients {
		token := h.token("s"+strconv.Itoa(i), "sensor")
		l.clients.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				c, err := h.nats.Connect(token, nats.Timeout(30*time.Second))
				l.connects.Add(1)
				if err != nil {
					l.failed.Add(1)
					continue
				}
				c.Close()
			}
		})
	}
	return l
}

// wait lets a number of connects pass.
func (l *load) wait(t *testing.T, more int64) {
	t.Helper()
	target := l.connects.Load() + more
	eventually(t, "that many connects", func() bool { return l.connects.Load() >= target })
}

func (l *load) end() { close(l.stop); l.clients.Wait() }

// patient lets requests wait for as long as a server does: what is tested is that none gets
// lost, not how fast a busy machine is.
const patient = defaultRoles + "admission: {maxAge: 1800ms}\n"

func TestOneOfTwoCalloutsIsStoppedWithoutAFailedConnect(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{XKey: true}, callouttest.IssuerConfig{})
	first, second := h.start(h.config(patient)), h.start(h.config(patient))
	// 200 of them keep two cores busy for longer than servers wait, if these cores do all else
	// besides; a few at a time say as much about what gets lost.
	l := h.connectInLoops(12)
	l.wait(t, 100)
	first.stop()
	l.wait(t, 100)
	l.end()
	if n := l.failed.Load(); n > 0 {
		t.Errorf("%d of %d connects failed", n, l.connects.Load())
	}
	if code, text := second.get("/readyz"); code != http.StatusOK {
		t.Errorf("the other is %d %q", code, text)
	}
	if r := first.Readiness(); r.Ready || r.Text != "draining" {
		t.Errorf("the one that was stopped is %+v", r)
	}
}

func TestWhatAStoppedCalloutHasReceivedIsAnswered(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
	r := h.start(h.config(patient))
	service, err := h.nats.ConnectService()
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	wire := callouttest.NewWire(h.nats.Seeds())
	const requests = 300
	var answered, unanswerable atomic.Int64
	inbox := service.NewInbox()
	if _, err := service.Subscribe(inbox+".*", func(msg *nats.Msg) {
		if msg.Header.Get("Status") == "503" { // nobody subscribes any more
			unanswerable.Add(1)
			return
		}
		answered.Add(1)
	}); err != nil {
		t.Fatal(err)
	}
	prepared := make([]*nats.Msg, requests)
	for i := range prepared {
		prepared[i] = wire.Request(callouttest.RequestSpec{
			Token: h.token("s"+strconv.Itoa(i%10), "sensor"), Expires: time.Now().Add(time.Minute),
		}).Msg(inbox + "." + strconv.Itoa(i))
	}
	for i, msg := range prepared {
		if err := service.PublishMsg(msg); err != nil {
			t.Fatal(err)
		}
		if i == requests/2 {
			eventually(t, "in the middle of answering", func() bool { return answered.Load() > 0 })
			go r.stop()
		}
	}
	r.stop()
	// A machine that is too slow for so many at once drops some, and counts them.
	dropped := loggedDrops(h.logs.String())
	eventually(t, "each answered or told that nobody is there", func() bool { return answered.Load()+unanswerable.Load()+dropped == requests })
	if answered.Load() == 0 {
		t.Error("none was answered: the test does not test it")
	}
}

// loggedDrops adds up what a log says of dropped requests.
func loggedDrops(log string) (n int64) {
	for line := range strings.Lines(log) {
		var record struct{ Dropped int64 }
		if json.Unmarshal([]byte(line), &record) == nil {
			n += record.Dropped
		}
	}
	return n
}

// TestStoppingIsBounded has stops that have nothing good to wait for.
func TestStoppingIsBounded(t *testing.T) {
	tests := map[string]func(h *harness){
		"the NATS server is dead": func(h *harness) { h.nats.Stop() },
		"the issuer hangs, and clients wait for it": func(h *harness) {
			h.issuer.Lie(callouttest.JWKSPath, callouttest.Hang())
			before := h.issuer.JWKSFetches()
			kid := h.issuer.Rotate()
			h.issuer.Withhold(kid)
			for range 10 {
				token := h.token("s1", "sensor")
				go func() {
					if c, err := h.nats.Connect(token); err == nil {
						c.Close()
					}
				}()
			}
			eventually(h.t, "asked", func() bool { return h.issuer.JWKSFetches() > before })
		},
		"both": func(h *harness) {
			h.issuer.Lie(callouttest.JWKSPath, callouttest.Hang())
			h.nats.Stop()
		},
	}
	for name, happens := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
			r := h.start(h.config(defaultRoles))
			happens(h)
			began := time.Now()
			r.stop()
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("the stop took %s", took)
			}
			if !strings.Contains(h.logs.String(), `"msg":"stopped"`) {
				t.Errorf("not logged:\n%s", h.logs)
			}
		})
	}
}
