package callouttest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// get asks the issuer's address, under another Host if one is given.
func get(t *testing.T, iss *Issuer, path, host string) answer {
	t.Helper()
	a, err := try(iss, path, host, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func try(iss *Issuer, path, host string, timeout time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+iss.Addr()+path, nil)
	if err != nil {
		return answer{}, err
	}
	request.Host = host
	return do(request)
}

func do(request *http.Request) (answer, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(body)}, err
}

// exchange posts a form to the token endpoint.
func exchange(t *testing.T, iss *Issuer, form url.Values) answer {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, "http://"+iss.Addr()+TokenPath, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := do(request)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// decode reads a JWT's header and claims without judging them.
func decode(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("token has %d segments, want 3: %q", len(parts), token)
	}
	for n, dst := range []*map[string]any{&header, &claims} {
		data, err := b64.DecodeString(parts[n])
		if err == nil {
			err = json.Unmarshal(data, dst)
		}
		if err != nil {
			t.Fatalf("segment %d: %v", n, err)
		}
	}
	return header, claims
}

func asMap(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return m
}
