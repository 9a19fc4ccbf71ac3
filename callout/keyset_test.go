package callout

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
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

func TestNewKeySetRefusesWhatWouldNotBeSafe(t *testing.T) {
	s := newScriptedIssuer(t)
	good := KeySetConfig{Issuer: s.URL, Client: s.client(t), MinRefetch: time.Second, Algorithms: []string{"RS256"}}
	for name, change := range map[string]func(*KeySetConfig){
		"no client":                          func(c *KeySetConfig) { c.Client = nil },
		"no issuer":                          func(c *KeySetConfig) { c.Issuer = "" },
		"another issuer than the client's":   func(c *KeySetConfig) { c.Issuer += "/" },
		"unknown kids may fetch at any time": func(c *KeySetConfig) { c.MinRefetch = 0 },
		"negative outage":                    func(c *KeySetConfig) { c.Outage = -1 },
		"no algorithm":                       func(c *KeySetConfig) { c.Algorithms = nil },
		"no signature at all":                func(c *KeySetConfig) { c.Algorithms = []string{"none"} },
		"a shared secret":                    func(c *KeySetConfig) { c.Algorithms = []string{"RS256", "HS256"} },
	} {
		cfg := good
		change(&cfg)
		if _, err := NewKeySet(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := NewKeySet(good); err != nil {
		t.Error(err)
	}
}

func TestKnownKeysAreFoundWithoutAskingAgain(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"), edJWK(t, "b"))
	k := s.keySet(t, nil)
	wantState(t, k, "a", KeyFetchable)
	start(t, k)

	mustFind(t, k, "a")
	mustFind(t, k, "b")
	if key, err := k.Await(t.Context(), []byte("a")); err != nil || key.ID() != "a" {
		t.Errorf("await of a known key: %v, %v", key, err)
	}
	if got := s.fetches.Load(); got != 1 {
		t.Errorf("%d fetches, want 1", got)
	}
	status := k.Status()
	if !status.Usable || status.Degraded || status.Keys != 2 || status.LastError != "" || status.Age > time.Minute {
		t.Errorf("status %+v", status)
	}
}

func TestAKidThatNoKeyCanHaveCausesNoFetch(t *testing.T) {
	s := newScriptedIssuer(t)
	k := s.keySet(t, nil)
	for _, kid := range []string{"", strings.Repeat("k", maxKeyIDBytes+1)} {
		wantState(t, k, kid, KeyAbsent)
		if _, err := k.Await(t.Context(), []byte(kid)); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("await of a kid of %d bytes: %v", len(kid), err)
		}
	}
	if s.discoveries.Load()+s.fetches.Load() != 0 {
		t.Error("the issuer was asked")
	}
}

func TestARotatedKeyIsFoundWithinOneAwait(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "old"))
	k := s.keySet(t, nil)
	start(t, k)

	s.publish(edJWK(t, "old"), edJWK(t, "new"))
	wantState(t, k, "new", KeyFetchable)
	if key, err := k.Await(t.Context(), []byte("new")); err != nil || key.ID() != "new" {
		t.Fatalf("await: %v, %v", key, err)
	}
	mustFind(t, k, "new")
	if got := s.fetches.Load(); got != 2 {
		t.Errorf("%d fetches, want 2", got)
	}
}

func TestAnAnswerOlderThanTheTokenIsFollowedByOneMoreFetch(t *testing.T) {
	s := newScriptedIssuer(t)
	hold := make(chan struct{})
	s.script(func(s *scriptedIssuer) { s.hold = hold })
	k := s.keySet(t, nil)
	k.refresh()
	eventually(t, "the first fetch", func() bool { return s.fetches.Load() == 1 })

	s.publish(edJWK(t, "new")) // too late for the answer on hold
	s.script(func(s *scriptedIssuer) { s.hold = nil })
	result := make(chan error, 1)
	go func() {
		_, err := k.Await(t.Context(), []byte("new"))
		result <- err
	}()
	time.Sleep(20 * time.Millisecond) // either way of interleaving must find the key
	close(hold)
	if err := <-result; err != nil {
		t.Error(err)
	}
	if got := s.fetches.Load(); got != 2 {
		t.Errorf("%d fetches, want 2", got)
	}
}

