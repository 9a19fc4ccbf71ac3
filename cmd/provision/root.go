package main

import (
	"github.com/spf13/cobra"

	"harmony-callout/internal/cli"
	"harmony-callout/provision/ui"
)

// envPrefix begins the names of provision's environment variables.
const envPrefix = "PROVISION"

func newRootCommand(screen *ui.Screen) *cobra.Command {
	root := cli.NewRoot("provision", envPrefix, "Bring up Zitadel, NATS and the callout between them")
	root.Long = `provision makes what provision.yaml describes exist: an identity provider with its project,
roles and machine users, NATS, and the callout that lets clients in by their tokens. It looks
at what is there, changes what differs, and may be interrupted and repeated at any time.

Every key of the file can be set in the environment too: PROVISION_NATS_PORT is nats.port.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 differences (plan),
130 interrupted.`
	root.AddCommand(
		newUpCommand(screen),
		newDownCommand(screen),
		newPlanCommand(screen),
		newStatusCommand(screen),
		newVerifyCommand(screen),
		newTokenCommand(screen),
		newRotateCommand(screen),
		newConfigCommand(),
		cli.VersionCommand("provision"),
	)
	return root
}
