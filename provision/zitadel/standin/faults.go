package standin

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Write is one call that changes things, made of the API, in the order in which they came.
type Write struct {
	Method, Path string
	// Changed: something was different afterwards.
	Changed bool
}

// Match tells which requests a fault is meant for.
type Match func(*http.Request) bool

// Drop is when a connection is cut.
type Drop int

// The moments of a [Drop].
const (
	DropBefore Drop = iota // nothing was done
	DropAfter              // it was done, and is durable, but the client never hears of it
)

// faults is what is wrong with the server at the moment, and what it was asked.
type faults struct {
	mu        sync.Mutex
	latency   time.Duration
	failures  []*failure
	intercept func(*http.Request) (int, string, bool)
	requests  map[string]int
	writes    []Write
}

// failure is a fault that happens to the next so many requests that match.
type failure struct {
	left   int
	status int // 0: the connection is dropped
	drop   Drop
	match  []Match
}

// SetLag makes searches and lists see everything as it was that long ago: what was made since
// is missing, what was deleted is still there. Getting by id never lags, nor does any write.
func (s *Server) SetLag(d time.Duration) { s.store.setLag(d) }

// SetLatency makes every answer wait that long, or until the client leaves.
func (s *Server) SetLatency(d time.Duration) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.latency = d
}

// FailNext answers the next n requests with a status, and does nothing of what they ask. With
// matches, only requests that all of them are true for count.
func (s *Server) FailNext(n, status int, match ...Match) {
	s.faults.add(&failure{left: n, status: status, match: match})
}

// DropNext cuts the connection of the next n requests.
func (s *Server) DropNext(n int, when Drop, match ...Match) {
	s.faults.add(&failure{left: n, drop: when, match: match})
}

// Intercept has a function see every request first, from any number of goroutines. If handled
// it answers with that status and JSON body; else the request goes on. nil ends it.
func (s *Server) Intercept(f func(r *http.Request) (status int, body string, handled bool)) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.intercept = f
}

// Requests counts the requests for a method and path, answered or not.
func (s *Server) Requests(method, path string) int {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return s.faults.requests[method+" "+path]
}

// TotalRequests counts all requests.
func (s *Server) TotalRequests() int {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	total := 0
	for _, n := range s.faults.requests {
		total += n
	}
	return total
}

// Writes are the calls of the API that change things, since the start or [Server.ResetCounts],
// refused ones too. Tokens, sessions and approvals at the page are none.
func (s *Server) Writes() []Write {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return slices.Clone(s.faults.writes)
}

// ResetCounts forgets the writes and the numbers of requests.
func (s *Server) ResetCounts() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.writes, s.faults.requests = nil, nil
}

func (f *faults) add(next *failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures = append(f.failures, next)
}

func (f *faults) wrote(w Write) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes = append(f.writes, w)
}

// maxCounted bounds the counters of paths that a client makes up.
const maxCounted = 1 << 16

// begin counts a request and returns what is to happen to it.
func (f *faults) begin(r *http.Request) (latency time.Duration, hit *failure, intercept func(*http.Request) (int, string, bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.requests == nil {
		f.requests = map[string]int{}
	}
	key := r.Method + " " + r.URL.Path
	if _, known := f.requests[key]; known || len(f.requests) < maxCounted {
		f.requests[key]++
	}
	for n, fault := range f.failures {
		if slices.ContainsFunc(fault.match, func(m Match) bool { return !m(r) }) {
			continue
		}
		if fault.left--; fault.left <= 0 {
			f.failures = slices.Delete(f.failures, n, n+1)
		}
		return f.latency, fault, f.intercept
	}
	return f.latency, nil, f.intercept
}
