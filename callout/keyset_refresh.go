package callout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	minRetry = 250 * time.Millisecond
	maxRetry = 10 * time.Second
)

// flight is one fetch, shared by all who wait for it.
type flight struct {
	kid    string // the unknown kid that caused it; empty when it was due anyway
	began  time.Time
	cancel context.CancelFunc
	done   chan struct{} // closed when the view holds its outcome
	err    error         // why it failed, to be read after done
}

// Run fetches the keys at once and again whenever that is due, until ctx ends. A failure is
// logged and retried, for ever. On return no fetch is under way, none begins any more and the
// client's idle connections are closed; known keys stay as they are. Run must be called once
// at most; it returns ctx's cause.
func (k *KeySet) Run(ctx context.Context) error {
	defer k.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
			k.refresh()
		case <-k.wake:
			timer.Reset(k.current.Load().refreshAt.Sub(k.now()))
		}
	}
}

// refresh begins a fetch if one is due and none is under way. The end of every fetch wakes
// Run, which is then told when the next is due.
func (k *KeySet) refresh() {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	switch v := k.current.Load(); {
	case v.flight != nil:
	case now.Before(v.refreshAt):
		k.notify()
	default:
		k.begin(v, "", now)
	}
}

func (k *KeySet) stop() {
	k.mu.Lock()
	k.stopped = true
	f := k.current.Load().flight
	k.mu.Unlock()
	if f != nil {
		f.cancel()
	}
	k.flights.Wait()
	k.client.Close()
}

// begin starts a fetch, with mu held and none under way. Its context is nobody's but its
// own: each waiter may leave. A kid that is unknown to a current set uses up the one fetch
// that such kids are allowed in MinRefetch, whether it succeeds or not.
func (k *KeySet) begin(v *view, kid string, now time.Time) *flight {
	ctx, cancel := context.WithTimeout(context.Background(), fetchRequests*k.client.timeout)
	f := &flight{kid: kid, began: now, cancel: cancel, done: make(chan struct{})}
	next := v.begun(f)
	if kid != "" && v.trusted(now) {
		next.askAt = now.Add(k.minRefetch)
	}
	k.current.Store(next)
	k.flights.Go(func() { k.fly(ctx, f) })
	return f
}

// fly fetches and publishes the outcome. It is the only one to change the view meanwhile:
// no other fetch begins before this one has left it.
func (k *KeySet) fly(ctx context.Context, f *flight) {
	set, err := k.fetch(ctx, f.began)
	stopped := errors.Is(ctx.Err(), context.Canceled)
	f.cancel()
	f.err = err
	now := k.now()

	var next *view
	old := k.current.Load()
	if err != nil {
		next = old.failed(err, now.Add(retryDelay(old.failures)))
	} else {
		due := refreshDelay(set.lifetime)
		if len(set.keys) == 0 {
			due = min(due, k.minRefetch) // an issuer without a usable key is in trouble, and we with it
		}
		next = old.replaced(set.parsedKeys, f.began, f.began.Add(max(k.outage, set.lifetime)), f.began.Add(due))
		if f.kid != "" && next.keys[f.kid] == nil {
			next.remember(f.kid, now, k.minRefetch)
		}
	}
	k.current.Store(next)
	close(f.done)
	k.notify()

	switch {
	case err == nil:
		k.onFetch("ok")
		k.logSet(old, next, set.lifetime)
	case !stopped:
		k.onFetch("error")
		k.logFailure(old, err)
	}
}

// notify makes Run look again at when the next fetch is due.
func (k *KeySet) notify() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// refreshDelay spreads the refreshes of many replicas over 70 to 80 % of what the issuer
// allows, which leaves time for retries.
func refreshDelay(lifetime time.Duration) time.Duration {
	return time.Duration((0.70 + 0.10*rand.Float64()) * float64(lifetime))
}

// retryDelay doubles from minRetry to maxRetry with each failure, and takes between half and
// all of that.
func retryDelay(failures int) time.Duration {
	delay := maxRetry
	if failures < 6 { // 250 ms × 2⁶ is above 10 s
		delay = min(minRetry<<failures, maxRetry)
	}
	return delay/2 + rand.N(delay/2)
}

// logFailure warns when something has changed; an outage repeats the same failure for hours.
func (k *KeySet) logFailure(old *view, err error) {
	level := slog.LevelWarn
	if old.failure != nil && old.failure.Error() == err.Error() {
		level = slog.LevelDebug
	}
	k.logger.Log(context.Background(), level, "fetching the issuer's keys failed",
		"issuer", k.issuer, "error", err, "known_keys", len(old.keys), "trusted_until", old.trustedUntil)
}

// logSet tells what has changed; most fetches bring what was known.
func (k *KeySet) logSet(old, next *view, lifetime time.Duration) {
	if !slices.Equal(old.skipped, next.skipped) {
		for _, reason := range next.skipped {
			k.logger.Warn("a key of the issuer is not used", "issuer", k.issuer, "reason", reason)
		}
	}
	level := slog.LevelDebug
	if old.failure != nil || old.fetchedAt.IsZero() || !maps.Equal(old.keys, next.keys) {
		level = slog.LevelInfo
	}
	if len(next.keys) == 0 {
		level = slog.LevelWarn
	}
	k.logger.Log(context.Background(), level, "fetched the issuer's keys",
		"issuer", k.issuer, "kids", fmt.Sprintf("%q", slices.Sorted(maps.Keys(next.keys))), "lifetime", lifetime.String())
}
