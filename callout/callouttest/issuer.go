package callouttest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"
)

// What the zero values of [IssuerConfig] and [TokenSpec] mean.
const (
	DefaultProjectID = "400888114106661377"
	DefaultOrgID     = "400888063842187777"
	DefaultOrgDomain = "harmony.sso.harmony.local"
	DefaultSubject   = "400888116740684289"
	DefaultUsername  = "sensor-1"
	DefaultMaxAge    = 300 * time.Second
	DefaultTokenTTL  = 12 * time.Hour
)

// IssuerConfig describes an [Issuer]. The zero value is an issuer of plain http on any free
// port of 127.0.0.1 that looks like a fresh Zitadel.
type IssuerConfig struct {
	// Addr is the host:port to listen on. The host must be loopback; empty is 127.0.0.1:0.
	Addr string
	// Issuer is the URL to be known by when it is not that of Addr, for clients that dial one
	// address and ask for another.
	Issuer string
	// ProjectID is the audience of tokens and names the roles claim.
	ProjectID string
	// OrgID and OrgDomain are the organisation whose grants TokenSpec.Roles are.
	OrgID, OrgDomain string
	// MaxAge of the key set, in whole seconds. Negative sends no Cache-Control at all.
	MaxAge time.Duration
	// TokenTTL is the life of tokens that do not ask for another.
	TokenTTL time.Duration
	// CA, if set, makes it https with a certificate of that CA.
	CA *CA
	// Fallback answers the paths that the issuer does not know; nil answers 404.
	Fallback http.Handler
	// Keys to start with, the first of which is active; empty makes two RSA keys.
	Keys []SigningKey
	// Wrap, if set, stands around everything that the issuer answers: it sees every request
	// before latency, lies and the check of the Host. next is the issuer itself.
	Wrap func(next http.Handler) http.Handler
}

// Issuer is a real HTTP server that speaks as Zitadel does. Its methods may be called from
// any goroutine.
type Issuer struct {
	cfg     IssuerConfig
	url     *url.URL
	cert    *tls.Certificate
	keys    keyRing
	users   userTable
	faults  faults
	handler http.Handler

	mu      sync.Mutex
	addr    string
	running *runningServer // nil while stopped
}

// runningServer is one life of the listener, from Start to Stop.
type runningServer struct {
	http   *http.Server
	cancel context.CancelFunc
	done   chan struct{}
}

// NewIssuer starts an issuer with the configured keys, or else two RSA keys, the first of
// which is active. The caller closes it.
func NewIssuer(cfg IssuerConfig) (*Issuer, error) {
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if err := checkLoopback(cfg.Addr); err != nil {
		return nil, fmt.Errorf("start issuer: %w", err)
	}
	setDefault(&cfg.ProjectID, DefaultProjectID)
	setDefault(&cfg.OrgID, DefaultOrgID)
	setDefault(&cfg.OrgDomain, DefaultOrgDomain)
	setDefault(&cfg.MaxAge, DefaultMaxAge)
	setDefault(&cfg.TokenTTL, DefaultTokenTTL)

	i := &Issuer{cfg: cfg, addr: cfg.Addr}
	i.handler = i.routes()
	if cfg.Wrap != nil {
		i.handler = cfg.Wrap(i.handler)
	}
	ln, err := net.Listen("tcp", i.addr)
	if err != nil {
		return nil, fmt.Errorf("start issuer: %w", err)
	}
	i.addr = ln.Addr().String()
	if err := i.setURL(); err != nil {
		return nil, errors.Join(fmt.Errorf("start issuer: %w", err), ln.Close())
	}
	for _, key := range cfg.Keys {
		i.ImportKey(key)
	}
	if len(cfg.Keys) == 0 {
		i.AddKey(RS256)
		i.AddKey(RS256)
	}
	i.serve(ln)
	return i, nil
}

// StartIssuer is [NewIssuer] for tests: it fails t on an error and closes the issuer at the end.
func StartIssuer(t testing.TB, cfg IssuerConfig) *Issuer {
	t.Helper()
	i, err := NewIssuer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	return i
}

// setURL fixes the issuer's name, and with a CA its certificate, once the port is known.
func (i *Issuer) setURL() error {
	raw := i.cfg.Issuer
	if raw == "" {
		scheme := "http"
		if i.cfg.CA != nil {
			scheme = "https"
		}
		raw = scheme + "://" + i.addr
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return fmt.Errorf("issuer %q: %w", raw, err)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.Scheme+"://"+u.Host != raw:
		return fmt.Errorf("issuer %q: want http(s)://host[:port] without a path or trailing slash", raw)
	case u.Scheme == "http" && i.cfg.CA != nil:
		return fmt.Errorf("issuer %q: a CA needs https", raw)
	}
	i.url = u
	if i.cfg.CA != nil {
		host, _, _ := net.SplitHostPort(i.addr) // an address that was just listened on
		if i.cert, err = i.cfg.CA.Issue(u.Hostname(), host, "localhost"); err != nil {
			return err
		}
	}
	return nil
}

// URL is the issuer as tokens name it: scheme, host and port, no trailing slash.
func (i *Issuer) URL() string { return i.url.String() }

// Addr is the host:port that it listens on, the same after Stop and Start.
func (i *Issuer) Addr() string { return i.addr }

// ProjectID is the project whose roles it asserts.
func (i *Issuer) ProjectID() string { return i.cfg.ProjectID }

// Stop closes the port and every connection, so that clients are refused. Keys, users, faults
// and counters stay for the next Start.
func (i *Issuer) Stop() {
	i.mu.Lock()
	run := i.running
	i.running = nil
	i.mu.Unlock()
	if run == nil {
		return
	}
	run.cancel()
	_ = run.http.Close() // a listener that is closed already is what we want
	<-run.done
}

// Start listens again, on the same port, after Stop.
func (i *Issuer) Start() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.running != nil {
		return nil
	}
	ln, err := listen(i.addr, restartPatience)
	if err != nil {
		return fmt.Errorf("start issuer again: %w", err)
	}
	i.serveLocked(ln)
	return nil
}

// Close stops the issuer for good and lets later issuers of this process use its keys.
func (i *Issuer) Close() {
	i.Stop()
	i.keys.release()
	i.users.release()
}

func (i *Issuer) serve(ln net.Listener) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.serveLocked(ln)
}

func (i *Issuer) serveLocked(ln net.Listener) {
	if i.cert != nil {
		ln = tls.NewListener(ln, &tls.Config{
			Certificates: []tls.Certificate{*i.cert},
			MinVersion:   tls.VersionTLS12,
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	run := &runningServer{
		http: &http.Server{
			Handler:           i.handler,
			BaseContext:       func(net.Listener) context.Context { return ctx },
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			IdleTimeout:       time.Minute,
			MaxHeaderBytes:    16 << 10,
			// Aborted handshakes and handlers are what tests provoke, not news.
			ErrorLog: log.New(io.Discard, "", 0),
		},
		cancel: cancel,
		done:   make(chan struct{}),
	}
	i.running = run
	go func() {
		defer close(run.done)
		_ = run.http.Serve(ln) // always ends with ErrServerClosed, by Stop
	}()
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
