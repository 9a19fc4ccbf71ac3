package standin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// table holds the rows of one kind by id. Rows are never changed, only replaced, so that a
// row that was read stays what it was. The store's lock guards it.
type table[T any] struct {
	kind string
	rows map[string]*T
	// unique lists what of a row nothing else may have; nil for kinds without such a thing.
	unique func(*T) []string
	// undone remembers what rows were, for searches that lag behind.
	undone []formerly[T]
}

// formerly is what a row was until a moment; nil: there was none.
type formerly[T any] struct {
	id    string
	row   *T
	until time.Time
}

// anyTable is a table of whatever kind, for the journal.
type anyTable interface {
	name() string
	load(id string, row json.RawMessage) ([]string, error)
	unload(id string) []string
	each(func(id string, row any) error) error
	len() int
}

func newTable[T any](kind string, unique func(*T) []string) *table[T] {
	if unique == nil {
		unique = func(*T) []string { return nil }
	}
	return &table[T]{kind: kind, rows: map[string]*T{}, unique: unique}
}

func (t *table[T]) name() string { return t.kind }

func (t *table[T]) len() int { return len(t.rows) }

// load takes a row from the journal and returns what is unique in it.
func (t *table[T]) load(id string, data json.RawMessage) ([]string, error) {
	row := new(T)
	if err := json.Unmarshal(data, row); err != nil {
		return nil, fmt.Errorf("%s %s: %w", t.kind, id, err)
	}
	t.rows[id] = row
	return t.unique(row), nil
}

// unload takes a row out and returns what was unique in it.
func (t *table[T]) unload(id string) []string {
	row := t.rows[id]
	if row == nil {
		return nil
	}
	delete(t.rows, id)
	return t.unique(row)
}

// each calls f for every row, by rising id.
func (t *table[T]) each(f func(id string, row any) error) error {
	ids := make([]string, 0, len(t.rows))
	for id := range t.rows {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if err := f(id, t.rows[id]); err != nil {
			return err
		}
	}
	return nil
}

// remember keeps what a row was, and forgets what no search will look at any more.
func (t *table[T]) remember(id string, now time.Time, lag time.Duration) {
	if lag <= 0 {
		t.undone = nil
		return
	}
	for len(t.undone) > 0 && now.Sub(t.undone[0].until) > lag {
		t.undone = t.undone[1:]
	}
	t.undone = append(t.undone, formerly[T]{id: id, row: t.rows[id], until: now})
}

// search returns the rows that match as they were the lag ago, the highest id first.
func (t *table[T]) search(now time.Time, lag time.Duration, match func(*found[T]) bool) []found[T] {
	var was map[string]*T
	for _, u := range slices.Backward(t.undone) {
		if now.Sub(u.until) >= lag {
			break
		}
		if was == nil {
			was = map[string]*T{}
		}
		was[u.id] = u.row
	}
	var hits []found[T]
	hit := func(id string, row *T) {
		if hit := (found[T]{id, row}); row != nil && match(&hit) {
			hits = append(hits, hit)
		}
	}
	for id, row := range t.rows {
		if _, differs := was[id]; !differs {
			hit(id, row)
		}
	}
	for id, row := range was {
		hit(id, row)
	}
	slices.SortFunc(hits, func(a, b found[T]) int { return cmp.Compare(b.id, a.id) })
	return hits
}

// found is a row with its id.
type found[T any] struct {
	id  string
	row *T
}
