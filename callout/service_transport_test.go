package callout_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"harmony-callout/callout"
	"harmony-callout/callout/callouttest"
)

// lastDecision waits for the next decision after n bytes of the log.
func (h *harness) lastDecision(n int) map[string]any {
	h.t.Helper()
	eventually(h.t, "logged", func() bool { return len(decisions(h.logs.since(n))) > 0 })
	return decisions(h.logs.since(n))[0]
}

func TestTheServiceConnectsWithTLS(t *testing.T) {
	ca, err := callouttest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		verifyClients bool
		settings      string
		ready         bool
	}{
		"the server's authority":              {false, "caFile: ca.pem", true},
		"mutual":                              {true, "caFile: ca.pem, certFile: cert.pem, keyFile: key.pem", true},
		"mutual, without its own certificate": {true, "caFile: ca.pem", false},
		"an authority that it does not know":  {false, "", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, callouttest.NATSConfig{CA: ca, VerifyClients: tt.verifyClients}, callouttest.IssuerConfig{})
			if err := ca.WriteFiles(h.dir, "callout.callouttest"); err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(h.config(defaultRoles), "nats:\n", "nats:\n  tls: {"+tt.settings+"}\n", 1)
			if tt.ready {
				h.start(text)
				h.connect(h.token("s1", "sensor"), "s1")
				return
			}
			r := h.startUnready(text)
			r.readyz(503, "tls: ") // "certificate signed by unknown authority", "certificate required"
		})
	}
}

func TestTheServiceLogsInWithUserAndPassword(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
	key := h.nats.Seeds().ServiceKey()
	url := h.serve(func(conf string) string {
		conf = strings.Replace(conf, "{ nkey: "+key+" }", "{ user: callout, password: s3cret }", 1)
		return strings.Replace(conf, "auth_users: [ "+key+" ]", "auth_users: [ callout ]", 1)
	})
	writeFile(t, filepath.Join(h.dir, "password"), "s3cret\n")
	text := strings.Replace(h.config(defaultRoles), "nkeySeedFile: service.nk", "user: callout\n  passwordFile: password", 1)
	h.start(strings.Replace(text, h.nats.URL(), url, 1))
	c, err := nats.Connect(url, nats.Token(h.token("s1", "sensor")))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if strings.Contains(h.logs.String(), "s3cret") {
		t.Error("the password is in the log")
	}
}

// kinds are roles for one kind of connection each.
const kinds = `
roles:
  - {role: browser, account: APP, connectionTypes: [WEBSOCKET], publish: {allow: [x]}}
  - {role: device, account: APP, connectionTypes: [MQTT], publish: {allow: [x]}}
  - {role: bridge, account: APP, connectionTypes: [LEAFNODE], publish: {allow: [x]}}
  - {role: sensor, account: APP, publish: {allow: [x]}}
  - {role: here, account: APP, sources: ["127.0.0.0/8"], publish: {allow: [x]}}
  - {role: there, account: APP, sources: ["10.0.0.0/8"], publish: {allow: [x]}}
`

func TestARoleIsForItsKindsOfConnection(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{XKey: true, WebSocket: true, MQTT: true, Leafnode: true}, callouttest.IssuerConfig{})
	h.start(h.config(kinds))
	connect := map[string]func(token string) (in bool){
		"STANDARD": func(token string) bool { return h.letsIn(token) },
		"WEBSOCKET": func(token string) bool {
			c, err := nats.Connect(h.nats.WebSocketURL(), nats.Token(token), nats.Timeout(5*time.Second))
			if err == nil {
				c.Close()
			}
			return err == nil
		},
		"MQTT":     func(token string) bool { return mqttConnect(t, h.nats.MQTTAddr(), token) == 0 },
		"LEAFNODE": h.leafnode,
	}
	for role, allowed := range map[string]string{
		"browser": "WEBSOCKET", "device": "MQTT", "bridge": "LEAFNODE",
		"sensor": "STANDARD WEBSOCKET MQTT", // a leafnode has to be named
	} {
		for kind, try := range connect {
			t.Run(role+" by "+kind, func(t *testing.T) {
				before := h.logs.len()
				want := strings.Contains(allowed, kind)
				if in := try(h.token(role+"-"+kind, role)); in != want {
					t.Errorf("let in %v, want %v", in, want)
				}
				d := h.lastDecision(before)
				if d["connection_type"] != kind || !want && d["reason"] != "connection_type" || want && d["result"] != "allowed" {
					t.Errorf("decision %v", d)
				}
			})
		}
	}
}

// mqttConnect logs in as an MQTT 3.1.1 client with the token as password and returns the code
// of CONNACK: 0 accepted, 5 not authorized.
func mqttConnect(t *testing.T, addr, token string) byte {
	t.Helper()
	field := func(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }
	body := append(field("MQTT"), 4, 0b1100_0010, 0, 60) // level, user name + password + clean session, keep alive
	for _, s := range []string{"device-1", "anybody", token} {
		body = append(body, field(s)...)
	}
	packet := []byte{1 << 4} // CONNECT
	for n := len(body); ; {
		digit := byte(n % 128)
		if n /= 128; n > 0 {
			packet = append(packet, digit|128)
			continue
		}
		packet = append(packet, digit)
		break
	}
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(append(packet, body...)); err != nil {
		t.Fatal(err)
	}
	var ack [4]byte
	if _, err := io.ReadFull(c, ack[:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return 5 // closed without a word
		}
		t.Fatal(err)
	}
	if ack[0] != 2<<4 {
		t.Fatalf("answer %x, want CONNACK", ack)
	}
	return ack[3]
}

