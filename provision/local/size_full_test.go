//go:build integration

package local

import "time"

// All points, and more trouble.
const (
	killSample    = 1 << 20
	troubleSample = 12
	troubleLag    = time.Second
	momentSample  = 12
	manyUsers     = 1000
)
