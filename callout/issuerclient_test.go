package callout

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func newTestClient(t *testing.T, cfg IssuerClientConfig) *IssuerClient {
	t.Helper()
	c, err := NewIssuerClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newTestServer(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

func TestNewIssuerClientRefusesWhatItCannotUse(t *testing.T) {
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := IssuerClientConfig{Issuer: "https://sso.example"}
	for name, cfg := range map[string]IssuerClientConfig{
		"no issuer":            {},
		"no scheme":            {Issuer: "sso.example"},
		"another scheme":       {Issuer: "ftp://sso.example"},
		"no host":              {Issuer: "http://"},
		"a port alone":         {Issuer: "http://:8080"},
		"a trailing slash":     {Issuer: "http://sso.example/"},
		"a query":              {Issuer: "http://sso.example?a=b"},
		"an empty query":       {Issuer: "http://sso.example?"},
		"a fragment":           {Issuer: "http://sso.example#a"},
		"an empty fragment":    {Issuer: "http://sso.example#"},
		"a user":               {Issuer: "http://user:secret@sso.example"},
		"a dial address alone": {Issuer: good.Issuer, DialAddress: "127.0.0.1"},
		"no CA file":           {Issuer: good.Issuer, CAFile: filepath.Join(t.TempDir(), "absent")},
		"a CA file of text":    {Issuer: good.Issuer, CAFile: noPEM},
		"2 s":                  {Issuer: good.Issuer, Timeout: 2 * time.Second},
		"less than no time":    {Issuer: good.Issuer, Timeout: -1},
	} {
		if _, err := NewIssuerClient(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, issuer := range []string{good.Issuer, "http://127.0.0.1:8080", "http://[::1]:8080", "https://sso.example/realm"} {
		newTestClient(t, IssuerClientConfig{Issuer: issuer})
	}
}

func TestRequestsGoToTheIssuersOriginOnly(t *testing.T) {
	var requests atomic.Int64
	s := newTestServer(t, func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	c := newTestClient(t, IssuerClientConfig{Issuer: "http://sso.example", DialAddress: s.Listener.Addr().String()})
	for _, target := range []string{
		"http://evil.example/", "https://sso.example/", "http://sso.example:8080/", "http://sso.example.evil/",
		"http://user@sso.example/", "http://sso.example@evil.example/", "//sso.example/", "/keys", "", "http://%zz/",
	} {
		_, _, err := c.GetJSON(t.Context(), target, 100)
		if err == nil {
			t.Errorf("%q: no error", target)
		}
	}
	if requests.Load() != 0 {
		t.Errorf("%d requests were sent", requests.Load())
	}
	_, _, err := c.GetJSON(t.Context(), "http://evil.example/keys", 100)
	if err == nil || !strings.Contains(err.Error(), "http://evil.example/keys") || !strings.Contains(err.Error(), "http://sso.example") {
		t.Errorf("error %v does not name both", err)
	}
	for _, target := range []string{"http://sso.example/keys", "http://sso.example:80/keys", "http://SSO.example/keys"} {
		if _, _, err := c.GetJSON(t.Context(), target, 100); err != nil {
			t.Errorf("%q: %v", target, err)
		}
	}
}

func TestDialAddressChangesTheAddressAlone(t *testing.T) {
	var host, serverName atomic.Value
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host.Store(r.Host)
		serverName.Store(r.TLS.ServerName)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(caFile, block, 0o600); err != nil {
		t.Fatal(err)
	}
	// The test server's certificate is for example.com.
	cfg := IssuerClientConfig{Issuer: "https://example.com", DialAddress: s.Listener.Addr().String(), CAFile: caFile}

	c := newTestClient(t, cfg)
	if _, _, err := c.GetJSON(t.Context(), "https://example.com:443/keys", 100); err != nil {
		t.Fatal(err)
	}
	if host.Load() != "example.com" || serverName.Load() != "example.com" {
		t.Errorf("host %v, server name %v", host.Load(), serverName.Load())
	}

	other := cfg
	other.Issuer = "https://sso.test"
	if _, _, err := newTestClient(t, other).GetJSON(t.Context(), "https://sso.test/", 100); err == nil {
		t.Error("a certificate for another name is accepted")
	}
	unknown := cfg
	unknown.CAFile = ""
	if _, _, err := newTestClient(t, unknown).GetJSON(t.Context(), "https://example.com/", 100); err == nil {
		t.Error("a certificate of an unknown CA is accepted")
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	s.StartTLS()
	t.Cleanup(s.Close)
	c := newTestClient(t, IssuerClientConfig{Issuer: s.URL})
	if _, _, err := c.GetJSON(t.Context(), s.URL, 100); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("error %v", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Bool
	s := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			followed.Store(true)
		}
		http.Redirect(w, r, "/followed", http.StatusTemporaryRedirect)
	})
	c := newTestClient(t, IssuerClientConfig{Issuer: s.URL})
	_, _, err := c.GetJSON(t.Context(), s.URL+"/", 100)
	if err == nil || !strings.Contains(err.Error(), `"/followed"`) || !strings.Contains(err.Error(), "307") {
		t.Errorf("error %v does not name the target", err)
	}
	if followed.Load() {
		t.Error("the redirect was followed")
	}
}

func TestBodiesAreBounded(t *testing.T) {
	s := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat("a", 100)))
	})
	c := newTestClient(t, IssuerClientConfig{Issuer: s.URL})
	if body, _, err := c.GetJSON(t.Context(), s.URL, 100); err != nil || len(body) != 100 {
		t.Errorf("body of exactly the limit: %d bytes, %v", len(body), err)
	}
	if _, _, err := c.GetJSON(t.Context(), s.URL, 99); err == nil || !strings.Contains(err.Error(), "too large: more than 99 bytes") {
		t.Errorf("body above the limit: %v", err)
	}
}

