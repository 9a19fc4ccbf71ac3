package callout_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"harmony-callout/callout/callouttest"
)

// attackRoles put what a user may call himself into subjects.
const attackRoles = defaultRoles + `
  - role: named
    account: APP
    publish:   {allow: ["users.{username}.>"]}
    subscribe: {allow: ["{username}.in"]}
  - role: plant
    account: APP
    sources: ["10.0.0.0/8"]
    publish: {allow: ["plant"]}
deny: {users: [banned], tokens: [stolen]}
`

func TestEveryAttackIsRefusedForItsOwnReasonAndToldNothing(t *testing.T) {
	var asked atomic.Int32
	keyServer := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer keyServer.Close()
	h := newHarness(t, callouttest.NATSConfig{XKey: true}, callouttest.IssuerConfig{})
	list := attacks(h, keyServer.URL)
	// Only assertions are of a kind that the attacker could hope for beside access tokens.
	h.start(strings.Replace(h.config(attackRoles), "zitadel:\n", "zitadel:\n  credentials: [jwt]\n", 1))

	good := h.token("s1", "sensor")
	h.connect(good, "s1")
	for range 2 { // the second time some come from the cache of refused tokens
		for _, a := range list {
			if reason := h.refused(a.token); reason != a.reason {
				t.Errorf("%s: reason %q, want %q\n%s", a.name, reason, a.reason, lastLine(h.logs.String()))
			}
		}
	}
	mayPublish(t, h.connect(good, "s1"), "telemetry.s1.x", true)
	mayPublish(t, h.connect(h.token("s2", "sensor"), "s2"), "telemetry.s1.x", false)

	if n := asked.Load(); n != 0 {
		t.Errorf("the attacker's key server was asked %d times", n)
	}
	log := h.logs.String()
	for _, a := range append(list, attack{name: "the good token", token: good}) {
		for _, part := range strings.Split(strings.TrimRight(a.token, "=\n"), ".") {
			// The headers of good and bad tokens are alike and say nothing.
			if len(part) > 24 && strings.Contains(log, part[len(part)-24:]) {
				t.Errorf("%s: a part of the token is in the log", a.name)
			}
		}
	}
}

func lastLine(log string) string {
	log = strings.TrimSpace(log)
	return log[strings.LastIndexByte(log, '\n')+1:]
}

func TestATokenOf60KBGetsInWhereItsRoleDoes(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{XKey: true}, callouttest.IssuerConfig{})
	h.start(h.config(defaultRoles))
	token := h.issuer.Token(callouttest.TokenSpec{Subject: "s1", Roles: []string{"sensor"}, Claims: map[string]any{"x": strings.Repeat("x", 44_000)}})
	if len(token) < 58_000 {
		t.Fatalf("a token of %d bytes", len(token))
	}
	mayPublish(t, h.connect(token, "s1"), "telemetry.s1.x", true)
}

func TestAHeaderCannotForgeTheClientsAddress(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{XKey: true, WebSocket: true}, callouttest.IssuerConfig{})
	h.start(h.config(attackRoles))
	before := h.logs.len()
	c, err := nats.Connect(h.nats.WebSocketURL(), nats.Token(h.token("p1", "plant")), nats.NoReconnect(), nats.Timeout(5*time.Second),
		nats.WebSocketConnectionHeaders(http.Header{"X-Forwarded-For": {"10.1.2.3"}}))
	if err == nil {
		c.Close()
		t.Fatal("got in by X-Forwarded-For")
	}
	eventually(t, "logged", func() bool { return reasonIn(h.logs.since(before)) != "" })
	if reason := reasonIn(h.logs.since(before)); reason != "source" {
		t.Errorf("reason %q\n%s", reason, h.logs)
	}
}

func TestNothingIsAllowedThatNoRoleAllowsAlsoBesideResponses(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{XKey: true}, callouttest.IssuerConfig{})
	h.start(h.config(`
roles:
  - {role: nothing, account: APP}
  - {role: service, account: APP, subscribe: {allow: ["svc.{user}"]}, responses: {max: 1, ttl: 30s}}
  - {role: caller, account: APP, publish: {allow: ["svc.>"]}, subscribe: {allow: ["_INBOX_{user}.>"]}}
  - {role: denied, account: APP, publish: {deny: ["x"]}, subscribe: {deny: ["x"]}}
`))
	for _, role := range []string{"nothing", "denied"} {
		c := h.connect(h.token("n1", role), "n1")
		mayPublish(t, c, "x", false)
		mayPublish(t, c, "y", false)
		maySubscribe(t, c, "y", false)
		maySubscribe(t, c, ">", false)
		maySubscribe(t, c, "_INBOX_n1.>", false)
	}
	service, caller := h.connect(h.token("s1", "service"), "s1"), h.connect(h.token("c1", "caller"), "c1")
	replies := make(chan string, 1)
	if _, err := service.Subscribe("svc.s1", func(m *nats.Msg) { replies <- m.Reply; _ = m.Respond([]byte("done")) }); err != nil {
		t.Fatal(err)
	}
	if err := service.Flush(); err != nil {
		t.Fatal(err)
	}
	answer, err := caller.Request("svc.s1", []byte("do"), 5*time.Second)
	if err != nil || string(answer.Data) != "done" {
		t.Fatalf("the one answer: %v, %v", answer, err)
	}
	mayPublish(t, service, <-replies, false) // a second one
	mayPublish(t, service, "svc.s1", false)
	mayPublish(t, service, "anything", false)
}

