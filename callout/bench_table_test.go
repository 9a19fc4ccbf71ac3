package callout

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// BenchmarkTable measures our handler, a typical one and the floor side by side and prints
// a table of ratios. Machines are shared and noisy: the contenders take turns in short
// rounds, and the fastest round of each counts.
func BenchmarkTable(b *testing.B) {
	const (
		rounds = 120
		each   = 25 // requests in a round
	)
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\thandler\tfloor\ttypical\thandler/floor\tmust be ≤\thandler/typical\tallocations\t")
	best := map[string]time.Duration{}
	for _, row := range tableRows(b) {
		fastest := [3]time.Duration{math.MaxInt64, math.MaxInt64, math.MaxInt64}
		for range rounds {
			for i, contender := range row.contenders {
				began := time.Now()
				for range each {
					contender()
				}
				fastest[i] = min(fastest[i], time.Since(began)/each)
			}
		}
		ours, floor, typical := fastest[0], fastest[1], fastest[2]
		best[row.name] = ours
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%.2f\t1.25\t%.2f\t%.0f\t\n", row.name, micros(ours), micros(floor), micros(typical),
			ratio(ours, floor), ratio(ours, typical), testing.AllocsPerRun(200, row.contenders[0]))
	}
	_ = table.Flush()
	for _, kind := range []string{"new token", "seen token"} {
		fmt.Fprintf(&out, "xkey on / off, %s: %.2f (must be ≤ 1.05)\n", kind, ratio(best[kind+", xkey"], best[kind]))
	}
	fmt.Fprintf(os.Stdout, "\n%s\n", out.String())
	for b.Loop() { // the table is the result; one iteration satisfies the framework
	}
}

type tableRow struct {
	name       string
	contenders [3]func() // ours, floor, typical
}

func tableRows(b *testing.B) []tableRow {
	var rows []tableRow
	for _, kind := range []struct {
		name           string
		tokens, cached int
	}{{"new token", benchTokens, 1}, {"seen token", 1, 16}} {
		for _, sealed := range []bool{false, true} {
			f, seeds := newBenchWith(b, kind.tokens, kind.cached, sealed)
			floor, plain := newFloor(b, f), newTypical(b, f, seeds)
			name := kind.name
			if sealed {
				name += ", xkey"
			}
			var w work
			next := 0
			rows = append(rows, tableRow{name, [3]func(){
				func() { f.handle(b, &w) },
				func() {
					floor.seen(b)
					if kind.tokens > 1 {
						floor.token(b)
					}
				},
				func() {
					if _, err := plain.handle(&f.requests[next%len(f.requests)]); err != nil {
						b.Fatal(err)
					}
					next++
				},
			}})
		}
	}
	return rows
}

func micros(d time.Duration) string { return fmt.Sprintf("%.0f µs", float64(d)/1e3) }

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
