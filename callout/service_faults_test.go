package callout_test

import (
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

// impatient is an issuer whose keys have to be looked at every second.
var impatient = callouttest.IssuerConfig{MaxAge: time.Second}

func TestTokensOfANewKeyGetInAtOnce(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{XKey: true}, callouttest.IssuerConfig{})
	h.start(h.config(defaultRoles))
	former := h.token("s1", "sensor")
	h.connect(former, "s1")
	h.issuer.Rotate()
	h.connect(h.token("s2", "sensor"), "s2")
	h.connect(former, "s1") // the former key is still published
}

func TestTokensOfARemovedKeyAreRefusedAfterTheNextRefresh(t *testing.T) {
	t.Parallel()
	h := newHarness(t, callouttest.NATSConfig{}, impatient)
	h.start(quickKeys(h.config(defaultRoles)))
	kid := h.issuer.ActiveKey()
	seen, unseen := h.token("s1", "sensor"), h.token("s2", "sensor")
	h.connect(seen, "s1")
	h.issuer.RemoveKey(kid)
	eventually(t, "refused, though it was verified before", func() bool { return !h.letsIn(seen) })
	eventually(t, "logged", func() bool { return strings.Contains(h.logs.String(), "unknown_key") })
	for _, token := range []string{seen, unseen} {
		if reason := h.refused(token); reason != "unknown_key" {
			t.Errorf("reason %s, want unknown_key", reason)
		}
	}
	h.connect(h.token("s1", "sensor"), "s1") // the key that took over
}

func TestAKeyThatIsPublishedLateIsFound(t *testing.T) {
	t.Parallel()
	h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
	h.start(quickKeys(h.config(defaultRoles)))
	kid := h.issuer.Rotate()
	h.issuer.Withhold(kid)
	token := h.token("s1", "sensor")
	if reason := h.refused(token); reason != "unknown_key" {
		t.Errorf("reason %s, want unknown_key", reason)
	}
	fetched := h.issuer.JWKSFetches()
	h.issuer.Publish(kid)
	eventually(t, "let in", func() bool { return h.letsIn(token) })
	if more := h.issuer.JWKSFetches() - fetched; more != 1 {
		t.Errorf("%d more fetches for one new key, want 1", more)
	}
}

func TestASlowIssuerDelaysNobodyWhoseKeyIsKnown(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{XKey: true}, callouttest.IssuerConfig{})
	h.start(h.config(defaultRoles))
	good := h.token("s1", "sensor")
	h.issuer.SetLatency(3 * time.Second)
	unknown := h.issuer.Token(callouttest.TokenSpec{Roles: []string{"sensor"}, Header: map[string]any{"kid": "unseen"}})

	refused := make(chan string, 1)
	go func() {
		_, err := h.nats.Connect(unknown)
		if err == nil {
			t.Error("a token of an unknown key got in")
		}
		refused <- reasonIn(h.logs.String())
	}()
	eventually(t, "asked", func() bool { return h.issuer.JWKSFetches() == 2 })
	for i := range 20 {
		// None of them is the first to be seen, so that each has its signature checked.
		user := "s" + strconv.Itoa(i)
		h.connect(h.token(user, "sensor"), user)
	}
	h.connect(good, "s1")
	if reason := reasonIn(h.logs.String()); strings.Contains(reason, "unavailable") {
		t.Error("the slow issuer was given up before the good clients were in: the test is too slow to say anything")
	}
	<-refused
	// The refusal came from the callout, before the server lost its patience after 2 s.
	eventually(t, "logged", func() bool { return strings.Contains(h.logs.String(), `"reason":"issuer_unavailable"`) })
}

func TestAnIssuerThatLiesIsNotBelieved(t *testing.T) {
	tests := map[string]struct {
		lie  func(*callouttest.Issuer)
		text string // what /readyz says
	}{
		"another issuer in discovery": {func(i *callouttest.Issuer) {
			i.LieInDiscovery(func(doc map[string]any) { doc["issuer"] = "http://evil.example" })
		}, "the issuer calls itself"},
		"keys at another host": {func(i *callouttest.Issuer) {
			i.LieInDiscovery(func(doc map[string]any) { doc["jwks_uri"] = "http://evil.example/keys" })
		}, "is not at the issuer"},
		"a redirect of discovery": {func(i *callouttest.Issuer) {
			i.Lie(callouttest.DiscoveryPath, http.RedirectHandler("http://evil.example/", http.StatusFound))
		}, "redirects to"},
		"a redirect of the keys": {func(i *callouttest.Issuer) {
			i.Lie(callouttest.JWKSPath, http.RedirectHandler("/elsewhere", http.StatusTemporaryRedirect))
		}, "redirects to"},
		"garbage as discovery": {func(i *callouttest.Issuer) { i.Lie(callouttest.DiscoveryPath, callouttest.Garbage()) }, "parse"},
		"garbage as keys":      {func(i *callouttest.Issuer) { i.Lie(callouttest.JWKSPath, callouttest.Garbage()) }, "get "},
		"a huge discovery": {func(i *callouttest.Issuer) {
			i.Lie(callouttest.DiscoveryPath, callouttest.Oversized(1<<20))
		}, "too large"},
		"huge keys":       {func(i *callouttest.Issuer) { i.Lie(callouttest.JWKSPath, callouttest.Oversized(1<<20)) }, "too large"},
		"no keys":         {func(i *callouttest.Issuer) { i.Lie(callouttest.JWKSPath, callouttest.EmptyKeySet()) }, "publishes none"},
		"a dead database": {func(i *callouttest.Issuer) { i.SetDown(true) }, "status 500"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, callouttest.NATSConfig{}, impatient)
			tt.lie(h.issuer)
			r := h.startUnready(quickKeys(h.config(defaultRoles)))
			r.readyz(http.StatusServiceUnavailable, tt.text)
			if h.letsIn(h.token("s1", "sensor")) {
				t.Error("a client got in")
			}
			h.issuer.Lie(callouttest.DiscoveryPath, nil)
			h.issuer.Lie(callouttest.JWKSPath, nil)
			h.issuer.SetDown(false)
			r.readyz(http.StatusOK, "ok")
			h.connect(h.token("s1", "sensor"), "s1")
		})
	}
}

