package config

import "strings"

// maxName is the longest name that is compared: nobody meant one of ours by a
// longer one.
const maxName = 100

// nearest gives the name that was probably meant, or "". A name that is right
// but for its section is the best guess; else the fewest edits, up to a third
// of its length.
func nearest(name string, names []string) string {
	leaf := name[strings.LastIndexByte(name, '.')+1:]
	if len(name) > maxName {
		return ""
	}
	best, least := "", 1+max(2, len(name)/3)
	for _, n := range names {
		d := distance(name, n)
		if l := n[strings.LastIndexByte(n, '.')+1:]; l == leaf && n != leaf && strings.ContainsAny(leaf, "_.") {
			d = min(d, 1)
		}
		if d < least {
			best, least = n, d
		}
	}
	return best
}

// distance counts the edits between two names: a byte inserted, removed or
// replaced, or two neighbours swapped (optimal string alignment, the
// Levenshtein distance with transpositions).
func distance(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
