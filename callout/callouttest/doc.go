// Package callouttest is what a test of a NATS auth callout needs around it: an issuer that
// mints Zitadel's tokens over real HTTP, and a real nats-server with auth_callout, both in
// this process and on loopback only.
//
// # The issuer
//
// [StartIssuer] serves discovery, keys and the token endpoint with the shapes, headers and
// error texts of a real Zitadel. [Issuer.Token] mints an access token; the fields of
// [TokenSpec] go from a role's name to raw claims signed with somebody else's key, so that
// one call makes a good token and one more field makes an attack:
//
//	iss := callouttest.StartIssuer(t, callouttest.IssuerConfig{})
//	good := iss.Token(callouttest.TokenSpec{Subject: "4711", Roles: []string{"sensor"}})
//	stale := iss.Token(callouttest.TokenSpec{Expires: time.Now().Add(-time.Second)})
//	none := iss.Token(callouttest.TokenSpec{Algorithm: "none"})
//
// Keys rotate ([Issuer.Rotate]), leave ([Issuer.RemoveKey]) and sign unseen
// ([Issuer.Withhold]). Faults may be set at any time, from any goroutine: latency, a dead
// database, a refused port ([Issuer.Stop], [Issuer.Start]), and lies about any path
// ([Issuer.Lie]). [Issuer.Fetches] counts what was asked.
//
// As with Zitadel, the issuer follows the request's Host header, and a foreign host gets 404.
//
// # The server
//
// [StartNATS] renders a nats.conf, loads it through the server's own parser, and starts it:
// accounts APP and OTHER, AUTH for the callout, SYS for the system. [NATS.Connect] is a
// client with a token; [NATS.WriteSeeds] writes what the callout needs. The callout itself is
// not started: its requests go to whoever subscribes in AUTH.
//
// [Wire] is the server's half of the protocol without a server: it builds the requests that
// nats-server sends, wrong ones too, and judges the responses as the server does.
//
// # Misuse
//
// A call that only a mistake in the test itself explains (an unknown key id, claims that are
// no JSON) panics. What the environment may refuse (a port, a directory) is an error.
//
// Nothing here is fit to protect anything: keys are shared within the process and secrets are
// handed out on request.
package callouttest
