package callout

import (
	"maps"
	"time"
)

const (
	// maxMissedWait bounds how long one kid has to wait before it may cause a fetch again.
	maxMissedWait = time.Minute
	// maxMissed bounds the kids that are remembered as missed. Forgetting one is harmless:
	// it then competes with all other unknown kids for the one fetch in MinRefetch.
	maxMissed = 1024
)

// view is all that lookups decide by. It is immutable: whoever changes something publishes a
// changed copy. That happens as a fetch begins and as it ends, not for each request.
type view struct {
	keys         map[string]*Key
	skipped      []string  // why other keys of the set are not among them
	fetchedAt    time.Time // when the fetch that brought keys began; zero: none did
	trustedUntil time.Time // no key is trusted from then on

	flight    *flight   // the fetch under way, or nil
	refreshAt time.Time // when the next one is due by itself
	failure   error     // why the last fetch failed, nil if it did not
	failures  int       // how many have failed since one did not

	askAt  time.Time       // until then no unknown kid causes a fetch
	missed map[string]miss // kids that caused a fetch in vain
}

// miss is the waiting time of one kid.
type miss struct {
	wait    time.Duration
	retryAt time.Time
}

func (v *view) lookup(kid []byte, now time.Time) (*Key, LookupState) {
	if key := v.keys[string(kid)]; key != nil && key.Trusted(now) {
		return key, KeyFound
	}
	switch {
	case len(kid) == 0 || len(kid) > maxKeyIDBytes:
		return nil, KeyAbsent
	case v.flight != nil:
		return nil, KeyFetchable
	case v.failure != nil && now.Before(v.refreshAt):
		return nil, KeysUnavailable
	case !v.trusted(now):
		return nil, KeyFetchable
	case !now.Before(v.askAt) && !now.Before(v.missed[string(kid)].retryAt):
		return nil, KeyFetchable
	case v.failure != nil:
		return nil, KeysUnavailable
	}
	return nil, KeyAbsent
}

// trusted reports whether the set, empty or not, is the issuer's word still.
func (v *view) trusted(now time.Time) bool { return now.Before(v.trustedUntil) }

// begun is the view while f is under way.
func (v *view) begun(f *flight) *view {
	next := *v
	next.flight = f
	return &next
}

// failed is the view after a fetch failed: known keys stay, as long as they are trusted.
func (v *view) failed(err error, retryAt time.Time) *view {
	next := *v
	next.flight = nil
	next.failure = err
	next.failures++
	next.refreshAt = retryAt
	return &next
}

// replaced is the view after a fetch brought a set. Keys that were known stay the same *Key,
// so that what was verified by them need not be again; others lose their trust.
func (v *view) replaced(set *parsedKeys, fetchedAt, trustedUntil, refreshAt time.Time) *view {
	next := *v
	next.flight = nil
	next.failure, next.failures = nil, 0
	next.fetchedAt, next.trustedUntil, next.refreshAt = fetchedAt, trustedUntil, refreshAt
	next.skipped = set.skipped
	next.keys = make(map[string]*Key, len(set.keys))
	for kid, key := range set.keys {
		if known := v.keys[kid]; known != nil && known.same(key) {
			key = known
		}
		key.trustUntil(trustedUntil)
		next.keys[kid] = key
	}
	for kid, known := range v.keys {
		if next.keys[kid] != known {
			known.withdraw()
		}
	}
	return &next
}

// remember notes, in a view not yet published, that a kid caused a fetch in vain.
func (v *view) remember(kid string, now time.Time, first time.Duration) {
	m, again := v.missed[kid]
	m.wait = min(2*m.wait, max(maxMissedWait, first))
	if !again {
		m.wait = first
	}
	m.retryAt = now.Add(m.wait)

	missed := maps.Clone(v.missed)
	if missed == nil {
		missed = make(map[string]miss)
	}
	if !again && len(missed) >= maxMissed {
		delete(missed, soonest(missed))
	}
	missed[kid] = m
	v.missed = missed
}

// soonest is the kid whose waiting time ends, or ended, before all others'.
func soonest(missed map[string]miss) string {
	var first string
	for kid, m := range missed {
		if first == "" || m.retryAt.Before(missed[first].retryAt) {
			first = kid
		}
	}
	return first
}