func TestAWaiterMayLeaveWhileTheFetchGoesOnForOthers(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"))
	hold := make(chan struct{})
	s.script(func(s *scriptedIssuer) { s.hold = hold })
	k := s.keySet(t, nil)

	hurried, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	patient := make(chan error, 1)
	_, err := k.Await(hurried, []byte("a")) // this one begins the fetch
	if !errors.Is(err, ErrIssuerUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the hurried waiter got %v", err)
	}
	go func() {
		_, err := k.Await(t.Context(), []byte("a"))
		patient <- err
	}()
	close(hold)
	if err := <-patient; err != nil {
		t.Errorf("the patient waiter got %v", err)
	}
	if got := s.fetches.Load(); got != 1 {
		t.Errorf("%d fetches, want 1", got)
	}
}

func TestManyUnknownKidsAtOnceCauseOneFetch(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"))
	k := s.keySet(t, nil)
	start(t, k)
	before := s.fetches.Load()

	var all sync.WaitGroup
	gate := make(chan struct{})
	for i := range 2000 {
		all.Go(func() {
			<-gate
			if _, err := k.Await(t.Context(), fmt.Appendf(nil, "unknown-%d", i)); !errors.Is(err, ErrUnknownKey) {
				t.Errorf("await: %v", err)
			}
		})
	}
	close(gate)
	all.Wait()
	if got := s.fetches.Load() - before; got != 1 {
		t.Errorf("%d fetches, want 1", got)
	}
	wantState(t, k, "unknown-x", KeyAbsent)
	mustFind(t, k, "a")
}

func TestAKidThatWasInVainWaitsLongerEachTime(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"))
	clock := new(testClock)
	k := s.keySet(t, func(c *KeySetConfig) {
		c.MinRefetch, c.Outage, c.Now = 10*time.Second, 24*time.Hour, clock.now
	})
	if _, err := k.Await(t.Context(), []byte("a")); err != nil {
		t.Fatal(err)
	}
	for i, wait := range []time.Duration{10, 20, 40, 60, 60} {
		before := s.fetches.Load()
		if _, err := k.Await(t.Context(), []byte("dead")); !errors.Is(err, ErrUnknownKey) {
			t.Fatalf("await: %v", err)
		}
		if s.fetches.Load() != before+1 {
			t.Fatalf("miss %d: caused no fetch", i)
		}
		wantState(t, k, "dead", KeyAbsent)
		clock.add(wait*time.Second - time.Second)
		wantState(t, k, "dead", KeyAbsent)
		if wait > 10 {
			wantState(t, k, "another", KeyFetchable)
		}
		clock.add(time.Second)
		wantState(t, k, "dead", KeyFetchable)
	}

	s.publish(edJWK(t, "dead"))
	if _, err := k.Await(t.Context(), []byte("another")); !errors.Is(err, ErrUnknownKey) {
		t.Fatalf("await: %v", err)
	}
	mustFind(t, k, "dead") // the set wins over the memory of misses
}

