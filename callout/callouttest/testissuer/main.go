// Testissuer is an issuer to try the callout with: it serves the keys, discovery and tokens
// of a Zitadel with one project, on loopback, to whoever asks. It is no identity provider.
//
//	go run ./callout/callouttest/testissuer --user sensor-1=sensor --user operator-1=operator
//	go run ./callout/callouttest/testissuer token sensor-1
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"harmony-callout/callout/callouttest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// defaultListen is where testissuer serves, and is looked for, unless told otherwise.
const defaultListen = "127.0.0.1:8080"

// options are the command line.
type options struct {
	listen, issuer, project, out string
	users                        userList
}

// run serves until ctx ends, or prints a token. It returns the exit code: 0 done, 1 failed,
// 2 wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "token" {
		return runToken(ctx, args[1:], stdout, stderr)
	}
	var opts options
	flags := flag.NewFlagSet("testissuer", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&opts.listen, "listen", defaultListen, "loopback `host:port` to listen on")
	flags.StringVar(&opts.issuer, "issuer", "", "issuer `URL` to be known by; default that of --listen")
	flags.StringVar(&opts.project, "project", callouttest.DefaultProjectID, "project `id`, the tokens' audience")
	flags.StringVar(&opts.out, "out", "", "`directory` for the users' machine keys, NAME.json each")
	flags.Var(&opts.users, "user", "`NAME=ROLE,…`, a machine user and the roles granted; repeatable")
	flags.Usage = func() {
		fmt.Fprint(stderr, "usage: testissuer [flags]            serve as an issuer\n       testissuer token [flags] NAME  print a token of one that serves, see testissuer token --help\n")
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2 // the flag set has said why
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "testissuer: unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	if err := serve(ctx, opts, stderr); err != nil {
		fmt.Fprintln(stderr, "testissuer:", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, opts options, stderr io.Writer) error {
	desk := &tokenDesk{users: opts.users}
	iss, err := callouttest.NewIssuer(callouttest.IssuerConfig{
		Addr: opts.listen, Issuer: opts.issuer, ProjectID: opts.project, Fallback: desk,
	})
	if err != nil {
		return err
	}
	defer iss.Close()
	desk.issuer.Store(iss)
	for _, user := range opts.users {
		key := iss.AddMachineUser(user)
		if opts.out == "" {
			continue
		}
		if err := writeKey(opts.out, user.Username, key); err != nil {
			return err
		}
	}
	fmt.Fprintln(stderr, "testissuer: for development only: NOT an identity provider; anyone on this machine gets any token")
	fmt.Fprintf(stderr, "issuer     %s\nlistening  %s\nproject    %s\n", iss.URL(), iss.Addr(), iss.ProjectID())
	for _, user := range opts.users {
		fmt.Fprintf(stderr, "user       %s  id %s  roles %v\n", user.Username, user.ID, user.Roles)
	}
	if len(opts.users) > 0 {
		fmt.Fprintf(stderr, "token      curl -s%s 'http://%s/token?user=%s'\n",
			hostHeader(iss), iss.Addr(), opts.users[0].Username)
	}
	<-ctx.Done()
	return nil
}

// hostHeader is what curl needs where the issuer goes by another name than its address.
func hostHeader(iss *callouttest.Issuer) string {
	if iss.URL() == "http://"+iss.Addr() {
		return ""
	}
	_, host, _ := strings.Cut(iss.URL(), "://")
	return fmt.Sprintf(" -H 'Host: %s'", host)
}

func writeKey(dir, name string, key []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write machine key: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".json"), append(key, '\n'), 0o600); err != nil {
		return fmt.Errorf("write machine key: %w", err)
	}
	return nil
}

// maxTTL is the longest life that a caller may ask for.
const maxTTL = callouttest.DefaultTokenTTL

// parseTTL reads the ttl parameter; empty means maxTTL.
func parseTTL(text string) (time.Duration, error) {
	if text == "" {
		return maxTTL, nil
	}
	ttl, err := time.ParseDuration(text)
	if err != nil || ttl < time.Second || ttl > maxTTL {
		return 0, fmt.Errorf("ttl %q: want a duration from 1s to %s, such as 15m", text, maxTTL)
	}
	return ttl, nil
}
