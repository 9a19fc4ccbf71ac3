package callout

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

func TestServerConfigSendsSealedLoginsToTheService(t *testing.T) {
	keys, err := GenerateKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	config, err := keys.ServerConfig("AUTH", []string{"APP", "OTHER"})
	if err != nil {
		t.Fatal(err)
	}
	// The administrator that the comment in the configuration speaks of.
	config = strings.Replace(config, "\n  \"SYS\": {}", "\n  \"SYS\": { users: [ { user: admin, password: secret } ] }", 1)
	url := startServerWith(t, config)

	nkey, err := nats.NkeyOptionFromSeed(keys.Service.Path)
	if err != nil {
		t.Fatal(err)
	}
	service, err := nats.Connect(url, nkey, nats.MaxReconnects(0))
	if err != nil {
		t.Fatalf("connect as the service: %v", err)
	}
	defer service.Close()
	requests := make(chan *nats.Msg, 1)
	if _, err := service.ChanSubscribe("$SYS.REQ.USER.AUTH", requests); err != nil {
		t.Fatal(err)
	}
	if err := service.Flush(); err != nil {
		t.Fatal(err)
	}

	token := strings.Repeat("t", 60_000)
	refused := make(chan error, 1)
	go func() {
		nc, err := nats.Connect(url, nats.Token(token), nats.MaxReconnects(0), nats.Timeout(10*time.Second))
		if err == nil {
			nc.Close()
		}
		refused <- err
	}()
	var request *nats.Msg
	select {
	case request = <-requests:
	case err := <-refused:
		t.Fatalf("client was answered before the service was asked: %v", err)
	}
	claims := openAuthorizationRequest(t, keys.XKey.Path, request)
	if claims.Subject != keys.Account.Public {
		t.Errorf("request is for issuer %s, want %s", claims.Subject, keys.Account.Public)
	}
	if claims.ConnectOptions.Token != token {
		t.Errorf("request carries a token of %d bytes, want the client's of %d", len(claims.ConnectOptions.Token), len(token))
	}
	if err := request.Respond(nil); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; err == nil || !strings.Contains(err.Error(), "Authorization Violation") {
		t.Errorf("client without an answer got %v, want an authorization violation", err)
	}

	admin, err := nats.Connect(url, nats.UserInfo("admin", "secret"), nats.MaxReconnects(0))
	if err != nil {
		t.Fatalf("connect as the administrator, whom the callout is not asked about: %v", err)
	}
	admin.Close()
}

func TestServerConfigHoldsNoSeed(t *testing.T) {
	keys, err := GenerateKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	config, err := keys.ServerConfig("AUTH", []string{"APP"})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []GeneratedKey{keys.Account, keys.XKey, keys.Service} {
		seed, err := os.ReadFile(key.Path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(config, strings.TrimSpace(string(seed))) {
			t.Errorf("configuration shows the seed in %s", key.Path)
		}
	}
}

func TestServerConfigAccountNames(t *testing.T) {
	tests := []struct {
		name    string
		account string
		apps    []string
		wantErr string
	}{
		{"words that the server's parser takes for other types are fine", "on", []string{"k1", "true"}, ""},
		{"at least one account for clients", "AUTH", nil, "at least one"},
		{"clients may not share the callout's account", "AUTH", []string{"APP", "AUTH"}, "is taken"},
		{"no account twice", "AUTH", []string{"APP", "APP"}, "is taken"},
		{"the system account is not for clients", "AUTH", []string{"SYS"}, "is taken"},
		{"the system account is not for the callout", "SYS", []string{"APP"}, "is taken"},
		{"no name that leaves its quotes", "AUTH", []string{`A": {} "B`}, "want a letter"},
		{"no reserved name", "AUTH", []string{"$SYS"}, "want a letter"},
		{"no empty name", "", []string{"APP"}, "want a letter"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := GenerateKeys(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			config, err := keys.ServerConfig(tt.account, tt.apps)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("error is %v, want one with %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			opts := readServerConfig(t, config)
			if got := opts.AuthCallout; got.Account != tt.account || !slices.Equal(got.AllowedAccounts, tt.apps) {
				t.Errorf("server reads %+v from\n%s", got, config)
			}
		})
	}
}

// openAuthorizationRequest unseals an authorization request with the seed in xkeyFile.
func openAuthorizationRequest(t *testing.T, xkeyFile string, request *nats.Msg) *jwt.AuthorizationRequestClaims {
	t.Helper()
	seed, err := os.ReadFile(xkeyFile)
	if err != nil {
		t.Fatal(err)
	}
	xkey, err := nkeys.FromSeed([]byte(strings.TrimSpace(string(seed))))
	if err != nil {
		t.Fatal(err)
	}
	text, err := xkey.Open(request.Data, request.Header.Get("Nats-Server-Xkey"))
	if err != nil {
		t.Fatalf("request is not sealed for our xkey: %v", err)
	}
	claims, err := jwt.DecodeAuthorizationRequestClaims(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// startServerWith runs a server with the configuration on a free port and returns its URL.
func startServerWith(t *testing.T, config string) string {
	t.Helper()
	opts := readServerConfig(t, config)
	opts.Host, opts.Port, opts.NoLog, opts.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, true
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("server does not take connections")
	}
	return s.ClientURL()
}

func readServerConfig(t *testing.T, config string) *server.Options {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatalf("%v in\n%s", err, config)
	}
	return opts
}
