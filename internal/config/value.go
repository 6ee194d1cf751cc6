package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// hidden is what a secret looks like wherever it is printed.
const hidden = "<secret>"

// Secret is a value that is never printed. It hides behind a pointer, since
// fmt shows the unexported fields of a struct without asking their methods.
type Secret struct{ value *string }

// NewSecret makes a Secret of s; "" is the unset one.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal gives the secret itself, "" when it is not set.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsSet reports whether there is one.
func (s Secret) IsSet() bool { return s.value != nil }

// Equal compares, for tests.
func (s Secret) Equal(t Secret) bool { return s.Reveal() == t.Reveal() }

// String is "<secret>", or "" when it is not set.
func (s Secret) String() string {
	if s.value == nil {
		return ""
	}
	return hidden
}

// GoString is what %#v prints.
func (s Secret) GoString() string { return s.String() }

// Format prints the same under every verb: fmt prints the bare value for a
// verb that it does not know.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText is what encoders such as JSON print.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is what slog prints.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// DatabaseURL is where the data is kept: "" for SQLite in the data folder, or
// a PostgreSQL URL. It is printed without its password.
type DatabaseURL string

// IsPostgres reports whether it names a PostgreSQL database.
func (d DatabaseURL) IsPostgres() bool { return d != "" }

// Reveal gives the URL with its password.
func (d DatabaseURL) Reveal() string { return string(d) }

// String gives the URL without its password.
func (d DatabaseURL) String() string {
	if d == "" {
		return ""
	}
	u, err := url.Parse(string(d))
	if err != nil {
		return hidden
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		u.RawQuery = "xxxxx" // What of it cannot be read may be one.
	}
	for k := range q {
		if err == nil && strings.Contains(strings.ToLower(k), "password") {
			q.Set(k, "xxxxx")
			u.RawQuery = q.Encode()
		}
	}
	return u.Redacted()
}

// HasPassword reports whether the URL carries one, as far as can be told.
func (d DatabaseURL) HasPassword() bool {
	u, err := url.Parse(string(d))
	if err != nil {
		return true
	}
	if _, ok := u.User.Password(); ok {
		return true
	}
	q, err := url.ParseQuery(u.RawQuery)
	for k := range q {
		if strings.Contains(strings.ToLower(k), "password") {
			return true
		}
	}
	return err != nil
}

// GoString is what %#v prints.
func (d DatabaseURL) GoString() string { return strconv.Quote(d.String()) }

// Format prints the same under every verb.
func (d DatabaseURL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// MarshalText is what encoders such as JSON print.
func (d DatabaseURL) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// LogValue is what slog prints.
func (d DatabaseURL) LogValue() slog.Value { return slog.StringValue(d.String()) }

// Duration is a span of whole seconds that knows days: 180m, 3h, 1d12h, 30d,
// or a bare number of seconds.
type Duration time.Duration

// Std gives it as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// units are the letters of a Duration, largest first.
var units = []struct {
	letter byte
	d      time.Duration
}{{'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}

var errNotDuration = errors.New("not a duration")

// ParseDuration reads digits with a unit (d, h, m, s), several of them from
// the largest to the smallest, or digits alone, which are seconds. There is
// no sign and no fraction.
func ParseDuration(s string) (Duration, error) {
	if s == "" {
		return 0, errNotDuration
	}
	if n, rest, err := leadingInt(s); err == nil && rest == "" {
		return addSpan(0, n, time.Second)
	}
	var sum Duration
	rest, smaller := s, 0
	for rest != "" {
		n, r, err := leadingInt(rest)
		if err != nil || r == "" {
			return 0, errNotDuration
		}
		i := smaller
		for i < len(units) && units[i].letter != r[0] {
			i++
		}
		if i == len(units) {
			return 0, errNotDuration
		}
		if sum, err = addSpan(sum, n, units[i].d); err != nil {
			return 0, err
		}
		rest, smaller = r[1:], i+1
	}
	return sum, nil
}

// leadingInt reads ASCII digits; strconv alone would take a sign.
func leadingInt(s string) (int64, string, error) {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	n, err := strconv.ParseInt(s[:i], 10, 64)
	return n, s[i:], err
}

func addSpan(sum Duration, n int64, unit time.Duration) (Duration, error) {
	if n > (math.MaxInt64-int64(sum))/int64(unit) {
		return 0, errNotDuration
	}
	return sum + Duration(n*int64(unit)), nil
}

// String gives the shortest form that ParseDuration reads as the same: 30d,
// 3h, 1d12h.
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	rest := time.Duration(d)
	for _, u := range units {
		if n := rest / u.d; n > 0 {
			fmt.Fprintf(&b, "%d%c", n, u.letter)
			rest %= u.d
		}
	}
	return b.String()
}

// MarshalText is what encoders such as JSON print.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