func TestAnIssuerThatIsDeadAtTheStartHealsByItself(t *testing.T) {
	t.Parallel()
	h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
	h.issuer.Stop()
	r := h.startUnready(h.config(defaultRoles))
	r.readyz(http.StatusServiceUnavailable, "no usable keys: get "+h.issuer.URL()+callouttest.DiscoveryPath)
	r.readyz(http.StatusServiceUnavailable, "connection refused")
	if reason := h.refused(h.token("s1", "sensor")); reason != "issuer_unavailable" {
		t.Errorf("reason %s, want issuer_unavailable", reason)
	}
	if err := h.issuer.Start(); err != nil {
		t.Fatal(err)
	}
	r.readyz(http.StatusOK, "ok")
	h.connect(h.token("s1", "sensor"), "s1")
}

func TestKnownKeysOutliveAnIssuerThatDies(t *testing.T) {
	t.Parallel()
	h := newHarness(t, callouttest.NATSConfig{}, impatient)
	r := h.start(quickKeys(h.config(defaultRoles)))
	seen, unseen := h.token("s1", "sensor"), h.token("s2", "sensor")
	h.connect(seen, "s1")
	h.issuer.Stop()
	r.readyz(http.StatusOK, "degraded: get ")
	h.connect(seen, "s1")
	h.connect(unseen, "s2")
	h.issuer.Rotate()
	if reason := h.refused(h.token("s3", "sensor")); reason != "issuer_unavailable" {
		t.Errorf("reason %s, want issuer_unavailable", reason)
	}
	if err := h.issuer.Start(); err != nil {
		t.Fatal(err)
	}
	r.readyz(http.StatusOK, "ok")
	h.connect(h.token("s3", "sensor"), "s3")
}

func TestAFloodOfUnknownKeysCausesFewFetchesAndKeepsNobodyOut(t *testing.T) {
	const flood = 2000
	h := newHarness(t, callouttest.NATSConfig{XKey: true}, callouttest.IssuerConfig{})
	r := h.start(h.config(patient))
	service, err := h.nats.ConnectService()
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	// The requests come from a server of the same configuration, ready to be sent at once.
	wire := callouttest.NewWire(h.nats.Seeds())
	requests := make([]*nats.Msg, flood)
	var answers atomic.Int64
	inbox := service.NewInbox()
	if _, err := service.Subscribe(inbox, func(*nats.Msg) { answers.Add(1) }); err != nil {
		t.Fatal(err)
	}
	for i := range requests {
		token := h.issuer.Token(callouttest.TokenSpec{
			SignWith: []byte("x"), Header: map[string]any{"alg": "RS256", "kid": "unknown-" + strconv.Itoa(i)},
		})
		requests[i] = wire.Request(callouttest.RequestSpec{Token: token, Expires: time.Now().Add(time.Minute)}).Msg(inbox)
	}
	h.issuer.SetLatency(100 * time.Millisecond)
	fetched := h.issuer.JWKSFetches()
	for _, request := range requests {
		if err := service.PublishMsg(request); err != nil {
			t.Fatal(err)
		}
	}
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for j := range 5 {
				// On a machine that is busy with the flood itself the server may give up: a client
				// then tries again, as clients do.
				user := "s" + strconv.Itoa(10*i+j)
				token, end := h.token(user, "sensor"), time.Now().Add(20*time.Second)
				for !h.letsIn(token) {
					if time.Now().After(end) {
						t.Errorf("%s is kept out", user)
						return
					}
				}
			}
		})
	}
	clients.Wait()
	// Such a machine drops requests, too, none of which is forgotten.
	eventually(t, "answered or dropped", func() bool { return answers.Load()+r.dropped() >= flood })
	if n := h.issuer.JWKSFetches() - fetched; n > 3 {
		t.Errorf("%d fetches for %d unknown keys, want at most 3", n, flood)
	}
}

// dropped is how many requests were dropped unanswered, for whatever cause.
func (r *running) dropped() (n int64) {
	r.t.Helper()
	_, metrics := r.get("/metrics")
	for line := range strings.Lines(metrics) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(name, "callout_dropped_total{") {
			one, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				r.t.Fatal(err)
			}
			n += one
		}
	}
	return n
}
