package callout

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"harmony-callout/callout/callouttest"
)

// bench is what the benchmarks of a handler share: an issuer whose keys are cached, a
// server's requests with tokens of about 2 kB and 5 roles, and a handler. The log is
// written, to nowhere: its cost is part of a decision.
type bench struct {
	issuer   *callouttest.Issuer
	wire     *callouttest.Wire
	keys     *KeySet
	handler  *Handler
	logger   *slog.Logger
	requests []Request
	tokens   []string
	next     int
}

// benchTokens is how many different tokens take turns where each is to be new.
const benchTokens = 512

var benchRoles = []string{"sensor", "operator", "auditor", "maintainer", "observer"}

// newBench makes requests with n tokens, sealed or not, and a handler that remembers
// cached tokens.
func newBench(b testing.TB, n, cached int, sealed bool) *bench {
	b.Helper()
	f, _ := newBenchWith(b, n, cached, sealed)
	return f
}

// newBenchWith is newBench and the seeds that another handler needs to answer the same.
func newBenchWith(b testing.TB, n, cached int, sealed bool) (*bench, callouttest.Seeds) {
	b.Helper()
	f := &bench{
		issuer: callouttest.StartIssuer(b, callouttest.IssuerConfig{}),
		logger: slog.New(slog.NewJSONHandler(io.Discard, nil)),
	}
	seeds := callouttest.NewSeeds()
	var xkeys []Secret
	if sealed {
		xkeys = []Secret{NewSecret(string(seeds.XKey))}
	} else {
		seeds.XKey = nil
	}
	f.wire = callouttest.NewWire(seeds)
	cfg := DefaultConfig()
	cfg.Zitadel.Issuer, cfg.Zitadel.ProjectID = f.issuer.URL(), f.issuer.ProjectID()
	for _, role := range benchRoles {
		cfg.Roles = append(cfg.Roles, RoleConfig{
			Role: role, Account: "APP",
			Publish:   PermissionConfig{Allow: []string{role + ".{user}.>"}},
			Subscribe: PermissionConfig{Allow: []string{"commands." + role + ".{user}.>", "_INBOX_{user}.>"}},
		})
	}
	policy, err := NewPolicy(&cfg)
	if err != nil {
		b.Fatal(err)
	}
	if f.keys, err = newIssuerKeys(&cfg, slog.New(slog.DiscardHandler), nil); err != nil {
		b.Fatal(err)
	}
	if _, err := f.keys.Await(context.Background(), []byte(f.issuer.ActiveKey())); err != nil {
		b.Fatal(err)
	}
	ring, err := newKeyring([]Secret{NewSecret(string(seeds.Account))}, xkeys)
	if err != nil {
		b.Fatal(err)
	}
	f.handler = &Handler{
		decider: newDecider(newVerifier(&cfg, f.keys), policy, cfg.Zitadel.Credentials, CacheConfig{Tokens: cached, Refused: cached}),
		keys:    ring,
		now:     time.Now,
	}
	for range n {
		token := f.issuer.Token(callouttest.TokenSpec{Roles: benchRoles, TTL: time.Hour, Claims: map[string]any{
			"urn:zitadel:iam:user:metadata": map[string]string{"location": strings.Repeat("x", 600)},
		}})
		f.tokens = append(f.tokens, token)
		f.requests = append(f.requests, f.request(token))
	}
	return f, seeds
}

// request is a server's request with a token, good for as long as a benchmark takes.
func (f *bench) request(token string) Request {
	r := f.wire.Request(callouttest.RequestSpec{Token: token, Expires: time.Now().Add(time.Hour)})
	return Request{Data: r.Data, ServerXKey: nats.Header(r.Header).Get(xkeyHeader), Received: time.Now()}
}

// handle handles the next request, as a worker of the pool does.
func (f *bench) handle(b testing.TB, w *work) {
	req := &f.requests[f.next%len(f.requests)]
	f.next++
	answer, wanted := f.handler.handle(req, nil, w)
	if wanted != nil || answer == nil || !w.decision.Allowed {
		b.Fatalf("not allowed: %v %v", wanted, w.decision.Err)
	}
	w.decision.log(f.logger)
}

func BenchmarkHandler(b *testing.B) {
	for _, bc := range []struct {
		name           string
		tokens, cached int
		sealed         bool
	}{
		{"new token", benchTokens, 1, false},
		{"new token, xkey", benchTokens, 1, true},
		{"seen token", 1, 16, false},
		{"seen token, xkey", 1, 16, true},
	} {
		b.Run(bc.name, func(b *testing.B) {
			f := newBench(b, bc.tokens, bc.cached, bc.sealed)
			var w work
			f.handle(b, &w)
			b.ReportAllocs()
			for b.Loop() {
				f.handle(b, &w)
			}
		})
	}
}

// BenchmarkFloor is the cryptography that no handler can do without: the server's
// signature is checked, the user JWT and the answer are signed; a new token's signature is
// checked too.
func BenchmarkFloor(b *testing.B) {
	f := newFloor(b, newBench(b, 1, 16, false))
	b.Run("seen token", func(b *testing.B) {
		for b.Loop() {
			f.seen(b)
		}
	})
	b.Run("new token", func(b *testing.B) {
		for b.Loop() {
			f.seen(b)
			f.token(b)
		}
	})
}

type floor struct {
	serverKey          ed25519.PublicKey
	account            ed25519.PrivateKey
	request, user      []byte
	answer, serverSign []byte
	rsa                *rsa.PrivateKey
	digest             [sha256.Size]byte
	rsaSign            []byte
}

// newFloor signs messages of the very sizes that a handler's requests, user JWTs and
// answers have: hashing them is part of a signature.
func newFloor(b testing.TB, of *bench) *floor {
	b.Helper()
	var w work
	of.handle(b, &w)
	signed := func(token []byte) []byte { return make([]byte, bytes.LastIndexByte(token, '.')) }
	f := &floor{request: signed(of.requests[0].Data), user: signed(w.jwt), answer: signed(w.response)}
	b.Logf("token %d bytes; signed: request %d, user JWT %d, answer %d", len(of.tokens[0]), len(f.request), len(f.user), len(f.answer))
	public, server, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	_, f.account, _ = ed25519.GenerateKey(rand.Reader)
	f.serverKey, f.serverSign = public, ed25519.Sign(server, f.request)
	if f.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		b.Fatal(err)
	}
	f.digest = sha256.Sum256([]byte(of.tokens[0]))
	if f.rsaSign, err = rsa.SignPKCS1v15(rand.Reader, f.rsa, crypto.SHA256, f.digest[:]); err != nil {
		b.Fatal(err)
	}
	return f
}

func (f *floor) seen(b testing.TB) {
	if !ed25519.Verify(f.serverKey, f.request, f.serverSign) {
		b.Fatal("signature")
	}
	ed25519.Sign(f.account, f.user)
	ed25519.Sign(f.account, f.answer)
}

func (f *floor) token(b testing.TB) {
	if err := rsa.VerifyPKCS1v15(&f.rsa.PublicKey, crypto.SHA256, f.digest[:], f.rsaSign); err != nil {
		b.Fatal(err)
	}
}
