package callout

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestReadiness(t *testing.T) {
	fetched := time.Now()
	good := KeySetStatus{FetchedAt: fetched, Keys: 2, Usable: true}
	borrowed := KeySetStatus{FetchedAt: fetched, Keys: 2, Usable: true, Degraded: true, LastError: "get …: connection refused"}
	up := linkStatus{serving: true}
	down := linkStatus{problem: errors.New("connection lost: EOF")}
	odd := linkStatus{serving: true, problem: errors.New("ask the server for our own account: timeout")}
	tests := map[string]struct {
		draining bool
		links    []linkStatus
		keys     KeySetStatus
		ready    bool
		text     string // begins so
	}{
		"all is well":                              {false, []linkStatus{up, up}, good, true, "ok"},
		"one connection is lost":                   {false, []linkStatus{up, down}, good, true, "degraded: 1 of 2 NATS connections serve: connection lost: EOF"},
		"one serves and does not know its account": {false, []linkStatus{up, odd}, good, true, "degraded: 2 of 2 NATS connections serve: ask the server"},
		"all connections are lost":                 {false, []linkStatus{down, down}, good, false, "not serving: nats: connection lost: EOF"},
		"connected, not yet subscribed":            {false, []linkStatus{{}, {}}, good, false, "not serving: starting"},
		"not started":                              {false, nil, good, false, "not serving: starting"},
		"the issuer is gone, keys are known":       {false, []linkStatus{up}, borrowed, true, "degraded: get …: connection refused"},
		"both":                                     {false, []linkStatus{up, down}, borrowed, true, "degraded: 1 of 2 NATS connections serve: connection lost: EOF; get …: connection refused"},
		"the first fetch is under way":             {false, []linkStatus{up}, KeySetStatus{}, false, "no usable keys: the issuer is being asked for the first time"},
		"the issuer never answered":                {false, []linkStatus{up}, KeySetStatus{Degraded: true, LastError: "refused"}, false, "no usable keys: refused"},
		"the issuer has no keys":                   {false, []linkStatus{up}, KeySetStatus{FetchedAt: fetched}, false, "no usable keys: the issuer publishes none"},
		"being stopped":                            {true, []linkStatus{up}, good, false, "draining"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := readiness(tt.draining, tt.links, tt.keys)
			if r.Ready != tt.ready || !strings.HasPrefix(r.Text, tt.text) || tt.text == "ok" && r.Text != "ok" {
				t.Errorf("ready %v, %q; want %v, %q", r.Ready, r.Text, tt.ready, tt.text)
			}
			if strings.Contains(r.Text, "\n") || strings.Contains(r.Text, "<nil>") {
				t.Errorf("text %q", r.Text)
			}
		})
	}
}

func TestTheHTTPServerAnswersBeforeTheServiceRuns(t *testing.T) {
	s := newLinkService(t, "nats://127.0.0.1:1")
	handler := s.HTTPHandler()
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/healthz": {200, "ok\n"},
		"/readyz":  {503, "not serving: starting\n"},
		"/metrics": {200, "callout_ready 0\n"},
		"/":        {404, ""},
		// Go's own and the process's.
		"/metrics?a": {200, "go_goroutines "},
		"/metrics?b": {200, "process_start_time_seconds "},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.body) {
			t.Errorf("%s: %d %q, want %d %q", path, w.Code, w.Body, want.status, want.body)
		}
		w = httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
		if w.Code/100 == 2 {
			t.Errorf("POST %s: %d", path, w.Code)
		}
	}
}
