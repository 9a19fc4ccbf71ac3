package callout

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// scriptedIssuer is a real HTTP server that publishes whatever a test tells it to.
type scriptedIssuer struct {
	*httptest.Server
	fetches     atomic.Int64 // of the keys
	discoveries atomic.Int64

	mu        sync.Mutex
	keys      []string // each a JWK
	header    http.Header
	discovery http.HandlerFunc // nil: a truthful document
	jwks      http.HandlerFunc // nil: keys
	hold      chan struct{}    // answers of jwks, already decided, wait for it to be closed
}

func newScriptedIssuer(t *testing.T) *scriptedIssuer {
	t.Helper()
	s := &scriptedIssuer{header: http.Header{"Cache-Control": {"max-age=300, must-revalidate"}}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *scriptedIssuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	discovery, jwks, hold := s.discovery, s.jwks, s.hold
	body, header := `{"keys":[`+strings.Join(s.keys, ",")+`]}`, s.header.Clone()
	s.mu.Unlock()
	switch r.URL.Path {
	case discoveryPath:
		s.discoveries.Add(1)
		if discovery == nil {
			discovery = s.document(s.URL, s.URL+"/keys")
		}
		discovery(w, r)
	case "/keys":
		s.fetches.Add(1)
		if hold != nil {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}
		if jwks == nil {
			for name, values := range header {
				w.Header()[name] = values
			}
			jwks = answer(http.StatusOK, body)
		}
		jwks(w, r)
	default:
		http.NotFound(w, r)
	}
}

// script changes what the issuer does from now on.
func (s *scriptedIssuer) script(change func(*scriptedIssuer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *scriptedIssuer) publish(jwks ...string) {
	s.script(func(s *scriptedIssuer) { s.keys = jwks })
}

func (s *scriptedIssuer) goDown() {
	s.script(func(s *scriptedIssuer) { s.discovery, s.jwks = aborted, aborted })
}

func (s *scriptedIssuer) comeBack() {
	s.script(func(s *scriptedIssuer) { s.discovery, s.jwks = nil, nil })
}

func (s *scriptedIssuer) document(issuer, jwksURI string) http.HandlerFunc {
	body, _ := json.Marshal(map[string]any{"issuer": issuer, "jwks_uri": jwksURI, "scopes_supported": []string{"openid"}})
	return answer(http.StatusOK, string(body))
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// aborted closes the connection without an answer.
func aborted(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func (s *scriptedIssuer) client(t *testing.T) *IssuerClient {
	t.Helper()
	client, err := NewIssuerClient(IssuerClientConfig{Issuer: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// keySet returns a set for the issuer that refetches only when the clock is put on.
func (s *scriptedIssuer) keySet(t *testing.T, change func(*KeySetConfig)) *KeySet {
	t.Helper()
	cfg := KeySetConfig{
		Issuer: s.URL, Client: s.client(t),
		MinRefetch: time.Minute, Outage: time.Hour,
		Algorithms: []string{"RS256", "ES256", "EdDSA"},
	}
	if change != nil {
		change(&cfg)
	}
	k, err := NewKeySet(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.stop)
	return k
}

// testClock runs with the real one, put on by what a test adds.
type testClock struct{ ahead atomic.Int64 }

func (c *testClock) now() time.Time      { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *testClock) add(d time.Duration) { c.ahead.Add(int64(d)) }

// start runs the key set until the test ends and waits for its first keys.
func start(t *testing.T, k *KeySet) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = k.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	eventually(t, "the first keys", func() bool { return !k.Status().FetchedAt.IsZero() })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

func newEd25519(t testing.TB) (ed25519.PrivateKey, ed25519.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// edJWK is a fresh Ed25519 key as a JWK.
func edJWK(t testing.TB, kid string) string {
	t.Helper()
	_, public := newEd25519(t)
	return jwkOf(t, jose.JSONWebKey{Key: public, KeyID: kid, Use: "sig", Algorithm: "EdDSA"})
}

func jwkOf(t testing.TB, key jose.JSONWebKey) string {
	t.Helper()
	b, err := key.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func mustFind(t *testing.T, k *KeySet, kid string) *Key {
	t.Helper()
	key, state := k.Lookup([]byte(kid))
	if state != KeyFound || key.ID() != kid || !key.Trusted(k.now()) {
		t.Fatalf("lookup of %q: %v, want it found and trusted", kid, state)
	}
	return key
}

func wantState(t *testing.T, k *KeySet, kid string, want LookupState) {
	t.Helper()
	if key, state := k.Lookup([]byte(kid)); state != want || key != nil {
		t.Errorf("lookup of %q: %v, %v, want %v", kid, key, state, want)
	}
}
