package callout

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
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
	s.mu.Lock()
	links := make([]linkStatus, len(s.links))
	for i, l := range s.links {
		links[i] = l.status()
	}
	s.mu.Unlock()
	return readiness(s.draining.Load(), links, s.keySet.Status())
}

// readiness judges the parts of a service. It is ready while one connection serves and one
// key is trusted; whatever else is wrong degrades it.
func readiness(draining bool, links []linkStatus, keys KeySetStatus) Readiness {
	serving := 0
	var problem error
	for _, l := range links {
		if l.serving {
			serving++
		}
		if l.problem != nil {
			problem = l.problem
		}
	}
	switch {
	case draining:
		return Readiness{Text: "draining"}
	case serving == 0 && problem == nil:
		return Readiness{Text: "not serving: starting"}
	case serving == 0:
		return Readiness{Text: fmt.Sprintf("not serving: nats: %v", problem)}
	case !keys.Usable && keys.LastError != "":
		return Readiness{Text: "no usable keys: " + keys.LastError}
	case !keys.Usable && keys.FetchedAt.IsZero():
		return Readiness{Text: "no usable keys: the issuer is being asked for the first time"}
	case !keys.Usable:
		return Readiness{Text: "no usable keys: the issuer publishes none of an allowed algorithm"}
	}
	var degraded []string
	if serving < len(links) || problem != nil {
		degraded = append(degraded, fmt.Sprintf("%d of %d NATS connections serve: %v", serving, len(links), problem))
	}
	if keys.Degraded {
		degraded = append(degraded, keys.LastError)
	}
	if len(degraded) > 0 {
		return Readiness{Ready: true, Text: "degraded: " + strings.Join(degraded, "; ")}
	}
	return Readiness{Ready: true, Text: "ok"}
}

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
