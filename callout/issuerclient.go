package callout

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	// defaultIssuerTimeout leaves room below the 2 s after which nats-server gives up on a
	// connect request.
	defaultIssuerTimeout = 1500 * time.Millisecond
	maxIssuerTimeout     = 2 * time.Second

	maxIssuerHeaderBytes = 32 << 10
	maxIssuerIdleConns   = 16
	issuerIdleTimeout    = 90 * time.Second

	// maxExcerptBytes bounds what an error quotes of an answer.
	maxExcerptBytes = 160
)

// IssuerClientConfig says how to reach one issuer.
type IssuerClientConfig struct {
	// Issuer is the issuer's URL, http or https, without trailing slash; required.
	Issuer string
	// DialAddress is the host:port to connect to; empty means the issuer's own. It changes
	// nothing but the TCP address: the Host header and the TLS server name stay the issuer's.
	DialAddress string
	// CAFile holds the PEM certificates to trust in place of the system's; empty means those.
	CAFile string
	// Timeout bounds each request from dialling to the last byte of the body. It must be
	// below 2 s; 0 means 1.5 s.
	Timeout time.Duration
}

// IssuerClient speaks HTTP with one issuer and with nobody else: a request for another
// origin is an error, and so is a redirect. Keys and credentials pass through it, so it
// never uses a proxy from the environment, keeps no cookies and sends no Referer. Every
// answer is bounded in time and size. It is safe for concurrent use.
type IssuerClient struct {
	issuer  string
	base    *url.URL
	timeout time.Duration
	http    *http.Client
}

// IssuerResponse is an answer, read to its end.
type IssuerResponse struct {
	Status int
	Header http.Header
	Body   []byte
}

// NewIssuerClient checks cfg and reads its CAFile. It connects to nobody.
func NewIssuerClient(cfg IssuerClientConfig) (*IssuerClient, error) {
	base, err := parseIssuer(cfg.Issuer)
	if err != nil {
		return nil, err
	}
	timeout := cfg.Timeout
	if timeout == 0 {
		timeout = defaultIssuerTimeout
	}
	if timeout < 0 || timeout >= maxIssuerTimeout {
		return nil, fmt.Errorf("issuer timeout %v: must be above 0 and below %v", cfg.Timeout, maxIssuerTimeout)
	}
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.CAFile != "" {
		if tlsConfig.RootCAs, err = readCertPool(cfg.CAFile); err != nil {
			return nil, err
		}
	}
	if cfg.DialAddress != "" {
		if _, _, err := net.SplitHostPort(cfg.DialAddress); err != nil {
			return nil, fmt.Errorf("issuer dial address %q: must be host:port: %w", cfg.DialAddress, err)
		}
	}
	dialer := &net.Dialer{Timeout: timeout}
	transport := &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if cfg.DialAddress != "" {
				address = cfg.DialAddress
			}
			return dialer.DialContext(ctx, network, address)
		},
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    timeout,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: maxIssuerHeaderBytes,
		MaxIdleConns:           maxIssuerIdleConns,
		MaxIdleConnsPerHost:    maxIssuerIdleConns,
		IdleConnTimeout:        issuerIdleTimeout,
		// Without compression the limit on a body also limits what crosses the network.
		DisableCompression: true,
	}
	return &IssuerClient{
		issuer:  cfg.Issuer,
		base:    base,
		timeout: timeout,
		http: &http.Client{
			Transport: transport,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse // Do reports it with its target
			},
		},
	}, nil
}

// Close drops idle connections. Requests under way are not interrupted.
func (c *IssuerClient) Close() { c.http.CloseIdleConnections() }

// GetJSON fetches target and returns the body of a 200 answer of at most limit bytes, and its
// header. The body is not parsed. Another status is an error that quotes the answer's start.
func (c *IssuerClient) GetJSON(ctx context.Context, target string, limit int64) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("get %q: %w", target, err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.Do(req, limit)
	if err != nil {
		return nil, nil, err
	}
	if resp.Status != http.StatusOK {
		return nil, nil, fmt.Errorf("get %s: status %d, want 200: %s", target, resp.Status, excerpt(string(resp.Body)))
	}
	return resp.Body, resp.Header, nil
}

// Do sends req and reads the whole answer, whatever its status. It is an error when req is
// for another origin than the issuer's, when the answer is a redirect, when the body is
// longer than limit bytes and when the client's timeout or req's context ends first.
func (c *IssuerClient) Do(req *http.Request, limit int64) (*IssuerResponse, error) {
	what := strings.ToLower(req.Method) + " " + req.URL.Redacted()
	if !c.sameOrigin(req.URL) {
		return nil, fmt.Errorf("%s: refused: not at the issuer %s", what, c.issuer)
	}
	ctx, cancel := context.WithTimeout(req.Context(), c.timeout)
	defer cancel()
	req = req.WithContext(ctx)
	// The issuer answers according to the Host header: https://h and https://h:443 are one
	// origin to us and may be two issuers to it.
	req.Host = c.base.Host

	resp, err := c.http.Do(req)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err // its text repeats method and URL
		}
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer resp.Body.Close()
	if location := resp.Header.Get("Location"); resp.StatusCode/100 == 3 && location != "" {
		return nil, fmt.Errorf("%s: status %d redirects to %s: refused: the configured issuer must be the URL that answers itself",
			what, resp.StatusCode, excerpt(location))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: read the body: %w", what, err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%s: the body is too large: more than %d bytes", what, limit)
	}
	return &IssuerResponse{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// sameOrigin reports whether u has the issuer's scheme, host and port (RFC 6454), and no
// user name that would be sent along.
func (c *IssuerClient) sameOrigin(u *url.URL) bool {
	return u.User == nil && u.Scheme == c.base.Scheme &&
		strings.EqualFold(u.Hostname(), c.base.Hostname()) && portOf(u) == portOf(c.base)
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// parseIssuer accepts what OpenID Connect Discovery 1.0 section 4.3 allows as an issuer
// (https with host and path, no query, no fragment), and http besides.
func parseIssuer(issuer string) (*url.URL, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer %q: %w", issuer, err)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("issuer %q: must be an http or https URL", issuer)
	case u.Hostname() == "":
		return nil, fmt.Errorf("issuer %q: has no host", issuer)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(issuer, "#"):
		return nil, fmt.Errorf("issuer %q: must not have user, query or fragment", issuer)
	case strings.HasSuffix(issuer, "/"):
		return nil, fmt.Errorf("issuer %q: must not end with a slash", issuer)
	}
	return u, nil
}

func readCertPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the CA file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read the CA file %s: no PEM certificate in it", file)
	}
	return pool, nil
}

// excerpt quotes the start of what a stranger sent, safe for a log line.
func excerpt(s string) string {
	if len(s) > maxExcerptBytes {
		return fmt.Sprintf("%+q…", s[:maxExcerptBytes])
	}
	return fmt.Sprintf("%+q", s)
}
