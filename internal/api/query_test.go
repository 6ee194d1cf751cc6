package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// seal is a Sealer with a key of the test's.
type seal struct{}

func (seal) MAC(label string, data []byte) []byte {
	h := hmac.New(sha256.New, []byte("a key of the test's"))
	h.Write([]byte(label + "\x00"))
	h.Write(data)
	return h.Sum(nil)
}

func (s seal) CheckMAC(label string, data, mac []byte) bool {
	return hmac.Equal(s.MAC(label, data), mac)
}

// FuzzCursor: what was sealed is opened again as it was, for its own list and
// for no other, and nothing else is opened at all.
//
// LESSON 34
// ROW 12
func FuzzCursor(f *testing.F) {
	a := &API{Options: Options{Sealer: seal{}}}
	f.Add("users ", "Lovelace Ada", int64(12), true, "")
	f.Add("audit 7\x00", "\xff\x00é", int64(-1), false, a.sealCursor("users ", false, "a", 1, 2))
	f.Add("", "", int64(0), false, base64.RawURLEncoding.EncodeToString(make([]byte, 40)))
	f.Add("", "", int64(1<<62), true, base64.RawURLEncoding.EncodeToString(append(seal{}.MAC("cursor ", []byte(`[1]`)), `[1]`...)))
	f.Add("", "'; DROP TABLE users; --", int64(1), true, "../../etc/passwd")
	f.Fuzz(func(t *testing.T, scope, text string, id int64, backwards bool, foreign string) {
		var gotText string
		var gotID int64
		if sealed := a.sealCursor(scope, backwards, text, id); len(sealed) <= 2048 {
			back, err := a.openCursor(scope, sealed, &gotText, &gotID)
			// JSON has no other bytes than UTF-8's; names in the store have none.
			if err != nil || back != backwards || gotID != id || utf8.ValidString(text) && gotText != text {
				t.Fatalf("sealed %q %d %v, opened %q %d %v, %v", text, id, backwards, gotText, gotID, back, err)
			}
			if _, err := a.openCursor(scope+"x", sealed, &gotText, &gotID); !errors.Is(err, errBadCursor) {
				t.Fatalf("opened for another list: %v", err)
			}
			for _, other := range []string{sealed[1:], sealed[:len(sealed)-1], sealed + "A", "A" + sealed, strings.ToUpper(sealed)} {
				if _, err := a.openCursor(scope, other, &gotText, &gotID); other != sealed && !errors.Is(err, errBadCursor) {
					t.Fatalf("opened what was not sealed: %v", err)
				}
			}
		}
		if _, err := a.openCursor(scope, foreign, &gotText, &gotID); err != nil {
			if !errors.Is(err, errBadCursor) {
				t.Fatalf("%q: %v", foreign, err)
			}
		} else if again := a.sealCursor(scope, false, gotText, gotID); foreign != again && foreign != a.sealCursor(scope, true, gotText, gotID) {
			t.Fatalf("opened %q, which was not sealed here", foreign)
		}
	})
}

// FuzzQuery reads any query as those of the lists are read: what is wrong is a
// problem of its parameter, and what passes is within its bounds.
//
// ROW 12
func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		"", "search=ada&role=client&is_active=true&ordering=-name&page_size=10", "user=7&event=logged_in&since=2026-01-01T00:00:00Z&until=x",
		"page_size=0&user=-1", "page_size=99999999999999999999", "search=%00", "search=%ff", "%zz=1", "a=b;c=d", "role=ADMIN&role=client", "is_active=1", "ordering=;--",
		"since=0000-01-01T00:00:00Z", "until=9999-12-31T23:59:59.999999999%2B14:00", "search=" + strings.Repeat("é", 200),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		query, _ := url.ParseQuery(raw) // as r.URL.Query does, which drops what it cannot read
		search, problems := userSearch(query)
		limit := queryNumber(query, "page_size", defaultUsers, maxUsers, &problems)
		if problems.Err() == nil {
			switch {
			case limit < 1 || limit > maxUsers:
				t.Fatalf("%q: a page of %d", raw, limit)
			case strings.Contains(search.Text, "\x00") || len([]rune(search.Text)) > maxSearch:
				t.Fatalf("%q: searches %q", raw, search.Text)
			}
		}
		filter, problems := auditFilter(query)
		if problems.Err() == nil {
			known := filter.Kind == ""
			for _, k := range auth.EventKinds() {
				known = known || k == filter.Kind
			}
			if !known || filter.UserID < 0 {
				t.Fatalf("%q: %+v", raw, filter)
			}
		}
		for _, p := range problems {
			if p.Field == "" || len(p.Problems) == 0 || ProblemText(p.Problems[0]) == "" {
				t.Fatalf("%q: a problem that says nothing: %+v", raw, p)
			}
		}
	})
}
