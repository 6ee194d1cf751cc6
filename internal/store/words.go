package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// searchVersion is the number of the rules below. Whoever changes them raises
// it, and the number in the index users_unindexed with it.
const searchVersion = 1

// Bounds of what is searched for and in. A name of 150 letters that is all
// blanks between has 75 words; nobody is looked for by the last of them.
const (
	maxWords      = 24
	maxWordLength = 64 // bytes
	maxQueryWords = 8
)

// words splits texts into the words that they are found by: runs of letters,
// digits, "%" and "_", in lower case and without accents.
func words(limit int, texts ...string) []string {
	var all []string
	for _, text := range texts {
		for word := range strings.FieldsFuncSeq(plainLetters(text), func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '%' && r != '_'
		}) {
			word = cutWord(word)
			if !slices.Contains(all, word) {
				all = append(all, word)
			}
			if len(all) == limit {
				return all
			}
		}
	}
	return all
}

// plainLetters lowers a text and takes its accents off, so that "Zoë" is found
// by "zoe" and the other way round.
func plainLetters(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(strings.ToValidUTF8(text, "")))
}

// cutWord cuts a long word between two characters.
func cutWord(word string) string {
	if len(word) <= maxWordLength {
		return word
	}
	end := maxWordLength
	for !utf8.RuneStart(word[end]) {
		end--
	}
	return word[:end]
}

// behind is larger than all words that begin with prefix: engines compare
// bytes, and no word has the last code point of all.
func behind(prefix string) string { return prefix + string(unicode.MaxRune) }

// nameKey is what the order by name goes by.
func nameKey(first, last string) string {
	return plainLetters(strings.TrimSpace(last) + " " + strings.TrimSpace(first))
}

// class is the number of a role and a state, by which words are kept.
func class(role auth.Role, active bool) int64 {
	n := 2 * int64(slices.Index(auth.Roles(), role))
	if active {
		n++
	}
	return n
}

const dropWords = `DELETE FROM user_words WHERE user_id = $1`

// insertWords takes eight at once; a shorter list repeats its first.
const insertWords = `INSERT INTO user_words (class, word, user_id)
	VALUES ($1, $2, $3), ($1, $4, $3), ($1, $5, $3), ($1, $6, $3), ($1, $7, $3), ($1, $8, $3), ($1, $9, $3), ($1, $10, $3)
	ON CONFLICT DO NOTHING`

const setNameKey = `UPDATE users SET name_key = $1, search_version = $2 WHERE id = $3`

// index makes the words of a user who is new or has changed.
func (t Tx) index(ctx context.Context, u auth.User, isNew bool) error {
	if !isNew {
		if _, err := t.Exec(ctx, dropWords, u.ID); err != nil {
			return fmt.Errorf("drop the words of user %d: %w", u.ID, err)
		}
		if _, err := t.Exec(ctx, setNameKey, nameKey(u.FirstName, u.LastName), int64(searchVersion), u.ID); err != nil {
			return fmt.Errorf("set the name key of user %d: %w", u.ID, err)
		}
	}
	for eight := range slices.Chunk(words(maxWords, u.LastName, u.FirstName, u.Email), 8) {
		args := []any{class(u.Role, u.IsActive), eight[0], u.ID}
		for i := 1; i < 8; i++ {
			args = append(args, eight[i%len(eight)])
		}
		if _, err := t.Exec(ctx, insertWords, args...); err != nil {
			return fmt.Errorf("insert the words of user %d: %w", u.ID, err)
		}
	}
	return nil
}

const usersUnindexed = `SELECT ` + UserColumns + ` FROM users WHERE search_version < 1 ORDER BY id LIMIT $1`

// IndexUsers implements auth.UserWriter.
func (t Tx) IndexUsers(ctx context.Context, limit int) (int, error) {
	all, err := t.users(ctx, usersUnindexed, int64(limit))
	if err != nil {
		return 0, fmt.Errorf("find users without words: %w", err)
	}
	for _, u := range all {
		if err := t.index(ctx, u, false); err != nil {
			return 0, err
		}
	}
	return len(all), nil
}
