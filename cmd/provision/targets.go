package main

import (
	"fmt"
	"slices"

	"harmony-callout/internal/cli"
	"harmony-callout/provision"
	"harmony-callout/provision/local"
)

// targets are those that this version has.
var targets = func() map[string]provision.Target {
	return map[string]provision.Target{"local": local.Target{}}
}

// targetNames are all that --target takes: asking for one of a later version is no slip of
// the pen, and gets an answer of its own.
var targetNames = []string{"k3d", "kube", "local"}

func targetNamed(name string) (provision.Target, error) {
	if t, ok := targets()[name]; ok {
		return t, nil
	}
	return nil, cli.Usage(fmt.Errorf("the %s target is not part of this version; use --target local", name))
}

// chooseTarget finds the target that a command is about: the one that is named; else, but
// for up, the one that is being served, or that of the last up.
func (s *session) chooseTarget(named bool) error {
	name := s.flags.target
	if !named && s.verb != "up" {
		found, why, err := s.findTarget()
		if err != nil {
			return err
		}
		if found != "" {
			name = found
			s.note("using --target %s, %s", name, why)
		}
	}
	t, err := targetNamed(name)
	if err != nil {
		return err
	}
	s.target = t
	s.dir = provision.SystemDir(s.flags.stateDir, s.config.Name, name)
	return nil
}

func (s *session) findTarget() (name, why string, err error) {
	all := targets()
	for _, name := range targetNames {
		t, ok := all[name]
		if !ok {
			continue
		}
		if _, serving := t.Serving(provision.SystemDir(s.flags.stateDir, s.config.Name, name)); serving {
			return name, "which is running", nil
		}
	}
	name, err = provision.LastTarget(s.flags.stateDir, s.config.Name)
	if err != nil || !slices.Contains(targetNames, name) {
		return "", "", err
	}
	return name, "that of the last up", nil
}
