//go:build !integration

package local

import "time"

// How much an ordinary test run bears.
const (
	killSample    = 12
	troubleSample = 3
	troubleLag    = 200 * time.Millisecond
	momentSample  = 2
	manyUsers     = 200
)
