package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// screen is a stderr that may be read while the program writes.
type screen struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

var listening = regexp.MustCompile(`listening +(\S+)\n`)

// start runs the program and returns its address once it says so, and what stops it.
func start(t *testing.T, args ...string) (addr string, out *screen, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out = &screen{}
	code := make(chan int, 1)
	go func() { code <- run(ctx, append([]string{"--listen", "127.0.0.1:0"}, args...), io.Discard, out) }()
	stop = sync.OnceValue(func() int {
		cancel()
		return <-code
	})
	t.Cleanup(func() { stop() })
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		if found := listening.FindStringSubmatch(out.String()); found != nil {
			return found[1], out, stop
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("not started:\n%s", out)
	return "", nil, nil
}

func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(data)
}

func TestTokensForTheUsersOfTheCommandLine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	addr, out, stop := start(t, "--project", "42", "--user", "sensor-1=sensor,extra", "--user", "guest", "--out", dir)
	if !strings.Contains(out.String(), "NOT an identity provider") {
		t.Errorf("no warning in\n%s", out)
	}
	status, token := fetch(t, "http://"+addr+"/token?user=sensor-1&ttl=15m")
	if status != 200 || strings.Count(token, ".") != 2 || strings.TrimSpace(token) != token {
		t.Fatalf("status %d, body %q", status, token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Issuer   string                       `json:"iss"`
		Subject  string                       `json:"sub"`
		Audience []string                     `json:"aud"`
		Expires  int64                        `json:"exp"`
		IssuedAt int64                        `json:"iat"`
		Roles    map[string]map[string]string `json:"urn:zitadel:iam:org:project:42:roles"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Issuer != "http://"+addr || claims.Subject != userID("sensor-1") || claims.Audience[0] != "42" ||
		claims.Expires-claims.IssuedAt != 900 || len(claims.Roles) != 2 || claims.Roles["extra"] == nil {
		t.Errorf("claims %+v", claims)
	}
	for path, want := range map[string]int{
		"/token?user=nobody": 404, "/token?user=guest": 200, "/token": 404, "/": 404,
		"/token?user=guest&ttl=0s": 400, "/token?user=guest&ttl=1000h": 400, "/token?user=guest&ttl=x": 400,
		"/oauth/v2/keys": 200,
	} {
		if status, body := fetch(t, "http://"+addr+path); status != want {
			t.Errorf("%s: status %d, want %d: %s", path, status, want, body)
		}
	}
	key := filepath.Join(dir, "sensor-1.json")
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("machine key: %v, %v", info, err)
	}
	if code := stop(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestAnotherIssuerNameIsAskedForByHost(t *testing.T) {
	addr, out, _ := start(t, "--issuer", "http://sso.harmony.local:8080", "--user", "a=b")
	if !strings.Contains(out.String(), "curl -s -H 'Host: sso.harmony.local:8080' 'http://"+addr+"/token?user=a'") {
		t.Errorf("no usable command in\n%s", out)
	}
	if status, _ := fetch(t, "http://"+addr+"/token?user=a"); status != 404 {
		t.Errorf("a foreign host: status %d, want 404", status)
	}
}

func TestTheProgramPrintsTheTokensOfAnotherThatServes(t *testing.T) {
	addr, _, _ := start(t, "--issuer", "http://sso.harmony.local:8080", "--user", "sensor-1=sensor")
	tests := map[string]struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		"a user":             {[]string{"sensor-1"}, 0, `^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$`, `^$`},
		"a short life":       {[]string{"--ttl", "15m", "sensor-1"}, 0, `^eyJ`, `^$`},
		"nobody":             {[]string{"nobody"}, 1, `^$`, "no such user"},
		"too long a life":    {[]string{"--ttl", "1000h", "sensor-1"}, 1, `^$`, `ttl "1000h"`},
		"nobody who answers": {[]string{"--listen", "127.0.0.1:1", "sensor-1"}, 1, `^$`, "is testissuer running"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			args := append([]string{"token", "--listen", addr, "--issuer", "http://sso.harmony.local:8080"}, tt.args...)
			code := run(t.Context(), args, &stdout, &stderr)
			if code != tt.code || !regexp.MustCompile(tt.stdout).Match(stdout.Bytes()) || !regexp.MustCompile(tt.stderr).Match(stderr.Bytes()) {
				t.Errorf("exit code %d, want %d; stdout %q, want %s; stderr %q, want %s", code, tt.code, &stdout, tt.stdout, &stderr, tt.stderr)
			}
		})
	}
}

func TestWrongUsageIsExplained(t *testing.T) {
	tests := map[string]struct {
		args []string
		code int
		says string
	}{
		"beyond loopback":      {[]string{"--listen", "0.0.0.0:0"}, 1, "not loopback"},
		"an unknown flag":      {[]string{"--nonsense"}, 2, "nonsense"},
		"an argument":          {[]string{"x"}, 2, `unexpected argument "x"`},
		"a path as a name":     {[]string{"--user", "../x=sensor"}, 2, "user name"},
		"a wildcard as a name": {[]string{"--user", "*=sensor"}, 2, "user name"},
		"a user twice":         {[]string{"--user", "a=b", "--user", "a=c"}, 2, "twice"},
		"help":                 {[]string{"--help"}, 0, "-listen"},
		"a token of nobody":    {[]string{"token"}, 2, "name one user"},
		"a token of two":       {[]string{"token", "a", "b"}, 2, "name one user"},
		"help about tokens":    {[]string{"token", "--help"}, 0, "-ttl"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := &screen{}
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if code := run(ctx, tt.args, out, out); code != tt.code || !strings.Contains(out.String(), tt.says) {
				t.Errorf("exit code %d, want %d; output %q, want %q in it", code, tt.code, out, tt.says)
			}
		})
	}
}
