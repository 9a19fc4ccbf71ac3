package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"harmony-callout/internal/cli"
	"harmony-callout/provision"
)

// flags are those of all commands; each command has those that mean something to it.
type flags struct {
	file       string
	target     string
	stateDir   string
	json       bool
	yes        bool
	dryRun     bool
	prune      bool
	keepData   bool
	only, skip []string
	portNATS   int
	portIssuer int
	// portOpenBao is taken for those who start a system with all three: this version serves
	// no OpenBao, and says so.
	portOpenBao int
}

// common adds what every command takes that is about a system.
func (f *flags) common(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&f.file, "file", "f", "", "configuration; without it ./"+provision.DefaultFile+", else the built-in example")
	target := cli.Choice(fs, "target", "k3d", "where the system is brought up", targetNames...)
	fs.StringVar(&f.stateDir, "state-dir", "", "directory of state and keys (default $XDG_DATA_HOME/harmony or ~/.local/share/harmony)")
	bind(cmd, "file", "target", "state-dir")
	if err := cmd.RegisterFlagCompletionFunc("target", cobra.FixedCompletions(targetNames, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag does not exist: a mistake in the lines above
	}
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		f.target = *target
		return f.complete(cli.Environ(cmd.Context()))
	}
	f.portNATS, f.portIssuer, f.portOpenBao = provision.PortOfFile, provision.PortOfFile, provision.PortOfFile
}

func (f *flags) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.json, "json", false, "print events, one JSON object a line")
	bind(cmd, "json")
}

func (f *flags) yesFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	bind(cmd, "yes")
}

func (f *flags) selection(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.only, "only", nil, "only these steps, by the first words of their names")
	cmd.Flags().StringSliceVar(&f.skip, "skip", nil, "all but these steps")
	bind(cmd, "only", "skip")
}

func (f *flags) pruneFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.prune, "prune", false, "delete what provision made and the configuration no longer names")
	bind(cmd, "prune")
}

func (f *flags) ports(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.IntVar(&f.portNATS, "port-nats", f.portNATS, "port of a local NATS; 0 any free one, remembered")
	fs.IntVar(&f.portIssuer, "port-issuer", f.portIssuer, "port of a local issuer; 0 any free one, remembered")
	fs.IntVar(&f.portOpenBao, "port-openbao", f.portOpenBao, "port of a local OpenBao, which this version does not serve yet")
	for _, name := range []string{"port-nats", "port-issuer", "port-openbao"} {
		fs.Lookup(name).DefValue = "the configuration's"
		bind(cmd, name)
	}
}

func bind(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cli.BindEnv(cmd.Flags(), envPrefix, name)
	}
}

// complete fills in the state directory and checks what the flags' types cannot.
func (f *flags) complete(environ []string) error {
	for flag, port := range map[string]int{"--port-nats": f.portNATS, "--port-issuer": f.portIssuer, "--port-openbao": f.portOpenBao} {
		if port != provision.PortOfFile && (port < 0 || port > 65535) {
			return fmt.Errorf("%s: must be between 0 and 65535, not %d", flag, port)
		}
	}
	if f.stateDir == "" {
		dir, err := defaultStateDir(environ)
		if err != nil {
			return err
		}
		f.stateDir = dir
	}
	dir, err := filepath.Abs(f.stateDir)
	f.stateDir = dir
	return err
}

func defaultStateDir(environ []string) (string, error) {
	env := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	if data := env["XDG_DATA_HOME"]; filepath.IsAbs(data) { // the specification ignores others
		return filepath.Join(data, "harmony"), nil
	}
	home := env["HOME"]
	if home == "" {
		var err error
		if home, err = os.UserHomeDir(); err != nil {
			return "", errors.New("no home directory is known: set --state-dir")
		}
	}
	return filepath.Join(home, ".local", "share", "harmony"), nil
}
