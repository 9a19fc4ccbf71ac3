package provision

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTheExampleIsValidAndSaysItAll(t *testing.T) {
	c, warnings, err := ParseConfig(ExampleName, Example, nil)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %q", err, warnings)
	}
	if c.Name != "harmony-example" || len(c.Zitadel.Roles) != 2 || len(c.Callout.Roles) != 2 || !c.NATS.Accounts["APP"].JetStream {
		t.Errorf("read as %+v", c)
	}
	if i, err := c.Issuer.Issuer(); err != nil || i.URL() != "http://sso.harmony.local:8080" {
		t.Errorf("issuer %v, %v", i, err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// edited is the example with one text replaced by another.
func edited(t *testing.T, old, replacement string) []byte {
	t.Helper()
	text := string(Example)
	if old != "" && strings.Count(text, old) != 1 {
		t.Fatalf("the example has %q %d times", old, strings.Count(text, old))
	}
	if old == "" {
		return []byte(replacement + text)
	}
	return []byte(strings.Replace(text, old, replacement, 1))
}

func TestEachMistakeIsNamedWithItsPlace(t *testing.T) {
	tests := []struct{ name, old, replacement, want string }{
		{"no name", "name: harmony-example", "", "f.yaml: name: required"},
		{"a name that is no directory", "name: harmony-example", "name: ../up", `f.yaml:5: name: "../up" is no name`},
		{"an unknown key", "  replicas: 1\n", "  replica: 1\n", `replica: unknown key (did you mean "replicas"?)`},
		{"no host", "  host: sso.harmony.local       # required\n", "", "issuer.host: required"},
		{"a host with a port", "host: sso.harmony.local ", "host: sso.harmony.local:8080 ", "f.yaml:10: issuer.host: invalid issuer: host"},
		{"a port out of range", "port: 8080 ", "port: 80800 ", "f.yaml:11: issuer.port: must be between 1 and 65535, not 80800"},
		{"an odd tls", "tls: false ", "tls: maybe ", "issuer.tls: must be true, false, {secretName: …} or {issuerRef: …}"},
		{"two sources of tls", "tls: false ", "tls: {secretName: a, issuerRef: b} ", "issuer.tls: has both secretName and issuerRef"},
		{"an unknown seal", "seal: static ", "seal: statik ", `openbao.seal: "statik" is unknown (did you mean "static"?)`},
		{"an unknown storage", "storage: raft ", "storage: cloud ", `openbao.storage: "cloud" is unknown (known are raft, file)`},
		{"an address without a scheme", `address: ""`, `address: bao:8200`, `openbao.address: must be a URL, not "bao:8200"`},
		{"no accounts", "APP: {jetstream: true}", "", "nats.accounts: required"},
		{"the system's account", "APP: {jetstream: true}", "{APP: {}, SYS: {}}", "nats.accounts.SYS: the account is the server's or the callout's own"},
		{"the callout's account", "APP: {jetstream: true}", "{APP: {}, AUTH: {}}", "nats.accounts.AUTH: the account is the server's or the callout's own"},
		{"an account with a dot", "APP: {jetstream: true}", "{APP: {}, a.b: {}}", `nats.accounts: "a.b" is no account name`},
		{"no replicas", "  replicas: 1\n", "  replicas: 0\n", "nats.replicas: must be at least 1, not 0"},
		{"no project", "project: nats ", "project: '' ", "zitadel.project: required"},
		{"a duration without a unit", "15m ", "15 ", "zitadel.tokenLifetime: must be a duration"},
		{"too long a life", "15m ", "25h ", "zitadel.tokenLifetime: must be between 1s and 24h, not 25h0m0s"},
		{"a role twice", "{key: operator, displayName: Operator}", "{key: sensor}", `f.yaml:34: zitadel.roles[1].key: "sensor" is named twice, first by zitadel.roles[0].key`},
		{"an application twice", "{name: nats-cli}", "{name: nats-callout}", `zitadel.deviceApps[0].name: "nats-callout" is named twice, first by zitadel.apiApps[0].name`},
		{"an unknown auth", "auth: private_key_jwt}", "auth: magic}", `zitadel.apiApps[0].auth: "magic" is unknown`},
		{"a web application without redirects", "webApps: []", "webApps: [{name: w}]", "zitadel.webApps[0].redirectURIs: required"},
		{"a redirect that is no URL", "webApps: []", "webApps: [{name: w, redirectURIs: [home]}]", `zitadel.webApps[0].redirectURIs[0]: must be a URL, not "home"`},
		{"a user twice, in other letters", "{username: operator-1,", "{username: SENSOR-1,", `zitadel.machineUsers[1].username: "sensor-1" is named twice`},
		{"a user with a space", "{username: operator-1,", "{username: operator 1,", `zitadel.machineUsers[1].username: must not contain white space`},
		{"an unknown place of keys", "name: Operator 1}", "name: Operator 1, key: moon}", `zitadel.machineUsers[1].key: "moon" is unknown`},
		{"a grant of an unknown user", "{user: sensor-1, ", "{user: sensor-2, ", `zitadel.grants[0].user: "sensor-2" is not in zitadel.machineUsers (did you mean "sensor-1"?)`},
		{"a grant of an unknown role", "roles: [sensor]}", "roles: [sensors]}", `zitadel.grants[0].roles[0]: "sensors" is not in zitadel.roles (did you mean "sensor"?)`},
		{"a grant of a role twice", "roles: [sensor]}", "roles: [sensor, sensor]}", `zitadel.grants[0].roles[1]: "sensor" is named twice`},
		{"a grant of nothing", "roles: [sensor]}", "roles: []}", "zitadel.grants[0].roles: required"},
		{"a user's grant twice", "{user: operator-1, roles: [operator]}", "{user: sensor-1, roles: [operator]}", `zitadel.grants[1].user: "sensor-1" is named twice`},
		{"identity providers, which later versions have", "identityProviders: []", "identityProviders: [{type: github, name: G, clientID: x, clientSecretFile: s}]", "zitadel.identityProviders: not part of this version of provision"},
		{"an identity provider of an unknown type", "identityProviders: []", "identityProviders: [{type: gitlub, name: G, clientID: x, clientSecretFile: s}]", `zitadel.identityProviders[0].type: "gitlub" is unknown (did you mean "github"?)`},
		{"a callout's role that is unknown", "- role: operator", "- role: operators", `callout.roles[1].role: "operators" is not in zitadel.roles (did you mean "operator"?)`},
		{"a callout's account that does not exist", "APP: {jetstream: true}", "OTHER: {}", `callout.roles[0].account: "APP" is not in nats.accounts`},
		{"a callout's subject that is none", `["commands.{user}.>", `, `["commands.{nobody}.>", `, "callout.roles[0].subscribe.allow[0]: "},
		{"what the callout lacks in this version", "responses: {max: 1, ttl: 30s}", "kv: [{bucket: b, keys: [k], access: read}]", "callout.roles[0].kv: not available in this version of callout"},
		{"values with a key twice", "nats: {}\n", "nats: {values: {a: 1, a: 2}}\n", "charts.nats.values.a: named twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := ParseConfig("f.yaml", edited(t, tt.old, tt.replacement), nil)
			if err == nil || !slices.ContainsFunc(strings.Split(err.Error(), "\n"), func(line string) bool {
				return strings.HasPrefix(line, "f.yaml:") && strings.Contains(line, tt.want)
			}) {
				t.Errorf("error %v\nlacks %q", err, tt.want)
			}
		})
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	text := strings.NewReplacer("name: harmony-example", "name: X", "port: 8200", "port: 0", "[sensor]}", "[x]}", "account: APP", "account: NONE").Replace(string(Example))
	_, _, err := ParseConfig("f.yaml", []byte(text), []string{"PROVISION_NATS_PORT=none"})
	if n := strings.Count(err.Error(), "\n") + 1; n != 6 {
		t.Errorf("%d problems, want 6:\n%v", n, err)
	}
}

func TestEnvironmentWinsOverTheFile(t *testing.T) {
	c, warnings, err := ParseConfig("f.yaml", Example, []string{
		"PROVISION_NATS_PORT=4333", "PROVISION_ISSUER_TLS=true", "PROVISION_CHARTS_NATS_REPO=https://mirror", "PROVISION_TARGET=local", "PROVISION_NAME=other",
	})
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if c.NATS.Port != 4333 || !c.Issuer.TLS.Enabled || c.Charts.NATS.Repo != "https://mirror" || c.Name != "other" {
		t.Errorf("read as %+v", c)
	}
	c, _, err = ParseConfig("f.yaml", Example, []string{"PROVISION_ISSUER_TLS_SECRET_NAME=tls"})
	if err != nil || !c.Issuer.TLS.Enabled {
		t.Errorf("a secret alone means no TLS: %+v, %v", c.Issuer, err)
	}
	if _, warnings, _ = ParseConfig("f.yaml", Example, []string{"PROVISION_NATS_PROT=1"}); len(warnings) != 1 || !strings.Contains(warnings[0], `did you mean "PROVISION_NATS_PORT"?`) {
		t.Errorf("warnings %q", warnings)
	}
}

func TestTheCalloutsWarningsArePassedOn(t *testing.T) {
	_, warnings, err := ParseConfig("f.yaml", edited(t, `["commands.>"]`, `[">"]`), nil)
	if err != nil || len(warnings) != 1 || !strings.HasPrefix(warnings[0], "callout.roles[1].publish.allow[0]: ") {
		t.Errorf("%v, %q", err, warnings)
	}
}

func TestPathsStartAtTheFile(t *testing.T) {
	c, _, err := ParseConfig("/etc/provision/f.yaml", edited(t, "  nats: {}\n", "  nats: {path: charts/nats}\n"), nil)
	if err != nil || c.Charts.NATS.Path != "/etc/provision/charts/nats" {
		t.Errorf("%v, %v", c, err)
	}
}

func TestReadConfigFallsBackToTheExampleOnlyWhenNoFileIsNamed(t *testing.T) {
	t.Chdir(t.TempDir())
	if name, data, err := ReadConfig(""); err != nil || name != ExampleName || len(data) != len(Example) {
		t.Errorf("%q, %d bytes, %v", name, len(data), err)
	}
	if _, _, err := ReadConfig("mine.yaml"); !errors.Is(err, os.ErrNotExist) || HintOf(err) == "" {
		t.Errorf("a named file that is not there: %v, hint %q", err, HintOf(err))
	}
	must(t, os.WriteFile(DefaultFile, []byte("name: x"), 0o600))
	if name, data, err := ReadConfig(""); err != nil || name != DefaultFile || string(data) != "name: x" {
		t.Errorf("%q, %q, %v", name, data, err)
	}
	if _, _, err := ReadConfig(filepath.Join(DefaultFile, "x")); err == nil {
		t.Error("a path through a file is read")
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("name: n\nissuer: {host: h, port: 1, tls: {secretName: s}}\nnats: {accounts: {APP: {}}}\nzitadel: {project: p, roles: [{key: a}]}\ncallout: {roles: [{role: a, account: APP}]}"))
	f.Add([]byte("zitadel: {grants: [{user: a, roles: [b]}]}\ncharts: {nats: {values: {a: [1, {b: null}]}}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := ParseConfig("f.yaml", data, nil)
		if (c == nil) == (err == nil) {
			t.Errorf("configuration %v, error %v", c, err)
		}
	})
}
