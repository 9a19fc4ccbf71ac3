package callouttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestFaultsAreServedAndEnd(t *testing.T) {
	iss := StartIssuer(t, IssuerConfig{})
	tests := map[string]struct {
		path  string
		lie   func()
		check func(answer) bool
	}{
		"a dead database": {
			JWKSPath, func() { iss.SetDown(true) },
			func(a answer) bool {
				return a.status == 500 && strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") &&
					strings.Contains(a.body, "QUERY-d3fas")
			},
		},
		"discovery that names another issuer": {
			DiscoveryPath, func() { iss.LieInDiscovery(func(doc map[string]any) { doc["issuer"] = "http://evil" }) },
			func(a answer) bool { return strings.Contains(a.body, `"issuer":"http://evil"`) },
		},
		"discovery that points elsewhere for keys": {
			DiscoveryPath, func() { iss.LieInDiscovery(func(doc map[string]any) { doc["jwks_uri"] = "http://evil/keys" }) },
			func(a answer) bool {
				return strings.Contains(a.body, "http://evil/keys") && strings.Contains(a.body, iss.URL()+TokenPath)
			},
		},
		"a redirect": {
			JWKSPath, func() { iss.Lie(JWKSPath, http.RedirectHandler("http://evil/keys", http.StatusFound)) },
			func(a answer) bool { return a.status == 302 && a.header.Get("Location") == "http://evil/keys" },
		},
		"garbage": {
			JWKSPath, func() { iss.Lie(JWKSPath, Garbage()) },
			func(a answer) bool { return a.status == 200 && !json.Valid([]byte(a.body)) },
		},
		"an empty key set": {
			JWKSPath, func() { iss.Lie(JWKSPath, EmptyKeySet()) },
			func(a answer) bool { return a.body == `{"keys":[]}` },
		},
		"an oversized body": {
			JWKSPath, func() { iss.Lie(JWKSPath, Oversized(3<<20)) },
			func(a answer) bool { return len(a.body) > 3<<20 && json.Valid([]byte(a.body)) },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := iss.Fetches(tt.path)
			tt.lie()
			if got := get(t, iss, tt.path, ""); !tt.check(got) {
				t.Errorf("status %d, %v, body %.200q", got.status, got.header, got.body)
			}
			iss.SetDown(false)
			iss.Lie(tt.path, nil)
			if got := get(t, iss, tt.path, ""); got.status != 200 || tt.check(got) {
				t.Errorf("the fault stays: status %d, body %.200q", got.status, got.body)
			}
			if n := iss.Fetches(tt.path) - before; n != 2 {
				t.Errorf("%d fetches counted, want 2", n)
			}
		})
	}
}

func TestLatencyDelaysEveryAnswer(t *testing.T) {
	iss := StartIssuer(t, IssuerConfig{})
	iss.SetLatency(50 * time.Millisecond)
	start := time.Now()
	get(t, iss, JWKSPath, "")
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("answered after %s", took)
	}
	iss.SetLatency(time.Hour)
	if a, err := try(iss, JWKSPath, "", 50*time.Millisecond); err == nil {
		t.Errorf("answered %d", a.status)
	}
}

func TestHangNeverAnswersAndStopEndsIt(t *testing.T) {
	iss := StartIssuer(t, IssuerConfig{})
	iss.Lie(JWKSPath, Hang())
	answered := make(chan error, 1)
	go func() {
		_, err := try(iss, JWKSPath, "", time.Minute)
		answered <- err
	}()
	for iss.JWKSFetches() == 0 {
		time.Sleep(time.Millisecond)
	}
	iss.Stop()
	if err := <-answered; err == nil {
		t.Error("a hanging issuer answered")
	}
}

func TestCountersAreBounded(t *testing.T) {
	var f faults
	for n := range 2 * maxCountedPaths {
		f.begin(fmt.Sprint("/", n))
	}
	if len(f.fetches) != maxCountedPaths {
		t.Errorf("%d paths counted, want %d", len(f.fetches), maxCountedPaths)
	}
}