// leafnode connects another server with the token in its URL, and tells whether it got in.
func (h *harness) leafnode(token string) bool {
	h.t.Helper()
	before := h.logs.len()
	var opts server.Options
	conf := fmt.Sprintf(`listen: "127.0.0.1:-1", leafnodes { reconnect: "30s", remotes: [ { url: "nats-leaf://leaf:%s@%s" } ] }`, token, h.nats.LeafnodeAddr())
	if err := opts.ProcessConfigString(conf); err != nil {
		h.t.Fatal(err)
	}
	opts.NoLog, opts.NoSigs = true, true
	s, err := server.NewServer(&opts)
	if err != nil {
		h.t.Fatal(err)
	}
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if h.lastDecision(before)["result"] != "allowed" {
		return s.NumLeafNodes() > 0
	}
	eventually(h.t, "joined", func() bool { return s.NumLeafNodes() > 0 })
	return true
}

func TestARoleIsForItsAddresses(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
	h.start(h.config(kinds))
	h.connect(h.token("s1", "here"), "s1")
	if reason := h.refused(h.token("s2", "there")); reason != "source" {
		t.Errorf("reason %s, want source", reason)
	}
	h.connect(h.token("s3", "there", "here"), "s3") // one that fits is enough
}

func TestTheUserOfCONNECTPicksAnAccount(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{XKey: true}, callouttest.IssuerConfig{})
	h.start(h.config(defaultRoles))
	both, one := h.token("s1", "guest", "sensor"), h.token("s2", "sensor")
	tests := map[string]struct{ user, token, account, reason string }{
		"none: the first configured":         {"", both, "APP", ""},
		"one of them":                        {"OTHER", both, "OTHER", ""},
		"the first":                          {"APP", both, "APP", ""},
		"anything else is ignored":           {"somebody", both, "APP", ""},
		"an account that no role configures": {"SYS", both, "APP", ""},
		"an account without a granted role":  {"OTHER", one, "", "account_not_granted"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := h.logs.len()
			c, err := h.nats.ConnectWith(nats.UserInfo(tt.user, tt.token), nats.CustomInboxPrefix("_INBOX_s1"))
			if err == nil {
				defer c.Close()
			}
			d := h.lastDecision(before)
			account, _ := d["account"].(string)
			reason, _ := d["reason"].(string)
			if account != tt.account || reason != tt.reason || (err == nil) != (reason == "") {
				t.Errorf("account %q, reason %q, error %v; want %q, %q", account, reason, err, tt.account, tt.reason)
			}
		})
	}
}

func TestAClientIsDisconnectedWhenItsTokenOrItsRoleEnds(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
	h.start(h.config(`
roles:
  - {role: sensor, account: APP, publish: {allow: [x]}}
  - {role: brief, account: APP, maxTTL: 2s, publish: {allow: [x]}}
`))
	for name, token := range map[string]string{
		"exp":    h.issuer.Token(callouttest.TokenSpec{Subject: "s1", Roles: []string{"sensor"}, TTL: 3 * time.Second}),
		"maxTTL": h.token("s2", "brief"),
		"both":   h.token("s3", "sensor", "brief"), // the smaller counts
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 4)
			c, err := h.nats.Connect(token, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { ended <- err }))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			select {
			case err := <-ended:
				if !errors.Is(err, nats.ErrAuthExpired) {
					t.Errorf("ended by %v, want %v", err, nats.ErrAuthExpired)
				}
				eventually(t, "closed", c.IsClosed)
			case <-time.After(20 * time.Second):
				t.Error("it stays connected")
			}
		})
	}
}

func TestTheCalloutsOwnAccountIsNeverGranted(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{XKey: true, AllowedAccounts: []string{"APP", "OTHER", "AUTH"}}, callouttest.IssuerConfig{})
	h.start(h.config(`
roles:
  - {role: spy, account: AUTH, subscribe: {allow: [">"]}}
  - {role: sensor, account: APP, publish: {allow: [x]}}
`))
	if reason := h.refused(h.token("s1", "spy")); reason != "no_role" {
		t.Errorf("reason %s, want no_role", reason)
	}
	if reason := h.refused(h.token("s1", "spy"), nats.UserInfo("AUTH", "")); reason == "" {
		t.Error("no reason for one who names the account")
	}
	before := h.logs.len()
	h.connect(h.token("s2", "spy", "sensor"), "s2")
	if d := h.lastDecision(before); d["account"] != "APP" {
		t.Errorf("decision %v", d)
	}
	if !strings.Contains(h.logs.String(), "roles name the callout's own account") {
		t.Error("not logged")
	}
}

func TestAForbiddenAccountIsNoValidConfiguration(t *testing.T) {
	h := newHarness(t, callouttest.NATSConfig{}, callouttest.IssuerConfig{})
	for _, text := range []string{
		strings.ReplaceAll(defaultRoles, "account: OTHER", "account: SYS"),
		strings.ReplaceAll(defaultRoles, "account: OTHER", "account: $SYS"),
		defaultRoles + "forbiddenAccounts: [OTHER]\n",
	} {
		_, _, err := callout.Parse(filepath.Join(h.dir, "callout.yaml"), []byte(h.config(text)), nil)
		if err == nil || !strings.Contains(err.Error(), "roles[2].account") || !strings.Contains(err.Error(), "forbiddenAccounts") {
			t.Errorf("error %v", err)
		}
	}
}
