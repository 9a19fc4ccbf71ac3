package callouttest

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

func TestWireAsksAndJudgesAsTheServerDoes(t *testing.T) {
	for name, sealed := range map[string]bool{"in clear": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			seeds := Seeds{}.complete(sealed)
			wire := NewWire(seeds)
			for token, refused := range map[string]bool{"good": false, "bad": true} {
				request := wire.Request(RequestSpec{Token: token})
				if sealed != (request.Header != nil) || sealed != strings.HasPrefix(string(request.Data), "xkv1") {
					t.Errorf("sealed %t: header %v, data %.4q", sealed, request.Header, request.Data)
				}
				reply, err := answerWith(seeds, request.Data, request.Header, "good")
				if err != nil {
					t.Fatal(err)
				}
				response, err := request.Open(reply)
				if err != nil {
					t.Fatal(err)
				}
				if refused != (response.User == nil) || refused != (response.Refusal == "no") || response.Sealed != sealed {
					t.Errorf("token %q: response %+v", token, response)
				}
			}
		})
	}
}

// TestWireBuildsWhatARealServerSends compares claim by claim with a request from nats-server.
func TestWireBuildsWhatARealServerSends(t *testing.T) {
	n := StartNATS(t, NATSConfig{})
	service, err := n.ConnectService()
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	real := make(chan *nats.Msg, 1)
	if _, err := service.ChanSubscribe(server.AuthCalloutSubject, real); err != nil {
		t.Fatal(err)
	}
	if err := service.Flush(); err != nil {
		t.Fatal(err)
	}
	refused := make(chan error, 1)
	go func() {
		_, err := n.Connect("token")
		refused <- err
	}()
	var msg *nats.Msg
	select {
	case msg = <-real:
	case <-time.After(5 * time.Second):
		t.Fatal("no request arrived")
	}
	if err := msg.Respond(nil); err != nil {
		t.Error(err)
	}
	if err := <-refused; !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("an empty response: %v, want a refusal", err)
	}
	made := NewWire(n.Seeds()).Request(RequestSpec{Token: "token"})
	if got, want := claimNames(t, string(made.Data)), claimNames(t, string(msg.Data)); got != want {
		t.Errorf("claims\n got %s\nwant %s", got, want)
	}
	if made.Msg("reply").Subject != msg.Subject || len(made.Header) != len(msg.Header) {
		t.Errorf("message %+v, want like %+v", made.Msg("reply"), msg)
	}
}

// claimNames is every path in a JWT's claims, with the values that do not change.
func claimNames(t *testing.T, token string) string {
	t.Helper()
	_, claims := decode(t, token)
	var out []string
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				walk(path+"."+name, v[name])
			}
		case string:
			if nkeys.IsValidPublicKey(v) {
				v = "#"
			}
			out = append(out, path+"="+v)
		default:
			out = append(out, path)
		}
	}
	delete(claims, "jti")
	delete(claims["nats"].(map[string]any)["server_id"].(map[string]any), "host") // where it listens
	walk("", claims)
	return strings.Join(out, "\n")
}

