package callout

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"harmony-callout/callout/callouttest"
)

// BenchmarkFlood shows what good clients notice of bad ones: their latency through queue
// and workers while 2,000 tokens with unknown kids arrive at once, and what 20,000 distinct
// bad tokens leave behind.
func BenchmarkFlood(b *testing.B) {
	const unknown, bad = 2000, 20000
	f := newBench(b, 64, DefaultConfig().Cache.Refused, true)
	hostile := make([]Request, unknown)
	for i := range hostile {
		hostile[i] = f.request(f.issuer.Token(callouttest.TokenSpec{
			Roles: benchRoles, TTL: time.Hour, Header: map[string]any{"kid": fmt.Sprintf("unknown-%d", i)},
		}))
	}
	p := &floodPool{bench: f, queue: newQueue(8192, 1500*time.Millisecond, func(dropCause, int) {})}
	p.pool = newPool(f.handler, f.keys, p.queue, runtime.GOMAXPROCS(0), func(d *Decision, _, _ time.Duration) { d.log(f.logger) })
	defer p.drain(context.Background())

	quiet := p.good(nil)
	before := f.issuer.JWKSFetches()
	flooded := p.good(hostile)
	fmt.Fprintf(os.Stdout, "\n%d tokens with unknown kids at once: %d JWKS fetches (must be ≤ 3)\n", unknown, f.issuer.JWKSFetches()-before)
	fmt.Fprintf(os.Stdout, "good clients, p50 / p99: quiet %v / %v, flooded %v / %v: p99 × %.1f (must be ≤ 2)\n",
		quantile(quiet, 50), quantile(quiet, 99), quantile(flooded, 50), quantile(flooded, 99),
		ratio(quantile(flooded, 99), quantile(quiet, 99)))

	debug.FreeOSMemory()
	goroutines, files, rss := runtime.NumGoroutine(), openFiles(), residentBytes()
	var w work
	for i := range bad {
		token := f.tokens[i%len(f.tokens)]
		req := f.request(fmt.Sprintf("%s%04x", token[:len(token)-4], i)) // another signature
		if answer, _ := f.handler.handle(&req, nil, &w); answer == nil || w.decision.Allowed {
			b.Fatal("not refused")
		}
	}
	debug.FreeOSMemory()
	fmt.Fprintf(os.Stdout, "%d distinct bad tokens: RSS %+.1f MB (must be ≤ 32), goroutines %+d, open files %+d\n\n",
		bad, float64(residentBytes()-rss)/1e6, runtime.NumGoroutine()-goroutines, openFiles()-files)
	for b.Loop() { // what was printed is the result
	}
}

type floodPool struct {
	*bench
	*pool
	queue *queue
}

// good sends requests of good clients one after another, as clients that connect now and
// then, and returns how long each took; hostile ones arrive all at once in the middle.
func (p *floodPool) good(hostile []Request) []time.Duration {
	const clients = 2000
	var took []time.Duration
	var flood sync.WaitGroup
	for i := range clients {
		if i == clients/4 && hostile != nil {
			flood.Go(func() {
				for i := range hostile {
					r := hostile[i]
					r.Received = time.Now()
					p.queue.push(&job{Request: r, reply: func([]byte) {}})
				}
			})
		}
		r := p.requests[i%len(p.requests)]
		done := make(chan struct{})
		r.Received = time.Now()
		p.queue.push(&job{Request: r, reply: func([]byte) { close(done) }})
		<-done
		took = append(took, time.Since(r.Received))
		time.Sleep(200 * time.Microsecond)
	}
	flood.Wait()
	return took
}

func quantile(list []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)*percent/100].Round(time.Microsecond)
}

// residentBytes is the memory of this process that is in RAM; 0 where /proc is missing.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		slog.Warn("statm", "error", err)
	}
	return resident * int64(os.Getpagesize())
}

func openFiles() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}
