package zitadel

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"harmony-callout/provision"
)

func testKey(t *testing.T) KeyFile {
	t.Helper()
	key, err := pooledKey()
	if err != nil {
		t.Fatal(err)
	}
	return KeyFile{Type: typeServiceAccount, KeyID: "77", UserID: "42", Key: key}
}

func TestAnAssertionIsForTheIssuerWhateverAddressIsDialled(t *testing.T) {
	t.Parallel()
	key := testKey(t)
	for _, issuer := range []string{"http://sso.test", "http://sso.test:8080"} {
		c := scripted(t, issuer, func(w http.ResponseWriter, r *http.Request) {
			parsed, err := jwt.ParseSigned(r.FormValue("assertion"), []jose.SignatureAlgorithm{jose.RS256})
			if err != nil {
				t.Error(err)
				return
			}
			var claims jwt.Claims
			if err := parsed.Claims(&key.Key.PublicKey, &claims); err != nil {
				t.Error(err)
			}
			if claims.Issuer != "42" || claims.Subject != "42" || !claims.Audience.Contains(issuer) || parsed.Headers[0].KeyID != "77" {
				t.Errorf("claims %+v, header %+v", claims, parsed.Headers[0])
			}
			if r.FormValue("scope") != "openid urn:zitadel:iam:org:project:id:9:aud urn:zitadel:iam:org:projects:roles" {
				t.Errorf("scope %q", r.FormValue("scope"))
			}
			_, _ = w.Write([]byte(`{"access_token":"a.b.c","expires_in":900}`))
		})
		token, err := c.MintToken(t.Context(), key, "9")
		if err != nil || token.Access.Reveal() != "a.b.c" {
			t.Errorf("token: %v", err)
		}
	}
}

func TestBothAnswersToAWrongAudienceNameBothIssuers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, issuer string
		status       int
		body, hint   string
	}{
		{"400", "http://sso.test", 400, `{"error":"invalid_grant","error_description":"invalid assertion"}`, "byte for byte"},
		{"500", "http://sso.test", 500, `{"error":"server_error","error_description":"Errors.Internal"}`, "byte for byte"},
		{"the issuer is right", "http://sso.test:8080", 400, `{"error":"invalid_grant","error_description":"invalid assertion"}`, "clock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := scripted(t, "http://sso.test:8080", func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/.well-known/openid-configuration" {
					_, _ = w.Write([]byte(`{"issuer":"` + c.issuer + `"}`))
					return
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			_, err := client.MintToken(t.Context(), testKey(t), "9")
			if !errors.Is(err, ErrAssertion) || !strings.Contains(provision.HintOf(err), c.hint) {
				t.Fatalf("err: %v\nhint: %s", err, provision.HintOf(err))
			}
			for _, name := range []string{`"http://sso.test:8080"`, `"` + c.issuer + `"`} {
				if !strings.Contains(err.Error(), name) {
					t.Errorf("%s is not named: %v", name, err)
				}
			}
		})
	}
}

func TestAKeyFileIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	key := testKey(t)
	text, err := key.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadKeyFile(text)
	if err != nil || got.KeyID != key.KeyID || got.UserID != key.UserID || !got.Key.Equal(key.Key) {
		t.Errorf("read: %v", err)
	}
	for _, field := range []string{`"type":"serviceaccount"`, `"keyId":"77"`, `"userId":"42"`, "BEGIN RSA PRIVATE KEY"} {
		if !strings.Contains(text.Reveal(), field) {
			t.Errorf("no %s", field)
		}
	}
}
