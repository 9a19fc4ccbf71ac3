package local

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

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

// choosePorts decides where to listen: where the command says; else where the last time, as
// long as the configuration says what it said then; else where the configuration says. Who
// is to serve has the ports reserved at once, so that nothing gets in between. A port that
// nobody chose gives way to another where it is taken.
func (s *System) choosePorts() error {
	s.ports, s.reserved = ports{}, map[string]net.Listener{}
	for _, name := range portNames {
		port, any := s.wantedPort(name)
		s.ports[name] = port
		if port != 0 && !s.opts.Serve {
			continue
		}
		var l net.Listener
		var err error
		if port != 0 {
			l, err = net.Listen("tcp", s.ports.address(name))
		}
		if any && (port == 0 || err != nil) {
			l, err = listenAnywhere()
		}
		switch {
		case err == nil:
			s.ports[name], s.reserved[name] = l.Addr().(*net.TCPAddr).Port, l
		case any:
			return fmt.Errorf("find a free port for %s: %w", name, err)
		}
		// Of a port that is taken the server that starts there says so.
	}
	return nil
}

// listenAnywhere finds a free port below those that systems give to outgoing connections
// (32768 and up): one of these could take it in the moment in which it changes hands.
func listenAnywhere() (net.Listener, error) {
	const from, to, attempts = 20000, 32768, 64
	for range attempts {
		if l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(from+rand.N(to-from)))); err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp", net.JoinHostPort(host, "0"))
}

// wantedPort is the port of one name, 0 where it is still to be found; any: another is as
// good.
func (s *System) wantedPort(name string) (port int, any bool) {
	option, file := s.portSettings(name)
	record, _ := s.opts.Notes.Note(kindPort, name)
	noted, known := notedPort(s.opts.Notes, name)
	switch {
	case known && s.remote:
		return noted, false
	case option == 0 && known:
		return noted, true
	case option == 0:
		return 0, true
	case option != provision.PortOfFile:
		return option, false
	case known && record.Digest == strconv.Itoa(file):
		return noted, false
	}
	return file, false
}

// portSettings are what the command and the configuration say of a port.
func (s *System) portSettings(name string) (option, file int) {
	switch name {
	case issuerPort:
		return s.opts.PortIssuer, s.cfg.Issuer.Port
	case natsPort:
		return s.opts.PortNATS, s.cfg.NATS.Port
	}
	return 0, 0
}

// release gives up a reservation, for the server that is to listen there. A process that is
// being forked at that moment keeps the port for as long as it takes it to become another
// program, which is waited for.
func (s *System) release(name string) {
	l, ok := s.reserved[name]
	if !ok {
		return
	}
	delete(s.reserved, name)
	_ = l.Close() // nothing was accepted
	for end := time.Now().Add(releasePatience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if free, err := net.Listen("tcp", s.ports.address(name)); err == nil {
			_ = free.Close()
			return
		}
	}
}

// releasePatience bounds that wait. Who starts a server after it learns from the server that
// the port is taken.
const releasePatience = 2 * time.Second

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
		record, _ := s.opts.Notes.Note(kindPort, name)
		_, file := s.portSettings(name)
		configured := strconv.Itoa(file)
		if known && noted == s.ports[name] && record.Digest == configured {
			continue
		}
		change := provision.Change{
			Action: provision.Create, Kind: "port", Name: name, Detail: strconv.Itoa(s.ports[name]),
			Apply: func(context.Context) error {
				return s.opts.Notes.SetNote(kindPort, name, provision.Record{ID: strconv.Itoa(s.ports[name]), Digest: configured})
			},
		}
		switch {
		case known && noted == s.ports[name]:
			change.Action, change.Detail = provision.Update, change.Detail+", as configured"
		case known:
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
