package password

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// leastWord is the shortest word, in characters, that a password may not be
	// made of.
	leastWord = 3
	// maxPadding is how many digits and signs around words are no secret.
	maxPadding = 8
	// maxWordy is the longest password, in characters, that is looked at: one
	// that is longer is repetition, and has at least its length.
	maxWordy = 64
)

// variants are the signs that people write for letters.
var variants = map[rune]string{
	'a': "4@", 'b': "8", 'e': "3", 'g': "9", 'i': "1!|", 'l': "1|!", 'o': "0", 's': "5$", 't': "7+", 'z': "2",
}

// wordsOf splits texts into the words that a password must not be made of, in
// lower case: their runs of letters and digits, and those run together
// ("Acme Corp": acme, corp, acmecorp).
func wordsOf(texts ...string) [][]rune {
	var words [][]rune
	add := func(w string) {
		r := []rune(w)
		if len(r) < leastWord || len(r) > maxWordy || !slices.ContainsFunc(r, unicode.IsLetter) {
			return
		}
		if !slices.ContainsFunc(words, func(x []rune) bool { return slices.Equal(x, r) }) {
			words = append(words, r)
		}
	}
	for _, text := range texts {
		parts := strings.FieldsFunc(lower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
		for _, p := range parts {
			add(p)
			// "ada1815" in an e-mail address is ada to whoever guesses.
			add(strings.TrimFunc(p, unicode.IsNumber))
		}
		add(strings.Join(parts, ""))
	}
	return words
}

// madeOf reports that a password, in lower case, is nothing but one or more of
// these words, as they are or with signs for letters, with at most maxPadding
// digits, signs and blanks before, between and after: "latchkey2026!",
// "4cme-4cme", "<Lovelace>1815". A further letter makes it another password.
func madeOf(lowered string, words [][]rune) bool {
	if len(words) == 0 || utf8.RuneCountInString(lowered) > maxWordy {
		return false
	}
	pw := []rune(lowered)
	// padding[i] is the least padding with which words end, or padding does, at
	// i; -1 where neither can. used[i] is the same with a word in it.
	const never = maxPadding + 1
	bare := make([]int, len(pw)+1)
	used := make([]int, len(pw)+1)
	for i := range used {
		bare[i], used[i] = never, never
	}
	bare[0] = 0
	for i := range pw {
		for _, at := range []*[]int{&bare, &used} {
			so := (*at)[i]
			if so == never {
				continue
			}
			if !unicode.IsLetter(pw[i]) {
				(*at)[i+1] = min((*at)[i+1], so+1)
			}
			for _, w := range words {
				if end := i + len(w); end <= len(pw) && spells(pw[i:end], w) {
					used[end] = min(used[end], so)
				}
			}
		}
	}
	return used[len(pw)] < never
}

// spells reports whether a text is a word, letter by letter.
func spells(text, word []rune) bool {
	for i, r := range text {
		if r != word[i] && !strings.ContainsRune(variants[word[i]], r) {
			return false
		}
	}
	return true
}

// leastDigits and mostDigits are how many of a telephone number's digits, from
// its end, a password is searched for: countries and prefixes come and go.
const leastDigits, mostDigits = 6, 7

// HoldsNumber reports that a password is a telephone number, however written.
// Django has no such rule.
func HoldsNumber(pw, number string) bool {
	digits := func(s string) string {
		return strings.Map(func(r rune) rune {
			if '0' <= r && r <= '9' {
				return r
			}
			return -1
		}, s)
	}
	n := digits(number)
	if len(n) < leastDigits || strings.ContainsFunc(pw, unicode.IsLetter) {
		return false
	}
	return strings.Contains(digits(pw), n[max(0, len(n)-mostDigits):])
}
