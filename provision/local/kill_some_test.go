//go:build !integration

package local

// How many of the points and moments an ordinary test run is killed at.
const (
	killSample    = 12
	troubleSample = 3
	momentSample  = 2
)