func TestAServerWhoseKeysAreNotOursLetsNobodyIn(t *testing.T) {
	for name, tt := range map[string]struct {
		server callouttest.NATSConfig
		edit   func(h *harness, config string) string
		reason string
	}{
		"the server seals, the callout has no xkey": {callouttest.NATSConfig{XKey: true}, func(h *harness, config string) string {
			return strings.Replace(config, "xkeySeedFile: xkey.nk", "", 1)
		}, "malformed_request"},
		"the server does not seal, the callout has an xkey": {callouttest.NATSConfig{}, func(h *harness, config string) string {
			h.writeSeeds("other-", callouttest.NewSeeds())
			return strings.Replace(config, "account.nk, ", "account.nk, xkeySeedFile: other-xkey.nk", 1)
		}, "not_sealed"},
		"the server seals for another xkey": {callouttest.NATSConfig{XKey: true}, func(h *harness, config string) string {
			h.writeSeeds("other-", callouttest.NewSeeds())
			return strings.Replace(config, "xkeySeedFile: xkey.nk", "xkeySeedFile: other-xkey.nk", 1)
		}, "malformed_request"},
		"the server's issuer is another account": {callouttest.NATSConfig{XKey: true}, func(h *harness, config string) string {
			h.writeSeeds("other-", callouttest.NewSeeds())
			return strings.Replace(config, "accountSeedFile: account.nk", "accountSeedFile: other-account.nk", 1)
		}, "malformed_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // an unanswered client waits for 2 s
			h := newHarness(t, tt.server, callouttest.IssuerConfig{})
			h.start(tt.edit(h, h.config(defaultRoles)))
			if reason := h.refused(h.token("s1", "sensor")); reason != tt.reason {
				t.Errorf("reason %q, want %q\n%s", reason, tt.reason, h.logs)
			}
		})
	}
}

// writeSeeds writes seeds beside the server's own, with a prefix before their names.
func (h *harness) writeSeeds(prefix string, seeds callouttest.Seeds) {
	h.t.Helper()
	for name, seed := range map[string][]byte{"account.nk": seeds.Account, "xkey.nk": seeds.XKey} {
		writeFile(h.t, filepath.Join(h.dir, prefix+name), string(seed))
	}
}

func TestAForgedRequestOfAClientNeverReachesTheCallout(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{XKey: true}, callouttest.IssuerConfig{})
	h.start(h.config(strings.Replace(defaultRoles, `allow: ["commands.>"]`, `allow: [">"]`, 1)))
	wire := callouttest.NewWire(h.nats.Seeds())
	before := h.logs.len()
	system, err := h.nats.ConnectSystem()
	if err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	for name, c := range map[string]*nats.Conn{
		"a client that may publish everything": h.connect(h.token("o1", "operator"), "o1"), "a user of the system account": system,
	} {
		c.SetErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
		request := wire.Request(callouttest.RequestSpec{Token: h.token("x1", "sensor")})
		if err := c.PublishMsg(request.Msg("_INBOX_o1.answer")); err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	h.connect(h.token("s1", "sensor"), "s1") // a decision after all of these
	eventually(t, "decided", func() bool { return strings.Contains(h.logs.since(before), `"s1"`) })
	for _, d := range decisions(h.logs.since(before)) {
		if d["user"] == "x1" || d["server_id"] == wire.ServerID() {
			t.Errorf("a forged request was decided about: %v", d)
		}
	}
}

// Whoever holds the callout's own credentials can ask it, as a server would. What comes back
// is a user JWT, which a server in config mode takes from nobody but the callout.
func TestAUserJWTInTheWrongHandsIsNoCredential(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
	h.start(h.config(defaultRoles))
	service, err := h.nats.ConnectService()
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := user.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	request := callouttest.NewWire(h.nats.Seeds()).Request(callouttest.RequestSpec{Token: h.token("x1", "sensor"), UserNkey: public})
	answer, err := service.RequestMsg(request.Msg(""), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := request.Open(answer.Data); err != nil || response.User == nil {
		t.Fatalf("%+v, %v", response, err)
	}
	stolen, err := jwt.DecodeAuthorizationResponseClaims(string(answer.Data))
	if err != nil {
		t.Fatal(err)
	}
	reason := h.refused("", nats.UserJWT(func() (string, error) { return stolen.Jwt, nil }, user.Sign))
	if reason != "no_credential" {
		t.Errorf("reason %q", reason)
	}
}
