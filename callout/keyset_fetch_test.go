package callout

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestDiscoveryMustBeTheConfiguredIssuersOwn(t *testing.T) {
	for _, tt := range []struct {
		name     string
		document func(*scriptedIssuer) http.HandlerFunc
		says     string
	}{
		{"the issuer with a trailing slash", func(s *scriptedIssuer) http.HandlerFunc { return s.document(s.URL+"/", s.URL+"/keys") }, "zitadel.issuer"},
		{"the issuer without port", func(s *scriptedIssuer) http.HandlerFunc { return s.document("http://127.0.0.1", s.URL+"/keys") }, `"http://127.0.0.1"`},
		{"the issuer with https", func(s *scriptedIssuer) http.HandlerFunc {
			return s.document(strings.Replace(s.URL, "http", "https", 1), s.URL+"/keys")
		}, "zitadel.issuer"},
		{"another issuer", func(s *scriptedIssuer) http.HandlerFunc { return s.document("http://evil.example", s.URL+"/keys") }, "evil.example"},
		{"no issuer", func(s *scriptedIssuer) http.HandlerFunc { return answer(200, `{"jwks_uri":"`+s.URL+`/keys"}`) }, `""`},
		{"an issuer under another case", func(s *scriptedIssuer) http.HandlerFunc {
			return answer(200, `{"Issuer":"`+s.URL+`","jwks_uri":"`+s.URL+`/keys"}`)
		}, `""`},
		{"keys of another host", func(s *scriptedIssuer) http.HandlerFunc { return s.document(s.URL, "http://evil.example/keys") }, "jwks_uri"},
		{"keys of another port", func(s *scriptedIssuer) http.HandlerFunc { return s.document(s.URL, "http://127.0.0.1:1/keys") }, "jwks_uri"},
		{"keys by another scheme", func(s *scriptedIssuer) http.HandlerFunc { return s.document(s.URL, "file:///etc/keys") }, "jwks_uri"},
		{"keys with a user name", func(s *scriptedIssuer) http.HandlerFunc {
			return s.document(s.URL, strings.Replace(s.URL, "http://", "http://user@", 1)+"/keys")
		}, "jwks_uri"},
		{"no keys", func(s *scriptedIssuer) http.HandlerFunc { return s.document(s.URL, "") }, "jwks_uri"},
		{"a redirect to itself", func(s *scriptedIssuer) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, s.URL+discoveryPath+"?again", http.StatusFound)
			}
		}, "?again"},
		{"a redirect elsewhere", func(s *scriptedIssuer) http.HandlerFunc {
			return http.RedirectHandler("https://evil.example/", http.StatusPermanentRedirect).ServeHTTP
		}, "evil.example"},
		{"a database that is down", func(s *scriptedIssuer) http.HandlerFunc { return answer(500, "Errors.Internal") }, "Errors.Internal"},
		{"an unknown instance", func(s *scriptedIssuer) http.HandlerFunc { return answer(404, "unable to set instance using origin") }, "unable to set instance"},
		{"a login page", func(s *scriptedIssuer) http.HandlerFunc { return answer(200, "<html>") }, "html"},
		{"65 KiB", func(s *scriptedIssuer) http.HandlerFunc {
			return answer(200, `{"a":"`+strings.Repeat("a", 65<<10)+`"}`)
		}, "too large"},
		{"deep JSON", func(s *scriptedIssuer) http.HandlerFunc { return answer(200, strings.Repeat("[", 60_000)) }, "depth"},
		{"an aborted connection", func(s *scriptedIssuer) http.HandlerFunc { return aborted }, "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScriptedIssuer(t)
			s.publish(edJWK(t, "a"))
			document := tt.document(s)
			s.script(func(s *scriptedIssuer) { s.discovery = document })
			k := s.keySet(t, nil)
			_, err := k.Await(t.Context(), []byte("a"))
			if !errors.Is(err, ErrIssuerUnavailable) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want one with %q", err, tt.says)
			}
			if s.fetches.Load() != 0 {
				t.Error("keys were fetched all the same")
			}
			wantState(t, k, "a", KeysUnavailable)
			if status := k.Status(); status.Usable || !status.Degraded || !strings.Contains(status.LastError, tt.says) {
				t.Errorf("status %+v", status)
			}
		})
	}
}

