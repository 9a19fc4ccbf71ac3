package callout

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"harmony-callout/callout/callouttest"
)

// desk is a handler with a real issuer's keys, asked over the wire protocol of servers.
type desk struct {
	t       *testing.T
	issuer  *callouttest.Issuer
	handler *Handler
}

// newDesk makes a handler with the account seeds and xkeys of all these seeds.
func newDesk(t *testing.T, all ...callouttest.Seeds) *desk {
	t.Helper()
	d := &desk{t: t, issuer: callouttest.StartIssuer(t, callouttest.IssuerConfig{})}
	cfg := DefaultConfig()
	cfg.Zitadel.Issuer, cfg.Zitadel.ProjectID = d.issuer.URL(), d.issuer.ProjectID()
	cfg.Roles = []RoleConfig{{Role: "sensor", Account: "APP", Publish: PermissionConfig{Allow: []string{"telemetry.{user}.>"}}}}
	policy, err := NewPolicy(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := newIssuerKeys(&cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Await(t.Context(), []byte(d.issuer.ActiveKey())); err != nil {
		t.Fatal(err)
	}
	var accounts, xkeys []Secret
	for _, seeds := range all {
		accounts = append(accounts, NewSecret(string(seeds.Account)))
		if seeds.XKey != nil {
			xkeys = append(xkeys, NewSecret(string(seeds.XKey)))
		}
	}
	ring, err := newKeyring(accounts, xkeys)
	if err != nil {
		t.Fatal(err)
	}
	d.handler = &Handler{
		decider: newDecider(newVerifier(&cfg, keys), policy, cfg.Zitadel.Credentials, CacheConfig{Tokens: 64, Refused: 64}),
		keys:    ring, now: time.Now,
	}
	return d
}

func (d *desk) token() string {
	return d.issuer.Token(callouttest.TokenSpec{Subject: "4711", Username: "device-7", Roles: []string{"sensor"}})
}

// ask hands bytes to the handler as they come from NATS; the answer is nil where there is none.
func (d *desk) ask(data []byte, header nats.Header) ([]byte, Decision) {
	d.t.Helper()
	var w work
	answer, wanted := d.handler.handle(&Request{Data: data, ServerXKey: header.Get(xkeyHeader), Received: time.Now()}, nil, &w)
	if wanted != nil {
		d.t.Fatal(wanted)
	}
	return answer, w.decision
}

// clearSeeds are seeds without an xkey: requests come in clear.
func clearSeeds() callouttest.Seeds {
	seeds := callouttest.NewSeeds()
	seeds.XKey = nil
	return seeds
}

func TestAGoodRequestGetsAnAnswerThatItsServerTakes(t *testing.T) {
	for name, seeds := range map[string]callouttest.Seeds{"sealed": callouttest.NewSeeds(), "in clear": clearSeeds()} {
		t.Run(name, func(t *testing.T) {
			d, wire := newDesk(t, seeds), callouttest.NewWire(seeds)
			for i, spec := range []callouttest.RequestSpec{{Token: d.token()}, {Password: d.token()}, {Token: d.token(), Username: "ann"}} {
				r := wire.Request(spec)
				answer, decision := d.ask(r.Data, r.Header)
				response, err := r.Open(answer)
				if err != nil || response.User == nil || response.Sealed != (seeds.XKey != nil) {
					t.Fatalf("request %d: %+v, %v, %+v", i, response, err, decision)
				}
				user := response.User
				if user.Audience != "APP" || user.Name != "device-7" || user.Expires == 0 || user.Expires != decision.Until.Unix() ||
					text(t, user.Pub) != `{"allow":["telemetry.4711.\u003e"]}` || text(t, user.Sub) != `{"deny":["\u003e"]}` {
					t.Errorf("request %d: user %s", i, text(t, user))
				}
				if time.Until(decision.Until) > time.Hour {
					t.Errorf("request %d: until %s, more than maxTTL", i, decision.Until)
				}
			}
		})
	}
}

func TestARefusalTellsTheServerNothingButTheFixedText(t *testing.T) {
	seeds := callouttest.NewSeeds()
	d, wire := newDesk(t, seeds), callouttest.NewWire(seeds)
	for name, tt := range map[string]struct {
		spec callouttest.RequestSpec
		want Reason
	}{
		"no credential":            {callouttest.RequestSpec{}, ReasonNoCredential},
		"a password":               {callouttest.RequestSpec{Password: "hunter2"}, ReasonUnsupportedCredential},
		"a token in the user name": {callouttest.RequestSpec{Username: d.token()}, ReasonNoCredential},
		"expired":                  {callouttest.RequestSpec{Token: d.issuer.Token(callouttest.TokenSpec{Expires: time.Now().Add(-time.Second)})}, ReasonExpired},
		"no role":                  {callouttest.RequestSpec{Token: d.issuer.Token(callouttest.TokenSpec{})}, ReasonNoRole},
		"70 kB":                    {callouttest.RequestSpec{Token: "eyJ" + strings.Repeat("A", 70_000)}, ReasonMalformedToken},
		"a token in CONNECT's jwt": {callouttest.RequestSpec{Edit: withJWT(d.token())}, ReasonNoCredential},
	} {
		t.Run(name, func(t *testing.T) {
			r := wire.Request(tt.spec)
			answer, decision := d.ask(r.Data, r.Header)
			response, err := r.Open(answer)
			if err != nil || response.User != nil || response.Refusal != refusedText || !response.Sealed {
				t.Errorf("%+v, %v", response, err)
			}
			if decision.Allowed || decision.Reason != tt.want {
				t.Errorf("reason %q (%v), want %q", decision.Reason, decision.Err, tt.want)
			}
		})
	}
}

func TestAnAnswerIsOfUseToNobodyButItsRequest(t *testing.T) {
	seeds := callouttest.NewSeeds()
	d, wire, other := newDesk(t, seeds), callouttest.NewWire(seeds), callouttest.NewWire(seeds)
	token := d.token()
	r := wire.Request(callouttest.RequestSpec{Token: token})
	for range 2 { // a request may be replayed; its answer names the same user key each time
		answer, _ := d.ask(r.Data, r.Header)
		response, err := r.Open(answer)
		if err != nil || response.User.Subject != r.Claims.UserNkey {
			t.Fatalf("%+v, %v", response, err)
		}
		if _, err := wire.Request(callouttest.RequestSpec{Token: token}).Open(answer); err == nil {
			t.Error("another attempt at the same server can use it")
		}
		if _, err := other.Request(callouttest.RequestSpec{Token: token, UserNkey: r.Claims.UserNkey}).Open(answer); err == nil {
			t.Error("another server can use it")
		}
	}
}

func TestSeveralAccountKeysAndXKeysServeAtOnce(t *testing.T) {
	old, next, gone := callouttest.NewSeeds(), callouttest.NewSeeds(), callouttest.NewSeeds()
	mixed := callouttest.Seeds{Account: old.Account, Service: old.Service, XKey: next.XKey}
	d := newDesk(t, old, next)
	for name, seeds := range map[string]callouttest.Seeds{"old keys": old, "next keys": next, "one of each": mixed} {
		r := callouttest.NewWire(seeds).Request(callouttest.RequestSpec{Token: d.token()})
		answer, decision := d.ask(r.Data, r.Header)
		if response, err := r.Open(answer); err != nil || response.User == nil || response.User.Issuer != seeds.IssuerKey() {
			t.Errorf("%s: %+v, %v, %v", name, response, err, decision.Err)
		}
	}
	r := callouttest.NewWire(gone).Request(callouttest.RequestSpec{Token: d.token()})
	if answer, decision := d.ask(r.Data, r.Header); answer != nil || decision.Reason != ReasonMalformedRequest {
		t.Errorf("keys that we do not have: %q, %q", answer, decision.Reason)
	}
}

func TestAPanicIsOneRequestsRefusal(t *testing.T) {
	seeds := callouttest.NewSeeds()
	d, wire := newDesk(t, seeds), callouttest.NewWire(seeds)
	good := d.handler.decider
	var w work
	ask := func(decider *Decider) (*callouttest.Response, Decision) {
		t.Helper()
		d.handler.decider = decider
		r := wire.Request(callouttest.RequestSpec{Token: d.token()})
		answer, wanted := d.handler.handle(&Request{Data: r.Data, ServerXKey: r.Header.Get(xkeyHeader), Received: time.Now()}, nil, &w)
		response, err := r.Open(answer)
		if wanted != nil || err != nil {
			t.Fatal(wanted, err)
		}
		return response, w.decision
	}
	response, decision := ask(new(Decider)) // without a policy: a nil pointer
	if response.User != nil || response.Refusal != refusedText || decision.Reason != ReasonInternal || decision.Allowed {
		t.Errorf("%+v, %+v", response, decision)
	}
	if !strings.Contains(decision.Err.Error(), "decide.go") {
		t.Errorf("the log does not say where: %v", decision.Err)
	}
	if response, decision := ask(good); response.User == nil || !decision.Allowed {
		t.Errorf("the next request: %+v, %+v", response, decision)
	}
}

func TestADecisionsRecordMarksWhatIsNotVerified(t *testing.T) {
	seeds := clearSeeds()
	d, wire := newDesk(t, seeds), callouttest.NewWire(seeds)
	record := func(token string) map[string]any {
		t.Helper()
		r := wire.Request(callouttest.RequestSpec{Token: token})
		_, decision := d.ask(r.Data, r.Header)
		var buf bytes.Buffer
		decision.log(slog.New(slog.NewJSONHandler(&buf, nil)))
		for _, part := range strings.Split(token, ".") {
			if strings.Contains(buf.String(), part) {
				t.Errorf("a part of the token is in the log: %s", buf.String())
			}
		}
		var fields map[string]any
		if err := json.Unmarshal(buf.Bytes(), &fields); err != nil {
			t.Fatal(err)
		}
		return fields
	}
	good := record(d.token())
	if good["user"] != "4711" || good["account"] != "APP" || good["unverified"] != nil || good["server_id"] != wire.ServerID() {
		t.Errorf("%v", good)
	}
	bad := record(d.issuer.Token(callouttest.TokenSpec{Subject: "root\n" + strings.Repeat("x", 500), Audience: []string{"x"}}))
	claimed, _ := bad["unverified"].(map[string]any)
	subject, _ := claimed["user"].(string)
	if bad["user"] != nil || bad["reason"] != "audience" || !strings.HasPrefix(subject, "root?") || len(subject) > quoteMax+8 {
		t.Errorf("%v", bad)
	}
}

func TestManyRequestsAtOnceGetTheirOwnAnswers(t *testing.T) {
	seeds := callouttest.NewSeeds()
	d := newDesk(t, seeds)
	token := d.token()
	var all sync.WaitGroup
	for range 4 {
		wire := callouttest.NewWire(seeds)
		all.Go(func() {
			var w work
			for range 25 {
				r := wire.Request(callouttest.RequestSpec{Token: token})
				answer, _ := d.handler.handle(&Request{Data: r.Data, ServerXKey: r.Header.Get(xkeyHeader), Received: time.Now()}, nil, &w)
				if response, err := r.Open(answer); err != nil || response.User == nil {
					t.Errorf("%+v, %v, %v", response, err, w.decision.Err)
				}
			}
		})
	}
	all.Wait()
}
