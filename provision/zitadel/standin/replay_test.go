package standin_test

import (
	"bufio"
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"harmony-callout/callout/callouttest"
	"harmony-callout/provision/zitadel/standin"
)

// exchanges.jsonl holds, in order, what was asked of a real Zitadel and what it answered. A
// line marked setup makes what earlier exchanges, which are not replayed, had made.
//
//go:embed testdata/exchanges.jsonl
var exchanges []byte

// knownDifferences are the exchanges whose answer differs, and why; see the package comment.
var knownDifferences = map[int]string{
	209: "an iat one second ahead is a matter of timing",
	203: "x-zitadel-public-host is not looked at",
	343: "a new web key is in the key set at once",
	348: "web keys are listed by age",
	362: "a deleted web key leaves the key set at once",
	367: "a deleted web key leaves the key set at once",
}

// exchange is one line of exchanges.jsonl.
type exchange struct {
	N       int
	Name    string
	Setup   bool
	Method  string
	Path    string
	Host    string
	Headers map[string]string
	Auth    string // admin, login, token:<n>, basic:<client>, literal:<header>
	Form    bool
	At      time.Time
	Body    any
	// Bind maps what a setup's answer has at a path to what recordings call it.
	Bind map[string]string
	Want struct {
		Status int
		CT, CC string
		Body   any
		Tokens map[string]struct{ Header, Claims map[string]any }
		Subset bool
	}
}

func TestRecordedExchangesGetTheSameAnswers(t *testing.T) {
	r := newReplay(t)
	compared, differing := 0, 0
	lines := bufio.NewScanner(bytes.NewReader(exchanges))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var x exchange
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			t.Fatalf("exchanges.jsonl: %v", err)
		}
		problems := r.play(&x)
		if x.Setup {
			for _, p := range problems {
				t.Fatalf("setup %s %s: %s", x.Method, x.Path, p)
			}
			continue
		}
		compared++
		why, known := knownDifferences[x.N]
		switch {
		case known && len(problems) > 0:
			differing++
		case known && x.N != 209:
			t.Errorf("#%d %s: no difference any more (%q)", x.N, x.Name, why)
		default:
			for _, p := range problems {
				t.Errorf("#%d %s: %s", x.N, x.Name, p)
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d exchanges compared, %d of them with a known difference", compared, differing)
}

// replay knows what the recordings' ids, keys, secrets and tokens are called here.
type replay struct {
	t       *testing.T
	server  *standin.Server
	base    string                     // the recordings' issuer
	ours    map[string]string          // recorded id → ours
	keys    map[string]*rsa.PrivateKey // our key id → private key
	secrets map[string]string          // our client or user id → secret
	tokens  map[int]string             // exchange → its access token
	jti     map[string]string          // recorded jti → our token
	own     *rsa.PrivateKey
}

const recordedIssuer = "http://sso.harmony.local:8080"

func newReplay(t *testing.T) *replay {
	t.Helper()
	server, err := standin.New(standin.Config{Issuer: recordedIssuer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	own := callouttest.LeaseRSA()
	t.Cleanup(func() { callouttest.ReleaseRSA([]*rsa.PrivateKey{own}) })
	return &replay{
		t: t, server: server, base: "http://" + server.Addr(), ours: map[string]string{}, own: own,
		keys: map[string]*rsa.PrivateKey{}, secrets: map[string]string{}, tokens: map[int]string{}, jti: map[string]string{},
	}
}

// play sends one exchange and says in which respects the answer differs.
func (r *replay) play(x *exchange) (problems []string) {
	request := r.request(x)
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return []string{err.Error()}
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return []string{err.Error()}
	}
	var got any = string(raw)
	if json.Valid(raw) {
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		if err := decoder.Decode(&got); err != nil {
			return []string{err.Error()}
		}
	}
	r.learn(x, got)
	if x.Setup {
		if response.StatusCode/100 != 2 {
			return []string{fmt.Sprintf("status %d: %s", response.StatusCode, raw)}
		}
		for path, recorded := range x.Bind {
			r.ours[recorded] = at(got, path)
		}
		return nil
	}
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if response.StatusCode != x.Want.Status {
		say("status %d, want %d: %s", response.StatusCode, x.Want.Status, raw)
		return problems
	}
	if ct := response.Header.Get("Content-Type"); ct != x.Want.CT {
		say("content type %q, want %q", ct, x.Want.CT)
	}
	if cc := response.Header.Get("Cache-Control"); cc != x.Want.CC {
		say("cache control %q, want %q", cc, x.Want.CC)
	}
	if len(raw) == 0 {
		got = nil
	}
	r.compare("body", got, x.Want.Body, x.Want.Subset, say)
	for name, want := range x.Want.Tokens {
		if want.Claims == nil {
			continue
		}
		header, claims := decodeJWT(at(got, name))
		r.compare(name+" header", header, any(want.Header), false, say)
		r.compare(name, claims, any(want.Claims), false, say)
	}
	return problems
}

// learn keeps what later requests need: keys, secrets and tokens.
func (r *replay) learn(x *exchange, got any) {
	for _, field := range []string{"keyContent", "keyDetails"} {
		data, err := base64.StdEncoding.DecodeString(at(got, field))
		var file struct{ KeyID, Key string }
		if err != nil || json.Unmarshal(data, &file) != nil || file.Key == "" {
			continue
		}
		block, _ := pem.Decode([]byte(file.Key))
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			r.t.Fatal(err)
		}
		r.keys[file.KeyID] = key
	}
	if body, _ := x.Body.(map[string]any); body["publicKey"] != nil {
		r.keys[at(got, "keyId")] = r.own
	}
	for _, config := range []string{"apiConfiguration.", "oidcConfiguration."} {
		if secret := at(got, config+"clientSecret"); secret != "" {
			r.secrets[at(got, config+"clientId")] = secret
		}
	}
	if user, ok := strings.CutSuffix(r.rename(x.Path), "/secret"); ok {
		r.secrets["user:"+strings.TrimPrefix(user, "/v2/users/")] = at(got, "clientSecret")
	}
	for _, field := range []string{"access_token", "token"} {
		if token := at(got, field); token != "" {
			r.tokens[x.N] = token
			if claims := x.Want.Tokens[field].Claims; claims != nil {
				r.jti[fmt.Sprint(claims["jti"])] = token
			}
		}
	}
	if want, ok := x.Want.Body.(map[string]any); ok {
		for _, field := range []string{"refresh_token", "sessionToken"} {
			if recorded, ok := want[field].(string); ok {
				r.ours[recorded] = at(got, field)
			}
		}
	}
}

var recordedID = regexp.MustCompile(`^(V2_)?\d{15,19}(-at_\d+)?$|^eyJ|^[A-Z]{4}-[A-Z]{4}$|^[A-Za-z0-9_-]{22}$`)
