package callouttest

import (
	"crypto/tls"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestDiscoveryFollowsTheHost(t *testing.T) {
	iss := StartIssuer(t, IssuerConfig{Issuer: "http://sso.harmony.local:8080"})
	tests := map[string]struct {
		host   string
		status int
		want   string
	}{
		"the issuer's own":          {"sso.harmony.local:8080", 200, "http://sso.harmony.local:8080"},
		"without a port":            {"sso.harmony.local", 200, "http://sso.harmony.local"},
		"with another port":         {"sso.harmony.local:80", 200, "http://sso.harmony.local:80"},
		"the address it listens on": {iss.Addr(), 404, ""},
		"somebody else's":           {"other.local:8080", 404, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := get(t, iss, DiscoveryPath, tt.host)
			if got.status != tt.status {
				t.Fatalf("status %d, want %d: %s", got.status, tt.status, got.body)
			}
			if tt.status == 404 {
				if !strings.HasPrefix(got.body, "unable to set instance using origin &{"+tt.host+"  http}") ||
					!strings.Contains(got.body, "QUERY-1kIjX") ||
					got.header.Get("Content-Type") != "text/plain; charset=utf-8" {
					t.Errorf("%s %q", got.header.Get("Content-Type"), got.body)
				}
				return
			}
			doc := asMap(t, got.body)
			if doc["issuer"] != tt.want || doc["jwks_uri"] != tt.want+JWKSPath || doc["token_endpoint"] != tt.want+TokenPath {
				t.Errorf("issuer %v, jwks_uri %v, token_endpoint %v", doc["issuer"], doc["jwks_uri"], doc["token_endpoint"])
			}
			if got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control %q, want no-store", got.header.Get("Cache-Control"))
			}
		})
	}
}

func TestKeySetShowsEveryPublishedKey(t *testing.T) {
	iss := StartIssuer(t, IssuerConfig{})
	first := iss.ActiveKey()
	kids := func() (kids []string) {
		for _, key := range asMap(t, get(t, iss, JWKSPath, "").body)["keys"].([]any) {
			kids = append(kids, key.(map[string]any)["kid"].(string))
		}
		return kids
	}
	has := func(kid string) bool { return strings.Contains(strings.Join(kids(), " "), kid) }

	if n := len(kids()); n != 2 {
		t.Errorf("a fresh issuer shows %d keys, want 2", n)
	}
	if cc := get(t, iss, JWKSPath, "").header.Get("Cache-Control"); cc != "max-age=300, must-revalidate" {
		t.Errorf("Cache-Control %q", cc)
	}
	second := iss.Rotate()
	if iss.ActiveKey() != second || !has(first) || !has(second) {
		t.Errorf("after rotation: active %s, keys %v", iss.ActiveKey(), kids())
	}
	iss.Withhold(second)
	if has(second) || verify(t, iss, iss.Token(TokenSpec{})) == nil {
		t.Error("a withheld key is shown")
	}
	iss.Publish(second)
	if err := verify(t, iss, iss.Token(TokenSpec{})); err != nil {
		t.Errorf("a published key does not verify: %v", err)
	}
	iss.RemoveKey(second)
	if has(second) || iss.ActiveKey() == second {
		t.Error("a removed key is still in use")
	}
	ed := iss.AddKey(EdDSA)
	iss.Activate(ed)
	if header, _ := decode(t, iss.Token(TokenSpec{})); header["alg"] != EdDSA {
		t.Errorf("alg %v after activating an EdDSA key", header["alg"])
	}
	if next := iss.Rotate(); next == ed {
		t.Error("rotation kept the key")
	} else if header, _ := decode(t, iss.Token(TokenSpec{})); header["alg"] != EdDSA {
		t.Errorf("rotation changed the algorithm to %v", header["alg"])
	}
}

func TestMaxAgeIsConfigurable(t *testing.T) {
	for maxAge, want := range map[time.Duration]string{
		2 * time.Second: "max-age=2, must-revalidate",
		-1:              "",
	} {
		iss := StartIssuer(t, IssuerConfig{MaxAge: maxAge})
		if got := get(t, iss, JWKSPath, "").header.Get("Cache-Control"); got != want {
			t.Errorf("MaxAge %s: Cache-Control %q, want %q", maxAge, got, want)
		}
	}
}

func TestStopRefusesAndStartReturnsOnTheSamePort(t *testing.T) {
	iss := StartIssuer(t, IssuerConfig{})
	kid := iss.ActiveKey()
	iss.Stop()
	iss.Stop() // twice is once
	if _, err := try(iss, JWKSPath, "", time.Second); err == nil {
		t.Fatal("a stopped issuer answers")
	}
	if err := iss.Start(); err != nil {
		t.Fatal(err)
	}
	if body := get(t, iss, JWKSPath, "").body; !strings.Contains(body, kid) {
		t.Error("the keys did not survive a restart")
	}
}

func TestTLSServesTheIssuersName(t *testing.T) {
	ca, err := NewCA()
	if err != nil {
		t.Fatal(err)
	}
	iss := StartIssuer(t, IssuerConfig{Issuer: "https://sso.harmony.local:8443", CA: ca})
	request, err := http.NewRequest(http.MethodGet, "https://"+iss.Addr()+DiscoveryPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "sso.harmony.local:8443"
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: ca.Pool(), ServerName: "sso.harmony.local"},
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
}

func TestNewIssuerRefusesWhatIsNotSafeOrNotAnIssuer(t *testing.T) {
	for name, cfg := range map[string]IssuerConfig{
		"every interface":    {Addr: "0.0.0.0:0"},
		"a network address":  {Addr: "192.0.2.1:0"},
		"no host":            {Addr: ":0"},
		"no port":            {Addr: "127.0.0.1"},
		"a trailing slash":   {Issuer: "http://sso.harmony.local/"},
		"a path":             {Issuer: "http://sso.harmony.local/x"},
		"another scheme":     {Issuer: "ftp://sso.harmony.local"},
		"http with a CA":     {Issuer: "http://sso.harmony.local", CA: &CA{}},
		"an issuer of words": {Issuer: "sso"},
	} {
		t.Run(name, func(t *testing.T) {
			iss, err := NewIssuer(cfg)
			if err == nil {
				iss.Close()
				t.Error("want an error")
			}
		})
	}
}

func TestFallbackServesUnknownPaths(t *testing.T) {
	iss := StartIssuer(t, IssuerConfig{Fallback: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	})})
	if got := get(t, iss, "/v2/users", ""); got.status != http.StatusTeapot {
		t.Errorf("status %d", got.status)
	}
	if got := get(t, iss, JWKSPath, ""); got.status != http.StatusOK {
		t.Errorf("key set: status %d", got.status)
	}
}

func TestEverythingMayHappenAtOnce(t *testing.T) {
	iss := StartIssuer(t, IssuerConfig{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				iss.Activate(iss.AddKey(ES256))
				iss.SetDown(false)
				iss.SetLatency(time.Microsecond)
				iss.Lie("/x", Garbage())
				iss.Token(TokenSpec{})
				if _, err := try(iss, JWKSPath, "", 5*time.Second); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := iss.JWKSFetches(); n != 20 {
		t.Errorf("%d fetches counted, want 20", n)
	}
}
