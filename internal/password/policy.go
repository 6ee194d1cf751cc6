package password

import (
	"fmt"
	"slices"
	"sync"
	"unicode/utf8"
)

// The codes of a Problem, Django's own where it has one.
const (
	CodeSimilar = "password_too_similar"      // [string: Attribute.Name]
	CodeShort   = "password_too_short"        // [int: characters]
	CodeCommon  = "password_too_common"       // no parameter
	CodeNumeric = "password_entirely_numeric" // no parameter
	CodeLong    = "password_too_long"         // [int: bytes]
	CodeContext = "password_context_word"     // no parameter
)

// The shortest passwords that a Policy may ask for, in characters. Eight is
// the guide's, and ASVS 6.2.1 allows no less; more than 128 would keep out what
// password managers make.
const (
	LeastMinLength = 8
	MostMinLength  = 128
)

// Attribute is something about a person that a password must not resemble.
type Attribute struct {
	// Name is what the message calls it: "first name", "last name",
	// "email address" (the verbose names of Django's fields).
	Name string
	// Value may be "", and is ignored then.
	Value string
}

// Problem is one reason why a password will not do.
type Problem struct {
	Code   string
	Params []any
}

// PolicyOptions vary a Policy. The zero value is Django's default.
type PolicyOptions struct {
	// MinLength in characters, 8 to 128; 0 means 8.
	MinLength int
	// AllowNumeric turns the rule against all-numeric passwords off (ASVS
	// 6.2.5 would have no rules of composition; the guide has this one).
	AllowNumeric bool
	// List names a file of further passwords to refuse: one a line, plain or
	// gzipped, at most 64 MiB. Django's own password_list_path files fit.
	List string
	// Words are what everybody here thinks of: the names of the product, the
	// company, the host. A password must not be made of their words.
	Words []string
}

// Policy is Django's four default validators, and the words of the place (ASVS
// 6.1.2 and 6.2.11). It is safe for concurrent use.
type Policy struct {
	minLength    int
	allowNumeric bool
	common       func() *wordList // read at first use: not every start validates
	extra        *wordList        // nil without a file
	words        [][]rune
}

// NewPolicy gives a Policy, or an error for a length out of range or a list
// that cannot be read.
func NewPolicy(o PolicyOptions) (*Policy, error) {
	if o.MinLength == 0 {
		o.MinLength = LeastMinLength
	}
	if o.MinLength < LeastMinLength || o.MinLength > MostMinLength {
		return nil, fmt.Errorf("minimum password length %d: want %d to %d", o.MinLength, LeastMinLength, MostMinLength)
	}
	p := &Policy{minLength: o.MinLength, allowNumeric: o.AllowNumeric, common: sync.OnceValue(djangoList), words: wordsOf(o.Words...)}
	if o.List != "" {
		var err error
		if p.extra, err = readListFile(o.List); err != nil {
			return nil, fmt.Errorf("read list of passwords: %w", err)
		}
	}
	return p, nil
}

// Validate gives what is wrong with a password, in Django's order: too
// similar, too short, too common, entirely numeric. The attributes are tried
// in the order given, which in Django is first name, last name, e-mail; only
// the first that is too similar is told. None is empty when all is well.
//
// What Django lets pass may still be made of the account's words, which is told
// as too similar, or of those and the words of the place.
//
// A password over MaxLength has that one problem and is not looked at.
func (p *Policy) Validate(pw string, attrs ...Attribute) []Problem {
	if len(pw) > MaxLength {
		return []Problem{{CodeLong, []any{MaxLength}}}
	}
	lowered := lower(pw)
	if found := p.django(pw, lowered, attrs); len(found) > 0 {
		return found // as Django says it
	}
	name, ok := p.wordy(lowered, attrs)
	switch {
	case !ok:
		return nil
	case name != "":
		return []Problem{{CodeSimilar, []any{name}}}
	default:
		return []Problem{{CodeContext, nil}}
	}
}

// django is Django's four.
func (p *Policy) django(pw, lowered string, attrs []Attribute) []Problem {
	var found []Problem
	if name, ok := similar(lowered, attrs); ok {
		found = append(found, Problem{CodeSimilar, []any{name}})
	}
	if utf8.RuneCountInString(pw) < p.minLength {
		found = append(found, Problem{CodeShort, []any{p.minLength}})
	}
	if word := strip(lowered); p.common().has(word) || p.extra.has(word) {
		found = append(found, Problem{CodeCommon, nil})
	}
	if !p.allowNumeric && isDigits(pw) {
		found = append(found, Problem{CodeNumeric, nil})
	}
	return found
}

// wordy reports that a password is made of words, and whose: an attribute's
// name, or "" for those of the place and of several together.
func (p *Policy) wordy(lowered string, attrs []Attribute) (string, bool) {
	all := slices.Clone(p.words)
	for _, a := range attrs {
		own := wordsOf(a.Value)
		if madeOf(lowered, own) {
			return a.Name, true
		}
		all = append(all, own...)
	}
	return "", madeOf(lowered, all)
}
