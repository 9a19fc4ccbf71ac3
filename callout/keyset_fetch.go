package callout

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json"
)

const (
	// fetchRequests is how many requests one fetch makes at most: discovery and keys.
	fetchRequests = 2

	discoveryPath    = "/.well-known/openid-configuration"
	discoveryAge     = 15 * time.Minute
	maxDiscoveryBody = 64 << 10
	maxJWKSBody      = 256 << 10

	defaultLifetime = 5 * time.Minute
	maxLifetime     = 15 * time.Minute
	// maxLifetimeFloor keeps the promise that a key that left the issuer's set is trusted
	// no longer than max-age + 30 s, also where minRefetch is longer.
	maxLifetimeFloor = 30 * time.Second
)

// fetchedKeys is one answer of the issuer.
type fetchedKeys struct {
	*parsedKeys
	lifetime time.Duration // how long the issuer allows to go by it
}

// fetch asks the issuer for its keys. One runs at a time.
func (k *KeySet) fetch(ctx context.Context, now time.Time) (set *fetchedKeys, err error) {
	defer func() {
		// What is parsed here comes from outside, and here no request's own recover
		// stands between a panic and the process.
		if r := recover(); r != nil {
			set, err = nil, fmt.Errorf("fetch the keys: panic: %v", r)
		}
		if err != nil {
			k.jwksURI = "" // the keys may have moved
		}
	}()
	if k.jwksURI == "" || !now.Before(k.rediscoverAt) {
		if k.jwksURI, err = k.discover(ctx); err != nil {
			return nil, err
		}
		k.rediscoverAt = now.Add(discoveryAge)
	}
	body, header, err := k.client.GetJSON(ctx, k.jwksURI, maxJWKSBody)
	if err != nil {
		return nil, err
	}
	keys, err := parseJWKS(body, k.algorithms)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", k.jwksURI, err)
	}
	return &fetchedKeys{keys, lifetime(header, min(k.minRefetch, maxLifetimeFloor))}, nil
}

// discover returns the jwks_uri of the issuer (OpenID Connect Discovery 1.0 section 4). An
// issuer that calls itself otherwise is not ours (section 4.3): tokens would not fit either.
func (k *KeySet) discover(ctx context.Context) (string, error) {
	where := k.issuer + discoveryPath
	body, _, err := k.client.GetJSON(ctx, where, maxDiscoveryBody)
	if err != nil {
		return "", err
	}
	var document struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return "", fmt.Errorf("parse %s: %s in %s", where, excerpt(err.Error()), excerpt(string(body)))
	}
	if document.Issuer != k.issuer {
		return "", fmt.Errorf("discover %s: the issuer calls itself %s, configured is %q: set zitadel.issuer to the issuer's external URL, with its port and without a slash at the end",
			where, excerpt(document.Issuer), k.issuer)
	}
	uri, err := url.Parse(document.JWKSURI)
	if err != nil || !k.client.sameOrigin(uri) {
		return "", fmt.Errorf("discover %s: jwks_uri %s is not at the issuer: keys are taken from %s only",
			where, excerpt(document.JWKSURI), k.issuer)
	}
	return document.JWKSURI, nil
}

// lifetime is how long an answer may be used by its Cache-Control max-age less its Age (RFC
// 9111 section 4.2), within [floor, maxLifetime]; without a max-age that means anything it
// is defaultLifetime.
func lifetime(header http.Header, floor time.Duration) time.Duration {
	seconds, ok := maxAge(header)
	if !ok {
		return defaultLifetime
	}
	if age, ok := deltaSeconds(header.Get("Age")); ok {
		seconds -= age
	}
	// Bounded in seconds first: as a time.Duration it may overflow.
	allowed := time.Duration(min(max(seconds, 0), int64(maxLifetime/time.Second))) * time.Second
	return max(allowed, floor)
}

// maxAge finds the smallest max-age. No-store forbids to remember an answer at all, which
// would mean a fetch for each token: it leaves us our own default.
func maxAge(header http.Header) (seconds int64, ok bool) {
	for _, directive := range strings.Split(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store":
			return 0, false
		case "max-age":
			if s, valid := deltaSeconds(strings.Trim(value, `"`)); valid && (!ok || s < seconds) {
				seconds, ok = s, true
			}
		}
	}
	return seconds, ok
}

// deltaSeconds reads RFC 9111 section 1.2.2: digits only, and too many mean a long time.
func deltaSeconds(s string) (int64, bool) {
	const infinity = 1 << 31
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > infinity {
		return infinity, true
	}
	return n, true
}
