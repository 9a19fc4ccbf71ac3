package main

import (
	"github.com/spf13/cobra"

	"harmony-callout/internal/cli"
)

// envPrefix begins the names of callout's environment variables.
const envPrefix = "CALLOUT"

func newRootCommand() *cobra.Command {
	root := cli.NewRoot("callout", envPrefix, "Let NATS clients log in with Zitadel access tokens")
	root.Long = `callout answers the auth callout of a NATS server: a client puts a Zitadel access token
into its connect request, callout verifies it, and the roles in it decide the account and
the permissions that the client gets.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 refused, 130 interrupted.`
	root.AddCommand(
		newServeCommand(),
		newCheckCommand(),
		newExplainCommand(),
		newKeygenCommand(),
		cli.VersionCommand("callout"),
	)
	return root
}
