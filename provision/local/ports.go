package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"harmony-callout/provision"
)

// kindPort is the kind of notes that remember ports.
const kindPort = "local port"

// The ports of a system.
const (
	issuerPort = "issuer"
	natsPort   = "nats"
	httpPort   = "callout http" // /healthz, /readyz, /metrics
)

var portNames = []string{issuerPort, natsPort, httpPort}

// ports by name.
type ports map[string]int

// choosePorts decides where to listen: where the command or the configuration says, or, for
// any free port, where the last time. Who is to serve has them reserved at once, so that
// nothing gets in between; only the port that nobody chose gives way to another.
func (s *System) choosePorts() error {
	wanted := ports{
		issuerPort: portOr(s.opts.PortIssuer, s.cfg.Issuer.Port),
		natsPort:   portOr(s.opts.PortNATS, s.cfg.NATS.Port),
		httpPort:   0,
	}
	named := map[string]bool{issuerPort: s.opts.PortIssuer != provision.PortOfFile, natsPort: s.opts.PortNATS != provision.PortOfFile}
	s.ports, s.reserved = ports{}, map[string]net.Listener{}
	for _, name := range portNames {
		port := wanted[name]
		noted, known := notedPort(s.opts.Notes, name)
		if known && (port == 0 || s.remote || !s.opts.Serve && !named[name]) {
			port = noted
		}
		s.ports[name] = port
		if port != 0 && !s.opts.Serve {
			continue
		}
		l, err := net.Listen("tcp", s.ports.address(name))
		if err != nil && name == httpPort {
			l, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
		}
		switch {
		case err == nil:
			s.ports[name], s.reserved[name] = l.Addr().(*net.TCPAddr).Port, l
		case port == 0:
			return fmt.Errorf("find a free port for %s: %w", name, err)
		}
		// Of a port that is taken the server that starts there says so.
	}
	return nil
}

// release gives up a reservation, for the server that is to listen there.
func (s *System) release(name string) {
	if l, ok := s.reserved[name]; ok {
		_ = l.Close() // nothing was accepted
		delete(s.reserved, name)
	}
}

func portOr(option, file int) int {
	if option == provision.PortOfFile {
		return file
	}
	return option
}

func notedPort(notes provision.Notes, name string) (int, bool) {
	record, ok := notes.Note(kindPort, name)
	port, err := strconv.Atoi(record.ID)
	return port, ok && err == nil
}

// address of a port.
func (p ports) address(name string) string { return net.JoinHostPort(host, strconv.Itoa(p[name])) }

// portsStep notes the ports, so that other commands find the system and the next start
// takes the same: the issuer's port is part of every token.
type portsStep struct{ *System }

func (*portsStep) Name() string { return "local ports" }

func (s *portsStep) Observe(context.Context) (provision.Observation, error) {
	o := provision.Observation{Condition: provision.InSync, Detail: fmt.Sprintf("issuer %s, nats %s", s.ports.address(issuerPort), s.ports.address(natsPort))}
	for _, name := range portNames {
		noted, known := notedPort(s.opts.Notes, name)
		if known && noted == s.ports[name] {
			continue
		}
		change := provision.Change{
			Action: provision.Create, Kind: "port", Name: name, Detail: strconv.Itoa(s.ports[name]),
			Apply: func(context.Context) error {
				return s.opts.Notes.SetNote(kindPort, name, provision.Record{ID: strconv.Itoa(s.ports[name])})
			},
		}
		if known {
			change.Action, change.Detail = provision.Update, fmt.Sprintf("%d → %d", noted, s.ports[name])
			if name == issuerPort {
				change.Detail += ": the issuer changes, tokens issued before are refused"
			}
		}
		o.Condition = provision.OutOfSync
		o.Changes = append(o.Changes, change)
	}
	if len(o.Changes) == len(portNames) {
		o.Condition = provision.Absent
	}
	return o, nil
}

func (*portsStep) Probe(context.Context) error { return nil }

// listenHint explains why a port could not be had.
func listenHint(err error, flag string) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "listen" {
		return provision.WithHint(err, "another process has the port: stop it, or choose another with "+flag+" (0: any free one)")
	}
	return err
}
