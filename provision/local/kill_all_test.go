//go:build integration

package local

// All points, and many moments.
const (
	killSample    = 1 << 20
	troubleSample = 12
	momentSample  = 12
)
