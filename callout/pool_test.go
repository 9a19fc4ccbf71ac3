package callout

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"harmony-callout/callout/callouttest"
)

// stuckIssuer is an issuer that never answers, for a pool.
type stuckIssuer struct{ waiting atomic.Int64 }

func (s *stuckIssuer) Await(ctx context.Context, _ []byte) (*Key, error) {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	<-ctx.Done()
	return nil, errors.Join(ErrIssuerUnavailable, context.Cause(ctx))
}

// pooled is a pool with the answers and decisions that came out of it.
type pooled struct {
	*pool
	desk   *desk
	issuer *stuckIssuer
	wire   *callouttest.Wire

	mu      sync.Mutex
	answers int
	dropped int
	reasons map[Reason]int
	slowest time.Duration
}

// newPooled starts a pool whose handler has to ask for every key but one, and asks in vain.
func newPooled(t *testing.T) *pooled {
	t.Helper()
	seeds := clearSeeds()
	p := &pooled{desk: newDesk(t, seeds), issuer: new(stuckIssuer), wire: callouttest.NewWire(seeds), reasons: make(map[Reason]int)}
	q := newQueue(8192, time.Minute, func(_ dropCause, n int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.dropped += n
	})
	p.pool = newPool(p.desk.handler, p.issuer, q, 2, func(d *Decision, took, _ time.Duration) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.reasons[d.Reason]++
		p.slowest = max(p.slowest, took)
	})
	return p
}

func (p *pooled) push(tokens ...string) {
	jobs := make([]*job, len(tokens))
	for i, token := range tokens {
		request := p.wire.Request(callouttest.RequestSpec{Token: token, Expires: time.Now().Add(time.Minute)})
		jobs[i] = &job{Request: Request{Data: request.Data}, reply: func(answer []byte) {
			if _, err := request.Open(bytes.Clone(answer)); err != nil {
				p.desk.t.Errorf("answer: %v", err)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.answers++
		}}
	}
	for _, j := range jobs { // all at once
		j.Received = time.Now()
		p.queue.push(j)
	}
}

// pushUnknown pushes tokens of keys that nobody knows.
func (p *pooled) pushUnknown(n int) {
	tokens := make([]string, n)
	for i := range tokens {
		// What names an unknown key is never checked further, so that a cheap signature will do.
		tokens[i] = p.desk.issuer.Token(callouttest.TokenSpec{Header: map[string]any{"kid": "unknown-" + strconv.Itoa(i), "alg": "RS256"}, SignWith: []byte("x")})
	}
	p.push(tokens...)
}

func (p *pooled) count(reason Reason) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reasons[reason]
}

func (p *pooled) eventually(what string, ok func() bool) {
	p.desk.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.desk.t.Fatalf("never %s: %v", what, p.reasons)
		}
	}
}

// forgetKeys makes the key set one that was never fetched, so that every key is worth
// waiting for.
func (p *pooled) forgetKeys() { p.desk.handler.decider.verifier.Keys.current.Store(new(view)) }

func TestRequestsThatNeedTheIssuerDoNotDelayOthers(t *testing.T) {
	t.Parallel()
	p := newPooled(t)
	good := p.desk.token()
	keys := p.desk.handler.decider.verifier.Keys
	askable := *keys.current.Load() // knows the good one's key, and may ask for others
	askable.askAt = time.Time{}
	keys.current.Store(&askable)
	p.pushUnknown(20)
	p.eventually("waiting", func() bool { return p.issuer.waiting.Load() == 20 })
	p.push(slices.Repeat([]string{good}, 50)...)
	p.eventually("good ones answered", func() bool { return p.count("") == 50 })
	if n := p.issuer.waiting.Load(); n != 20 {
		t.Errorf("%d still wait, want 20: the good ones had to be answered meanwhile", n)
	}
	p.drain(t.Context())
	// All of them come again in one moment. Where the machine is too slow for that, some are
	// dropped: nobody waits for them any more.
	if refused := p.count(ReasonIssuerUnavailable); refused == 0 || refused+p.dropped != 20 {
		t.Errorf("%d refused and %d dropped, want 20", refused, p.dropped)
	}
	if p.slowest < requestDeadline {
		t.Errorf("given up after %s, want %s", p.slowest, requestDeadline)
	}
}

func TestWaitersAreBounded(t *testing.T) {
	p := newPooled(t)
	p.forgetKeys()
	if n := cap(p.waiters); n != waitersMax {
		t.Errorf("%d may wait, want %d", n, waitersMax)
	}
	p.waiters = make(chan struct{}, 20)
	p.pushUnknown(30)
	p.eventually("overloaded", func() bool { return p.count(ReasonOverloaded) == 10 })
	if n := p.issuer.waiting.Load(); n != 20 {
		t.Errorf("%d wait, want 20", n)
	}
	p.cancel()
	p.eventually("the rest refused", func() bool { return p.count(ReasonIssuerUnavailable) == 20 })
	p.drain(t.Context())
	if p.answers != 30 {
		t.Errorf("%d answers, want 30", p.answers)
	}
}

func TestDrainingAnswersWhatStillWaitsWhenItsTimeIsOver(t *testing.T) {
	p := newPooled(t)
	p.forgetKeys()
	p.pushUnknown(20)
	p.eventually("waiting", func() bool { return p.issuer.waiting.Load() == 20 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	p.drain(ctx)
	if p.answers != 20 || p.count(ReasonIssuerUnavailable) != 20 || p.slowest >= requestDeadline {
		t.Errorf("%d answers, %v, the slowest after %s; want 20 of issuer_unavailable at once", p.answers, p.reasons, p.slowest)
	}
	if n := p.issuer.waiting.Load(); n != 0 {
		t.Errorf("%d wait after the end", n)
	}
}

func TestDrainingWaitsForTheIssuerWhileItMay(t *testing.T) {
	t.Parallel()
	p := newPooled(t)
	p.forgetKeys()
	p.pushUnknown(3)
	p.eventually("waiting", func() bool { return p.issuer.waiting.Load() == 3 })
	p.drain(t.Context())
	if p.answers+p.dropped != 3 || p.answers == 0 || p.slowest < requestDeadline {
		t.Errorf("%d answered, %d dropped, the slowest after %s; want 3, given up after %s", p.answers, p.dropped, p.slowest, requestDeadline)
	}
}
