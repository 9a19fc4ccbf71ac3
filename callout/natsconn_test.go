package callout

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"harmony-callout/callout/callouttest"
)

// natsFiles writes every file that the configuration of a connection may name, good and bad.
func natsFiles(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	seeds := callouttest.NewSeeds()
	if err := seeds.Write(dir); err != nil {
		t.Fatal(err)
	}
	ca, err := callouttest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.WriteFiles(dir, "service.callouttest"); err != nil {
		t.Fatal(err)
	}
	user, err := nkeys.FromSeed(seeds.Service)
	if err != nil {
		t.Fatal(err)
	}
	account, err := nkeys.FromSeed(seeds.Account)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.NewUserClaims(seeds.ServiceKey()).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := jwt.FormatUserConfig(text, seed)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"service.creds": credentials, "password": []byte("s3cret\n"), "empty": nil, "garbage": []byte("garbage"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestEachWayToLogInBecomesAnOption(t *testing.T) {
	dir := natsFiles(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	tests := map[string]struct {
		cfg  NATSConfig
		want func(*nats.Options) bool // nil: an error
		says string                   // in the error
	}{
		"an nkey": {NATSConfig{NKeySeedFile: in("service.nk")}, func(o *nats.Options) bool {
			signed, err := o.SignatureCB([]byte("nonce"))
			return err == nil && len(signed) == 64 && strings.HasPrefix(o.Nkey, "U") && o.User == ""
		}, ""},
		"a credentials file": {NATSConfig{CredentialsFile: in("service.creds")}, func(o *nats.Options) bool {
			text, err := o.UserJWT()
			signed, signErr := o.SignatureCB([]byte("nonce"))
			return err == nil && strings.HasPrefix(text, "eyJ") && signErr == nil && len(signed) == 64
		}, ""},
		"user and password": {NATSConfig{User: "callout", PasswordFile: in("password")}, func(o *nats.Options) bool {
			return o.User == "callout" && o.Password == "s3cret" && o.Nkey == ""
		}, ""},
		"an nkey file that is missing":       {NATSConfig{NKeySeedFile: in("none")}, nil, "nats.nkeySeedFile: "},
		"an account's seed as nkey":          {NATSConfig{NKeySeedFile: in("account.nk")}, nil, "holds no user seed (SU…)"},
		"garbage as nkey":                    {NATSConfig{NKeySeedFile: in("garbage")}, nil, "nats.nkeySeedFile: "},
		"a credentials file that is missing": {NATSConfig{CredentialsFile: in("none")}, nil, "nats.credentialsFile: "},
		"a password file that is missing":    {NATSConfig{User: "callout", PasswordFile: in("none")}, nil, "nats.passwordFile: "},
		"no login":                           {NATSConfig{}, nil, "one of nkeySeedFile, credentialsFile, and user"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			opts, err := natsOptions(&tt.cfg, new(seedReader), slog.New(slog.DiscardHandler))
			if tt.want == nil {
				if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("error %v, want %q", err, tt.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			o := nats.GetDefaultOptions()
			for _, opt := range opts {
				if err := opt(&o); err != nil {
					t.Fatal(err)
				}
			}
			if !tt.want(&o) {
				t.Errorf("options %+v", o)
			}
		})
	}
}

func TestAConnectionComesBackForEverAndWithinTensOfMilliseconds(t *testing.T) {
	cfg := NATSConfig{NKeySeedFile: filepath.Join(natsFiles(t), "service.nk")}
	opts, err := natsOptions(&cfg, new(seedReader), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	o := nats.GetDefaultOptions()
	for _, opt := range opts {
		if err := opt(&o); err != nil {
			t.Fatal(err)
		}
	}
	if o.MaxReconnect >= 0 || !o.RetryOnFailedConnect || !o.IgnoreAuthErrorAbort || !o.AllowReconnect {
		t.Errorf("it gives up: %d reconnects, retry of the first %v, after refused logins %v", o.MaxReconnect, o.RetryOnFailedConnect, o.IgnoreAuthErrorAbort)
	}
	different := make(map[time.Duration]bool)
	for attempt := range 1000 {
		delay := o.CustomReconnectDelayCB(attempt)
		different[delay] = true
		if delay < 5*time.Millisecond || delay > 50*time.Millisecond {
			t.Fatalf("attempt %d waits for %s", attempt, delay)
		}
	}
	if len(different) < 100 {
		t.Errorf("%d different delays of 1000: replicas would come in step", len(different))
	}
}

func TestCertificatesAreReadAtTheStart(t *testing.T) {
	dir := natsFiles(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	tests := map[string]struct {
		tls  TLSConfig
		says string // in the error; empty: none
	}{
		"an authority":                 {TLSConfig{CAFile: in("ca.pem")}, ""},
		"a certificate":                {TLSConfig{CAFile: in("ca.pem"), CertFile: in("cert.pem"), KeyFile: in("key.pem")}, ""},
		"an authority that is missing": {TLSConfig{CAFile: in("none")}, "nats.tls.caFile: "},
		"garbage as authority":         {TLSConfig{CAFile: in("garbage")}, "no PEM certificate in it"},
		"a key of nothing":             {TLSConfig{CertFile: in("cert.pem"), KeyFile: in("garbage")}, "nats.tls.certFile: "},
		"a certificate without key":    {TLSConfig{CertFile: in("cert.pem")}, "nats.tls.certFile: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := natsTLS(&NATSConfig{TLS: tt.tls})
			if tt.says != "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "issuer") {
					t.Errorf("error %v, want %q", err, tt.says)
				}
				return
			}
			if err != nil || c.RootCAs == nil || c.InsecureSkipVerify || (c.GetClientCertificate != nil) != (tt.tls.CertFile != "") {
				t.Errorf("error %v, config %+v", err, c)
			}
		})
	}
	if c, err := natsTLS(&NATSConfig{}); c != nil || err != nil {
		t.Errorf("without certificates: %v, %v; want the servers' scheme to decide", c, err)
	}
}

func TestARefusedLoginSaysWhatToDo(t *testing.T) {
	for err, hinted := range map[error]bool{
		nats.ErrAuthorization:                           true,
		fmt.Errorf("x: %w", nats.ErrAuthorization):      true,
		nats.ErrAuthExpired:                             true,
		errors.New("nats: authentication timeout"):      true,
		nats.ErrNoServers:                               false,
		errors.New("dial tcp: connection refused"):      false,
		errors.New("tls: failed to verify certificate"): false,
	} {
		got := loginHint(err)
		if strings.Contains(got.Error(), "auth_callout.auth_users") != hinted || !errors.Is(got, err) {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}
