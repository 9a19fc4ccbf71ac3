package standin_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"harmony-callout/callout/callouttest"
)

// anyTime are times and durations within a text.
var anyTime = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\d+m\d+s`)

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
		return base64.StdEncoding.EncodeToString(publicPEM(r.t, r.own))
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
