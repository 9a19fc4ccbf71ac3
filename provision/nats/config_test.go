package nats

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"harmony-callout/provision"
)

var update = flag.Bool("update", false, "write the golden files")

// goldenKeys are public halves of keys that nobody has.
var goldenKeys = PublicKeys{
	Account: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", XKey: "XAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	Service: "UAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", System: "UBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
}

func TestRenderedConfigurationIsGolden(t *testing.T) {
	c := Config{Name: "harmony-example", Host: "127.0.0.1", Port: 4222, StoreDir: "/var/lib/nats", Keys: goldenKeys,
		Accounts: map[string]provision.AccountConfig{"APP": {JetStream: true}, "OTHER": {}}}
	text, err := c.Render()
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "nats.conf")
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("rendered:\n%s\nwant:\n%s", text, want)
	}
}

func TestTheServersOwnParserTakesIt(t *testing.T) {
	keys := PublicKeys{Account: public(t, nkeys.CreateAccount), XKey: public(t, nkeys.CreateCurveKeys), Service: public(t, nkeys.CreateUser), System: public(t, nkeys.CreateUser)}
	c := Config{Name: "n", Host: "::1", Port: 4222, StoreDir: `/with "quotes" and \`, Keys: keys,
		Accounts: map[string]provision.AccountConfig{"on": {JetStream: true}, "k2m": {}}}
	text, err := c.Render()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	switch callout := opts.AuthCallout; {
	case opts.Host != "::1" || opts.Port != 4222, opts.MaxControlLine != maxControlLine, opts.StoreDir != c.StoreDir:
		t.Errorf("host %q, port %d, control line %d, store %q", opts.Host, opts.Port, opts.MaxControlLine, opts.StoreDir)
	case callout == nil, callout.Issuer != keys.Account, callout.Account != CalloutAccount, callout.XKey != keys.XKey, len(callout.AllowedAccounts) != 2:
		t.Errorf("auth_callout = %+v", callout)
	}
}

func TestRenderRefusesWhatCannotWork(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*Config)
		want string
	}{
		"no account":                       {func(c *Config) { c.Accounts = nil }, "names no account"},
		"the callout's own account":        {func(c *Config) { c.Accounts["AUTH"] = provision.AccountConfig{} }, "the name is taken"},
		"the system account":               {func(c *Config) { c.Accounts["SYS"] = provision.AccountConfig{} }, "the name is taken"},
		"a name that would end the string": {func(c *Config) { c.Accounts["A\" }"] = provision.AccountConfig{} }, "want a letter"},
		"JetStream without a directory":    {func(c *Config) { c.StoreDir = "" }, "no directory"},
		"a missing key":                    {func(c *Config) { c.Keys.XKey = "" }, "public xkey key is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Config{Name: "n", Host: "127.0.0.1", Port: 1, StoreDir: "/s", Keys: goldenKeys,
				Accounts: map[string]provision.AccountConfig{"APP": {JetStream: true}}}
			tc.edit(&c)
			if text, err := c.Render(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%q, %v, want an error with %q", text, err, tc.want)
			}
		})
	}
}

func public(t *testing.T, create func() (nkeys.KeyPair, error)) string {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	text, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