func TestWireAttacksAreWhatTheyClaimToBe(t *testing.T) {
	seeds := NewSeeds()
	wire := NewWire(seeds)
	stranger := keyPair(newSeed(nkeys.CreateServer))
	past := time.Now().Add(-time.Minute)
	tests := map[string]struct {
		spec  RequestSpec
		check func(*jwt.AuthorizationRequestClaims) bool
	}{
		"another audience": {RequestSpec{Audience: "x"}, func(c *jwt.AuthorizationRequestClaims) bool { return c.Audience == "x" }},
		"another issuer": {
			RequestSpec{Subject: NewSeeds().IssuerKey()},
			func(c *jwt.AuthorizationRequestClaims) bool { return c.Subject != seeds.IssuerKey() },
		},
		"expired": {RequestSpec{Expires: past}, func(c *jwt.AuthorizationRequestClaims) bool { return c.Expires == past.Unix() }},
		"a signer that is not the server": {
			RequestSpec{Signer: stranger},
			func(c *jwt.AuthorizationRequestClaims) bool {
				return c.Issuer != c.Server.ID && c.Server.ID == wire.ServerID()
			},
		},
		"a server id that is not the signer's": {
			RequestSpec{ServerID: publicKey(stranger)},
			func(c *jwt.AuthorizationRequestClaims) bool {
				return c.Issuer != c.Server.ID && c.Issuer == wire.ServerID()
			},
		},
		"an edit": {
			RequestSpec{Edit: func(c *jwt.AuthorizationRequestClaims) { c.Server.XKey = "X" }},
			func(c *jwt.AuthorizationRequestClaims) bool { return c.Server.XKey == "X" },
		},
		"a password": {
			RequestSpec{Username: "u", Password: "p", Kind: "Leafnode", Type: "mqtt", Host: "10.0.0.1", ClientID: 9},
			func(c *jwt.AuthorizationRequestClaims) bool {
				return c.ConnectOptions.Password == "p" && c.ClientInformation.User == "u" && c.ClientInformation.Kind == "Leafnode" &&
					c.ClientInformation.Type == "mqtt" && c.ClientInformation.Host == "10.0.0.1" && c.ClientInformation.ID == 9
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			request := wire.Request(tt.spec)
			opened, err := keyPair(seeds.XKey).Open(request.Data, request.Header.Get(server.AuthRequestXKeyHeader))
			if err != nil {
				t.Fatal(err)
			}
			claims, err := jwt.DecodeAuthorizationRequestClaims(string(opened))
			if err != nil || !tt.check(claims) {
				t.Errorf("%v, %v", claims, err)
			}
		})
	}
	if r := wire.Request(RequestSpec{Unsealed: true}); r.Header != nil || !strings.HasPrefix(string(r.Data), "eyJ") {
		t.Error("an unsealed request is sealed")
	}
	r := wire.Request(RequestSpec{HeaderXKey: "X1"})
	if r.Header.Get(server.AuthRequestXKeyHeader) != "X1" || r.Claims.Server.XKey == "X1" {
		t.Error("the header's key is not the forged one")
	}
	if _, err := jwt.DecodeAuthorizationRequestClaims(string(wire.Sign([]byte(`{"nats":{}}`)))); err == nil {
		t.Error("raw claims without a type: want an error")
	}
}

func TestOpenRefusesWhatTheServerRefuses(t *testing.T) {
	seeds := Seeds{}.complete(false)
	wire := NewWire(seeds)
	request := wire.Request(RequestSpec{Token: "good"})
	account, foreign := keyPair(seeds.Account), keyPair(NewSeeds().Account)
	otherUser := keyPair(newSeed(nkeys.CreateUser))
	type parts struct {
		response *jwt.AuthorizationResponseClaims
		user     *jwt.UserClaims
		outer    nkeys.KeyPair
		inner    nkeys.KeyPair
	}
	tests := map[string]func(*parts){
		"a foreign outer signer": func(p *parts) { p.outer = foreign },
		"a foreign inner signer": func(p *parts) { p.inner = foreign },
		"another user":           func(p *parts) { p.response.Subject = publicKey(otherUser) },
		"another server":         func(p *parts) { p.response.Audience = NewWire(seeds).ServerID() },
		"another inner user":     func(p *parts) { p.user.Subject = publicKey(otherUser) },
		"an issuer account":      func(p *parts) { p.user.IssuerAccount = publicKey(foreign) },
		"no account":             func(p *parts) { p.user.Audience = "" },
		"an expired user":        func(p *parts) { p.user.Expires = time.Now().Add(-time.Minute).Unix() },
		"an expired response":    func(p *parts) { p.response.Expires = time.Now().Add(-time.Minute).Unix() },
		"an error and a user":    func(p *parts) { p.response.Error = "no" },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			p := &parts{
				response: jwt.NewAuthorizationResponseClaims(request.Claims.UserNkey),
				user:     jwt.NewUserClaims(request.Claims.UserNkey),
				outer:    account, inner: account,
			}
			p.response.Audience, p.user.Audience = wire.ServerID(), AppAccount
			spoil(p)
			var err error
			if p.response.Jwt, err = p.user.Encode(p.inner); err != nil {
				t.Fatal(err)
			}
			text, err := p.response.Encode(p.outer)
			if err != nil {
				t.Fatal(err)
			}
			if response, err := request.Open([]byte(text)); err == nil {
				t.Errorf("want an error, got %+v", response)
			}
		})
	}
	for name, reply := range map[string]string{"nothing": "", "garbage": "xkv1garbage", "a request": string(request.Data)} {
		if response, err := request.Open([]byte(reply)); err == nil {
			t.Errorf("%s: want an error, got %+v", name, response)
		}
	}
}
