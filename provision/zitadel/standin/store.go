package standin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// store is everything that the stand-in knows, in memory and in the journal.
type store struct {
	clock   clock
	journal *journal

	mu     sync.RWMutex
	lag    time.Duration
	tables map[string]anyTable
	taken  map[string]string // what is unique → whose it is
	last   map[string]meta   // aggregate → its last event
	latest stamp             // when the last event of all was

	instance   *table[instanceRow]
	orgs       *table[orgRow]
	projects   *table[projectRow]
	roles      *table[roleRow]
	apps       *table[appRow]
	appKeys    *table[keyRow]
	users      *table[userRow]
	userKeys   *table[keyRow]
	grants     *table[grantRow]
	members    *table[memberRow]
	pats       *table[patRow]
	idps       *table[idpRow]
	webKeys    *table[webKeyRow]
	sessions   *table[sessionRow]
	deviceAuth *table[deviceRow]
	tokens     *table[tokenRow]
	events     *table[eventRow]
}

// change is one line of the journal: rows that were put, and rows that are gone.
type change struct {
	Rows []changedRow `json:"rows"`
}

type changedRow struct {
	Kind string          `json:"kind"`
	ID   string          `json:"id"`
	Row  json.RawMessage `json:"row,omitempty"` // absent: deleted
}

func openStore(dir string) (*store, error) {
	s := &store{tables: map[string]anyTable{}, taken: map[string]string{}, last: map[string]meta{}}
	s.instance = addTable[instanceRow](s, "instance", nil)
	s.orgs = addTable(s, "org", func(o *orgRow) []string { return unique("org", o.Name) })
	s.projects = addTable(s, "project", func(p *projectRow) []string { return unique("project", p.Owner, p.Name) })
	s.roles = addTable(s, "role", func(r *roleRow) []string { return unique("role", r.ProjectID, r.Key) })
	s.apps = addTable(s, "app", func(a *appRow) []string { return unique("app", a.ProjectID, a.Name) })
	s.appKeys = addTable[keyRow](s, "app key", nil)
	s.users = addTable(s, "user", func(u *userRow) []string { return unique("user", u.Username) })
	s.userKeys = addTable[keyRow](s, "user key", nil)
	s.grants = addTable(s, "grant", func(g *grantRow) []string { return unique("grant", g.UserID, g.ProjectID, g.Owner) })
	s.members = addTable(s, "member", func(m *memberRow) []string { return unique("member", m.Resource, m.UserID) })
	s.pats = addTable[patRow](s, "pat", nil)
	s.idps = addTable[idpRow](s, "idp", nil)
	s.webKeys = addTable[webKeyRow](s, "web key", nil)
	s.sessions = addTable[sessionRow](s, "session", nil)
	s.deviceAuth = addTable[deviceRow](s, "device authorization", nil)
	s.tokens = addTable[tokenRow](s, "token", nil)
	s.events = addTable[eventRow](s, "event", nil)

	lines := 0
	var err error
	s.journal, err = openJournal(dir, func(line []byte) error {
		lines++
		return s.replay(line)
	})
	if err != nil {
		return nil, err
	}
	if err := s.compact(lines); err != nil {
		return nil, errors.Join(err, s.journal.close())
	}
	return s, nil
}

func addTable[T any](s *store, kind string, unique func(*T) []string) *table[T] {
	t := newTable(kind, unique)
	s.tables[kind] = t
	return t
}

// unique makes one constraint of its parts. Zitadel compares them without regard to case.
func unique(parts ...string) []string { return []string{strings.ToLower(strings.Join(parts, "\x00"))} }

// replay takes one line of the journal into memory.
func (s *store) replay(line []byte) error {
	var c change
	if err := json.Unmarshal(line, &c); err != nil {
		return err
	}
	for _, r := range c.Rows {
		t := s.tables[r.Kind]
		if t == nil {
			return fmt.Errorf("a row of kind %q, which this version does not know", r.Kind)
		}
		for _, u := range t.unload(r.ID) {
			delete(s.taken, u)
		}
		if r.Row == nil {
			continue
		}
		unique, err := t.load(r.ID, r.Row)
		if err != nil {
			return err
		}
		for _, u := range unique {
			s.taken[u] = r.ID
		}
		s.clock.seen(time.Time{}, r.ID)
		if r.Kind == s.events.kind {
			e := s.events.rows[r.ID]
			if e.Sequence > s.last[e.aggregate()].Sequence {
				s.last[e.aggregate()] = e.meta()
			}
			if e.Created.After(s.latest.Time) {
				s.latest = e.Created
			}
			s.clock.seen(e.Created.Time, "")
		}
	}
	return nil
}

// compact rewrites the journal when most of its lines speak of rows that have changed since.
func (s *store) compact(lines int) error {
	const worthwhile = 1024
	rows := 0
	for _, t := range s.tables {
		rows += t.len()
	}
	if lines < worthwhile || lines < 2*rows {
		return nil
	}
	return s.journal.rewrite(func(put func([]byte) error) error {
		for kind, t := range s.tables {
			err := t.each(func(id string, row any) error {
				data, err := json.Marshal(row)
				if err != nil {
					return fmt.Errorf("encode %s: %w", kind, err)
				}
				line, err := json.Marshal(change{[]changedRow{{Kind: kind, ID: id, Row: data}}})
				if err != nil {
					return fmt.Errorf("encode %s: %w", kind, err)
				}
				return put(line)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// view lets f read a moment at which no change is half made.
func (s *store) view(f func()) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f()
}

// wait returns once everything that was changed so far is on the disk.
func (s *store) wait() error { return s.journal.wait() }

func (s *store) setLag(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag = d
}

// lastOf is the last event of an aggregate; zero if nothing ever happened to it.
func (s *store) lastOf(aggregateType, id string) meta {
	return s.last[(&eventRow{AggregateType: aggregateType, AggregateID: id}).aggregate()]
}

// latestEvent is when anything last happened.
func (s *store) latestEvent() (at stamp) {
	s.view(func() { at = s.latest })
	return at
}
