package zitadel

import (
	"context"
	"crypto/rsa"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
	"harmony-callout/provision/keystore"
	"harmony-callout/provision/zitadel/standin"
)

// secrets are the Secrets of a namespace.
type secrets map[string]map[string]string

func (s secrets) Secret(_ context.Context, name string) (map[string]secret.Text, error) {
	data, ok := s[name]
	if !ok {
		return nil, ErrNoCredential
	}
	texts := map[string]secret.Text{}
	for entry, text := range data {
		texts[entry] = secret.New(text)
	}
	return texts, nil
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credential")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheFirstCredentialThatIsThereAndAcceptedIsUsed(t *testing.T) {
	t.Parallel()
	key, err := pooledKey()
	if err != nil {
		t.Fatal(err)
	}
	stand, err := standin.New(standin.Config{SystemUsers: map[string]*rsa.PublicKey{"provisioner": &key.PublicKey, "admin-client": &key.PublicKey}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stand.Close)
	keys, err := keystore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Create(t.Context(), "zitadel/provisioner.pem", secret.New(privatePEM(key))); err != nil {
		t.Fatal(err)
	}
	token := stand.AdminPAT().Reveal()
	file := write(t, token+"\n")
	env := func(vars map[string]string) []CredentialSource {
		return Environment(func(name string) (string, bool) { v, ok := vars[name]; return v, ok })
	}
	for _, c := range []struct {
		name    string
		sources []CredentialSource
		used    string
	}{
		{"a system user of ours", []CredentialSource{SystemUser("provisioner", keys, "zitadel/provisioner.pem"), PATFile(file)}, "system user provisioner"},
		{"a system user without a key, then a file", []CredentialSource{SystemUser("provisioner", keys, "zitadel/none.pem"), PATFile(file)}, "PAT in " + file},
		{"a stale token, then a good one", []CredentialSource{pat("stale"), PATFile(file)}, "PAT in " + file},
		{"a file that the environment names", env(map[string]string{"ZITADEL_PAT_FILE": file, "ZITADEL_PAT": "x"}), "PAT in the file of ZITADEL_PAT_FILE"},
		{"the environment itself", env(map[string]string{"ZITADEL_PAT": " " + token + "\r\n"}), "PAT in ZITADEL_PAT"},
		{"the Secret of chart 11", ChartSecrets(secrets{"z-admin-service-key": {"tls.crt": "certificate", "tls.key": privatePEM(key)}, "iam-admin-pat": {"pat": token}}, "z"), "Secret z-admin-service-key"},
		{"the Secret of chart 10", ChartSecrets(secrets{"iam-admin-pat": {"pat": token + "\n"}}, "z"), "Secret iam-admin-pat"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, err := New(Config{Issuer: parseIssuer(t, stand.URL()), Credentials: c.sources})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			used, err := client.Authenticate(t.Context())
			if err != nil || used != c.used || client.CredentialName() != c.used {
				t.Errorf("used %q, %v", used, err)
			}
		})
	}
}

func TestARefusalSaysWhatIsWrongWithTheCredential(t *testing.T) {
	t.Parallel()
	discovery := func(issuer string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/debug/ready":
			case "/.well-known/openid-configuration":
				_, _ = w.Write([]byte(`{"issuer":"` + issuer + `"}`))
			default:
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = w.Write([]byte(`{"code":16,"message":"Errors.Token.Invalid (AUTH-7fs1e)"}`))
			}
		}
	}
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	databaseDown := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/debug/ready" {
			w.WriteHeader(http.StatusPreconditionFailed) // #575
			return
		}
		discovery("http://sso.test")(w, r)
	}
	for _, c := range []struct {
		name   string
		handle http.HandlerFunc
		source CredentialSource
		is     error
		hint   string
	}{
		{"an instance that does not know it", discovery("http://sso.test"), pat("old"), ErrStale, "database is newer"},
		{"an instance of another name", discovery("http://sso.test:8080"), pat("old"), ErrOtherInstance, "ExternalDomain"},
		{"an instance that is not ready", databaseDown, pat("x"), ErrUnavailable, "database"},
		{"an instance that does not know the host", answer(404, `{"code":5,"message":"unable to set instance using origin &{sso.test}: ID=QUERY-1kIjX Message=Instance not found."}`), pat("x"), ErrOtherInstance, "ExternalDomain"},
		{"a user without membership", answer(404, `{"code":5,"message":"membership not found (AUTHZ-cdgFk)"}`), pat("x"), ErrDenied, "IAM_OWNER"},
		{"a user who sees nothing", answer(200, `{"details":{}}`), pat("x"), ErrDenied, "IAM_OWNER"},
		{"none at all", discovery("http://sso.test"), PATFile("/nowhere/pat"), ErrLost, "ZITADEL_PAT_FILE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := scripted(t, "http://sso.test", c.handle, c.source)
			_, err := client.Authenticate(t.Context())
			if !errors.Is(err, c.is) || !strings.Contains(provision.HintOf(err), c.hint) {
				t.Errorf("err: %v\nhint: %s", err, provision.HintOf(err))
			}
		})
	}
}

func TestWhatIsNoCredentialIsRefusedWithoutBeingPrinted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		CredentialSource
	}{
		{"two words", PATFile(write(t, "sesame open"))},
		{"nothing", PATFile(write(t, "\n"))},
		{"no JSON", MachineKeyFile(write(t, "sesame"))},
		{"the key of an application", MachineKeyFile(write(t, `{"type":"sesame","keyId":"1","key":"sesame"}`))},
		{"a key without PEM", MachineKeyFile(write(t, `{"type":"serviceaccount","keyId":"1","userId":"2","key":"sesame"}`))},
	} {
		_, err := c.Open(t.Context())
		if err == nil || errors.Is(err, ErrNoCredential) || strings.Contains(strings.ReplaceAll(err.Error(), `type "sesame"`, ""), "sesame") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestAMachineKeyOpensTheAPIAndItsTokenIsRenewed(t *testing.T) {
	t.Parallel()
	key, err := pooledKey()
	if err != nil {
		t.Fatal(err)
	}
	file, err := KeyFile{Type: typeServiceAccount, KeyID: "1", UserID: "2", Key: key}.encode()
	if err != nil {
		t.Fatal(err)
	}
	var minted, refused atomic.Int64
	client := scripted(t, "http://sso.test", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/oauth/v2/token":
			if r.FormValue("scope") != apiScope {
				t.Errorf("scope %q", r.FormValue("scope"))
			}
			minted.Add(1)
			_, _ = w.Write([]byte(`{"access_token":"t","token_type":"Bearer","expires_in":43199}`))
		case r.URL.Path == "/v2/organizations/_search":
			_, _ = w.Write([]byte(oneOrganization))
		case refused.CompareAndSwap(0, 1): // the token is forgotten, once
			w.WriteHeader(http.StatusUnauthorized)
		default:
			_, _ = w.Write([]byte(`{"projectId":"1"}`))
		}
	}, MachineKeyFile(write(t, file.Reveal())))
	for range 3 {
		if err := client.createProject(t.Context(), "1", "2", "p"); err != nil {
			t.Fatal(err)
		}
	}
	if minted.Load() != 2 {
		t.Errorf("minted %d tokens", minted.Load())
	}
	client.mu.Lock()
	client.chosen.until = time.Now().Add(-time.Second)
	client.mu.Unlock()
	if err := client.createProject(t.Context(), "1", "2", "p"); err != nil || minted.Load() != 3 {
		t.Errorf("after the token ended: minted %d, %v", minted.Load(), err)
	}
}
