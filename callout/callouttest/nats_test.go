package callouttest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func TestServersOfEveryKindStartAndLetTheirStaticUsersIn(t *testing.T) {
	ca, err := NewCA()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		cfg NATSConfig
	}{
		"plain":              {NATSConfig{}},
		"sealed":             {NATSConfig{XKey: true}},
		"with JetStream":     {NATSConfig{JetStream: true}},
		"with WebSocket":     {NATSConfig{WebSocket: true}},
		"with MQTT":          {NATSConfig{MQTT: true}},
		"with leafnodes":     {NATSConfig{Leafnode: true}},
		"with all of it":     {NATSConfig{XKey: true, MQTT: true, WebSocket: true, Leafnode: true, AuthTimeout: 1500 * time.Millisecond}},
		"with TLS":           {NATSConfig{CA: ca, WebSocket: true, MQTT: true, Leafnode: true}},
		"with mutual TLS":    {NATSConfig{CA: ca, VerifyClients: true}},
		"with a longer name": {NATSConfig{ServerName: "nats-0", Extra: "ping_interval: \"30s\""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n := StartNATS(t, tt.cfg)
			for who, connect := range map[string]func(...nats.Option) (*nats.Conn, error){
				"service": n.ConnectService, "system": n.ConnectSystem,
			} {
				nc, err := connect()
				if err != nil {
					t.Fatalf("%s: %v\n%s", who, err, n.Config())
				}
				if nc.ConnectedServerId() != n.ServerID() {
					t.Errorf("%s: server %s, want %s", who, nc.ConnectedServerId(), n.ServerID())
				}
				nc.Close()
			}
			c := tt.cfg
			for what, addr := range map[string]struct {
				got  string
				want bool
			}{
				"WebSocket": {n.WebSocketURL(), c.WebSocket},
				"MQTT":      {n.MQTTAddr(), c.MQTT},
				"leafnode":  {n.LeafnodeAddr(), c.Leafnode},
			} {
				if (addr.got != "") != addr.want {
					t.Errorf("%s: address %q, want one: %t", what, addr.got, addr.want)
				}
				if addr.want {
					dial(t, addr.got)
				}
			}
			var opts server.Options
			if err := opts.ProcessConfigString(n.Config()); err != nil {
				t.Errorf("Config does not parse: %v", err)
			}
			if strings.Contains(n.Config(), ":-1") {
				t.Errorf("Config has a port that is not known yet:\n%s", n.Config())
			}
		})
	}
}

// dial proves that somebody listens.
func dial(t *testing.T, addr string) {
	t.Helper()
	_, after, isURL := strings.Cut(addr, "://")
	if isURL {
		addr = after
	}
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Error(err)
		return
	}
	conn.Close()
}

func TestClientWithoutACalloutIsRefusedAfterTwoSeconds(t *testing.T) {
	t.Parallel()
	n := StartNATS(t, NATSConfig{})
	start := time.Now()
	nc, err := n.Connect("token")
	if err == nil {
		nc.Close()
		t.Fatal("connected without a callout")
	}
	if !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("error %v, want an authorization violation", err)
	}
	if took := time.Since(start); took < 1900*time.Millisecond {
		t.Errorf("refused after %s, want the server's 2 s", took)
	}
}

func TestRestartKeepsPortsAndStreamsAndChangesTheIdentity(t *testing.T) {
	n := StartNATS(t, NATSConfig{WebSocket: true, MQTT: true, Leafnode: true, XKey: true})
	addresses := func() string {
		return fmt.Sprint(n.URL(), n.WebSocketURL(), n.MQTTAddr(), n.LeafnodeAddr(), n.Config())
	}
	before, id := addresses(), n.ServerID()
	inApp(t, n, func(js nats.JetStreamContext) error {
		_, err := js.AddStream(&nats.StreamConfig{Name: "EVENTS", Subjects: []string{"events.>"}})
		return err
	})
	if err := n.Restart(); err != nil {
		t.Fatal(err)
	}
	if addresses() != before {
		t.Errorf("addresses after restart\n%s\nbefore\n%s", addresses(), before)
	}
	if n.ServerID() == id || n.ServerID() == "" {
		t.Errorf("server id %q after restart, %q before", n.ServerID(), id)
	}
	inApp(t, n, func(js nats.JetStreamContext) error {
		_, err := js.StreamInfo("EVENTS")
		return err
	})
	n.Stop()
	if n.ServerID() != "" || n.Server() != nil {
		t.Error("a stopped server has an identity")
	}
	if _, err := n.ConnectService(); err == nil {
		t.Error("a stopped server lets its service in")
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err != nil { // twice is once
		t.Fatal(err)
	}
}

func TestAGivenPortIsUsedAndATakenOneIsAnError(t *testing.T) {
	first := StartNATS(t, NATSConfig{})
	port := first.ports.client
	first.Stop()
	n := StartNATS(t, NATSConfig{Port: port})
	if !strings.HasSuffix(n.URL(), fmt.Sprint(":", port)) {
		t.Errorf("URL %s, want port %d", n.URL(), port)
	}
	if second, err := NewNATS(NATSConfig{Port: port}); err == nil {
		second.Shutdown()
		t.Error("two servers on one port")
	}
}

func TestNewNATSRemovesWhatItMade(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	n, err := NewNATS(NATSConfig{JetStream: true})
	if err != nil {
		t.Fatal(err)
	}
	n.Shutdown()
	if _, err := os.Stat(n.cfg.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory stays: %v", err)
	}
	if _, err := NewNATS(NATSConfig{Extra: "no such thing"}); err == nil {
		t.Error("a configuration that does not parse: want an error")
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "callouttest-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind %v, %v", left, err)
	}
}

func TestSeedsAreWrittenForTheirOwnerAlone(t *testing.T) {
	dir := t.TempDir()
	n := StartNATS(t, NATSConfig{XKey: true})
	if err := n.WriteSeeds(dir); err != nil {
		t.Fatal(err)
	}
	for name, prefix := range map[string]string{"account.nk": "SA", "service.nk": "SU", "xkey.nk": "SX"} {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(data), prefix) {
			t.Errorf("%s: %.2s…, %v", name, data, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
	unsealed := t.TempDir()
	if err := StartNATS(t, NATSConfig{}).WriteSeeds(unsealed); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(unsealed, "xkey.nk")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an xkey where none is: %v", err)
	}
}

// TestAClientGetsWhatACalloutGrants is the whole way once, with the smallest callout there is.
func TestAClientGetsWhatACalloutGrants(t *testing.T) {
	for name, sealed := range map[string]bool{"in clear": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			n := StartNATS(t, NATSConfig{XKey: sealed, WebSocket: true})
			serveCallout(t, n, "good")
			nc, err := n.Connect("good")
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if err := nc.Flush(); err != nil {
				t.Error(err)
			}
			if _, err := n.Connect("bad"); !errors.Is(err, nats.ErrAuthorization) {
				t.Errorf("a bad token: %v", err)
			}
			large := strings.Repeat("x", 60000)
			if _, err := n.Connect(large); !errors.Is(err, nats.ErrAuthorization) {
				t.Errorf("a token of 60 kB: %v", err)
			}
		})
	}
}

func TestWebSocketSpeaksHTTP(t *testing.T) {
	n := StartNATS(t, NATSConfig{WebSocket: true})
	addr := strings.TrimPrefix(n.WebSocketURL(), "ws://")
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", addr)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", response, err)
	}
	response.Body.Close()
}

func TestMisuseOfSeedsPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a seed that is none: want a panic")
		}
	}()
	keyPair([]byte("not a seed"))
}
