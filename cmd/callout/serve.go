package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"harmony-callout/callout"
	"harmony-callout/internal/cli"
	"harmony-callout/internal/version"
)

func newServeCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Answer the auth callout until SIGTERM or SIGINT, then drain",
		Long: `serve connects to NATS and answers authorization requests until it gets SIGTERM or SIGINT.
Then it stops taking requests, answers those that it has, and closes.

roles, deny and maxTTL are read again when the file changes or on SIGHUP, and apply to new
connections; other changes need a restart. A file that is not valid changes nothing.`,
		Example: `  callout serve --config callout.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd, config)
		},
	}
	configFlag(cmd, &config)
	return cmd
}

func serve(cmd *cobra.Command, config string) error {
	ctx := cmd.Context()
	logger, environ := cli.Logger(ctx), cli.Environ(ctx)
	// Before anything else: a SIGHUP that nobody waits for would end the process.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	cfg, warnings, err := callout.Load(config, environ)
	for _, w := range warnings {
		logger.Warn(w)
	}
	if err != nil {
		return cli.Usage(err)
	}
	// New reads them too, but stops at the first that is wrong.
	if _, err := callout.CheckKeys(cfg); err != nil {
		return cli.Usage(err)
	}
	service, err := callout.New(cfg, logger)
	if err != nil {
		return err
	}
	info := version.Get()
	logger.Info("callout starts", "version", info.Version, "commit", info.Commit, "config", config, "http", service.HTTPAddr())

	go service.Watch(ctx, config, environ, hangup)
	return service.Run(ctx)
}

// configFlag adds --config, which every command that decides about clients has.
func configFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "config", "", "configuration file")
	if err := cmd.MarkFlagFilename("config", "yaml", "yml"); err != nil {
		panic(err) // the flag does not exist: a mistake in the line above
	}
	if err := cmd.MarkFlagRequired("config"); err != nil {
		panic(err)
	}
	cli.BindEnv(cmd.Flags(), envPrefix, "config")
}
