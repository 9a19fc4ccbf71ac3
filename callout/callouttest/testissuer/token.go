package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// tokenTimeout bounds asking another testissuer on this machine for a token.
const tokenTimeout = 10 * time.Second

// runToken prints a token of a testissuer that serves, so that trying the callout takes no
// HTTP client. It returns the exit code, as run does.
func runToken(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("testissuer token", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", defaultListen, "`host:port` at which testissuer listens")
	issuer := flags.String("issuer", "", "issuer `URL` that it is known by; default that of --listen")
	ttl := flags.String("ttl", "", "`life` of the token, such as 15m; default "+maxTTL.String())
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: testissuer token [flags] NAME")
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2 // the flag set has said why
	case flags.NArg() != 1:
		fmt.Fprintln(stderr, "testissuer token: name one user")
		return 2
	}
	token, err := askToken(ctx, *listen, *issuer, flags.Arg(0), *ttl)
	if err != nil {
		fmt.Fprintln(stderr, "testissuer token:", err)
		return 1
	}
	fmt.Fprintln(stdout, token)
	return 0
}

func askToken(ctx context.Context, listen, issuer, user, ttl string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	target := url.URL{Scheme: "http", Host: listen, Path: "/token", RawQuery: url.Values{"user": {user}, "ttl": {ttl}}.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return "", err
	}
	if _, host, ok := strings.Cut(issuer, "://"); ok {
		req.Host = host
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("%w: is testissuer running there?", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 128<<10))
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(body))
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	return text, nil
}
