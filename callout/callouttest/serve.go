package callouttest

import (
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Paths of the endpoints, those of Zitadel.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	JWKSPath      = "/oauth/v2/keys"
	TokenPath     = "/oauth/v2/token"
)

// discoveryDoc is a real Zitadel's discovery document with {issuer} for its URL.
//
//go:embed discovery.json
var discoveryDoc string

func discoveryFor(issuer string) []byte {
	return []byte(strings.ReplaceAll(discoveryDoc, "{issuer}", issuer))
}

func (i *Issuer) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+DiscoveryPath, func(w http.ResponseWriter, r *http.Request) {
		noStore(w)
		writeJSON(w, http.StatusOK, discoveryFor(i.issuerFor(r)))
	})
	mux.HandleFunc("GET "+JWKSPath, func(w http.ResponseWriter, _ *http.Request) {
		if i.cfg.MaxAge >= 0 {
			w.Header().Set("Cache-Control", fmt.Sprintf("max-age=%d, must-revalidate", i.cfg.MaxAge/time.Second))
		}
		writeJSON(w, http.StatusOK, i.keys.jwks())
	})
	mux.HandleFunc("POST "+TokenPath, i.serveToken)
	if i.cfg.Fallback != nil {
		mux.Handle("/", i.cfg.Fallback)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		latency, down, lie := i.faults.begin(r.URL.Path)
		switch {
		case !wait(r, latency):
			panic(http.ErrAbortHandler) // the client must not see an empty 200
		case down:
			i.instanceError(w, r, http.StatusInternalServerError, "ID=QUERY-d3fas Message=An internal error occurred"+
				" Parent=(failed to connect to `user=zitadel database=zitadel`: connect: connection refused)")
		case lie != nil:
			lie.ServeHTTP(w, r)
		case !strings.EqualFold(hostname(r.Host), i.url.Hostname()):
			i.instanceError(w, r, http.StatusNotFound, "ID=QUERY-1kIjX Message=Instance not found. Make sure you got"+
				" the domain right. Check out https://zitadel.com/docs/apis/introduction#domains")
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// issuerFor is the issuer as this request's Host names it: Zitadel knows its instance by the
// host name and repeats the port that it was asked for, and the scheme that a proxy reports.
func (i *Issuer) issuerFor(r *http.Request) string { return i.schemeFor(r) + "://" + r.Host }

func (i *Issuer) schemeFor(r *http.Request) string {
	if proto := r.Header.Get("X-Forwarded-Proto"); proto == "http" || proto == "https" {
		return proto
	}
	return i.url.Scheme
}

// instanceError is Zitadel's answer when it cannot tell whose request this is.
func (i *Issuer) instanceError(w http.ResponseWriter, r *http.Request, status int, cause string) {
	noStore(w)
	http.Error(w, fmt.Sprintf("unable to set instance using origin &{%s  %s} (ExternalDomain is %s): %s",
		r.Host, i.url.Scheme, i.url.Hostname(), cause), status)
}

func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

func noStore(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.Header().Set("Expires", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have left
}
