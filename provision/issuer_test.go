package provision

import (
	"net/url"
	"strings"
	"testing"
)

func TestIssuerMakesEveryNameOfItself(t *testing.T) {
	tests := []struct {
		name                    string
		host                    string
		port                    int
		tls                     bool
		url, hostPort, endpoint string
		address                 string
	}{
		{"http on its own port", "sso.example.com", 80, false, "http://sso.example.com", "sso.example.com", "http://sso.example.com/oauth/v2/keys", "sso.example.com:80"},
		{"http on another port", "sso.example.com", 8080, false, "http://sso.example.com:8080", "sso.example.com:8080", "http://sso.example.com:8080/oauth/v2/keys", "sso.example.com:8080"},
		{"http on https's port", "sso.example.com", 443, false, "http://sso.example.com:443", "sso.example.com:443", "http://sso.example.com:443/oauth/v2/keys", "sso.example.com:443"},
		{"https on its own port", "sso.example.com", 443, true, "https://sso.example.com", "sso.example.com", "https://sso.example.com/oauth/v2/keys", "sso.example.com:443"},
		{"https on another port", "sso.example.com", 8443, true, "https://sso.example.com:8443", "sso.example.com:8443", "https://sso.example.com:8443/oauth/v2/keys", "sso.example.com:8443"},
		{"https on http's port", "sso.example.com", 80, true, "https://sso.example.com:80", "sso.example.com:80", "https://sso.example.com:80/oauth/v2/keys", "sso.example.com:80"},
		{"no port is http's own", "sso.example.com", 0, false, "http://sso.example.com", "sso.example.com", "http://sso.example.com/oauth/v2/keys", "sso.example.com:80"},
		{"no port is https's own", "sso.example.com", 0, true, "https://sso.example.com", "sso.example.com", "https://sso.example.com/oauth/v2/keys", "sso.example.com:443"},
		{"an IPv4 address", "127.0.0.1", 8080, false, "http://127.0.0.1:8080", "127.0.0.1:8080", "http://127.0.0.1:8080/oauth/v2/keys", "127.0.0.1:8080"},
		{"an IPv6 address", "::1", 8080, false, "http://[::1]:8080", "[::1]:8080", "http://[::1]:8080/oauth/v2/keys", "[::1]:8080"},
		{"an IPv6 address on the scheme's own port", "fd00::1", 443, true, "https://[fd00::1]", "[fd00::1]", "https://[fd00::1]/oauth/v2/keys", "[fd00::1]:443"},
		{"an international name in its ASCII form", "xn--bcher-kva.example", 443, true, "https://xn--bcher-kva.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example/oauth/v2/keys", "xn--bcher-kva.example:443"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i, err := NewIssuer(tt.host, tt.port, tt.tls)
			if err != nil {
				t.Fatal(err)
			}
			for what, pair := range map[string][2]string{
				"URL": {i.URL(), tt.url}, "String": {i.String(), tt.url}, "HostPort": {i.HostPort(), tt.hostPort},
				"Endpoint": {i.Endpoint("/oauth/v2/keys"), tt.endpoint}, "Address": {i.Address(), tt.address}, "Host": {i.Host(), tt.host},
			} {
				if pair[0] != pair[1] {
					t.Errorf("%s: got %q, want %q", what, pair[0], pair[1])
				}
			}
			if i.TLS() != tt.tls || i.IsZero() || i.Port() == 0 {
				t.Errorf("TLS %v, zero %v, port %d", i.TLS(), i.IsZero(), i.Port())
			}
			if again, err := ParseIssuer(i.URL()); err != nil || again != i {
				t.Errorf("its URL is read as %v, %v", again, err)
			}
		})
	}
}

func TestNewIssuerRefusesWhatIsNoHost(t *testing.T) {
	for host, want := range map[string]string{
		"":                     "the host is missing",
		"SSO.example.com":      "want a lower-case host name",
		"sso.example.com:8080": "a port goes into its own field",
		"[::1]":                "needs no brackets",
		"http://sso":           "a port goes into its own field",
		"sso/path":             "want a lower-case host name",
		"user@sso":             "want a lower-case host name",
		"sso example":          "want a lower-case host name",
		"Bücher.example":       "want a lower-case host name",
	} {
		if _, err := NewIssuer(host, 80, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", host, err, want)
		}
	}
	for _, port := range []int{-1, 65536} {
		if _, err := NewIssuer("sso.example.com", port, false); err == nil {
			t.Errorf("port %d is taken", port)
		}
	}
}

func TestParseIssuerTakesOneSpellingOnly(t *testing.T) {
	for text, want := range map[string]string{
		"http://sso.example.com:80":        `write "http://sso.example.com"`,
		"https://sso.example.com:443":      `write "https://sso.example.com"`,
		"http://sso.example.com:8080/":     `write "http://sso.example.com:8080"`,
		"http://sso.example.com/path":      `write "http://sso.example.com"`,
		"http://sso.example.com?x=1":       `write "http://sso.example.com"`,
		"http://sso.example.com#x":         `write "http://sso.example.com"`,
		"http://user@sso.example.com":      `write "http://sso.example.com"`,
		"http://sso.example.com:08080":     `write "http://sso.example.com:8080"`,
		"http://SSO.example.com":           "want a lower-case host name",
		"HTTP://sso.example.com":           `write "http://sso.example.com"`,
		"sso.example.com":                  "no http or https URL",
		"ftp://sso.example.com":            "no http or https URL",
		"http://":                          "the host is missing",
		"http://sso.example.com:99999":     "out of range",
		"http://sso.example.com:999999999": "out of range",
		"":                                 "no http or https URL",
	} {
		if i, err := ParseIssuer(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want %q", text, i, err, want)
		}
	}
}

func FuzzParseIssuer(f *testing.F) {
	for _, seed := range []string{"http://a", "https://[::1]:8443", "http://a:80/", "http://[fe80::1%25eth0]", "https://xn--bcher-kva.example", "http://a b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		i, err := ParseIssuer(text)
		if err != nil {
			return
		}
		if i.URL() != text {
			t.Errorf("%q is read, and written as %q", text, i.URL())
		}
		u, err := url.Parse(i.Endpoint("/path"))
		if err != nil || u.Host != i.HostPort() || u.Path != "/path" || u.Hostname() != i.Host() {
			t.Errorf("%q makes the endpoint %v, %v", text, u, err)
		}
	})
}
