package conf

import "strings"

// Suggest returns a hint that names which of the known words was meant, or "" when none is
// near: the same but for case, or a few slips away.
func Suggest(word string, known []string) string {
	if best := nearest(word, known); best != "" {
		return "did you mean \"" + best + "\"?"
	}
	return ""
}

func nearest(word string, known []string) string {
	const longest = 64 // no key is longer, and the distance costs the square of it
	if len(word) > longest {
		return ""
	}
	limit := min(1+len(word)/5, 3)
	best, bestDistance := "", limit+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance counts the letters to insert, drop, change or swap with their neighbour that
// make b of a (optimal string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
