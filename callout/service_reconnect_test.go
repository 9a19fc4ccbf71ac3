package callout_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"harmony-callout/callout/callouttest"
)

func TestACalloutComesBackWithItsServer(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{XKey: true}, callouttest.IssuerConfig{})
	r := h.start(h.config(defaultRoles))

	// Clients as they are in production: they come back by themselves, with the token they have.
	const clients = 20
	var back atomic.Int64
	for i := range clients {
		user := "s" + strconv.Itoa(i)
		c, err := h.nats.Connect(h.token(user, "sensor"), nats.CustomInboxPrefix("_INBOX_"+user),
			func(o *nats.Options) error { o.AllowReconnect = true; return nil },
			nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(20*time.Millisecond, 0),
			nats.IgnoreAuthErrorAbort(), nats.ReconnectHandler(func(*nats.Conn) { back.Add(1) }))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
	}
	former := h.nats.ServerID()
	h.nats.Stop()
	r.readyz(http.StatusServiceUnavailable, "not serving: nats: ")
	if err := h.nats.Start(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r.eventually("ready", func() bool { return r.Readiness().Ready })
	// Tens of milliseconds; the bound leaves room for a machine that does much else. With the
	// client library's own delay it would be two seconds and more.
	if took := time.Since(began); took > 1500*time.Millisecond {
		t.Errorf("back after %s", took)
	}
	if h.nats.ServerID() == former {
		t.Fatal("the server has its former identity: the test does not test it")
	}
	eventually(t, "all clients back", func() bool { return back.Load() >= clients })
	h.connect(h.token("new", "sensor"), "new")
	r.readyz(http.StatusOK, "ok")
}

func TestACalloutWaitsForAServerThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
	h.nats.Stop()
	r := h.startUnready(h.config(defaultRoles))
	r.readyz(http.StatusServiceUnavailable, "not serving: nats: ")
	eventually(t, "logged", func() bool { return strings.Contains(h.logs.String(), "connection does not serve") })
	if err := h.nats.Start(); err != nil {
		t.Fatal(err)
	}
	r.readyz(http.StatusOK, "ok")
	h.connect(h.token("s1", "sensor"), "s1")
}

// TestAServiceWhoseLoginIsRefusedSaysSo starts a service with the wrong nkey, on a server that is
// there from the start and on one that comes later: the client library tells of the two in
// different ways.
func TestAServiceWhoseLoginIsRefusedSaysSo(t *testing.T) {
	const hint = "is not a user of the callout's account that auth_callout.auth_users names"
	for name, late := range map[string]bool{"from the start": false, "once the server is there": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
			foreign := callouttest.NewSeeds()
			writeFile(t, h.dir+"/service.nk", string(foreign.Service))
			if late {
				h.nats.Stop()
			}
			r := h.startUnready(h.config(defaultRoles))
			if late {
				r.readyz(http.StatusServiceUnavailable, "not serving: nats: ")
				if err := h.nats.Start(); err != nil {
					t.Fatal(err)
				}
			}
			r.readyz(http.StatusServiceUnavailable, hint)
			eventually(t, "logged", func() bool { return strings.Contains(h.logs.String(), hint) })
			if n := strings.Count(h.logs.String(), hint); n > 2*4 {
				t.Errorf("logged %d times by four connections", n)
			}
		})
	}
}

func TestAServiceUserWhomAuthUsersDoesNotNameSaysSo(t *testing.T) {
	t.Parallel()
	h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
	// The server asks the callout about such a user, who is the callout.
	url := h.serve(func(conf string) string {
		key := h.nats.Seeds().ServiceKey()
		conf = strings.Replace(conf, "auth_users: [ "+key+" ]", "auth_users: [ "+callouttest.NewSeeds().ServiceKey()+" ]", 1)
		return strings.Replace(conf, "allowed_accounts: [ APP,", "allowed_accounts: [ AUTH, APP,", 1)
	})
	r := h.startUnready(strings.Replace(h.config(defaultRoles), h.nats.URL(), url, 1))
	r.readyz(http.StatusServiceUnavailable, "auth_callout.auth_users")
}
