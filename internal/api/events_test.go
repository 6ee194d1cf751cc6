package api_test

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/api"
	"github.com/latchkey-auth/latchkey/internal/auth"
)

// TestEvents says how what happened is told to whom it happened. From where an
// administrator acted is not told.
func TestEvents(t *testing.T) {
	t.Parallel()
	office := auth.Client{Address: "198.51.100.9", UserAgent: edge}
	for _, c := range []struct {
		event auth.Event
		want  string
	}{
		{
			auth.Event{ID: 124, At: noon.Add(-1500 * time.Microsecond), Kind: auth.EventLoggedIn, UserID: 7, ActorID: 7, SessionID: sid, Client: auth.Client{Address: "192.0.2.1", UserAgent: firefox}, Count: 1},
			`{"id":124,"event":"logged_in","at":"2026-11-23T11:59:59.998500Z","actor":"self","device":"Firefox on Linux","browser":"Firefox","os":"Linux","address":"192.0.2.1","count":1,"detail":""}`,
		},
		{
			auth.Event{ID: 3, At: noon, Kind: auth.EventRoleChanged, UserID: 7, ActorID: 1, Client: office, Count: 1, Detail: "employee -> manager"},
			`{"id":3,"event":"role_changed","at":"2026-11-23T12:00:00Z","actor":"administrator","device":"","browser":"","os":"","address":"","count":1,"detail":"employee -> manager"}`,
		},
		{
			auth.Event{ID: 2, At: noon, Kind: auth.EventLoginFailed, UserID: 7, Client: auth.Client{Address: "203.0.113.5"}, Count: 12},
			`{"id":2,"event":"login_failed","at":"2026-11-23T12:00:00Z","actor":"system","device":"","browser":"","os":"","address":"203.0.113.5","count":12,"detail":""}`,
		},
		{
			auth.Event{ID: 1, At: noon, Kind: auth.EventProfileChanged, UserID: 7, ActorID: 7, Client: office, Count: 1, Detail: `"<b>` + "\n"},
			`{"id":1,"event":"profile_changed","at":"2026-11-23T12:00:00Z","actor":"self","device":"Edge on Windows","browser":"Edge","os":"Windows","address":"198.51.100.9","count":1,"detail":"\"<b>\n"}`,
		},
	} {
		h := serve(&acts{events: func(int64, int) []auth.Event { return []auth.Event{c.event} }})
		w := do(t, h, request("GET /api/auth/events/\nAuthorization: Bearer good"))
		expect(t, w, 200, `{"next":null,"results":[`+c.want+`]}`)
		if c.event.ActorID == 1 && (strings.Contains(w.Body.String(), office.Address) || strings.Contains(w.Body.String(), "Edge")) {
			t.Errorf("an administrator's address or device: %s", w.Body)
		}
	}
	expect(t, do(t, serve(&acts{}), request("GET /api/auth/events\nCookie: latchkey_access=good")), 200, `{"next":null,"results":[]}`)
}

// trail is n events, and what Events answers of them.
func trail(n int64) func(before int64, limit int) []auth.Event {
	return func(before int64, limit int) []auth.Event {
		var page []auth.Event
		for id := n; id > 0 && len(page) < limit; id-- {
			if before == 0 || id < before {
				page = append(page, auth.Event{ID: id, At: noon, Kind: auth.EventLoggedIn, UserID: 7, ActorID: 7, Count: 1})
			}
		}
		return page
	}
}

