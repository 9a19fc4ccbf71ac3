package zitadel

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// scripted is a server that answers by a function, and a client of it.
func scripted(t *testing.T, issuer string, handle http.HandlerFunc, sources ...CredentialSource) *Client {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	c, err := New(Config{Issuer: parseIssuer(t, issuer), DialAddress: server.Listener.Addr().String(), Timeout: 2 * time.Second, Credentials: sources})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.backoff = backoff{first: time.Millisecond, most: 5 * time.Millisecond}
	return c
}

const oneOrganization = `{"result":[{"id":"1","name":"HARMONY"}]}`

// ready answers what proves a credential, then by next.
func ready(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/organizations/_search" {
			_, _ = w.Write([]byte(oneOrganization))
			return
		}
		next(w, r)
	}
}

func pat(token string) CredentialSource {
	return source{"test PAT", func(context.Context) (Bearer, error) { return personal(secret.New(token)) }}
}

func TestTheIssuerStaysWhateverAddressIsDialled(t *testing.T) {
	t.Parallel()
	for issuer, host := range map[string]string{
		"http://sso.harmony.local:8080": "sso.harmony.local:8080",
		"http://sso.harmony.local":      "sso.harmony.local",
	} {
		var seen atomic.Value
		c := scripted(t, issuer, ready(func(w http.ResponseWriter, r *http.Request) {
			seen.Store(r.Host)
			_, _ = w.Write([]byte(`{"user":{"userId":"1"}}`))
		}), pat("x"))
		if _, err := c.getUser(t.Context(), "1"); err != nil {
			t.Fatal(err)
		}
		if seen.Load() != host {
			t.Errorf("%s: host %q", issuer, seen.Load())
		}
	}
}

func TestTLSWantsTheIssuersNameAndTheGivenCA(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(ready(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"user":{}}`)) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host, ca string
		ok       bool
	}{{"example.com", ca, true}, {"example.com", "", false}, {"other.test", ca, false}} {
		issuer, err := provision.NewIssuer(c.host, 0, true)
		if err != nil {
			t.Fatal(err)
		}
		client, err := New(Config{Issuer: issuer, DialAddress: server.Listener.Addr().String(), CAFile: c.ca, Credentials: []CredentialSource{pat("x")}})
		if err != nil {
			t.Fatal(err)
		}
		client.backoff = backoff{first: time.Millisecond, most: time.Millisecond}
		_, err = client.getUser(t.Context(), "1")
		var unverified *tls.CertificateVerificationError
		if (err == nil) != c.ok || !c.ok && (!errors.As(err, &unverified) || !strings.Contains(provision.HintOf(err), c.host)) {
			t.Errorf("host %s, ca %q: %v", c.host, c.ca, err)
		}
	}
}

func TestCallsAreRepeatedOnlyWhereThatIsSafe(t *testing.T) {
	t.Parallel()
	read := func(c *Client, ctx context.Context) error { _, err := c.getProject(ctx, "1"); return err }
	create := func(c *Client, ctx context.Context) error { return c.createProject(ctx, "1", "2", "p") }
	drop := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for _, c := range []struct {
		name  string
		call  func(*Client, context.Context) error
		fault http.HandlerFunc
		sent  int64
	}{
		{"a read after 500", read, status(500), attempts},
		{"a read after 503", read, status(503), attempts},
		{"a read after the connection was cut", read, drop, attempts},
		{"a read after 400", read, status(400), 1},
		{"a creation after 500", create, status(500), 1},
		{"a creation after the connection was cut", create, drop, 1},
		{"a creation after 503, which nobody has executed", create, status(503), attempts},
		{"a creation after 429", create, status(429), attempts},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var sent atomic.Int64
			client := scripted(t, "http://sso.test", ready(func(w http.ResponseWriter, r *http.Request) {
				sent.Add(1)
				c.fault(w, r)
			}), pat("x"))
			if err := c.call(client, t.Context()); err == nil {
				t.Fatal("no error")
			}
			if sent.Load() != c.sent {
				t.Errorf("sent %d times, wanted %d", sent.Load(), c.sent)
			}
		})
	}
}

func TestARefusedConnectionIsTriedAgain(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	c, err := New(Config{Issuer: parseIssuer(t, "http://"+address), Credentials: []CredentialSource{pat("x")}})
	if err != nil {
		t.Fatal(err)
	}
	c.backoff = backoff{first: time.Millisecond, most: time.Millisecond}
	if err := c.createProject(t.Context(), "1", "2", "p"); !errors.Is(err, ErrUnavailable) || provision.HintOf(err) == "" {
		t.Errorf("err: %v", err)
	}
}

func TestACallEndsWithItsContextAndItsDeadline(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	c := scripted(t, "http://sso.test", ready(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}), pat("x"))
	c.timeout = 20 * time.Millisecond
	if _, err := c.getUser(t.Context(), "1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
	c.timeout = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := c.getUser(ctx, "1"); !errors.Is(err, context.Canceled) {
		t.Errorf("context: %v", err)
	}
}

func TestAnAnswerIsBoundedAndMustBeJSON(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		strings.Repeat("x", maxBody+1): "more than",
		"<html>":                       "not what Zitadel answers",
	} {
		c := scripted(t, "http://sso.test", ready(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }), pat("x"))
		if _, err := c.getUser(t.Context(), "1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	var leaked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) { leaked.Store(true) }))
	t.Cleanup(other.Close)
	c := scripted(t, "http://sso.test", ready(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}), pat("x"))
	if _, err := c.getUser(t.Context(), "1"); err == nil || leaked.Load() {
		t.Errorf("followed: %v, err: %v", leaked.Load(), err)
	}
}

func TestAListIsReadToItsEndWhateverThePageIs(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 7, 10} {
		got, err := pages(t.Context(), "list", func(_ context.Context, p page) ([]int, total, error) {
			var part []int
			for i := p.Offset; i < min(p.Offset+3, n); i++ { // a server that gives three at once
				part = append(part, i)
			}
			return part, total(n), nil
		})
		if err != nil || len(got) != n {
			t.Errorf("%d of %d, %v", len(got), n, err)
		}
	}
	_, err := pages(t.Context(), "list", func(context.Context, page) ([]int, total, error) { return []int{1}, 1 << 30, nil })
	if err == nil {
		t.Error("an endless list ends")
	}
}

func TestAWrongConfigurationIsAnError(t *testing.T) {
	t.Parallel()
	issuer := parseIssuer(t, "http://sso.test")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]Config{
		"issuer is missing": {},
		"dial address":      {Issuer: issuer, DialAddress: "nowhere"},
		"has none in PEM":   {Issuer: issuer, CAFile: empty},
		"no such file":      {Issuer: issuer, CAFile: empty + "x"},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := NewConvergence(nil, Settings{}); err == nil {
		t.Error("settings without stores are taken")
	}
}