func TestAnErrorQuotesAnAnswerFitForALog(t *testing.T) {
	s := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("bad\ngateway \x1b[31m" + strings.Repeat("x", 10_000)))
	})
	c := newTestClient(t, IssuerClientConfig{Issuer: s.URL})
	_, _, err := c.GetJSON(t.Context(), s.URL, 100_000)
	if err == nil || !strings.Contains(err.Error(), "502") || !strings.Contains(err.Error(), `bad\ngateway`) {
		t.Fatalf("error %v", err)
	}
	if text := err.Error(); len(text) > 1024 || strings.ContainsAny(text, "\n\x1b") {
		t.Errorf("error %q", text)
	}
}

func TestOtherStatusesAreTheCallersToJudge(t *testing.T) {
	s := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Got", r.Method+" "+string(body))
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
	})
	c := newTestClient(t, IssuerClientConfig{Issuer: s.URL})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/oauth/v2/token", strings.NewReader("a=b"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req, 100)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Status != 400 || string(resp.Body) != `{"error":"invalid_grant"}` || resp.Header.Get("X-Got") != "POST a=b" {
		t.Errorf("response %+v", resp)
	}
}

func TestSlowAnswersEndWithTheTimeout(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"no header": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"half a body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`{"keys":`))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t, handler)
			c := newTestClient(t, IssuerClientConfig{Issuer: s.URL, Timeout: 50 * time.Millisecond})
			began := time.Now()
			if _, _, err := c.GetJSON(t.Context(), s.URL, 100); err == nil {
				t.Error("no error")
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("took %v", took)
			}
			cancelled, cancel := context.WithCancel(t.Context())
			cancel()
			if _, _, err := c.GetJSON(cancelled, s.URL, 100); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		})
	}
}

// The standard library reads the proxy from the environment once in a process, hence two.
func TestNoProxyOfTheEnvironmentIsUsed(t *testing.T) {
	if os.Getenv("HTTP_PROXY") == "" {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoProxyOfTheEnvironmentIsUsed$")
		again.Env = append(os.Environ(), "HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1", "NO_PROXY=", "no_proxy=")
		if out, err := again.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	s := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("direct")) })
	var dialled string
	c := newTestClient(t, IssuerClientConfig{Issuer: "http://sso.example", DialAddress: s.Listener.Addr().String()})
	trace := &httptrace.ClientTrace{GetConn: func(hostPort string) { dialled = hostPort }}
	body, _, err := c.GetJSON(httptrace.WithClientTrace(t.Context(), trace), "http://sso.example/", 100)
	if err != nil || string(body) != "direct" || dialled != "sso.example:80" {
		t.Errorf("body %q, %v, by way of %s", body, err, dialled)
	}
}

func TestConnectionsAreReused(t *testing.T) {
	connections := make(map[string]bool)
	s := newTestServer(t, func(_ http.ResponseWriter, r *http.Request) { connections[r.RemoteAddr] = true })
	c := newTestClient(t, IssuerClientConfig{Issuer: s.URL})
	for range 5 {
		if _, _, err := c.GetJSON(t.Context(), s.URL, 100); err != nil {
			t.Fatal(err)
		}
	}
	if len(connections) != 1 {
		t.Errorf("%d connections, want 1", len(connections))
	}
}
