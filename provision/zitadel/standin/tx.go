package standin

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// tx is one change while it is made. What it puts is there at once for itself; if its
// function fails all of it is taken back.
type tx struct {
	*store
	now    stamp
	editor string // user id
	rows   []changedRow
	undo   []func()
}

// update makes a change: all of it, or nothing and the error of f. It is in memory when
// update returns and on the disk after [store.wait].
func (s *store) update(editor string, f func(*tx) error) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &tx{store: s, now: s.clock.now(), editor: editor}
	defer func() {
		if err != nil {
			for n := len(t.undo) - 1; n >= 0; n-- {
				t.undo[n]()
			}
		}
	}()
	if err := f(t); err != nil {
		return err
	}
	if len(t.rows) == 0 {
		return nil
	}
	line, err := json.Marshal(change{t.rows})
	if err != nil {
		return fmt.Errorf("encode change: %w", err)
	}
	_, err = s.journal.append(line)
	return err
}

// errTaken is the violation of a unique constraint.
var errTaken = errors.New("taken")

// put stores a row, new or in place of the one with that id.
func put[T any](t *tx, in *table[T], id string, row *T) error {
	former := in.rows[id]
	wanted := in.unique(row)
	for _, u := range wanted {
		if owner, taken := t.taken[u]; taken && owner != id {
			return errTaken
		}
	}
	data, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("encode %s: %w", in.kind, err)
	}
	replace(t, in, id, former, row)
	t.rows = append(t.rows, changedRow{Kind: in.kind, ID: id, Row: data})
	return nil
}

// drop deletes a row that may not be there.
func drop[T any](t *tx, in *table[T], id string) {
	former := in.rows[id]
	if former == nil {
		return
	}
	replace(t, in, id, former, nil)
	t.rows = append(t.rows, changedRow{Kind: in.kind, ID: id})
}

func replace[T any](t *tx, in *table[T], id string, former, row *T) {
	in.remember(id, time.Now(), t.lag)
	set := func(was, is *T) {
		if was != nil {
			for _, u := range in.unique(was) {
				delete(t.taken, u)
			}
		}
		if is == nil {
			delete(in.rows, id)
			return
		}
		in.rows[id] = is
		for _, u := range in.unique(is) {
			t.taken[u] = id
		}
	}
	set(former, row)
	t.undo = append(t.undo, func() { set(row, former) })
}

// event records that something happened to an aggregate and returns it as a row's history.
func (t *tx) event(typ, aggregateType, aggregateID, owner string, payload any) (meta, error) {
	e := &eventRow{
		Type: typ, AggregateType: aggregateType, AggregateID: aggregateID, Owner: owner,
		Editor: t.editor, Created: t.now,
	}
	if payload != nil {
		data, err := json.Marshal(payload)
		if err != nil {
			return meta{}, fmt.Errorf("encode event %s: %w", typ, err)
		}
		e.Payload = data
	}
	key, former, latest := e.aggregate(), t.last[e.aggregate()], t.latest
	e.Sequence = former.Sequence + 1
	t.last[key], t.latest = e.meta(), t.now
	t.undo = append(t.undo, func() { t.last[key], t.latest = former, latest })
	return e.meta(), put(t, t.events, t.clock.newID(), e)
}
