package standin

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

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

// listen starts callouttest's issuer on the first address that can be had, and serves.
func (s *Server) listen(addrs []string) error {
	keys, err := s.webKeys()
	if err != nil {
		return err
	}
	ready := make(chan struct{}) // closed once the fields are set that requests read
	config := callouttest.IssuerConfig{
		Issuer: s.config.Issuer, Keys: keys,
		Wrap: func(issuer http.Handler) http.Handler {
			next := s.wrap(issuer)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				<-ready
				next.ServeHTTP(w, r)
			})
		},
	}
	for _, config.Addr = range addrs {
		if s.issuer, err = callouttest.NewIssuer(config); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	defer close(ready)
	s.issuer.Activate(s.store.theInstance().ActiveWebKey)
	if s.base, err = url.Parse(s.issuer.URL()); err != nil || s.config.Dir == "" {
		return err
	}
	return writeFile(filepath.Join(s.config.Dir, addressFile), []byte(s.Addr()+"\n"))
}

const addressFile = "address"

// addresses are where to listen: where it was asked to, before that, if it may be any port,
// where it was the last time.
func (s *Server) addresses() ([]string, error) {
	addr := s.config.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port != "0" || s.config.Dir == "" {
		return []string{addr}, err
	}
	data, err := os.ReadFile(filepath.Join(s.config.Dir, addressFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	former := strings.TrimSpace(string(data))
	if formerHost, _, err := net.SplitHostPort(former); err == nil && formerHost == host {
		return []string{former, addr}, nil
	}
	return []string{addr}, nil
}

// webKeys are the keys that sign, in their order.
func (s *Server) webKeys() ([]callouttest.SigningKey, error) {
	var keys []callouttest.SigningKey
	for _, id := range s.store.theInstance().WebKeyOrder {
		private, err := s.store.webKeys.rows[id].private()
		if err != nil {
			return nil, err
		}
		keys = append(keys, callouttest.SigningKey{ID: id, Private: private})
	}
	return keys, nil
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

// systemUser is the system user who signed a token; empty if none did.
func (s *Server) systemUser(ctx context.Context, token string) string {
	if len(s.config.SystemUsers) == 0 || strings.Count(token, ".") != 2 {
		return ""
	}
	claims := new(oidc.JWTTokenRequest)
	payload, err := oidc.ParseToken(token, claims)
	if err != nil || claims.Issuer != claims.Subject {
		return ""
	}
	key := s.config.SystemUsers[claims.Subject]
	if key == nil ||
		oidc.CheckAudience(claims, s.URL()) != nil ||
		oidc.CheckExpiration(claims, 0) != nil ||
		oidc.CheckIssuedAt(claims, assertionMaxAge, assertionMaxSkew) != nil ||
		oidc.CheckSignature(ctx, token, payload, claims, nil, systemKey{key}) != nil {
		return ""
	}
	return claims.Subject
}

// systemKey is the one key of a system user, as an oidc.KeySet.
type systemKey struct{ key *rsa.PublicKey }

func (k systemKey) VerifySignature(_ context.Context, jws *jose.JSONWebSignature) ([]byte, error) {
	return jws.Verify(k.key)
}
