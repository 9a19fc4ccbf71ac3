package callouttest

import (
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// answerWith is a callout: it lets in who shows the token, as a user of APP.
func answerWith(seeds Seeds, data []byte, header nats.Header, token string) ([]byte, error) {
	serverKey := header.Get(server.AuthRequestXKeyHeader)
	if serverKey != "" {
		opened, err := keyPair(seeds.XKey).Open(data, serverKey)
		if err != nil {
			return nil, err
		}
		data = opened
	}
	request, err := jwt.DecodeAuthorizationRequestClaims(string(data))
	if err != nil {
		return nil, err
	}
	response := jwt.NewAuthorizationResponseClaims(request.UserNkey)
	response.Audience = request.Server.ID
	account := keyPair(seeds.Account)
	if request.ConnectOptions.Token == token {
		user := jwt.NewUserClaims(request.UserNkey)
		user.Audience, user.Name = AppAccount, "somebody"
		user.Expires = time.Now().Add(time.Minute).Unix()
		if response.Jwt, err = user.Encode(account); err != nil {
			return nil, err
		}
	} else {
		response.Error = "no"
	}
	text, err := response.Encode(account)
	if err != nil || serverKey == "" {
		return []byte(text), err
	}
	return keyPair(seeds.XKey).Seal([]byte(text), serverKey)
}

// serveCallout answers a server that way until the test ends.
func serveCallout(t *testing.T, n *NATS, token string) {
	t.Helper()
	nc, err := n.ConnectService()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	_, err = nc.Subscribe(server.AuthCalloutSubject, func(msg *nats.Msg) {
		reply, err := answerWith(n.Seeds(), msg.Data, msg.Header, token)
		if err == nil {
			err = msg.Respond(reply)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// inApp does something as a client of APP whom a callout let in.
func inApp(t *testing.T, n *NATS, do func(nats.JetStreamContext) error) {
	t.Helper()
	serveCallout(t, n, "good")
	nc, err := n.Connect("good")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err == nil {
		err = do(js)
	}
	if err != nil {
		t.Error(err)
	}
}
