package callout

import (
	"crypto/ed25519"
	"sync"
	"time"

	"github.com/nats-io/nkeys"
)

// servers remembers what is known of each NATS server that asks: its key, ready to verify
// with, and how its clock differs from ours.
type servers struct {
	mu    sync.RWMutex
	known map[string]*natsServer
}

// natsServer is one server, by its id.
type natsServer struct {
	id    string
	key   ed25519.PublicKey
	clock serverClock
}

// find returns the server with an id; one not seen before is not yet remembered.
func (s *servers) find(id []byte) (*natsServer, error) {
	s.mu.RLock()
	known := s.known[string(id)]
	s.mu.RUnlock()
	if known != nil {
		return known, nil
	}
	key, err := decodeNkey(nkeys.PrefixByteServer, id)
	if err != nil {
		return nil, &RejectError{ReasonMalformedRequest, "iss is no server's public nkey", err}
	}
	return &natsServer{id: string(id), key: key}, nil
}

// remember keeps a server whose signature was good. Two requests may both be a server's
// first; the one remembered first stays.
func (s *servers) remember(server *natsServer) {
	s.mu.RLock()
	known := s.known[server.id] != nil
	s.mu.RUnlock()
	if known {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = make(map[string]*natsServer)
	}
	if s.known[server.id] == nil {
		if len(s.known) >= maxServers {
			clear(s.known)
		}
		s.known[server.id] = server
	}
}

// serverClock learns by how much a server's clock is behind ours. A request's exp is on
// the server's clock: were the clocks compared naively, a server a few seconds behind
// would have every request of its clients dropped as stale.
//
// The age of a request on arrival, arrival − iat, is the difference of the clocks plus the
// way here. The smallest age of a while is therefore the difference plus almost nothing;
// one fresh request is enough to correct an estimate that was too large. iat is in whole
// seconds, rounded down, so that ages below one second mean nothing.
type serverClock struct {
	mu       sync.Mutex
	started  time.Time     // of the current window
	samples  int           // in the current window
	smallest time.Duration // age in the current window
	behind   time.Duration
}

const (
	clockWindow  = time.Minute
	clockSamples = 3 // fewer than that do not prove a difference: they may be stale requests
	clockMost    = 30 * time.Second
)

// observe takes in the age of a request on arrival and returns by how much the server's
// clock is behind, at most clockMost: a clock further off is for its owner to mend.
func (c *serverClock) observe(arrived time.Time, issued int64) time.Duration {
	age := arrived.Sub(time.Unix(issued, 0)) - time.Second
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.samples == 0 || arrived.Sub(c.started) > clockWindow {
		c.started, c.samples, c.smallest = arrived, 0, age
	}
	c.samples++
	c.smallest = min(c.smallest, age)
	if c.samples >= clockSamples {
		c.behind = c.smallest
	} else {
		c.behind = min(c.behind, c.smallest)
	}
	return min(max(c.behind, 0), clockMost)
}
