package standin_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
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
	own, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
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

// anyTime are times within a text.
var anyTime = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)

// rename puts our ids in the place of recorded ones.
func (r *replay) rename(text string) string {
	if ours, ok := r.ours[text]; ok {
		return ours
	}
	for recorded, ours := range r.ours {
		if len(recorded) > 4 {
			text = strings.ReplaceAll(text, recorded, ours)
		}
	}
	return text
}

func (r *replay) renameAll(v any) any {
	switch v := v.(type) {
	case string:
		return r.rename(v)
	case []any:
		out := make([]any, len(v))
		for n := range v {
			out[n] = r.renameAll(v[n])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			out[r.rename(key)] = r.renameAll(value)
		}
		return out
	default:
		return v
	}
}

// request builds what was asked, with our ids, freshly signed assertions and our tokens.
func (r *replay) request(x *exchange) *http.Request {
	var body io.Reader
	contentType := "application/json"
	if fields, ok := x.Body.(map[string]any); ok {
		for name, value := range fields {
			if special, ok := value.(map[string]any); ok {
				fields[name] = r.special(x, special)
			} else {
				fields[name] = r.renameAll(value)
			}
		}
		if x.Form {
			form := url.Values{}
			for name, value := range fields {
				form.Set(name, fmt.Sprint(value))
			}
			contentType = "application/x-www-form-urlencoded"
			body = strings.NewReader(form.Encode())
		} else {
			data, err := json.Marshal(fields)
			if err != nil {
				r.t.Fatal(err)
			}
			body = bytes.NewReader(data)
		}
	}
	request, err := http.NewRequestWithContext(r.t.Context(), x.Method, r.base+r.rename(x.Path), body)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Host = "sso.harmony.local:8080"
	if x.Host != "" {
		request.Host = x.Host
	}
	if body != nil {
		request.Header.Set("Content-Type", contentType)
	}
	for name, value := range x.Headers {
		request.Header.Set(name, r.rename(value))
	}
	r.authorize(request, x.Auth)
	return request
}

func (r *replay) authorize(request *http.Request, auth string) {
	kind, value, _ := strings.Cut(auth, ":")
	switch kind {
	case "":
	case "admin":
		request.Header.Set("Authorization", "Bearer "+r.server.AdminPAT().Reveal())
	case "login":
		request.Header.Set("Authorization", "Bearer "+r.server.LoginClientPAT().Reveal())
	case "token":
		n, err := strconv.Atoi(value)
		if err != nil || r.tokens[n] == "" {
			r.t.Fatalf("no token of exchange %q", value)
		}
		request.Header.Set("Authorization", "Bearer "+r.tokens[n])
	case "basic":
		switch id, wrong, _ := strings.Cut(value, "!"); {
		case id == "":
			request.Header.Set("Authorization", "Basic !!!")
		case wrong != "":
			request.SetBasicAuth(r.rename(id), wrong)
		case strings.HasPrefix(id, "user:"):
			request.SetBasicAuth("svc-nats-jwt", r.secrets[r.rename(id)])
		default:
			request.SetBasicAuth(r.rename(id), r.secrets[r.rename(id)])
		}
	case "literal":
		request.Header.Set("Authorization", value)
	}
}

