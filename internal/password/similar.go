package password

import "unicode/utf8"

// maxSimilarity is Django's default for UserAttributeSimilarityValidator.
const maxSimilarity = 0.7

// similar names the first attribute that the password resembles: as a whole,
// or in one of its words ("john.doe@example.com" has four). Both sides are
// compared in lower case, as Django 3.2.11 and later do.
func similar(lowered string, attrs []Attribute) (string, bool) {
	pw := tally(lowered)
	for _, a := range attrs {
		if a.Value == "" {
			continue
		}
		value := lower(a.Value)
		for _, part := range append(splitWords(value), value) {
			if outOfReach(pw.length, utf8.RuneCountInString(part)) {
				continue
			}
			if pw.ratio(tally(part)) >= maxSimilarity {
				return a.Name, true
			}
		}
	}
	return "", false
}

// outOfReach reports that a password is so much longer than a value that no
// likeness can reach maxSimilarity. Without it a long password would cost
// (CVE-2021-45115).
func outOfReach(password, value int) bool {
	return password >= 10*value && float64(value) < maxSimilarity/2*float64(password)
}

// counts says how often each character occurs in a text.
type counts struct {
	of     map[rune]int
	length int
}

func tally(s string) counts {
	c := counts{of: make(map[rune]int)}
	for _, r := range s {
		c.of[r]++
		c.length++
	}
	return c
}

// ratio is difflib's SequenceMatcher.quick_ratio: twice the characters in
// common, order aside, over the characters of both. Two empty texts are alike.
func (c counts) ratio(d counts) float64 {
	if c.length+d.length == 0 {
		return 1
	}
	common := 0
	for r, n := range d.of {
		common += min(n, c.of[r])
	}
	return 2 * float64(common) / float64(c.length+d.length)
}
