package callout

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Readiness says whether the service can answer, and what to know of it.
type Readiness struct {
	Ready bool
	Text  string // "ok", "degraded: …", or why it is not ready
}

// Readiness is what /readyz answers.
func (s *Service) Readiness() Readiness {
	if s.draining.Load() {
		return Readiness{Text: "draining"}
	}
	s.mu.Lock()
	links := s.links
	s.mu.Unlock()
	serving := 0
	var cause error
	for _, l := range links {
		if err := l.status(); err != nil {
			cause = err
		} else {
			serving++
		}
	}
	if serving == 0 {
		return Readiness{Text: fmt.Sprintf("not serving: %v", errors.Join(errNoLink, cause))}
	}
	status := s.keySet.Status()
	if !status.Usable {
		return Readiness{Text: "no usable keys: " + status.LastError}
	}
	if serving < len(links) {
		return Readiness{Ready: true, Text: fmt.Sprintf("degraded: %d of %d NATS connections: %v", serving, len(links), cause)}
	}
	if status.Degraded {
		return Readiness{Ready: true, Text: "degraded: " + status.LastError}
	}
	return Readiness{Ready: true, Text: "ok"}
}

var errNoLink = errors.New("no connection to NATS")

// HTTPHandler serves /healthz, /readyz and /metrics.
func (s *Service) HTTPHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		r := s.Readiness()
		if !r.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = fmt.Fprintln(w, r.Text)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{Registry: s.registry}))
	return mux
}

// HTTPAddr is where the HTTP server listens; empty where it does not.
func (s *Service) HTTPAddr() string {
	if s.listen == nil {
		return ""
	}
	return s.listen.Addr().String()
}

// serveHTTP serves until ctx ends.
func (s *Service) serveHTTP(ctx context.Context) {
	server := &http.Server{
		Handler:           s.HTTPHandler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(s.listen); !errors.Is(err, http.ErrServerClosed) {
		s.logger.Error("http server stopped", "error", err)
	}
}
