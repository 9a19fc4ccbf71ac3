// Package callout answers the auth callout of NATS servers: it lets clients log in with
// access tokens of Zitadel, with permissions that follow Zitadel's role grants.
//
// # What happens to one connect request
//
// A server that a client connects to publishes an authorization request. The files of this
// package are in the order in which it meets them:
//
//	link.go        a connection to NATS receives the request
//	admission.go   a bounded queue, the newest request first; what is too old is dropped
//	pool.go        workers take requests; what needs the issuer waits elsewhere
//	handler.go     one request from its bytes to the bytes of its answer
//	  xkey.go        the request is opened, if it is sealed
//	  request.go     its claims are read and checked: who asks, about whom
//	  servers.go     the server's signature; has it stopped waiting?
//	decide.go      who is it, and what do they get (this is also what explain runs)
//	  credential.go  where the client put its credential, and what it looks like
//	  cache.go       has this token been decided about before?
//	  verifier.go    all checks of an access token, in one function
//	    jws.go, claims.go  its form
//	    keyset.go          the issuer's keys, in memory
//	  policy.go      the configured roles, compiled
//	  authorize.go   which of them are granted; what they give together
//	    template.go    values of the token in subjects
//	userjwt.go     the user JWT and the answer are written and signed
//	decision.go    the record in the log
//
// Every refusal is a [RejectError] with one [Reason]: log and metrics get it, the client
// gets a fixed text. Whatever is not allowed is refused: a role that is not configured, a
// claim of the wrong type, a value that cannot stand in a subject, a fault of our own.
//
// # Using it
//
// [Load] reads a configuration, [New] prepares a [Service], [Service.Run] serves until its
// context ends. [Explain] decides about one credential. Package callouttest has a real
// issuer and a real NATS server for tests.
package callout
