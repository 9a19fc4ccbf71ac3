package standin

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// number is an integer that protobuf's JSON writes as a string and reads as either.
type number uint64

func (n *number) UnmarshalJSON(data []byte) error {
	v, err := strconv.ParseUint(strings.Trim(string(data), `"`), 10, 64)
	*n = number(v)
	return err
}

// page is the part of a result that a search asks for.
type page struct {
	Offset number `json:"offset"`
	Limit  number `json:"limit"`
	Asc    bool   `json:"asc"`
}

// pagination is how v2's newer services tell how much there is.
type pagination struct {
	TotalResult  string `json:"totalResult,omitempty"`
	AppliedLimit string `json:"appliedLimit,omitempty"`
}

// listDetails is how the older ones do.
type listDetails struct {
	TotalResult string `json:"totalResult,omitempty"`
	Timestamp   stamp  `json:"timestamp,omitzero"`
}

// v1ListDetails is how v1 does.
type v1ListDetails struct {
	TotalResult   string `json:"totalResult,omitempty"`
	ViewTimestamp stamp  `json:"viewTimestamp,omitzero"`
}

// total is a count; protobuf leaves out a zero.
func total(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func (p page) limit() int {
	if p.Limit == 0 {
		return defaultLimit
	}
	return int(min(p.Limit, maxLimit))
}

func (p page) pagination(count int) pagination {
	return pagination{total(count), strconv.Itoa(p.limit())}
}

func (p page) check() error {
	if p.Limit > maxLimit {
		return fail(invalidArgument, "QUERY-4M0fs", "Errors.Query.LimitExceeded")
	}
	return nil
}

// pageOf cuts the page out of rows that come with the highest id first.
func pageOf[T any](p page, rows []found[T]) []found[T] {
	if p.Asc {
		rows = slices.Clone(rows)
		slices.Reverse(rows)
	}
	rows = rows[min(uint64(p.Offset), uint64(len(rows))):]
	return rows[:min(p.limit(), len(rows))]
}

// filter is one condition of a search, as sent: an object with one key that names it.
type filter map[string]json.RawMessage

// filterKinds are the conditions that a search knows, by name.
type filterKinds[T any] map[string]func(json.RawMessage) (func(*found[T]) bool, error)

var errFilter = fail(invalidArgument, "GRPC-vR9nC", "List.Query.Invalid")

// compile makes one function of all conditions, each of which must hold. An unknown one is an
// error: a search that ignored it would find too much.
func (kinds filterKinds[T]) compile(filters []filter) (func(*found[T]) bool, error) {
	var conditions []func(*found[T]) bool
	for _, f := range filters {
		if len(f) != 1 {
			return nil, errFilter
		}
		for name, value := range f {
			kind := kinds[name]
			if kind == nil {
				return nil, errFilter
			}
			condition, err := kind(value)
			if err != nil {
				return nil, err
			}
			conditions = append(conditions, condition)
		}
	}
	return func(row *found[T]) bool {
		for _, holds := range conditions {
			if !holds(row) {
				return false
			}
		}
		return true
	}, nil
}

// byText compares one text field, by the method that the filter names.
func byText[T any](field string, of func(*found[T]) string) func(json.RawMessage) (func(*found[T]) bool, error) {
	return func(raw json.RawMessage) (func(*found[T]) bool, error) {
		var value map[string]string
		if err := json.Unmarshal(raw, &value); err != nil {
			return nil, errFilter
		}
		method := strings.TrimPrefix(strings.TrimPrefix(value["method"], "TEXT_QUERY_METHOD_"), "TEXT_FILTER_METHOD_")
		method, fold := strings.CutSuffix(method, "_IGNORE_CASE")
		want := value[field]
		if fold {
			want = strings.ToLower(want)
		}
		compare, known := map[string]func(string, string) bool{
			"":            func(a, b string) bool { return a == b },
			"EQUALS":      func(a, b string) bool { return a == b },
			"STARTS_WITH": strings.HasPrefix,
			"ENDS_WITH":   strings.HasSuffix,
			"CONTAINS":    strings.Contains,
		}[method]
		if !known {
			return nil, errFilter
		}
		return func(row *found[T]) bool {
			have := of(row)
			if fold {
				have = strings.ToLower(have)
			}
			return compare(have, want)
		}, nil
	}
}

// byIDs holds for rows of which an id is among those listed.
func byIDs[T any](field string, of func(*found[T]) string) func(json.RawMessage) (func(*found[T]) bool, error) {
	return func(raw json.RawMessage) (func(*found[T]) bool, error) {
		var value map[string][]string
		if err := json.Unmarshal(raw, &value); err != nil {
			return nil, errFilter
		}
		wanted := map[string]bool{}
		for _, id := range value[field] {
			wanted[id] = true
		}
		return func(row *found[T]) bool { return wanted[of(row)] }, nil
	}
}

// search runs a search over a table, through the lag if there is one; read access is held.
func search[T any](s *store, in *table[T], kinds filterKinds[T], filters []filter) ([]found[T], error) {
	match, err := kinds.compile(filters)
	if err != nil {
		return nil, err
	}
	return in.search(time.Now(), s.lag, match), nil
}
