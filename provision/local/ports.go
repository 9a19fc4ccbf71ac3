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
// any free port, where the last time.
func choosePorts(cfg *provision.Config, opts provision.Options) (ports, error) {
	wanted := ports{
		issuerPort: portOr(opts.PortIssuer, cfg.Issuer.Port),
		natsPort:   portOr(opts.PortNATS, cfg.NATS.Port),
		httpPort:   0,
	}
	chosen := ports{}
	var taken []net.Listener
	defer func() {
		for _, l := range taken {
			_ = l.Close()
		}
	}()
	for _, name := range portNames {
		noted, known := notedPort(opts.Notes, name)
		switch want := wanted[name]; {
		case known && (!opts.Serve || want == 0):
			chosen[name] = noted
		case want != 0:
			chosen[name] = want
		default:
			l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
			if err != nil {
				return nil, fmt.Errorf("find a free port for %s: %w", name, err)
			}
			taken = append(taken, l) // so that the next is another
			chosen[name] = l.Addr().(*net.TCPAddr).Port
		}
	}
	return chosen, nil
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
