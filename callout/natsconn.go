package callout

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// How the service reaches NATS. A server that restarts has all of its clients waiting for
// the callout: its own reconnect delay decides how many of them time out in the first wave.
const (
	reconnectDelay  = 10 * time.Millisecond
	reconnectJitter = 30 * time.Millisecond
	dialTimeout     = 2 * time.Second
	// loginTimeout is longer than the 2 s that a server waits for a callout. A login that it
	// does not know goes there, too, and its refusal must be read: a timeout says nothing.
	loginTimeout    = 3 * time.Second
	flushTimeout    = 500 * time.Millisecond
	pingInterval    = 10 * time.Second
	pingsUnanswered = 2
	clientName      = "harmony-callout"
)

// natsOptions are the options that every connection of the service has in common.
func natsOptions(cfg *NATSConfig, seeds *seedReader, logger *slog.Logger) ([]nats.Option, error) {
	opts := []nats.Option{
		nats.Name(clientName),
		nats.SetCustomDialer(&net.Dialer{Timeout: dialTimeout}),
		nats.Timeout(loginTimeout),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(pingsUnanswered),
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true),
		// A server that is being configured may refuse us for a while; giving up would take a
		// person to notice.
		nats.IgnoreAuthErrorAbort(),
		nats.CustomReconnectDelay(func(int) time.Duration {
			return reconnectDelay + rand.N(reconnectJitter)
		}),
		// An answer that cannot be sent now goes to a server that is no longer waiting for it.
		nats.ReconnectBufSize(-1),
		nats.NoEcho(),
		// A server that has stopped reading is found out by this, and not by pings: they wait
		// for the same lock as the write that does not end.
		nats.FlusherTimeout(flushTimeout),
		nats.ErrorHandler(func(c *nats.Conn, _ *nats.Subscription, err error) {
			logger.Warn("nats: error", "server", c.ConnectedUrlRedacted(), "error", err)
		}),
	}
	credential, err := natsCredential(cfg, seeds)
	if err != nil {
		return nil, err
	}
	opts = append(opts, credential)
	secure, err := natsTLS(cfg)
	if err != nil {
		return nil, err
	}
	if secure != nil {
		opts = append(opts, nats.Secure(secure))
	}
	return opts, nil
}

// natsCredential is how the service itself logs in: it is a static user of the callout's
// account, since nobody can ask the callout about the callout.
func natsCredential(cfg *NATSConfig, seeds *seedReader) (nats.Option, error) {
	switch {
	case cfg.NKeySeedFile != "":
		seed, err := seeds.read("nats.nkeySeedFile", cfg.NKeySeedFile)
		if err != nil {
			return nil, err
		}
		key, err := nkeys.FromSeed([]byte(seed.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("nats.nkeySeedFile: %s: %w", cfg.NKeySeedFile, err)
		}
		public, err := key.PublicKey()
		if err != nil || !nkeys.IsValidPublicUserKey(public) {
			return nil, fmt.Errorf("nats.nkeySeedFile: %s holds no user seed (SU…)", cfg.NKeySeedFile)
		}
		return nats.Nkey(public, key.Sign), nil
	case cfg.CredentialsFile != "":
		if _, err := os.Stat(cfg.CredentialsFile); err != nil {
			return nil, fmt.Errorf("nats.credentialsFile: %w", err)
		}
		return nats.UserCredentials(cfg.CredentialsFile), nil
	case cfg.User != "":
		password, err := seeds.read("nats.passwordFile", cfg.PasswordFile)
		if err != nil {
			return nil, err
		}
		return nats.UserInfo(cfg.User, password.Reveal()), nil
	}
	return nil, errors.New("nats: one of nkeySeedFile, credentialsFile, and user with passwordFile is required")
}

// natsTLS is nil where the servers' scheme decides whether TLS is used.
func natsTLS(cfg *NATSConfig) (*tls.Config, error) {
	if cfg.TLS == (TLSConfig{}) {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.TLS.CAFile != "" {
		pool, err := readCertPool(cfg.TLS.CAFile)
		if err != nil {
			return nil, fmt.Errorf("nats.tls.caFile: %w", err)
		}
		c.RootCAs = pool
	}
	if cfg.TLS.CertFile != "" {
		// Read again at each handshake, so that a renewed certificate is used without a restart.
		if _, err := tls.LoadX509KeyPair(cfg.TLS.CertFile, cfg.TLS.KeyFile); err != nil {
			return nil, fmt.Errorf("nats.tls.certFile: %w", err)
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(cfg.TLS.CertFile, cfg.TLS.KeyFile)
			return &pair, err
		}
	}
	return c, nil
}

// loginHint says what to do about a login that a server refused.
func loginHint(err error) error {
	if !errors.Is(err, nats.ErrAuthorization) && !errors.Is(err, nats.ErrAuthExpired) && !isAuthTimeout(err) {
		return err
	}
	return fmt.Errorf("%w: the service's own login (nats.nkeySeedFile, credentialsFile or user) is not a user of the callout's account that auth_callout.auth_users names", err)
}

// isAuthTimeout recognises a server that has asked a callout about us and got no answer. It
// may send a PING before it says so, which the library takes for the wrong answer.
func isAuthTimeout(err error) bool {
	if err == nil {
		return false
	}
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "authentication timeout") || strings.Contains(text, "expected 'pong', got 'ping'")
}

// connectNATS opens one connection. It tries each server once, for loginTimeout at most, and
// returns also when none answers: the connection is then made as soon as one does.
func connectNATS(cfg *NATSConfig, opts []nats.Option) (*nats.Conn, error) {
	c, err := nats.Connect(strings.Join(cfg.Servers, ","), opts...)
	if err != nil {
		return nil, fmt.Errorf("nats: connect to %s: %w", strings.Join(cfg.Servers, ", "), err)
	}
	return c, nil
}