func TestAFloodOfKidsIsRememberedWithinBounds(t *testing.T) {
	now := time.Now()
	v := new(view)
	for i := range 3 * maxMissed {
		v.remember(fmt.Sprint(i), now.Add(time.Duration(i)*time.Second), 5*time.Second)
	}
	if len(v.missed) != maxMissed {
		t.Errorf("%d kids remembered, want %d", len(v.missed), maxMissed)
	}
	if _, ok := v.missed[fmt.Sprint(3*maxMissed-1)]; !ok {
		t.Error("the last kid is forgotten: those whose time has passed should be")
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	s := newScriptedIssuer(t)
	s.publish(edJWK(t, "a"))
	k := s.keySet(t, nil)
	start(t, k)
	known, absent := []byte("a"), []byte(strings.Repeat("absent", 20))
	if _, err := k.Await(t.Context(), absent); !errors.Is(err, ErrUnknownKey) {
		t.Fatal(err)
	}
	for _, kid := range [][]byte{known, absent} {
		if n := testing.AllocsPerRun(1000, func() { k.Lookup(kid) }); n != 0 {
			t.Errorf("lookup of %q: %v allocations", kid, n)
		}
	}
}

func TestOneSetOfZitadelOIDCUsesTheKeySet(t *testing.T) {
	rsaKey, ecKey := testRSA(t), testEC(t)
	edKey, edPublic := newEd25519(t)
	s := newScriptedIssuer(t)
	s.publish(
		jwkOf(t, jose.JSONWebKey{Key: rsaKey.Public(), KeyID: "rsa", Use: "sig", Algorithm: "RS256"}),
		jwkOf(t, jose.JSONWebKey{Key: ecKey.Public(), KeyID: "ec", Use: "sig"}),
		jwkOf(t, jose.JSONWebKey{Key: edPublic, KeyID: "ed"}),
	)
	k := s.keySet(t, nil)
	verifier := op.NewAccessTokenVerifier(s.URL, k,
		op.WithSupportedAccessTokenSigningAlgorithms("RS256", "ES256", "EdDSA", "RS512", "HS256"))
	claims := fmt.Sprintf(`{"iss":%q,"sub":"u","aud":["p"],"jti":"t","exp":%d}`, s.URL, time.Now().Add(time.Hour).Unix())
	stranger, _ := newEd25519(t)

	for _, tt := range []struct {
		name string
		alg  jose.SignatureAlgorithm
		key  any
		kid  string
		want error
	}{
		{"RS256 with the RSA key", jose.RS256, rsaKey, "rsa", nil},
		{"ES256 with the EC key", jose.ES256, ecKey, "ec", nil},
		{"EdDSA with the Ed25519 key", jose.EdDSA, edKey, "ed", nil},
		{"RS512 with the RSA key", jose.RS512, rsaKey, "rsa", ErrAlgorithm},
		{"RS256 under the EC key's kid", jose.RS256, rsaKey, "ec", ErrAlgorithm},
		{"ES256 under the RSA key's kid", jose.ES256, ecKey, "rsa", ErrAlgorithm},
		{"HS256 with the public key as secret", jose.HS256, []byte(edPublic), "ed", ErrAlgorithm},
		{"a stranger's key under our kid", jose.EdDSA, stranger, "ed", ErrSignature},
		{"a kid that nobody has", jose.EdDSA, edKey, "nobody", ErrUnknownKey},
		{"no kid", jose.EdDSA, edKey, "", ErrUnknownKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := signed(t, tt.alg, tt.key, tt.kid, claims)
			got, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](t.Context(), token, verifier)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if err == nil && got.Subject != "u" {
				t.Errorf("claims %+v", got)
			}
		})
	}

	t.Run("a signature over other claims", func(t *testing.T) {
		parts := strings.Split(signed(t, jose.EdDSA, edKey, "ed", claims), ".")
		other := strings.Split(signed(t, jose.EdDSA, edKey, "ed", strings.Replace(claims, `"u"`, `"v"`, 1)), ".")
		_, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](t.Context(), parts[0]+"."+other[1]+"."+parts[2], verifier)
		if !errors.Is(err, ErrSignature) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("two signatures", func(t *testing.T) {
		jws, err := jose.ParseSigned(signed(t, jose.EdDSA, edKey, "ed", claims), []jose.SignatureAlgorithm{jose.EdDSA})
		if err != nil {
			t.Fatal(err)
		}
		jws.Signatures = slices.Repeat(jws.Signatures, 2)
		if _, err := k.VerifySignature(t.Context(), jws); !errors.Is(err, ErrSignature) {
			t.Errorf("error %v", err)
		}
	})
}

func signed(t testing.TB, alg jose.SignatureAlgorithm, key any, kid, payload string) string {
	t.Helper()
	options := new(jose.SignerOptions).WithType("JWT")
	if kid != "" {
		options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
