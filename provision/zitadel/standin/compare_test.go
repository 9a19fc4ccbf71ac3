package standin_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"harmony-callout/callout/callouttest"
)

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

func publicPEM(t testing.TB, key *rsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func examplePublicKey(t testing.TB) []byte {
	t.Helper()
	key := callouttest.LeaseRSA()
	t.Cleanup(func() { callouttest.ReleaseRSA([]*rsa.PrivateKey{key}) })
	return publicPEM(t, key)
}
