package standin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"harmony-callout/callout/callouttest"
)

// wrap stands around callouttest's issuer: it counts, delays, fails and drops requests, finds
// whose they are, and holds every answer back until what was changed is on the disk.
func (s *Server) wrap(issuer http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		latency, fault, intercept := s.faults.begin(r)
		if intercept != nil {
			if status, body, handled := intercept(r); handled {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body)) // the client may have left
				return
			}
		}
		if !wait(r, latency) || fault != nil && fault.status == 0 && fault.drop == DropBefore {
			panic(http.ErrAbortHandler)
		}
		if fault != nil && fault.status != 0 {
			writeFault(w, r, fault.status)
			return
		}
		for _, header := range []string{"X-Zitadel-Instance-Host", "X-Forwarded-Host"} {
			if host := r.Header.Get(header); host != "" {
				r.Host = host
				break
			}
		}
		answer := &recorder{header: http.Header{}}
		s.route(answer, r, issuer)
		if err := s.store.wait(); err != nil {
			s.log.Error("stand-in for Zitadel keeps nothing any more", "error", err)
			answer = &recorder{header: http.Header{}}
			writeUnavailable(answer, r, s.unavailable(r, err))
		}
		if fault != nil {
			panic(http.ErrAbortHandler) // done, and nobody hears of it
		}
		answer.writeTo(w)
	})
}

// route finds who answers.
func (s *Server) route(w http.ResponseWriter, r *http.Request, issuer http.Handler) {
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, "/debug/"):
		s.debug(w, r)
	case path == callouttest.DiscoveryPath, path == callouttest.JWKSPath:
		issuer.ServeHTTP(w, r)
	case !s.knowsHost(r) && isOIDC(path):
		issuer.ServeHTTP(w, r) // answers 404, as it does for its own paths
	case !s.knowsHost(r):
		unknown := &apiError{notFound, "", s.origin(r) + "ID=QUERY-1kIjX Message=Instance not found. Make sure you got" +
			" the domain right. Check out https://zitadel.com/docs/apis/introduction#domains"}
		writeAPIError(w, r, unknown)
	case isOIDC(path):
		s.oidc.ServeHTTP(w, r)
	default:
		if _, pattern := s.api.Handler(r); pattern == "" {
			writeAPIError(w, r, &apiError{notFound, "", "Not Found"})
			return
		}
		s.api.ServeHTTP(w, r)
	}
}

func isOIDC(path string) bool { return slices.Contains(oidcPaths, path) }

// debug answers probes, whatever the Host.
func (s *Server) debug(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/debug/ready", "/debug/validate":
		if err := s.store.wait(); err != nil {
			http.Error(w, "ID=API-F24h2 Message=DB CONNECTION ERROR Parent=("+err.Error()+")", http.StatusPreconditionFailed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`"ok"`)) // into memory
	case "/debug/healthz":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok")) // into memory
	default:
		http.NotFound(w, r)
	}
}

// issuerOf is the issuer as a request names it, by its Host and a proxy's scheme.
func (s *Server) issuerOf(r *http.Request) string {
	scheme := s.base.Scheme
	if proto := r.Header.Get("X-Forwarded-Proto"); proto == "http" || proto == "https" {
		scheme = proto
	}
	return scheme + "://" + r.Host
}

func (s *Server) hostname() string { return s.base.Hostname() }

func (s *Server) knowsHost(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.EqualFold(strings.Trim(host, "[]"), s.hostname())
}

// origin begins what Zitadel says when it cannot serve a Host.
func (s *Server) origin(r *http.Request) string {
	return fmt.Sprintf("unable to set instance using origin &{%s  %s} (ExternalDomain is %s): ", r.Host, s.base.Scheme, s.hostname())
}

func (s *Server) unavailable(r *http.Request, err error) string {
	return s.origin(r) + "ID=QUERY-d3fas Message=An internal error occurred Parent=(" + err.Error() + ")"
}

// writeUnavailable answers as a Zitadel that has lost its database (#578-583).
func writeUnavailable(w http.ResponseWriter, r *http.Request, message string) {
	if isOIDC(r.URL.Path) || r.URL.Path == callouttest.DiscoveryPath || r.URL.Path == callouttest.JWKSPath {
		noStore(w)
		http.Error(w, message, http.StatusInternalServerError)
		return
	}
	writeAPIError(w, r, &apiError{internal, "", message})
}

// writeFault answers with a status as whoever stands in front of Zitadel would.
func writeFault(w http.ResponseWriter, r *http.Request, status int) {
	if isConnect(r) {
		names := map[int]string{http.StatusServiceUnavailable: "unavailable", http.StatusTooManyRequests: "resource_exhausted"}
		name := names[status]
		if name == "" {
			name = "internal"
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"code": name, "message": "a fault that was asked for"}) // the client may have left
		return
	}
	http.Error(w, http.StatusText(status), status)
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

// recorder holds an answer until it may be told.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *recorder) Header() http.Header { return a.header }

func (a *recorder) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *recorder) Write(data []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(data)
}

func (a *recorder) writeTo(w http.ResponseWriter) {
	header := w.Header()
	for name, values := range a.header {
		header[name] = values
	}
	a.WriteHeader(http.StatusOK)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // the client may have left
}
