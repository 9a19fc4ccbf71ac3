// Command callout lets NATS clients log in with Zitadel access tokens.
package main

import (
	"os"

	"harmony-callout/internal/cli"
)

func main() {
	os.Exit(cli.Main(newRootCommand(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}
