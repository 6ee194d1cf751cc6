package django

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Text reads a value as text. It is false for what is none: NULL, bytes that
// are no UTF-8, a list, and what is longer than MaxValue.
func Text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, len(v) <= MaxValue && utf8.ValidString(v)
	case []byte:
		return string(v), len(v) <= MaxValue && utf8.Valid(v)
	case int64:
		return strconv.FormatInt(v, 10), true
	default:
		return "", false
	}
}

// Int reads a value as an integer: a number without a fraction, or its decimal
// spelling.
func Int(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case uint64:
		return int64(v), v <= math.MaxInt64
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	case string, []byte:
		s, ok := Text(v)
		n, err := strconv.ParseInt(s, 10, 64)
		return n, ok && err == nil
	default:
		return 0, false
	}
}

// Bool reads a value as a truth value: as such, or as 0 or 1.
func Bool(v any) (value, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case int64:
		return v == 1, v == 0 || v == 1
	case string, []byte:
		switch s, _ := Text(v); s {
		case "0", "false", "False", "f":
			return false, true
		case "1", "true", "True", "t":
			return true, true
		}
	}
	return false, false
}

// layouts are how Django and the engines spell times; fractions of seconds are
// understood in each.
var layouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07", "2006-01-02",
}

// The times that are believed: nobody had an account before, and what is later
// could not be told to Django any more.
var (
	earliest = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Time reads a value as a time; zone is that of spellings without one. The zero
// time and true for NULL.
func Time(v any, zone *time.Location) (time.Time, bool) {
	switch v := v.(type) {
	case nil:
		return time.Time{}, true
	case time.Time:
		return within(v)
	case string, []byte:
		s, ok := Text(v)
		if !ok || len(s) > 40 {
			return time.Time{}, false
		}
		for _, layout := range layouts {
			if t, err := time.ParseInLocation(layout, strings.TrimSpace(s), zone); err == nil {
				return within(t)
			}
		}
	}
	return time.Time{}, false
}

func within(t time.Time) (time.Time, bool) {
	if t.Before(earliest) || !t.Before(latest) {
		return time.Time{}, false
	}
	return t.UTC().Truncate(time.Microsecond), true
}