// special is a field whose recorded value cannot be sent again.
func (r *replay) special(x *exchange, value map[string]any) any {
	if jti, ok := value["jti"]; ok {
		return r.jti[fmt.Sprint(jti)]
	}
	if n, ok := value["tokenOf"]; ok {
		return r.tokens[int(n.(float64))]
	}
	if id, ok := value["secretOf"]; ok {
		return r.secrets["user:"+r.rename(fmt.Sprint(id))]
	}
	if value["ownKey"] != nil {
		der, err := x509.MarshalPKIXPublicKey(r.own.Public())
		if err != nil {
			r.t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	signed, ok := value["sign"].(map[string]any)
	if !ok {
		return r.renameAll(value) // an object of the API's own
	}
	return r.assertion(x, signed, value["corrupt"] != nil)
}

// assertion signs recorded claims again, as long before or after now as they were then.
func (r *replay) assertion(x *exchange, signed map[string]any, corrupt bool) string {
	header := r.renameAll(signed["header"]).(map[string]any)
	claims := r.renameAll(signed["claims"]).(map[string]any)
	shift := float64(time.Now().Unix() - x.At.Unix())
	for _, name := range []string{"iat", "exp", "nbf"} {
		if at, ok := claims[name].(float64); ok {
			claims[name] = json.Number(strconv.FormatFloat(at+shift, 'f', -1, 64))
		}
	}
	var key any = r.own
	if private := r.keys[fmt.Sprint(header["kid"])]; private != nil {
		key = private
	}
	switch header["alg"] {
	case "HS256":
		key = []byte("secret")
	case "none":
		key = nil
	}
	encode := func(v any) []byte {
		data, err := json.Marshal(v)
		if err != nil {
			r.t.Fatal(err)
		}
		return data
	}
	text := callouttest.SignJWT(encode(header), encode(claims), key)
	if corrupt {
		cut := strings.LastIndexByte(text, '.') + 10
		flipped := byte('A')
		if text[cut] == 'A' {
			flipped = 'B'
		}
		text = text[:cut] + string(flipped) + text[cut+1:]
	}
	return text
}

// free are fields whose value is of no matter as long as its type is right.
var free = []string{"sequence", "exp", "iat", "nbf", "auth_time", "updated_at", "at_hash", "sid", "clientSecret",
	"device_code", "keyContent", "keyDetails", "token", "access_token", "id_token", "refresh_token", "sessionToken",
	"n", "e", "x", "y", "kid", "user_code", "verification_uri_complete"}

// compare walks through both and says what differs: keys and types, and values that are no
// ids, times or secrets. Ids are learnt on the way.
func (r *replay) compare(path string, got, want any, subset bool, say func(string, ...any)) {
	field := path[strings.LastIndexByte(path, '.')+1:]
	switch want := want.(type) {
	case map[string]any:
		have, ok := got.(map[string]any)
		if !ok {
			say("%s: %v, want an object", path, got)
			return
		}
		missing := map[string]bool{}
		for key, value := range want {
			name := r.rename(key)
			if _, ok := have[name]; !ok {
				say("%s.%s is missing", path, name)
				missing[name] = true
				continue
			}
			r.compare(path+"."+name, have[name], value, subset, say)
		}
		for key := range have {
			if !subset && !slices.ContainsFunc(sortedKeys(want), func(k string) bool { return r.rename(k) == key }) {
				say("%s.%s = %v is too much", path, key, have[key])
			}
		}
	case []any:
		have, ok := got.([]any)
		if !ok || len(have) != len(want) {
			say("%s: %v, want %d elements like %v", path, got, len(want), want)
			return
		}
		if field == "aud" {
			return // a set, whose order is none
		}
		if isKeySet(want) {
			slices.SortFunc(have, byAlgorithm)
			slices.SortFunc(want, byAlgorithm)
		}
		for n := range want {
			r.compare(fmt.Sprintf("%s.%d", path, n), have[n], want[n], subset, say)
		}
	case float64:
		if number, ok := got.(json.Number); !ok || !slices.Contains(free, field) && number.String() != strconv.FormatFloat(want, 'f', -1, 64) {
			if f, ok := got.(float64); ok && slices.Contains(free, field) || f == want && ok {
				return
			}
			say("%s: %v, want %v", path, got, want)
		}
	case string:
		have, ok := got.(string)
		if ok && recordedID.MatchString(want) && r.ours[want] == "" {
			if slices.Contains(free, field) || recordedID.MatchString(have) {
				r.ours[want] = have
			}
		}
		switch {
		case !ok:
			say("%s: %v, want %q", path, got, want)
		case field == "parent" && anyTime.ReplaceAllString(have, "T") == anyTime.ReplaceAllString(want, "T"):
		case slices.Contains(free, field), r.rename(want) == have:
		case isTime(want) && isTime(have):
		default:
			say("%s: %q, want %q", path, have, r.rename(want))
		}
	default:
		if got != want {
			say("%s: %v, want %v", path, got, want)
		}
	}
}

// isKeySet tells a JWKS from a list of an application's keys.
func isKeySet(keys []any) bool { return at(keys, "0.kty") != "" }

func byAlgorithm(a, b any) int { return strings.Compare(at(a, "alg"), at(b, "alg")) }

func isTime(text string) bool {
	_, err := time.Parse(time.RFC3339Nano, text)
	return err == nil
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// at is the text at a path of JSON, "result.0.userId"; empty if there is none.
func at(v any, path string) string {
	for part := range strings.SplitSeq(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			v = node[part]
		case []any:
			n, err := strconv.Atoi(part)
			if err != nil || n >= len(node) {
				return ""
			}
			v = node[n]
		default:
			return ""
		}
	}
	text, _ := v.(string)
	return text
}

func decodeJWT(token string) (header, claims any) {
	parts := strings.Split(token, ".")
	for n, into := range []*any{&header, &claims} {
		if len(parts) != 3 {
			return nil, nil
		}
		data, err := base64.RawURLEncoding.DecodeString(parts[n])
		if err != nil {
			return nil, nil
		}
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		if decoder.Decode(into) != nil {
			return nil, nil
		}
	}
	return header, claims
}
