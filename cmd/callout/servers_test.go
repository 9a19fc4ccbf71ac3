package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rogpeppe/go-internal/testscript"

	"harmony-callout/callout/callouttest"
)

// What `servers` starts has these users in its tokens; see [startServers].
const (
	scriptUser    = "4711"
	scriptToken   = "token"   // a file with the token of a sensor
	strangerToken = "refused" // a file with a token that grants nothing
)

// serversKey is where a script keeps the server that its clients connect to.
type serversKey struct{}

// startServers is the command `servers`: an issuer and a nats-server in this process, the
// seeds that fit in keys/, tokens in files, and the environment that points callout at them.
func startServers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: servers")
	}
	t := ts.Value(serversKey{}).(*scriptServers)
	issuer := callouttest.StartIssuer(t.tb, callouttest.IssuerConfig{})
	t.nats = callouttest.StartNATS(t.tb, callouttest.NATSConfig{XKey: true})
	check := func(err error) { ts.Check(err) }
	check(os.MkdirAll(ts.MkAbs("keys"), 0o700))
	check(t.nats.WriteSeeds(ts.MkAbs("keys")))
	for file, spec := range map[string]callouttest.TokenSpec{
		scriptToken:   {Subject: scriptUser, Username: "sensor-1", Roles: []string{"sensor"}},
		strangerToken: {Subject: "4712", Username: "stranger"},
	} {
		check(os.WriteFile(ts.MkAbs(file), []byte(issuer.Token(spec)+"\n"), 0o600))
	}
	ts.Setenv("CALLOUT_NATS_SERVERS", t.nats.URL())
	ts.Setenv("CALLOUT_ZITADEL_ISSUER", issuer.URL())
	ts.Setenv("CALLOUT_ZITADEL_PROJECT_ID", issuer.ProjectID())
	ts.Setenv("CALLOUT_HTTP_LISTEN", freeAddress(ts))
}

// scriptServers is what a script has running beside the program.
type scriptServers struct {
	tb   testing.TB
	nats *callouttest.NATS
}

func freeAddress(ts *testscript.TestScript) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	return l.Addr().String()
}

// awaitReady is the command `ready`: it waits until the callout of the environment is.
func awaitReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: ready")
	}
	url := "http://" + ts.Getenv("CALLOUT_HTTP_LISTEN") + "/readyz"
	last := "no answer"
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get(url)
		if err != nil {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if last = string(body); err == nil && last == "ok\n" {
			return
		}
	}
	ts.Fatalf("%s: never ok, at last %q", url, last)
}

// connectClient is the command `client FILE`: a client with the token in the file gets in,
// or with ! is refused.
func connectClient(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] client TOKEN-FILE")
	}
	c, err := ts.Value(serversKey{}).(*scriptServers).nats.Connect(strings.TrimSpace(ts.ReadFile(args[0])))
	switch {
	case err == nil:
		c.Close()
		if neg {
			ts.Fatalf("got in")
		}
	case !neg || !errors.Is(err, nats.ErrAuthorization):
		ts.Fatalf("%v", err)
	}
}

// hides is the command `hides FILE...`: the output of the last command has nothing of the
// tokens in the files, neither whole nor a segment.
func hides(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: hides TOKEN-FILE...")
	}
	output := ts.ReadFile("stdout") + ts.ReadFile("stderr")
	for _, file := range args {
		for segment := range strings.SplitSeq(strings.TrimSpace(ts.ReadFile(file)), ".") {
			if segment != "" && strings.Contains(output, segment) {
				ts.Fatalf("%s: a part of it is in the output", file)
			}
		}
	}
}
