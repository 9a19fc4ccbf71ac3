package callout

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"harmony-callout/callout/callouttest"
)

func withJWT(token string) func(*jwt.AuthorizationRequestClaims) {
	return func(c *jwt.AuthorizationRequestClaims) { c.ConnectOptions.JWT = token }
}

// newNkey makes a key pair of any kind and its public half.
func newNkey(t testing.TB, create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
	t.Helper()
	kp, err := create()
	if err != nil {
		t.Fatal(err)
	}
	public, err := kp.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return kp, public
}

// sameButFor is a good request's payload with one piece of its JSON replaced.
func sameButFor(t testing.TB, r *callouttest.Request, from, to string) []byte {
	t.Helper()
	text, err := json.Marshal(r.Claims)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		t.Fatalf("%s is not in %s", from, text)
	}
	return []byte(strings.Replace(string(text), from, to, 1))
}

func TestARequestThatMayNotBeAnsweredIsNotAndItsCredentialIsNotLookedAt(t *testing.T) {
	seeds := callouttest.NewSeeds()
	d, wire := newDesk(t, seeds), callouttest.NewWire(seeds)
	strangerServer, strangerID := newNkey(t, nkeys.CreateServer)
	account, accountID := newNkey(t, nkeys.CreateAccount)
	_, otherXKey := newNkey(t, nkeys.CreateCurveKeys)
	token := d.token()

	fromSpec := func(spec callouttest.RequestSpec) func() ([]byte, nats.Header) {
		return func() ([]byte, nats.Header) {
			spec.Token = token
			r := wire.Request(spec)
			return r.Data, r.Header
		}
	}
	edited := func(edit func(*jwt.AuthorizationRequestClaims)) func() ([]byte, nats.Header) {
		return fromSpec(callouttest.RequestSpec{Edit: edit})
	}
	payload := func(from, to string) func() ([]byte, nats.Header) {
		return func() ([]byte, nats.Header) {
			return wire.Seal(wire.Sign(sameButFor(t, wire.Request(callouttest.RequestSpec{Token: token}), from, to)))
		}
	}
	touched := func(edit func(jws string) string) func() ([]byte, nats.Header) {
		return func() ([]byte, nats.Header) {
			r := wire.Request(callouttest.RequestSpec{Token: token, Unsealed: true})
			return wire.Seal([]byte(edit(string(r.Data))))
		}
	}
	box := func(edit func([]byte) []byte) func() ([]byte, nats.Header) {
		return func() ([]byte, nats.Header) {
			r := wire.Request(callouttest.RequestSpec{Token: token})
			return edit(r.Data), r.Header
		}
	}
	for _, tt := range []struct {
		name string
		make func() ([]byte, nats.Header)
		want Reason
	}{
		{"for another audience", fromSpec(callouttest.RequestSpec{Audience: "nats-authorization-response"}), ReasonMalformedRequest},
		{"for no audience", edited(func(c *jwt.AuthorizationRequestClaims) { c.Audience = "" }), ReasonMalformedRequest},
		{"of another type", payload(`"type":"authorization_request"`, `"type":"authorization_response"`), ReasonMalformedRequest},
		{"of no type", payload(`,"type":"authorization_request"`, ``), ReasonMalformedRequest},
		{"for another callout", fromSpec(callouttest.RequestSpec{Subject: accountID}), ReasonMalformedRequest},
		{"stale by 2 s", fromSpec(callouttest.RequestSpec{Expires: time.Now().Add(-2 * time.Second)}), ReasonStaleRequest},
		{"stale by a day", fromSpec(callouttest.RequestSpec{Expires: time.Now().Add(-24 * time.Hour)}), ReasonStaleRequest},
		{"without exp", edited(func(c *jwt.AuthorizationRequestClaims) { c.Expires = 0 }), ReasonMalformedRequest},
		{"with a negative exp", edited(func(c *jwt.AuthorizationRequestClaims) { c.Expires = -1 }), ReasonMalformedRequest},
		{"signed by another server than it names", fromSpec(callouttest.RequestSpec{Signer: strangerServer}), ReasonMalformedRequest},
		{"naming another server than signed it", fromSpec(callouttest.RequestSpec{ServerID: strangerID}), ReasonMalformedRequest},
		{"signed by an account", func() ([]byte, nats.Header) {
			r := wire.Request(callouttest.RequestSpec{Token: token})
			r.Claims.Issuer, r.Claims.Server.ID = accountID, accountID
			return wire.Seal([]byte(callouttest.SignJWT([]byte(`{"typ":"JWT","alg":"ed25519-nkey"}`), sameButFor(t, r, "{", "{"), account)))
		}, ReasonMalformedRequest},
		{"with another signer's name put in", touched(func(jws string) string {
			other, err := wire.Request(callouttest.RequestSpec{Signer: strangerServer, ServerID: strangerID, Unsealed: true, Token: token}).Claims.Encode(strangerServer)
			if err != nil {
				t.Fatal(err)
			}
			return other[:strings.LastIndexByte(other, '.')] + jws[strings.LastIndexByte(jws, '.'):]
		}), ReasonMalformedRequest},
		{"with a signature of another length", touched(func(jws string) string { return jws[:len(jws)-4] }), ReasonMalformedRequest},
		{"without a signature", touched(func(jws string) string { return jws[:strings.LastIndexByte(jws, '.')+1] }), ReasonMalformedRequest},
		{"of two segments", touched(func(jws string) string { return jws[:strings.LastIndexByte(jws, '.')] }), ReasonMalformedRequest},
		{"with a line break", touched(func(jws string) string { return jws + "\n" }), ReasonMalformedRequest},
		{"with the algorithm none", touched(func(jws string) string {
			return b64.EncodeToString([]byte(`{"typ":"JWT","alg":"none"}`)) + jws[strings.IndexByte(jws, '.'):]
		}), ReasonMalformedRequest},
		{"about a user with an account's key", fromSpec(callouttest.RequestSpec{UserNkey: accountID}), ReasonMalformedRequest},
		{"about a user with a server's key", fromSpec(callouttest.RequestSpec{UserNkey: strangerID}), ReasonMalformedRequest},
		{"about a user whose key is JSON", fromSpec(callouttest.RequestSpec{UserNkey: `U","nats":{"jwt":"x"},"x":"`}), ReasonMalformedRequest},
		{"about a user whose key is lower case", payload(`"user_nkey":"U`, `"user_nkey":"u`), ReasonMalformedRequest},
		{"about a user without a key", payload(`"user_nkey":"`, `"other":"`), ReasonMalformedRequest},
		{"with iss twice", payload(`"iss":`, `"iss":"x","iss":`), ReasonMalformedRequest},
		{"with auth_token twice", payload(`"auth_token":`, `"auth_token":"x","auth_token":`), ReasonMalformedRequest},
		{"with a number for the token", payload(`"auth_token":"`, `"auth_token":1,"x":"`), ReasonMalformedRequest},
		{"with exp as text", payload(`"exp":`, `"exp":"1800000000","x":`), ReasonMalformedRequest},
		{"with something behind its JSON", payload(`{`, `{}{`), ReasonMalformedRequest},
		{"nested too deep", payload(`"nats":{`, `"nats":{"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`,`), ReasonMalformedRequest},
		{"whose header names another key than the signed one", fromSpec(callouttest.RequestSpec{HeaderXKey: otherXKey}), ReasonMalformedRequest},
		{"whose signed key is another than the header's", edited(func(c *jwt.AuthorizationRequestClaims) { c.Server.XKey = otherXKey }), ReasonMalformedRequest},
		{"without a signed key", edited(func(c *jwt.AuthorizationRequestClaims) { c.Server.XKey = "" }), ReasonMalformedRequest},
		{"in clear, but with a header", func() ([]byte, nats.Header) {
			sealed := wire.Request(callouttest.RequestSpec{Token: token})
			return wire.Request(callouttest.RequestSpec{Token: token, Unsealed: true}).Data, sealed.Header
		}, ReasonMalformedRequest},
		{"sealed, but without a header", func() ([]byte, nats.Header) {
			return wire.Request(callouttest.RequestSpec{Token: token}).Data, nil
		}, ReasonMalformedRequest},
		{"sealed for another callout", func() ([]byte, nats.Header) {
			theirs := callouttest.NewSeeds()
			theirs.Account = seeds.Account
			r := callouttest.NewWire(theirs).Request(callouttest.RequestSpec{Token: token})
			return r.Data, r.Header
		}, ReasonMalformedRequest},
		{"whose box is cut", box(func(b []byte) []byte { return b[:len(b)-1] }), ReasonMalformedRequest},
		{"whose box has a bit flipped", box(func(b []byte) []byte { b[len(b)/2] ^= 1; return b }), ReasonMalformedRequest},
		{"whose box is nothing but its version", box(func(b []byte) []byte { return b[:4] }), ReasonMalformedRequest},
		{"that is empty", func() ([]byte, nats.Header) { return nil, nil }, ReasonMalformedRequest},
		{"that is no JWT", func() ([]byte, nats.Header) { return []byte("hello"), nil }, ReasonMalformedRequest},
		{"of 300 kB", func() ([]byte, nats.Header) { return make([]byte, 300<<10), nil }, ReasonMalformedRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data, header := tt.make()
			answer, decision := d.ask(data, header)
			if answer != nil || decision.Allowed || decision.Reason != tt.want {
				t.Errorf("answered %v, reason %q (%v), want %q", answer != nil, decision.Reason, decision.Err, tt.want)
			}
			if decision.Principal != nil || decision.Credential != CredentialNone || d.handler.decider.verified.len() != 0 {
				t.Errorf("the credential was looked at: %+v", decision)
			}
			if strings.Contains(decision.Err.Error(), token[:20]) {
				t.Errorf("the token is in the log: %v", decision.Err)
			}
		})
	}
	r := wire.Request(callouttest.RequestSpec{Token: token})
	byHand, header := wire.Seal(wire.Sign(sameButFor(t, r, "{", "{")))
	for name, data := range map[string][]byte{"as a server makes it": r.Data, "written by hand": byHand} {
		answer, decision := d.ask(data, header)
		if response, err := r.Open(answer); err != nil || response.User == nil {
			t.Errorf("a good request %s, after all that: %+v, %v, %v", name, response, err, decision.Err)
		}
	}
}

func TestARequestInClearIsRefusedWhereAnXKeyIsConfigured(t *testing.T) {
	seeds := callouttest.NewSeeds()
	d := newDesk(t, seeds)
	for name, wire := range map[string]*callouttest.Wire{
		"a server with an xkey": callouttest.NewWire(seeds), "a server without": callouttest.NewWire(callouttest.Seeds{Account: seeds.Account, Service: seeds.Service}),
	} {
		r := wire.Request(callouttest.RequestSpec{Token: d.token(), Unsealed: true})
		answer, decision := d.ask(r.Data, r.Header)
		response, err := r.Open(answer)
		if err != nil || response.User != nil || response.Refusal != refusedText || decision.Reason != ReasonNotSealed {
			t.Errorf("%s: %+v, %v, %q", name, response, err, decision.Reason)
		}
		if decision.Credential != CredentialNone || d.handler.decider.verified.len() != 0 {
			t.Errorf("%s: the credential was looked at: %+v", name, decision)
		}
	}
}

func TestASealedRequestIsNotAnsweredWhereNoXKeyIsConfigured(t *testing.T) {
	seeds := callouttest.NewSeeds()
	d := newDesk(t, callouttest.Seeds{Account: seeds.Account, Service: seeds.Service})
	r := callouttest.NewWire(seeds).Request(callouttest.RequestSpec{Token: d.token()})
	answer, decision := d.ask(r.Data, r.Header)
	if answer != nil || decision.Reason != ReasonMalformedRequest || !strings.Contains(decision.Err.Error(), "xkeySeedFile") {
		t.Errorf("answered %v, %v", answer != nil, decision.Err)
	}
}

// The requests of this test carry an exp on the server's clock, which jwt/v2 does not let us
// choose together with iat, so that the payload is written by hand.
func TestAServerWhoseClockIsBehindIsServedAfterAFewRequests(t *testing.T) {
	seeds := clearSeeds()
	d := newDesk(t, seeds)
	// request is one made at a moment by the server's own clock, which then waits 2 s.
	request := func(wire *callouttest.Wire, made time.Time) Reason {
		t.Helper()
		r := wire.Request(callouttest.RequestSpec{Token: d.token()})
		r.Claims.IssuedAt, r.Claims.Expires = made.Unix(), made.Add(2*time.Second).Unix()
		text, err := json.Marshal(r.Claims)
		if err != nil {
			t.Fatal(err)
		}
		answer, decision := d.ask(wire.Sign(text), nil)
		if (answer != nil) != decision.Allowed {
			t.Fatalf("answered %v, %v", answer != nil, decision.Err)
		}
		return decision.Reason
	}
	behind, exact, far := callouttest.NewWire(seeds), callouttest.NewWire(seeds), callouttest.NewWire(seeds)
	for i := range 6 {
		want := Reason("")
		if i < clockSamples-1 {
			want = ReasonStaleRequest // nothing is proven yet
		}
		if got := request(behind, time.Now().Add(-20*time.Second)); got != want {
			t.Errorf("20 s behind, request %d: %q, want %q", i+1, got, want)
		}
	}
	for i := range 6 {
		if got := request(exact, time.Now()); got != "" {
			t.Errorf("exact, request %d: %q", i+1, got)
		}
		if got := request(exact, time.Now().Add(-20*time.Second)); got != ReasonStaleRequest {
			t.Errorf("exact, stale request %d: %q", i+1, got)
		}
		if got := request(far, time.Now().Add(-clockMost-10*time.Second)); got != ReasonStaleRequest {
			t.Errorf("further behind than we follow, request %d: %q", i+1, got)
		}
	}
}
