package callouttest_test

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/nats-io/nats.go"

	"harmony-callout/callout/callouttest"
)

// An issuer, a good token, and what the issuer looks like when it lies.
func ExampleIssuer() {
	iss, err := callouttest.NewIssuer(callouttest.IssuerConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer iss.Close()

	token := iss.Token(callouttest.TokenSpec{Subject: "4711", Roles: []string{"sensor"}})
	fmt.Println("a token:", token[:3])

	iss.Lie(callouttest.JWKSPath, callouttest.EmptyKeySet())
	response, err := http.Get(iss.URL() + callouttest.JWKSPath)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	fmt.Println("asked for keys:", iss.JWKSFetches())
	// Output:
	// a token: eyJ
	// asked for keys: 1
}

// A server whose callout says nothing but no.
func ExampleNATS() {
	n, err := callouttest.NewNATS(callouttest.NATSConfig{XKey: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Shutdown()

	service, err := n.ConnectService()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer service.Close()
	_, err = service.Subscribe("$SYS.REQ.USER.AUTH", func(msg *nats.Msg) {
		_ = msg.Respond(nil) // an empty response refuses at once
	})
	if err == nil {
		err = service.Flush()
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = n.Connect("any token")
	fmt.Println(errors.Is(err, nats.ErrAuthorization))
	// Output: true
}
