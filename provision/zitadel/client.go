package zitadel

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// Config says where a Zitadel is and how it is opened.
type Config struct {
	Issuer provision.Issuer // required
	// DialAddress is the host:port to connect to instead of the issuer's; the Host header, the
	// server name of TLS and the issuer stay. Empty: the issuer's own.
	DialAddress string
	// CAFile holds certificates in PEM that are trusted beside the system's.
	CAFile string
	// Credentials are tried in order; the first that is there and is accepted is used.
	Credentials []CredentialSource
	// Timeout bounds one attempt of a call, 10 s when 0. There are at most six, with pauses of
	// three seconds in all.
	Timeout time.Duration
}

// Client speaks to one instance. Its methods may be called at the same time.
type Client struct {
	issuer  provision.Issuer
	address string // host:port that is dialled
	http    *http.Client
	timeout time.Duration
	backoff backoff

	sources []CredentialSource
	open    sync.Mutex // held while the credential is chosen or renewed
	mu      sync.Mutex
	chosen  *credential // nil until the first call
}

const (
	defaultTimeout = 10 * time.Second
	// maxBody bounds an answer, in bytes: a page of 1000 users has 600 KB.
	maxBody = 16 << 20
)

// New makes a client. It connects to nothing yet, so that a plan can be made of a Zitadel
// that is not there.
func New(cfg Config) (*Client, error) {
	if cfg.Issuer.IsZero() {
		return nil, errors.New("zitadel client: the issuer is missing")
	}
	c := &Client{
		issuer: cfg.Issuer, address: cfg.Issuer.Address(), timeout: cfg.Timeout, sources: cfg.Credentials,
		backoff: backoff{first: 100 * time.Millisecond, most: 2 * time.Second},
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConnsPerHost:   parallel,
		IdleConnTimeout:       30 * time.Second,
		TLSHandshakeTimeout:   c.timeout,
		ResponseHeaderTimeout: c.timeout,
		ForceAttemptHTTP2:     true,
	}
	dialer := &net.Dialer{Timeout: c.timeout}
	transport.DialContext = dialer.DialContext
	if cfg.DialAddress != "" {
		if _, _, err := net.SplitHostPort(cfg.DialAddress); err != nil {
			return nil, fmt.Errorf("zitadel client: dial address: %w", err)
		}
		c.address = cfg.DialAddress
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, cfg.DialAddress)
		}
	}
	if cfg.CAFile != "" {
		pool, err := readCertificates(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("zitadel client: %w", err)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	c.http = &http.Client{
		Transport: transport,
		// A credential goes to the issuer and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// parallel is how many connections are kept: more calls at a time gain nothing.
const parallel = 8

func readCertificates(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read certificates: %s has none in PEM", path)
	}
	return pool, nil
}

// Issuer is whom the client speaks to.
func (c *Client) Issuer() provision.Issuer { return c.issuer }

// Close gives back idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// bearer returns the token for a call.
func (c *Client) bearer(ctx context.Context) (secret.Text, error) {
	chosen, err := c.credential(ctx)
	if err != nil {
		return secret.Text{}, err
	}
	return chosen.token, nil
}
