package callout

import (
	"context"
	"sync"
	"time"
)

// requestDeadline bounds the life of a request in this process, from when it was received.
// The server gives up 2 s after CONNECT; a refusal that arrives before that tells the
// client more than silence does.
const requestDeadline = 1800 * time.Millisecond

// waitersMax bounds the requests that wait for the issuer at one time. They are goroutines
// that do nothing: the work is done by the local workers.
const waitersMax = 1024

// settleTimeout bounds how long the refusals of a pool that is being stopped may take.
const settleTimeout = 200 * time.Millisecond

// keyWaiter is the part of a [KeySet] that waits.
type keyWaiter interface {
	Await(ctx context.Context, kid []byte) (*Key, error)
}

// pool runs requests: a few workers do what takes only computing, and requests that need
// the issuer wait elsewhere, so that a slow issuer never delays a client whose token can be
// verified here.
type pool struct {
	handler *Handler
	keys    keyWaiter
	queue   *queue
	// decided is told of each decision: how long after the request was received it was
	// made, and how much of that the request waited for a worker.
	decided func(d *Decision, took, waited time.Duration)

	ctx     context.Context // ends what waits
	cancel  context.CancelFunc
	waiters chan struct{} // a place for each request that may wait for the issuer
	workers sync.WaitGroup
	waiting sync.WaitGroup
}

// newPool starts the workers.
func newPool(h *Handler, keys keyWaiter, q *queue, workers int, decided func(*Decision, time.Duration, time.Duration)) *pool {
	p := &pool{handler: h, keys: keys, queue: q, decided: decided, waiters: make(chan struct{}, waitersMax)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for range workers {
		p.workers.Go(func() {
			var w work
			for j := q.pop(); j != nil; j = q.pop() {
				p.run(j, &w)
			}
		})
	}
	return p
}

// drain answers everything that was admitted and stops. What still waits for the issuer when
// ctx ends is refused: a refusal tells a client more than silence does.
func (p *pool) drain(ctx context.Context) {
	p.settle(ctx)
	p.cancel()
	if ctx.Err() != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		defer cancel()
		p.settle(ctx)
	}
	p.queue.close()
	p.workers.Wait()
	p.waiting.Wait()
}

// settle waits until nothing is left to do, or ctx ends.
func (p *pool) settle(ctx context.Context) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !p.queue.idle() && ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (p *pool) run(j *job, w *work) {
	if j.awaited == nil {
		j.waited = time.Since(j.Received)
	}
	answer, wanted := p.handler.handle(&j.Request, j.awaited, w)
	if wanted != nil {
		if p.await(j, wanted) {
			return
		}
		j.awaited = errOverloaded
		answer, _ = p.handler.handle(&j.Request, j.awaited, w)
	}
	if answer != nil {
		j.reply(answer)
	}
	p.queue.finish(j)
	p.decided(&w.decision, time.Since(j.Received), j.waited)
}

// await lets a request wait for its key and come again; false when too many wait already.
func (p *pool) await(j *job, wanted *keyWanted) bool {
	select {
	case p.waiters <- struct{}{}:
	default:
		return false
	}
	p.waiting.Go(func() {
		defer func() { <-p.waiters }()
		ctx, cancel := context.WithDeadline(p.ctx, j.Received.Add(requestDeadline))
		defer cancel()
		_, err := p.keys.Await(ctx, []byte(wanted.kid))
		if err == nil {
			// The key is there. Should it have gone when the request comes to it, it is unknown.
			err = ErrUnknownKey
		}
		j.awaited = err
		p.queue.again(j)
	})
	return true
}