// TestEventPages says what a page is, and where the next one is.
func TestEventPages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, query   string
		events        int64
		change        func(*api.Options)
		tls           bool
		first, n      int // the first id and how many
		next          string
		before, limit int64 // what the act is asked for
	}{
		{"all of them", "", 50, nil, false, 50, 50, "null", 0, 51},
		{"one too many", "", 51, nil, false, 51, 50, `"http://example.com/api/auth/events/?limit=50&before=2"`, 0, 51},
		{"the rest", "?limit=50&before=2", 51, nil, false, 1, 1, "null", 2, 51},
		{"few at a time", "?limit=1", 3, nil, false, 3, 1, `"http://example.com/api/auth/events/?limit=1&before=3"`, 0, 2},
		{"as many as there are", "?limit=3", 3, nil, false, 3, 3, "null", 0, 4},
		{"the most", "?limit=100", 101, nil, false, 101, 100, `"http://example.com/api/auth/events/?limit=100&before=2"`, 0, 101},
		{"before all", "?before=1", 3, nil, false, 0, 0, "null", 1, 51},
		{"what is not known is not carried on", "?limit=1&x=1&before=3", 3, nil, false, 2, 1, `"http://example.com/api/auth/events/?limit=1&before=2"`, 3, 2},
		{"over TLS", "?limit=1", 3, nil, true, 3, 1, `"https://example.com/api/auth/events/?limit=1&before=3"`, 0, 2},
		{"with public_url", "?limit=1", 3, func(o *api.Options) { o.PublicURL = "https://auth.example.net" }, false, 3, 1, `"https://auth.example.net/api/auth/events/?limit=1&before=3"`, 0, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			change := c.change
			if change == nil {
				change = func(*api.Options) {}
			}
			all := trail(c.events)
			h := serve(&acts{events: func(before int64, limit int) []auth.Event {
				if before != c.before || int64(limit) != c.limit {
					t.Errorf("asked for %d before %d, want %d before %d", limit, before, c.limit, c.before)
				}
				return all(before, limit)
			}}, change)
			r := request("GET /api/auth/events/" + c.query + "\nAuthorization: Bearer good")
			if c.tls {
				r.TLS = new(tls.ConnectionState)
			}
			var results []string
			for id := c.first; id > c.first-c.n; id-- {
				results = append(results, fmt.Sprintf(`{"id":%d,"event":"logged_in","at":"2026-11-23T12:00:00Z","actor":"self","device":"","browser":"","os":"","address":"","count":1,"detail":""}`, id))
			}
			expect(t, do(t, h, r), 200, `{"next":`+c.next+`,"results":[`+strings.Join(results, ",")+`]}`)
		})
	}
}

// TestEventNumbers says which limit and before are none. The words are DRF's.
func TestEventNumbers(t *testing.T) {
	t.Parallel()
	const (
		noNumber = "A valid integer is required."
		small    = "Ensure this value is greater than or equal to 1."
		large    = "Ensure this value is less than or equal to 100."
	)
	h := serve(&acts{events: func(int64, int) []auth.Event { t.Error("the act is called"); return nil }})
	for query, want := range map[string]string{
		"limit=x": `{"limit":["` + noNumber + `"]}`, "limit=": `{"limit":["` + noNumber + `"]}`, "limit": `{"limit":["` + noNumber + `"]}`,
		"limit=1.5": `{"limit":["` + noNumber + `"]}`, "limit=1_0": `{"limit":["` + noNumber + `"]}`, "limit=0x10": `{"limit":["` + noNumber + `"]}`,
		"limit=%201": `{"limit":["` + noNumber + `"]}`, "limit=%D9%A1": `{"limit":["` + noNumber + `"]}`,
		"limit=0": `{"limit":["` + small + `"]}`, "limit=-1": `{"limit":["` + small + `"]}`,
		"limit=101": `{"limit":["` + large + `"]}`, "limit=9223372036854775807": `{"limit":["` + large + `"]}`,
		"limit=9223372036854775808": `{"limit":["` + noNumber + `"]}`,
		"limit=0&limit=5":           `{"limit":["` + small + `"]}`,
		"before=x":                  `{"before":["` + noNumber + `"]}`, "before=0": `{"before":["` + small + `"]}`, "before=-9": `{"before":["` + small + `"]}`,
		"before=99999999999999999999": `{"before":["` + noNumber + `"]}`,
		"before=x&limit=0":            `{"limit":["` + small + `"],"before":["` + noNumber + `"]}`,
	} {
		expect(t, do(t, h, request("GET /api/auth/events/?"+query+"\nAuthorization: Bearer good")), 400, want)
	}
	// Who asks comes before what for.
	expect(t, do(t, h, request("GET /api/auth/events/?limit=x")), 401, noToken)
	// A before beyond every id is the first page.
	h = serve(&acts{events: trail(1)})
	if w := do(t, h, request("GET /api/auth/events/?before=9223372036854775807\nAuthorization: Bearer good")); w.Code != 200 || !strings.Contains(w.Body.String(), `"id":1,`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
