package callout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

var (
	// ErrUnknownKey means that the issuer publishes no usable key of that id.
	ErrUnknownKey = errors.New("unknown key")
	// ErrIssuerUnavailable means that the issuer could not be asked for its keys.
	ErrIssuerUnavailable = errors.New("issuer unavailable")
)

// KeySetConfig says whose keys to trust and how eagerly to fetch them.
type KeySetConfig struct {
	// Issuer is compared byte for byte with what discovery says; required.
	Issuer string
	// Client reaches that issuer; required.
	Client *IssuerClient
	// MinRefetch is the shortest time between two fetches that unknown key ids cause;
	// above 0.
	MinRefetch time.Duration
	// Outage is how long after the last successful fetch keys are trusted while further
	// ones fail. Where the issuer allowed longer caching than that, its word counts.
	Outage time.Duration
	// Algorithms are those of RS256, ES256 and EdDSA whose keys are of use; at least one.
	Algorithms []string
	// Logger hears of changed sets, unusable keys and failed fetches; nil discards.
	Logger *slog.Logger
	// OnFetch counts fetches: result is "ok" or "error". It must not block. Nil: nobody.
	OnFetch func(result string)
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// KeySet holds the public keys of one issuer (OpenID Connect Discovery 1.0, RFC 7517).
//
// [KeySet.Run] keeps it fresh: it fetches ahead of the max-age that the issuer gives, so that
// a key that left is forgotten in time, and retries for ever when the issuer is out of
// reach. [KeySet.Lookup] is for the hot path: it reads an immutable view and never waits.
// Only a kid that nobody has seen is worth waiting for, in [KeySet.Await], and strangers
// choose kids: however many come, they cause one fetch in MinRefetch at most, and a kid
// that was in vain has to wait longer each time before it may cause another.
type KeySet struct {
	issuer     string
	client     *IssuerClient
	minRefetch time.Duration
	outage     time.Duration
	algorithms []string
	logger     *slog.Logger
	onFetch    func(result string)
	now        func() time.Time

	current atomic.Pointer[view]
	wake    chan struct{} // tells Run that a fetch has ended

	mu      sync.Mutex // held to begin a fetch, never during I/O
	stopped bool       // Run has returned: no more fetches
	flights sync.WaitGroup

	// What follows belongs to the fetch in flight.
	jwksURI      string
	rediscoverAt time.Time
}

var _ oidc.KeySet = (*KeySet)(nil)

// LookupState says what a lookup found, and what to do when it found nothing.
type LookupState int

const (
	// KeyAbsent: the issuer has no such key, refuse now.
	KeyAbsent LookupState = iota
	// KeyFound: the key is there and trusted.
	KeyFound
	// KeyFetchable: a fetch is under way or allowed, Await may find the key.
	KeyFetchable
	// KeysUnavailable: the issuer was asked in vain just now, refuse without waiting.
	KeysUnavailable
)

// String names the state.
func (s LookupState) String() string {
	switch s {
	case KeyFound:
		return "found"
	case KeyFetchable:
		return "fetchable"
	case KeysUnavailable:
		return "unavailable"
	}
	return "absent"
}

// NewKeySet checks cfg. The set is empty until [KeySet.Run] or [KeySet.Await] fetches.
func NewKeySet(cfg KeySetConfig) (*KeySet, error) {
	switch {
	case cfg.Client == nil:
		return nil, errors.New("key set: no client for the issuer")
	case cfg.Issuer == "" || cfg.Issuer != cfg.Client.issuer:
		return nil, fmt.Errorf("key set: issuer is %q, its client's is %q", cfg.Issuer, cfg.Client.issuer)
	case cfg.MinRefetch <= 0:
		return nil, fmt.Errorf("key set: minRefetch is %v, must be above 0", cfg.MinRefetch)
	case cfg.Outage < 0:
		return nil, fmt.Errorf("key set: outage is %v, must not be negative", cfg.Outage)
	case len(cfg.Algorithms) == 0:
		return nil, errors.New("key set: no algorithm is allowed")
	}
	for _, alg := range cfg.Algorithms {
		if alg != algRS256 && alg != algES256 && alg != algEdDSA {
			return nil, fmt.Errorf("key set: algorithm %q: must be %s, %s or %s", alg, algRS256, algES256, algEdDSA)
		}
	}
	k := &KeySet{
		issuer:     cfg.Issuer,
		client:     cfg.Client,
		minRefetch: cfg.MinRefetch,
		outage:     cfg.Outage,
		algorithms: slices.Clone(cfg.Algorithms),
		logger:     cfg.Logger,
		onFetch:    cfg.OnFetch,
		now:        cfg.Now,
		wake:       make(chan struct{}, 1),
	}
	if k.logger == nil {
		k.logger = slog.New(slog.DiscardHandler)
	}
	if k.onFetch == nil {
		k.onFetch = func(string) {}
	}
	if k.now == nil {
		k.now = time.Now
	}
	k.current.Store(new(view))
	return k, nil
}

// Lookup finds the trusted key of a kid, or says why there is none. It does no I/O, takes no
// lock and allocates nothing.
func (k *KeySet) Lookup(kid []byte) (*Key, LookupState) {
	return k.current.Load().lookup(kid, k.now())
}

// Await finds the key of a kid as Lookup does, and where that says [KeyFetchable] it waits
// for the fetch in flight or starts one. The fetch belongs to all who wait for it and goes
// on when ctx ends one's wait. The error wraps [ErrUnknownKey] or [ErrIssuerUnavailable].
func (k *KeySet) Await(ctx context.Context, kid []byte) (*Key, error) {
	older := k.current.Load().flight
	for {
		key, f, err := k.join(kid)
		if key != nil || err != nil {
			return key, err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the keys of %s: %w: %w", k.issuer, ErrIssuerUnavailable, context.Cause(ctx))
		}
		if key, state := k.Lookup(kid); state == KeyFound {
			return key, nil
		}
		if f.err != nil {
			return nil, k.unavailable(f.err)
		}
		// A fetch that was under way before we came may have missed a key that is newer
		// than its answer but older than our token: then one more is due.
		if f != older {
			return nil, k.unknown(kid)
		}
	}
}

// join returns the key, the flight to wait for, or the error that makes waiting useless.
func (k *KeySet) join(kid []byte) (*Key, *flight, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	v := k.current.Load()
	key, state := v.lookup(kid, now)
	switch {
	case state == KeyFound:
		return key, nil, nil
	case state == KeyAbsent:
		return nil, nil, k.unknown(kid)
	case state == KeysUnavailable:
		return nil, nil, k.unavailable(v.failure)
	case v.flight != nil:
		return nil, v.flight, nil
	case k.stopped:
		return nil, nil, k.unavailable(errors.New("the key set has been stopped"))
	}
	return nil, k.begin(v, string(kid), now), nil
}

func (k *KeySet) unknown(kid []byte) error {
	return fmt.Errorf("find key %s of %s: %w", excerpt(string(kid)), k.issuer, ErrUnknownKey)
}

func (k *KeySet) unavailable(cause error) error {
	return fmt.Errorf("fetch the keys of %s: %w: %w", k.issuer, ErrIssuerUnavailable, cause)
}

// VerifySignature checks a parsed JWS with the key that its protected header names and
// returns the payload, as zitadel/oidc's verifiers want it. It may wait for a fetch. The
// error wraps [ErrUnknownKey], [ErrIssuerUnavailable], [ErrAlgorithm] or [ErrSignature].
func (k *KeySet) VerifySignature(ctx context.Context, jws *jose.JSONWebSignature) ([]byte, error) {
	if len(jws.Signatures) != 1 {
		return nil, fmt.Errorf("verify a JWS: %w: it has %d signatures, want 1", ErrSignature, len(jws.Signatures))
	}
	header := jws.Signatures[0].Protected
	key, state := k.Lookup([]byte(header.KeyID))
	if state != KeyFound {
		var err error
		if key, err = k.Await(ctx, []byte(header.KeyID)); err != nil {
			return nil, err
		}
	}
	if err := key.fits(header.Algorithm); err != nil {
		return nil, err
	}
	payload, err := jws.Verify(key.public)
	if err != nil {
		return nil, fmt.Errorf("verify %s with key %q: %w: %w", key.algorithm, key.id, ErrSignature, err)
	}
	return payload, nil
}

// KeySetStatus is a key set's health at one moment.
type KeySetStatus struct {
	// FetchedAt is when the last successful fetch began; zero before the first.
	FetchedAt time.Time
	// Age is the time since FetchedAt; 0 before the first fetch.
	Age time.Duration
	// Keys is how many keys are trusted now.
	Keys int
	// Usable is whether any key is: without one every token is refused.
	Usable bool
	// Degraded is whether the last fetch failed; Usable keys are then on borrowed time.
	Degraded bool
	// LastError says why it failed; empty when it did not.
	LastError string
}

// Status reports the set's health, for readiness and metrics.
func (k *KeySet) Status() KeySetStatus {
	now, v := k.now(), k.current.Load()
	status := KeySetStatus{FetchedAt: v.fetchedAt}
	if !v.fetchedAt.IsZero() {
		status.Age = now.Sub(v.fetchedAt)
	}
	for _, key := range v.keys {
		if key.Trusted(now) {
			status.Keys++
		}
	}
	status.Usable = status.Keys > 0
	if v.failure != nil {
		status.Degraded = true
		status.LastError = v.failure.Error()
	}
	return status
}
