package nats

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"harmony-callout/callout/callouttest"
	"harmony-callout/internal/secret"
)

func TestTryReportsWhatTheServerAllows(t *testing.T) {
	server := callouttest.StartNATS(t, callouttest.NATSConfig{})
	letIn(t, server, "good")
	client := Client{URL: server.URL(), Token: secret.New("good")}
	attempts := []Attempt{
		{Publish, "Telemetry.1.a", "", false}, {Publish, "telemetry.1.a", "", true}, {Publish, "telemetry.2.a", "", false},
		{Subscribe, "commands.1.>", "", true}, {Subscribe, ">", "", false}, {Subscribe, "commands.1.x", "", true},
		{Subscribe, "jobs", "workers", true}, {Subscribe, "jobs", "", false}, {Subscribe, "jobs", "others", false},
	}
	got := make([]Attempt, len(attempts))
	for i, a := range attempts {
		got[i] = Attempt{Action: a.Action, Subject: a.Subject, Queue: a.Queue}
	}
	if err := client.Try(context.Background(), got); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if got[i] != attempts[i] {
			t.Errorf("got %+v, want %+v", got[i], attempts[i])
		}
	}
}

func TestTrySaysWhenTheClientMayNotEvenConnect(t *testing.T) {
	server := callouttest.StartNATS(t, callouttest.NATSConfig{})
	letIn(t, server, "good")
	client := Client{URL: server.URL(), Token: secret.New("bad")}
	if err := client.Try(context.Background(), nil); !errors.Is(err, natsgo.ErrAuthorization) {
		t.Errorf("err = %v", err)
	}
}

func TestMatches(t *testing.T) {
	for _, tc := range []struct {
		pattern, subject string
		want             bool
	}{
		{"a.b", "a.b", true}, {"a.b", "a.c", false}, {"a.b", "a", false}, {"a", "a.b", false},
		{"a.*", "a.b", true}, {"a.*", "a.b.c", false}, {"a.*", "a.*", true}, {"a.*", "a.>", false},
		{"a.>", "a.b.c", true}, {"a.>", "a", false}, {"a.>", "a.>", true}, {"a.>", "a.*", true},
		{">", "a", true}, {">", ">", true}, {"a.b", "a.*", false}, {"*", ">", false},
	} {
		if got := Matches(tc.pattern, tc.subject); got != tc.want {
			t.Errorf("Matches(%q, %q) = %v", tc.pattern, tc.subject, got)
		}
	}
	for pattern, want := range map[string]string{"a.*.b.>": "a.verify.b.verify", "a": "a", ">": "verify"} {
		if got := Concrete(pattern); got != want || !Matches(pattern, got) {
			t.Errorf("Concrete(%q) = %q", pattern, got)
		}
	}
}

// letIn answers the server's callout: clients with the token may publish telemetry.1.> and
// subscribe to commands.1.>.
func letIn(t *testing.T, server *callouttest.NATS, token string) {
	t.Helper()
	account, err := nkeys.FromSeed(server.Seeds().Account)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := server.ConnectService()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	_, err = conn.Subscribe("$SYS.REQ.USER.AUTH", func(msg *natsgo.Msg) {
		request, err := jwt.DecodeAuthorizationRequestClaims(string(msg.Data))
		if err != nil {
			t.Error(err)
			return
		}
		response := jwt.NewAuthorizationResponseClaims(request.UserNkey)
		response.Audience = request.Server.ID
		response.Error = "refused"
		if request.ConnectOptions.Token == token {
			user := jwt.NewUserClaims(request.UserNkey)
			user.Audience, user.Expires = callouttest.AppAccount, time.Now().Add(time.Minute).Unix()
			user.Pub.Allow.Add("telemetry.1.>")
			user.Sub.Allow.Add("commands.1.>", "jobs workers")
			response.Error = ""
			if response.Jwt, err = user.Encode(account); err != nil {
				t.Error(err)
			}
		}
		text, err := response.Encode(account)
		if err != nil {
			t.Error(err)
		}
		_ = msg.Respond([]byte(text))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
}