func TestAFailedFetchOfTheKeysLeavesKnownOnes(t *testing.T) {
	for name, jwks := range map[string]http.HandlerFunc{
		"500 text/plain":        answer(500, "Errors.Internal"),
		"200 without JSON":      answer(200, "<html>"),
		"200 without keys":      answer(200, "{}"),
		"304":                   answer(304, ""),
		"300 KiB":               answer(200, `{"keys":[]}`+strings.Repeat(" ", 300<<10)),
		"a redirect":            http.RedirectHandler("/elsewhere", http.StatusFound).ServeHTTP,
		"an aborted connection": aborted,
		"deep JSON":             answer(200, `{"keys":[`+strings.Repeat(`{"a":`, 50_000)),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScriptedIssuer(t)
			s.publish(edJWK(t, "a"))
			clock := new(testClock)
			k := s.keySet(t, func(c *KeySetConfig) { c.Now = clock.now })
			if _, err := k.Await(t.Context(), []byte("a")); err != nil {
				t.Fatal(err)
			}
			key := mustFind(t, k, "a")

			s.script(func(s *scriptedIssuer) { s.jwks = jwks })
			if _, err := k.Await(t.Context(), []byte("b")); !errors.Is(err, ErrIssuerUnavailable) {
				t.Errorf("await of an unknown key: %v", err)
			}
			if mustFind(t, k, "a") != key {
				t.Error("the known key has been replaced")
			}
			wantState(t, k, "b", KeysUnavailable)
			if status := k.Status(); !status.Usable || !status.Degraded {
				t.Errorf("status %+v", status)
			}

			before := s.discoveries.Load()
			s.comeBack()
			s.publish(edJWK(t, "b"))
			clock.add(time.Minute)
			if _, err := k.Await(t.Context(), []byte("b")); err != nil {
				t.Error(err)
			}
			if s.discoveries.Load() != before+1 {
				t.Error("not rediscovered after the failure: the keys may have moved")
			}
			if status := k.Status(); status.Degraded || status.LastError != "" {
				t.Errorf("status %+v", status)
			}
		})
	}
}

func TestDiscoveryIsRememberedForAQuarterOfAnHour(t *testing.T) {
	s := newScriptedIssuer(t)
	clock := new(testClock)
	k := s.keySet(t, func(c *KeySetConfig) { c.Now = clock.now })
	for i, want := range []int64{1, 1, 2} {
		clock.add(time.Duration(i) * 8 * time.Minute)
		k.refresh()
		eventually(t, "the fetch", func() bool { return s.fetches.Load() == int64(i+1) && k.current.Load().flight == nil })
		if got := s.discoveries.Load(); got != want {
			t.Errorf("fetch %d: %d discoveries, want %d", i, got, want)
		}
	}
}

func TestLifetimeOfAnAnswer(t *testing.T) {
	const floor = 5 * time.Second
	for _, tt := range []struct {
		name   string
		header http.Header
		want   time.Duration
	}{
		{"Zitadel's", http.Header{"Cache-Control": {"max-age=300, must-revalidate"}}, 5 * time.Minute},
		{"none", nil, defaultLifetime},
		{"no max-age", http.Header{"Cache-Control": {"public"}}, defaultLifetime},
		{"no-store", http.Header{"Cache-Control": {"no-store"}}, defaultLifetime},
		{"no-store beside max-age", http.Header{"Cache-Control": {"max-age=60, no-store"}}, defaultLifetime},
		{"a minute", http.Header{"Cache-Control": {"max-age=60"}}, time.Minute},
		{"other case and quotes", http.Header{"Cache-Control": {`public , Max-Age="60"`}}, time.Minute},
		{"the shortest of two", http.Header{"Cache-Control": {"max-age=600", "max-age=60"}}, time.Minute},
		{"that of shared caches is not ours", http.Header{"Cache-Control": {"s-maxage=5, max-age=60"}}, time.Minute},
		{"older by a shared cache", http.Header{"Cache-Control": {"max-age=60"}, "Age": {"20"}}, 40 * time.Second},
		{"outlived in a shared cache", http.Header{"Cache-Control": {"max-age=60"}, "Age": {"99999999999999999999"}}, floor},
		{"a nonsense Age", http.Header{"Cache-Control": {"max-age=60"}, "Age": {"-20"}}, time.Minute},
		{"0", http.Header{"Cache-Control": {"max-age=0"}}, floor},
		{"1", http.Header{"Cache-Control": {"max-age=1"}}, floor},
		{"a day", http.Header{"Cache-Control": {"max-age=86400"}}, maxLifetime},
		{"more than a time.Duration holds", http.Header{"Cache-Control": {"max-age=9223372037"}}, maxLifetime},
		{"more than an integer holds", http.Header{"Cache-Control": {"max-age=99999999999999999999"}}, maxLifetime},
		{"negative", http.Header{"Cache-Control": {"max-age=-1"}}, defaultLifetime},
		{"a fraction", http.Header{"Cache-Control": {"max-age=1.5"}}, defaultLifetime},
		{"a word", http.Header{"Cache-Control": {"max-age=soon"}}, defaultLifetime},
		{"nothing", http.Header{"Cache-Control": {"max-age="}}, defaultLifetime},
		{"one of two is a word", http.Header{"Cache-Control": {"max-age=soon, max-age=60"}}, time.Minute},
	} {
		if got := lifetime(tt.header, floor); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
