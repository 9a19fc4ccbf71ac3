package callouttest

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"
)

// maxCountedPaths bounds the counters of paths that a client makes up.
const maxCountedPaths = 1024

// faults is what is wrong with the issuer at the moment, and what it was asked.
type faults struct {
	mu      sync.Mutex
	latency time.Duration
	down    bool
	lies    map[string]http.Handler
	fetches map[string]int
}

// SetLatency makes every answer wait that long, or until the client leaves.
func (i *Issuer) SetLatency(d time.Duration) {
	i.faults.mu.Lock()
	defer i.faults.mu.Unlock()
	i.faults.latency = d
}

// SetDown makes every answer the 500 text/plain of a Zitadel without its database.
func (i *Issuer) SetDown(down bool) {
	i.faults.mu.Lock()
	defer i.faults.mu.Unlock()
	i.faults.down = down
}

// Lie has a handler answer a path, whatever the Host, until h is nil. See [Garbage],
// [Oversized], [EmptyKeySet], [Hang], [http.RedirectHandler].
func (i *Issuer) Lie(path string, h http.Handler) {
	i.faults.mu.Lock()
	defer i.faults.mu.Unlock()
	if h == nil {
		delete(i.faults.lies, path)
		return
	}
	if i.faults.lies == nil {
		i.faults.lies = map[string]http.Handler{}
	}
	i.faults.lies[path] = h
}

// LieInDiscovery serves the discovery document with changes, for instance another "issuer" or
// "jwks_uri". [Issuer.Lie] with [DiscoveryPath] and nil ends it.
func (i *Issuer) LieInDiscovery(edit func(doc map[string]any)) {
	i.Lie(DiscoveryPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var doc map[string]any
		if err := json.Unmarshal(discoveryFor(i.issuerFor(r)), &doc); err != nil {
			panic("callouttest: decode discovery.json: " + err.Error())
		}
		edit(doc)
		writeJSON(w, http.StatusOK, mustJSON(doc))
	}))
}

// Fetches counts the requests for a path since the start, answered or not.
func (i *Issuer) Fetches(path string) int {
	i.faults.mu.Lock()
	defer i.faults.mu.Unlock()
	return i.faults.fetches[path]
}

// JWKSFetches counts the requests for the key set.
func (i *Issuer) JWKSFetches() int { return i.Fetches(JWKSPath) }

// begin counts a request and returns the faults that it meets.
func (f *faults) begin(path string) (latency time.Duration, down bool, lie http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fetches == nil {
		f.fetches = map[string]int{}
	}
	if _, known := f.fetches[path]; known || len(f.fetches) < maxCountedPaths {
		f.fetches[path]++
	}
	return f.latency, f.down, f.lies[path]
}

// wait lets the latency pass; false means that the client or the server left first.
func wait(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// Garbage answers 200 with what is called JSON and is none.
func Garbage() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, []byte("<html>\x00\xff{"))
	})
}

// EmptyKeySet answers 200 with a key set without keys.
func EmptyKeySet() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, []byte(`{"keys":[]}`))
	})
}

// Oversized answers 200 with a body of about that many bytes that is valid JSON if read to
// the end.
func Oversized(bytes int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, err := w.Write([]byte(`{"keys":[`))
		blank := make([]byte, 32<<10)
		for n := range blank {
			blank[n] = ' '
		}
		for left := bytes; left > 0 && err == nil && r.Context().Err() == nil; left -= int64(len(blank)) {
			_, err = w.Write(blank[:min(left, int64(len(blank)))])
		}
		if err == nil {
			_, _ = w.Write([]byte(`]}`)) // the client may have had enough
		}
	})
}

// Hang accepts a request and never answers; it ends when the client leaves or the issuer stops.
func Hang() http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		// The server notices that a client left only once its body is read.
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, maxTokenRequest))
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // no empty 200 at the end
	})
}
