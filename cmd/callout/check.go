package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"harmony-callout/callout"
	"harmony-callout/internal/cli"
)

func newCheckCommand() *cobra.Command {
	var (
		config string
		online bool
	)
	cmd := &cobra.Command{
		Use:   "check --config FILE [--online]",
		Short: "Validate a configuration and print every problem",
		Long: `check validates a configuration, reads the seeds that it names, and prints every problem
with its line.

With --online it also connects to NATS and to the issuer, and proves that the keys fit the
server's auth_callout block, naming the one that does not: it logs in as a client whose
credential is sure to be refused, and looks at the request that the server makes of it.`,
		Example: `  callout check --config callout.yaml --online`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return check(cmd, config, online)
		},
	}
	configFlag(cmd, &config)
	cmd.Flags().BoolVar(&online, "online", false, "also ask NATS and the issuer")
	cli.BindEnv(cmd.Flags(), envPrefix, "online")
	return cmd
}

func check(cmd *cobra.Command, config string, online bool) error {
	ctx, stdout, stderr := cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	cfg, warnings, err := callout.Load(config, cli.Environ(ctx))
	if err != nil {
		return cli.Usage(err)
	}
	more, err := callout.CheckKeys(cfg)
	for _, w := range append(warnings, more...) {
		fmt.Fprintln(stderr, "warning:", w)
	}
	if err != nil {
		return cli.Usage(err)
	}
	fmt.Fprintf(stdout, "%s: valid\n", config)
	if !online {
		return nil
	}
	failed := 0
	for probe := range callout.CheckOnline(ctx, cfg) {
		mark := "ok  "
		if probe.Err != nil {
			mark = "FAIL"
			failed++
		}
		fmt.Fprintf(stdout, "%s  %s", mark, probe.Name)
		if text := probe.Text(); text != "" {
			fmt.Fprintf(stdout, ": %s", strings.ReplaceAll(text, "\n", "\n      "))
		}
		fmt.Fprintln(stdout)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if failed > 0 {
		return errors.New("the configuration is valid, but does not fit what is running")
	}
	return nil
}
