package standin

import (
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"

	"harmony-callout/callout/callouttest"
	"harmony-callout/internal/secret"
)

// Config describes a stand-in. The zero value listens on any free port of 127.0.0.1 and
// keeps everything in memory.
type Config struct {
	// Dir is where everything is kept, made if need be with mode 0700; two servers cannot use
	// one at the same time. Empty: memory alone.
	Dir string
	// Addr is the host:port to listen on, which must be loopback; empty is 127.0.0.1:0. Port 0
	// is, from the second start on, the port of the first, if Dir is kept and it is free.
	Addr string
	// Issuer is the URL to be known by, if it is not that of Addr, for clients that dial one
	// address and ask for another.
	Issuer string
	// Logger is told of each start and of trouble; nil: nobody is.
	Logger *slog.Logger
	// SystemUsers may do everything by JWTs that they sign themselves: user id → public key.
	SystemUsers map[string]*rsa.PublicKey
}

// Server is a running stand-in. Its methods may be called from any goroutine.
type Server struct {
	config Config
	log    *slog.Logger
	store  *store
	issuer *callouttest.Issuer
	base   *url.URL
	api    *http.ServeMux
	oidc   http.Handler
	faults faults

	adminPAT, loginPAT secret.Text

	// webKeyChange keeps the issuer's keys those of the store.
	webKeyChange sync.Mutex

	mu     sync.Mutex
	leased []*rsa.PrivateKey
}

// New starts a stand-in, with what an earlier one left in the same directory. The caller
// closes it.
func New(cfg Config) (*Server, error) {
	s, err := start(cfg)
	if err != nil {
		return nil, fmt.Errorf("start stand-in for Zitadel: %w", err)
	}
	s.log.Warn("this is a stand-in for Zitadel, on loopback: it is no identity provider for production",
		"issuer", s.URL(), "data", cfg.Dir)
	return s, nil
}

func start(cfg Config) (_ *Server, err error) {
	s := &Server{config: cfg, log: cfg.Logger, api: http.NewServeMux()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.store, err = openStore(cfg.Dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	addrs, err := s.addresses()
	if err != nil {
		return nil, err
	}
	s.base = &url.URL{Scheme: "http", Host: addrs[0]}
	if cfg.Issuer != "" {
		if s.base, err = url.Parse(cfg.Issuer); err != nil {
			return nil, err
		}
	}
	if err := s.seed(); err != nil {
		return nil, err
	}
	if s.adminPAT, err = s.firstToken(adminName); err != nil {
		return nil, err
	}
	if s.loginPAT, err = s.firstToken(loginClientName); err != nil {
		return nil, err
	}
	if err := s.forget(); err != nil {
		return nil, err
	}
	s.routeAll()
	s.oidc = newProvider(s)
	if err := s.store.wait(); err != nil {
		return nil, err
	}
	return s, s.listen(addrs)
}

func (s *Server) routeAll() {
	s.routeOrgs()
	s.routeProjects()
	s.routeApps()
	s.routeUsers()
	s.routeGrants()
	s.routeSettings()
	s.routeIDPs()
	s.routeWebKeys()
	s.routeEvents()
	s.routeLogin()
	s.routeDevicePage()
}

// URL is the issuer as tokens name it: scheme, host and port, no trailing slash.
func (s *Server) URL() string { return s.issuer.URL() }

// Addr is the host:port that it listens on.
func (s *Server) Addr() string { return s.issuer.Addr() }

// AdminPAT is the token of the instance's owner, made at the first start. With a directory it
// lies there, in iam-admin.pat.
func (s *Server) AdminPAT() secret.Text { return s.adminPAT }

// LoginClientPAT is the token of the login application, which approves device flows.
func (s *Server) LoginClientPAT() secret.Text { return s.loginPAT }

// Close stops the server. What it has answered is on the disk.
func (s *Server) Close() {
	if s.issuer != nil {
		s.issuer.Close()
	}
	if err := s.store.journal.close(); err != nil {
		s.log.Error("stop stand-in for Zitadel", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	callouttest.ReleaseRSA(s.leased)
	s.leased = nil
}

// forget drops what has expired.
func (s *Server) forget() error {
	return s.store.update("", func(t *tx) error {
		for id, token := range t.tokens.rows {
			if !token.live(t.now.Time) {
				drop(t, t.tokens, id)
			}
		}
		for id, session := range t.sessions.rows {
			if !t.now.Before(session.Expires.Time) {
				drop(t, t.sessions, id)
			}
		}
		return nil
	})
}
