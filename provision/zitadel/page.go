package zitadel

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

const (
	// pageSize is the most that Zitadel gives at once in its default configuration; more is
	// an error.
	pageSize = 1000
	maxPages = 1000
)

// page asks for a part of a list, oldest first where the list has an order.
type page struct {
	Offset int  `json:"offset,string"`
	Limit  int  `json:"limit"`
	Asc    bool `json:"asc"`
}

// total is how many there are in all: a number in a string, and absent for none.
type total int

func (t *total) UnmarshalJSON(data []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(data), `"`))
	*t = total(n)
	return err
}

var _ json.Unmarshaler = (*total)(nil)

// pages collects a list. A server may give less at once than was asked for.
func pages[T any](ctx context.Context, what string, fetch func(context.Context, page) ([]T, total, error)) ([]T, error) {
	var all []T
	for range maxPages {
		part, n, err := fetch(ctx, page{Offset: len(all), Limit: pageSize, Asc: true})
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
		if len(part) == 0 || len(all) >= int(n) {
			return all, nil
		}
	}
	return nil, fmt.Errorf("%s: the list does not end after %d pages", what, maxPages)
}
