package callouttest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// natsReady bounds how long a server may take to listen on all its ports.
const natsReady = 10 * time.Second

// NATS is an in-process nats-server with auth_callout.
type NATS struct {
	cfg     NATSConfig
	ownsDir bool
	system  string // password of the system user

	mu       sync.Mutex
	ports    natsPorts
	patience time.Duration  // how long to wait for these ports
	server   *server.Server // nil while stopped
}

// NewNATS starts a server; the caller shuts it down.
func NewNATS(cfg NATSConfig) (*NATS, error) {
	n := &NATS{cfg: cfg, system: randomSegment(16)}
	n.cfg.Seeds = cfg.Seeds.complete(cfg.XKey)
	if len(n.cfg.AllowedAccounts) == 0 {
		n.cfg.AllowedAccounts = []string{AppAccount, OtherAccount}
	}
	setDefault(&n.cfg.ServerName, "callouttest")
	setDefault(&n.cfg.MaxControlLine, 65536)
	if cfg.Dir == "" {
		dir, err := os.MkdirTemp("", "callouttest-")
		if err != nil {
			return nil, fmt.Errorf("start nats-server: %w", err)
		}
		n.cfg.Dir, n.ownsDir = dir, true
	}
	n.ports = cfg.wantedPorts()
	if err := n.prepareAndStart(); err != nil {
		return nil, errors.Join(err, n.removeDir())
	}
	return n, nil
}

// StartNATS is [NewNATS] for tests: it fails t on an error and shuts the server down at the
// end. Without a Dir it uses one of t's.
func StartNATS(t testing.TB, cfg NATSConfig) *NATS {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	n, err := NewNATS(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Shutdown)
	return n
}

func (n *NATS) prepareAndStart() error {
	if n.cfg.CA != nil {
		if err := n.cfg.CA.WriteFiles(n.cfg.Dir, "127.0.0.1", "localhost"); err != nil {
			return fmt.Errorf("start nats-server: %w", err)
		}
	}
	return n.Start()
}

// Start starts the server again after Stop: same ports, same configuration, same stored
// streams, but another server id and xkey, as of any nats-server that was restarted.
func (n *NATS) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.server != nil {
		return nil
	}
	if err := n.ports.checkFree(n.patience); err != nil {
		return fmt.Errorf("start nats-server: %w", err)
	}
	var opts server.Options
	if err := opts.ProcessConfigString(n.config()); err != nil {
		return fmt.Errorf("start nats-server: configuration: %w", err)
	}
	opts.NoLog, opts.NoSigs = true, true
	s, err := server.NewServer(&opts)
	if err != nil {
		return fmt.Errorf("start nats-server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(natsReady) {
		s.Shutdown()
		s.WaitForShutdown()
		return fmt.Errorf("start nats-server: not ready after %s", natsReady)
	}
	n.server, n.patience = s, restartPatience
	n.ports = natsPorts{
		client:    opts.Port,
		webSocket: opts.Websocket.Port,
		mqtt:      opts.MQTT.Port,
		leafnode:  opts.LeafNode.Port,
	}
	return nil
}

// Stop stops the server and closes its ports; [NATS.Start] brings it back.
func (n *NATS) Stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.server == nil {
		return
	}
	n.server.Shutdown()
	n.server.WaitForShutdown()
	n.server = nil
}

// Restart is Stop and Start.
func (n *NATS) Restart() error {
	n.Stop()
	return n.Start()
}

// Shutdown stops the server for good and removes the directory that it made.
func (n *NATS) Shutdown() {
	n.Stop()
	_ = n.removeDir() // best effort: it lies below the system's temporary directory
}

func (n *NATS) removeDir() error {
	if !n.ownsDir {
		return nil
	}
	return os.RemoveAll(n.cfg.Dir)
}

// Config is the nats.conf that the server runs with, as a user would paste it.
func (n *NATS) Config() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.config()
}

// URL is where clients connect, nats:// or with a CA tls://.
func (n *NATS) URL() string {
	scheme := "nats"
	if n.cfg.CA != nil {
		scheme = "tls"
	}
	return scheme + "://" + n.address(func(p natsPorts) int { return p.client })
}

// WebSocketURL is where browsers connect, ws:// or with a CA wss://; empty unless asked for.
func (n *NATS) WebSocketURL() string {
	if !n.cfg.WebSocket {
		return ""
	}
	scheme := "ws"
	if n.cfg.CA != nil {
		scheme = "wss"
	}
	return scheme + "://" + n.address(func(p natsPorts) int { return p.webSocket })
}

// MQTTAddr is the host:port of MQTT; empty unless asked for.
func (n *NATS) MQTTAddr() string {
	if !n.cfg.MQTT {
		return ""
	}
	return n.address(func(p natsPorts) int { return p.mqtt })
}

// LeafnodeAddr is the host:port of leafnodes; empty unless asked for.
func (n *NATS) LeafnodeAddr() string {
	if !n.cfg.Leafnode {
		return ""
	}
	return n.address(func(p natsPorts) int { return p.leafnode })
}

func (n *NATS) address(port func(natsPorts) int) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port(n.ports)))
}

// ServerID is the server's identity, N…; empty while stopped. Each start has another.
func (n *NATS) ServerID() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.server == nil {
		return ""
	}
	return n.server.ID()
}

// Server is the running server, for what this type does not offer; nil while stopped.
func (n *NATS) Server() *server.Server {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.server
}

// Seeds are the callout's secrets that fit this server.
func (n *NATS) Seeds() Seeds { return n.cfg.Seeds }

// WriteSeeds writes account.nk, service.nk and, where requests are sealed, xkey.nk into dir.
func (n *NATS) WriteSeeds(dir string) error { return n.cfg.Seeds.Write(dir) }
