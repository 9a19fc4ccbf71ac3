package main

import (
	"bytes"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"harmony-callout/callout"
	"harmony-callout/internal/cli"
)

func newKeygenCommand() *cobra.Command {
	var (
		dir, account string
		appAccounts  []string
	)
	cmd := &cobra.Command{
		Use:   "keygen --dir DIR",
		Short: "Make the callout's keys and print the nats-server configuration that fits them",
		Long: `keygen makes account.nk, xkey.nk and service.nk in a directory, readable by their owner
alone, and prints the nats-server configuration that fits them on stdout. Keys that are
there already are kept, so it is safe to repeat. Seeds are never printed.`,
		Example: `  callout keygen --dir keys > nats.conf`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return keygen(cmd.OutOrStdout(), cmd.ErrOrStderr(), dir, account, appAccounts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&dir, "dir", "", "directory for the keys; made when missing")
	flags.StringVar(&account, "account", "AUTH", "NATS account of the callout itself")
	flags.StringSliceVar(&appAccounts, "app-account", []string{"APP"}, "NATS account of the clients; repeat it for several")
	if err := cmd.MarkFlagRequired("dir"); err != nil {
		panic(err) // the flag does not exist: a mistake in the lines above
	}
	if err := cmd.MarkFlagDirname("dir"); err != nil {
		panic(err)
	}
	cli.BindEnv(flags, envPrefix, "dir")
	return cmd
}

func keygen(stdout, stderr io.Writer, dir, account string, appAccounts []string) error {
	// Names are checked before any file is made.
	if _, err := new(callout.GeneratedKeys).ServerConfig(account, appAccounts); err != nil {
		return cli.Usage(err)
	}
	keys, err := callout.GenerateKeys(dir)
	if err != nil {
		return err
	}
	config, err := keys.ServerConfig(account, appAccounts)
	if err != nil {
		return err
	}
	settings, err := keySettings(keys)
	if err != nil {
		return err
	}
	for _, key := range []callout.GeneratedKey{keys.Account, keys.XKey, keys.Service} {
		verb := "kept"
		if key.Created {
			verb = "made"
		}
		fmt.Fprintf(stderr, "%s %s (%s)\n", verb, key.Path, key.Public)
	}
	fmt.Fprintf(stderr, "\ncallout.yaml, where paths are relative to that file:\n\n%s", settings)
	_, err = io.WriteString(stdout, config)
	return err
}

// keySettings returns the lines of callout.yaml that name the keys.
func keySettings(keys *callout.GeneratedKeys) ([]byte, error) {
	type natsSettings struct {
		NKeySeedFile string `yaml:"nkeySeedFile"`
	}
	type keysSettings struct {
		AccountSeedFile string `yaml:"accountSeedFile"`
		XKeySeedFile    string `yaml:"xkeySeedFile"`
	}
	var text bytes.Buffer
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)
	err := enc.Encode(struct {
		NATS natsSettings `yaml:"nats"`
		Keys keysSettings `yaml:"keys"`
	}{
		natsSettings{keys.Service.Path},
		keysSettings{keys.Account.Path, keys.XKey.Path},
	})
	return text.Bytes(), err
}
