package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"harmony-callout/internal/cli"
	"harmony-callout/provision"
	"harmony-callout/provision/keystore"
	"harmony-callout/provision/ui"
)

// session is one command at work on one system.
type session struct {
	cmd    *cobra.Command
	verb   string // of the command
	flags  *flags
	screen *ui.Screen

	config *provision.Config
	text   []byte // of the configuration
	target provision.Target
	dir    string // of the system's state

	lock   *provision.Lock // of commands that change something
	state  *provision.State
	keys   *keystore.Dir
	system provision.System
}

// with opens a session, has a command work with it, and closes it. An error of it has its
// exit code and hint, and with --json is an event too.
func with(cmd *cobra.Command, screen *ui.Screen, verb string, f *flags, work func(context.Context, *session) error) error {
	s := &session{cmd: cmd, verb: verb, flags: f, screen: screen}
	err := s.open()
	if err == nil {
		err = work(cmd.Context(), s)
	}
	err = exit(errors.Join(err, s.close()))
	if f.json {
		s.emitError(err)
	}
	return err
}

// changes tells whether the command may change something, for which it needs the lock.
func (s *session) changes() bool {
	return s.verb == "up" && !s.flags.dryRun || s.verb == "down" || s.verb == "rotate"
}

func (s *session) open() error {
	ctx := s.cmd.Context()
	if err := s.load(); err != nil {
		return err
	}
	if err := s.chooseTarget(s.cmd.Flags().Changed("target")); err != nil {
		return err
	}
	if s.changes() {
		if err := s.acquire(); err != nil {
			return err
		}
	}
	var err error
	if s.state, err = provision.OpenState(s.dir); err != nil {
		return err
	}
	if s.keys, err = keystore.Open(provision.KeyDir(s.dir)); err != nil {
		return err
	}
	s.system, err = s.target.Open(ctx, s.config, provision.Options{
		Dir: s.dir, Notes: s.state, Keys: s.keys,
		Serve: s.verb == "up" && !s.flags.dryRun, Prune: s.flags.prune, KeepData: s.flags.keepData,
		PortNATS: s.flags.portNATS, PortIssuer: s.flags.portIssuer,
		Command: s.command,
		Log:     cli.Logger(ctx),
	})
	return err
}

func (s *session) load() error {
	file := s.flags.file
	if file == "" && s.verb != "up" {
		if file = s.servedConfig(); file != "" {
			s.note("using the configuration of the system that is running: %s", file)
		}
	}
	name, data, err := provision.ReadConfig(file)
	if err != nil {
		return cli.Usage(err)
	}
	s.text = data
	if name == provision.ExampleName {
		s.note("no ./%s: using the built-in example", provision.DefaultFile)
	}
	config, warnings, err := provision.ParseConfig(name, data, cli.Environ(s.cmd.Context()))
	for _, w := range warnings {
		s.note("warning: %s", w)
	}
	s.config = config
	return cli.Usage(err)
}

func (s *session) acquire() error {
	command := "provision " + s.verb
	lock, err := provision.AcquireLock(s.dir, provision.RunLock, command)
	if held, ok := errors.AsType[*provision.LockedError](err); ok && held.Elsewhere && s.flags.yes {
		s.note("warning: taking over: %v", held)
		lock, err = provision.TakeLock(s.dir, provision.RunLock, command)
	}
	s.lock = lock
	return err
}

// release closes the notes and gives the lock back, so that other commands can work with
// what this one serves.
func (s *session) release() error {
	var errs []error
	if s.state != nil {
		errs = append(errs, s.state.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Release())
	}
	s.state, s.lock = nil, nil
	return errors.Join(errs...)
}

func (s *session) close() error {
	var errs []error
	if s.system != nil {
		errs = append(errs, s.system.Close())
	}
	if s.keys != nil {
		errs = append(errs, s.keys.Close())
	}
	return errors.Join(append(errs, s.release())...)
}

// note tells a person something that is no result.
func (s *session) note(format string, args ...any) {
	fmt.Fprintf(s.cmd.ErrOrStderr(), format+"\n", args...)
}
