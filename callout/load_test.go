package callout

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"harmony-callout/internal/conf"
)

var updateConfig = flag.Bool("update-config", false, "write what was got to testdata/config")

// TestConfigMessages compares what each configuration of testdata/config gives with the
// problems and warnings recorded beside it.
func TestConfigMessages(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			section := map[string]*txtar.File{}
			for i := range archive.Files {
				section[archive.Files[i].Name] = &archive.Files[i]
			}
			var environ []string
			if e := section["environ"]; e != nil {
				environ = strings.Split(strings.TrimSpace(string(e.Data)), "\n")
			}
			_, warnings, err := Parse("callout.yaml", section["callout.yaml"].Data, environ)
			got := map[string]string{"problems": "", "warnings": ""}
			if err != nil {
				got["problems"] = err.Error() + "\n"
			}
			if len(warnings) > 0 {
				got["warnings"] = strings.Join(warnings, "\n") + "\n"
			}
			for name, text := range got {
				if want := string(section[name].Data); text != want && !*updateConfig {
					t.Errorf("%s: %s\n%s: got\n%s\nwant\n%s", file, archive.Comment, name, text, want)
				}
				section[name].Data = []byte(text)
			}
			if *updateConfig {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// configFile returns the configuration of one of testdata/config's cases.
func configFile(t testing.TB, name string) []byte {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata/config", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		if f.Name == "callout.yaml" {
			return f.Data
		}
	}
	t.Fatalf("%s has no callout.yaml", name)
	return nil
}

func TestLoadReadsTheFileAndResolvesItsPaths(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "callout.yaml")
	if err := os.WriteFile(path, configFile(t, "contract"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, _, err := Load(path, []string{"CALLOUT_KEYS_XKEY_SEED_FILE=x.nk", "CALLOUT_HTTP_LISTEN=:9000"})
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Insecure = true
	want.NATS.Servers = []string{"nats://127.0.0.1:4222"}
	want.NATS.NKeySeedFile = filepath.Join(dir, "keys/service.nk")
	want.Keys.AccountSeedFile = filepath.Join(dir, "keys/account.nk")
	want.Keys.XKeySeedFile = "x.nk"
	want.Zitadel.Issuer = "http://sso.harmony.local:8080"
	want.Zitadel.ProjectID = "400888114106661377"
	want.Zitadel.Organizations = []string{}
	want.Deny = DenyConfig{Users: []string{}, Tokens: []string{}}
	want.HTTP.Listen = ":9000"
	want.Roles = []RoleConfig{{
		Role: "sensor", Account: "APP", Organizations: []string{},
		Publish:         PermissionConfig{Allow: []string{"telemetry.{user}.>"}, Deny: []string{}},
		Subscribe:       PermissionConfig{Allow: []string{"commands.{user}.>", "_INBOX_{user}.>"}, Deny: []string{}},
		Responses:       &ResponsesConfig{Max: 1, TTL: 30 * time.Second},
		ConnectionTypes: []string{"STANDARD", "WEBSOCKET", "MQTT"},
		Sources:         []string{"10.0.0.0/8"},
		MaxTTL:          time.Hour,
	}}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
}

func TestLoadSaysWhyAFileCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.yaml")
	if _, _, err := Load(missing, nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("got %v, want fs.ErrNotExist with the path", err)
	}
	if _, _, err := Load(dir, nil); err == nil {
		t.Error("a directory was read")
	}
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, make([]byte, conf.MaxSize+10), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(large, nil); err == nil || err.Error() != large+": larger than 1MiB" {
		t.Errorf("got %v", err)
	}
}

func TestResponsesWithoutValuesHaveTheirDefaults(t *testing.T) {
	data := string(configFile(t, "minimal")) + "    responses: {}\n  - {role: b, account: APP, responses: {max: 5}}\n  - {role: c, account: APP, responses: }\n"
	c, _, err := Parse("callout.yaml", []byte(data), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []*ResponsesConfig{{1, 30 * time.Second}, {5, 30 * time.Second}, nil} {
		if got := c.Roles[i].Responses; !reflect.DeepEqual(got, want) {
			t.Errorf("roles[%d]: got %+v, want %+v", i, got, want)
		}
	}
}

func TestLoadPolicyNeedsNoServiceSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "callout.yaml")
	policy := "zitadel: {issuer: 'https://sso.example.com', projectID: 1}\nroles: [{role: a, account: APP, publish: {allow: [%s]}}]\n"
	for allow, valid := range map[string]bool{"a": true, "a..b": false} {
		if err := os.WriteFile(path, []byte(strings.Replace(policy, "%s", allow, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := LoadPolicy(path, nil); (err == nil) != valid {
			t.Errorf("%s: got %v", allow, err)
		}
		if _, _, err := Load(path, nil); err == nil || !strings.Contains(err.Error(), "keys.accountSeedFile: required") {
			t.Errorf("the service would run with %v", err)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	files, err := filepath.Glob("testdata/config/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add(configFile(f, strings.TrimSuffix(filepath.Base(file), ".txtar")), "CALLOUT_ZITADEL_ALGORITHMS=[RS256]\nCALLOUT_MAX_TTL=5m")
	}
	f.Fuzz(func(t *testing.T, data []byte, environ string) {
		c, warnings, err := Parse("callout.yaml", data, strings.Split(environ, "\n"))
		if err != nil {
			var problems conf.Problems
			if !errors.As(err, &problems) || strings.Count(err.Error(), "\n")+1 != len(problems) {
				t.Fatalf("not one line for each problem: %q", err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("valid when read, later not: %v", err)
		}
		if len(c.Warnings()) > len(warnings) {
			t.Fatalf("%d warnings when read, later %q", len(warnings), c.Warnings())
		}
	})
}
