// Command provision makes a whole system exist: an identity provider, NATS and the callout
// between them, as provision.yaml describes it.
package main

import (
	"os"

	"harmony-callout/internal/cli"
	"harmony-callout/provision/ui"
)

func main() {
	screen := ui.NewScreen(os.Stdout, os.Stderr, os.Environ())
	os.Exit(cli.Main(newRootCommand(screen), os.Args[1:], os.Stdin, screen.Stdout(), screen.Stderr(), os.Environ()))
}
