package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"harmony-callout/callout"
	"harmony-callout/internal/cli"
)

// maxTokenFile bounds what is read of a credential: more than the service accepts, so that
// the service's own answer to a long one is seen.
const maxTokenFile = 128 << 10

type explainFlags struct {
	config, tokenFile, user, source string
	connectionType                  *string
	json                            bool
}

func newExplainCommand() *cobra.Command {
	var flags explainFlags
	cmd := &cobra.Command{
		Use:   "explain --config FILE [--token-file FILE | -]",
		Short: "Show the decision about one credential, check by check",
		Long: `explain decides about a credential with the code that serve runs, and shows each check,
the resulting account and the permissions. The credential is read from a file or from
stdin, and never printed. No seed and no NATS server is needed, only the issuer.

Exit codes: 0 allowed, 3 refused, 1 when it could not be decided, 2 wrong configuration.`,
		Example: `  callout explain --config callout.yaml --token-file token.txt
  get-token | callout explain --config callout.yaml --source 10.1.2.3 --type MQTT`,
		Args: cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		// A lone - is stdin, as for other programs that read a file.
		ValidArgs: []string{"-"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && flags.tokenFile != "-" {
				return cli.Usage(errors.New("the credential is to be read from --token-file and from stdin: choose one"))
			}
			return explain(cmd, &flags)
		},
	}
	configFlag(cmd, &flags.config)
	f := cmd.Flags()
	f.StringVar(&flags.tokenFile, "token-file", "-", "file with the credential; - is stdin")
	f.StringVar(&flags.user, "user", "", "CONNECT's user, which may name an account")
	f.StringVar(&flags.source, "source", "", "the client's address, for roles with sources")
	flags.connectionType = cli.Choice(f, "type", "STANDARD", "kind of connection", "STANDARD", "WEBSOCKET", "MQTT", "LEAFNODE")
	f.BoolVar(&flags.json, "json", false, "print one JSON object")
	for _, name := range []string{"token-file", "user", "source", "type", "json"} {
		cli.BindEnv(f, envPrefix, name)
	}
	return cmd
}

func explain(cmd *cobra.Command, flags *explainFlags) error {
	ctx, stderr := cmd.Context(), cmd.ErrOrStderr()
	conn := callout.Connection{User: flags.user}
	var err error
	if flags.source != "" {
		if conn.Source, err = netip.ParseAddr(flags.source); err != nil {
			return cli.Usage(fmt.Errorf("--source: %w", err))
		}
	}
	if conn.Type, err = callout.ParseConnectionType(*flags.connectionType); err != nil {
		return cli.Usage(fmt.Errorf("--type: %w", err))
	}
	cfg, warnings, err := callout.LoadPolicy(flags.config, cli.Environ(ctx))
	for _, w := range warnings {
		fmt.Fprintln(stderr, "warning:", w)
	}
	if err != nil {
		return cli.Usage(err)
	}
	credential, err := readCredential(ctx, flags.tokenFile, cmd.InOrStdin(), stderr)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return cli.Usage(err)
	}
	// Who asks for one decision wants no log of how keys are fetched, unless they say so.
	logger := slog.New(slog.DiscardHandler)
	if cmd.Flags().Changed("log-level") {
		logger = cli.Logger(ctx)
	}
	e, err := callout.Explain(ctx, cfg, logger, credential, conn)
	if err != nil {
		return err
	}
	if flags.json {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetEscapeHTML(false)
		err = enc.Encode(e)
	} else {
		_, err = io.WriteString(cmd.OutOrStdout(), explanationText(e))
	}
	switch {
	case err != nil || e.Allowed:
		return err
	case e.Reason == callout.ReasonIssuerUnavailable:
		return cli.WithHint(errors.New("not decided: the issuer's keys are out of reach from here"),
			"run explain where the callout runs, or set zitadel.dialAddress; callout check --online says what is wrong")
	}
	return cli.Refused()
}

func readCredential(ctx context.Context, file string, stdin io.Reader, stderr io.Writer) ([]byte, error) {
	from := stdin
	if f, ok := stdin.(*os.File); ok && file == "-" {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			fmt.Fprintln(stderr, "reading the credential from stdin, until Ctrl-D")
		}
	}
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("--token-file: %w", err)
		}
		defer f.Close()
		from = f
	}
	text, err := readAll(ctx, io.LimitReader(from, maxTokenFile+1))
	if err != nil {
		return nil, fmt.Errorf("--token-file: %w", err)
	}
	if len(text) > maxTokenFile {
		return nil, fmt.Errorf("--token-file: more than %d bytes", maxTokenFile)
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		fmt.Fprintln(stderr, "warning: --token-file: the credential is empty")
	}
	return text, nil
}

// readAll is io.ReadAll that ends with the context: nobody may ever type at a terminal.
func readAll(ctx context.Context, r io.Reader) ([]byte, error) {
	var text []byte
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		text, err = io.ReadAll(r)
	}()
	select {
	case <-done:
		return text, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// plain makes a value of a token fit for a terminal: also a verified one may hold escape
// sequences.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// explanationText is the decision for people.
func explanationText(e *callout.Explanation) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-14s ", name)
		fmt.Fprintf(&b, format+"\n", args...)
	}
	line("credential", "%s", e.Credential)
	for _, c := range e.Checks {
		line("  ok", "%-14s %s", c.Name, c.Detail)
	}
	if !e.Allowed {
		line("  FAIL", "%-14s %s", e.Reason, e.Detail)
	}
	if u := e.Unverified; u != nil {
		line("claims to be", "issuer %q, user %q, token %q (not verified)", u.Issuer, u.User, u.TokenID)
	}
	if e.User != "" {
		line("user", "%s %s", plain(e.User), parenthesised(plain(e.Username)))
		line("token", "%s, until %s", plain(e.TokenID), e.Expires.UTC().Format(time.RFC3339))
		line("grants", "%s", grantsText(e.Grants))
	}
	switch {
	case e.Reason == callout.ReasonIssuerUnavailable:
		line("decision", "NONE: %s", e.Reason)
		return b.String()
	case !e.Allowed:
		line("decision", "REFUSED: %s", e.Reason)
		return b.String()
	}
	line("account", "%s", e.Account)
	line("roles", "%s", strings.Join(e.Roles, ", "))
	subjects := func(name string, allow, deny []string) {
		if len(allow) == 0 {
			line(name, "nothing")
		}
		for _, s := range allow {
			line(name, "%s", s)
		}
		for _, s := range deny {
			line("  but not", "%s", s)
		}
	}
	subjects("publish", e.Permissions.PublishAllow, e.Permissions.PublishDeny)
	subjects("subscribe", e.Permissions.SubscribeAllow, e.Permissions.SubscribeDeny)
	if r := e.Responses; r != nil {
		line("responses", "%d to each request, for %s", r.Max, r.TTL)
	}
	line("until", "%s", e.Until.UTC().Format(time.RFC3339))
	line("decision", "ALLOWED")
	return b.String()
}

func parenthesised(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

func grantsText(grants map[string][]string) string {
	var list []string
	for role, organizations := range grants {
		list = append(list, fmt.Sprintf("%s (organisation %s)", plain(role), plain(strings.Join(organizations, ", "))))
	}
	if len(list) == 0 {
		return "none of this project: grant a role, and ask for the scope urn:zitadel:iam:org:projects:roles"
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
