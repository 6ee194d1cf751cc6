package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

var searchFacts = []fact{
	{"words", func(t *testing.T, s auth.Store) {
		people := map[string]auth.User{}
		for i, p := range []struct{ first, last, email string }{
			{"Zoë", "O'Neill-Smith", "zoe@example.com"},
			{"ANN", "Müller", "ann_b@sub.example.org"},
			{"Ivan", "Петров", "100%@example.com"},
			{"李", "小龙", "bruce.lee@x.cn"},
		} {
			n := newUser(i)
			n.FirstName, n.LastName, n.Email = p.first, p.last, auth.Email{Shown: p.email, Key: strings.ToLower(p.email)}
			update(t, s, func(tx auth.Tx) error {
				u, err := tx.InsertUser(t.Context(), n, Now)
				people[p.email] = u
				return err
			})
		}
		for text, want := range map[string][]string{
			"":             {"zoe@example.com", "ann_b@sub.example.org", "100%@example.com", "bruce.lee@x.cn"},
			"  ":           {"zoe@example.com", "ann_b@sub.example.org", "100%@example.com", "bruce.lee@x.cn"},
			"zoe":          {"zoe@example.com"},
			"ZOË":          {"zoe@example.com"},
			"smi":          {"zoe@example.com"},
			"mith":         nil, // no beginning of a word
			"o neil":       {"zoe@example.com"},
			"mull":         {"ann_b@sub.example.org"},
			"müll":         {"ann_b@sub.example.org"},
			"ПЕТ":          {"100%@example.com"},
			"李":            {"bruce.lee@x.cn"},
			"lee bruce":    {"bruce.lee@x.cn"},
			"lee zoe":      nil,
			"example":      {"zoe@example.com", "ann_b@sub.example.org", "100%@example.com"},
			"zoe@exam":     {"zoe@example.com"},
			"%":            nil, // a letter like others
			"100%":         {"100%@example.com"},
			"1%":           nil,
			"ann_":         {"ann_b@sub.example.org"},
			"annb":         nil,
			"_":            nil,
			"'; --":        nil,
			"\\":           nil,
			"a b c d e f":  nil,
			"\xff\xfezoe":  {"zoe@example.com"},
			"z zo zoe zoë": {"zoe@example.com"},
		} {
			got, err := s.Read().SearchUsers(t.Context(), auth.UserSearch{Text: text, Order: auth.OrderID, Limit: 10})
			var found []string
			for _, u := range got.Users {
				found = append(found, u.Email)
			}
			if diff := gocmp.Diff(want, found); err != nil || diff != "" || got.Count != int64(len(want)) || !got.Exact {
				t.Errorf("%q: %v, count %d, exact %v (-want +got):\n%s", text, err, got.Count, got.Exact, diff)
			}
		}

		// The words follow what changes, and go with the user.
		ann := people["ann_b@sub.example.org"]
		finds := func(text string, want int64) {
			t.Helper()
			got, err := s.Read().SearchUsers(t.Context(), auth.UserSearch{
				Text: text, Role: ptr(auth.RoleClient), IsActive: ptr(false), Order: auth.OrderName, Limit: 10,
			})
			if err != nil || got.Count != want {
				t.Errorf("%q among inactive clients: %d, %v; want %d", text, got.Count, err, want)
			}
		}
		finds("mul", 0)
		changeUser(t, s, ann.ID, auth.UserChange{Role: ptr(auth.RoleClient)})
		finds("mul", 0)
		changeUser(t, s, ann.ID, auth.UserChange{IsActive: ptr(false)})
		finds("mul", 1)
		changeUser(t, s, ann.ID, auth.UserChange{LastName: ptr("Meyer"), Email: &auth.Email{Shown: "new@Example.net", Key: "new@example.net"}})
		finds("mul", 0)
		finds("meyer new example.net", 1)
		update(t, s, func(tx auth.Tx) error {
			_, err := tx.DeleteUser(t.Context(), ann.ID)
			return err
		})
		finds("mey", 0)
	}},
	{"pages", func(t *testing.T, s auth.Store) {
		// As good as any order: each is a walk through its numbers by another step.
		mixed := func(i, step, n int) int { return i * step % 61 % n }
		var all []auth.User
		const n = 60
		for i := range n {
			u := newUser(i)
			u.FirstName, u.LastName = []string{"ada", "Bob", "Émil"}[mixed(i, 17, 3)], []string{"one", "Two", "öre"}[mixed(i, 23, 3)]
			u.Role = auth.Roles()[mixed(i, 29, 4)]
			u.IsActive = mixed(i, 31, 3) > 0
			var made auth.User
			update(t, s, func(tx auth.Tx) error {
				var err error
				made, err = tx.InsertUser(t.Context(), u, Now.Add(time.Duration(mixed(i, 37, 20))*time.Hour))
				return err
			})
			if made.IsActive && mixed(i, 41, 2) == 0 {
				o := opening(made, i)
				o.Now = Now.Add(time.Duration(mixed(i, 43, 9)) * time.Minute)
				if got, err := s.OpenSession(t.Context(), o); err != nil || !got.OK {
					t.Fatalf("OpenSession: %+v, %v", got, err)
				}
				made, _ = s.Read().UserByID(t.Context(), made.ID)
			}
			all = append(all, made)
		}
		name := func(u auth.User) string {
			return strings.NewReplacer("É", "e", "ö", "o").Replace(u.LastName) + " " + strings.NewReplacer("É", "e").Replace(u.FirstName)
		}
		before := map[auth.UserOrder]func(a, b auth.User) int{
			auth.OrderID:        func(a, b auth.User) int { return 0 },
			auth.OrderEmail:     func(a, b auth.User) int { return strings.Compare(a.EmailKey, b.EmailKey) },
			auth.OrderName:      func(a, b auth.User) int { return strings.Compare(strings.ToLower(name(a)), strings.ToLower(name(b))) },
			auth.OrderCreated:   func(a, b auth.User) int { return a.CreatedAt.Compare(b.CreatedAt) },
			auth.OrderLastLogin: func(a, b auth.User) int { return a.LastLogin.Compare(b.LastLogin) },
		}
		for _, order := range auth.UserOrders() {
			for _, down := range []bool{false, true} {
				for _, f := range []auth.UserSearch{
					{},
					{Role: ptr(auth.RoleManager)},
					{IsActive: ptr(false)},
					{IsActive: ptr(true), Role: ptr(auth.RoleClient)},
					{Text: "o"},
					{Text: "o a"},
					{Text: "e", Role: ptr(auth.RoleAdmin), IsActive: ptr(true)},
				} {
					var want []int64
					sorted := slices.Clone(all)
					slices.SortFunc(sorted, func(a, b auth.User) int {
						c := cmp.Or(before[order](a, b), cmp.Compare(a.ID, b.ID))
						if down {
							c = -c
						}
						return c
					})
					for _, u := range sorted {
						hit := (f.Role == nil || *f.Role == u.Role) && (f.IsActive == nil || *f.IsActive == u.IsActive)
						for _, w := range strings.Fields(f.Text) {
							some := false
							for _, part := range strings.FieldsFunc(strings.ToLower(name(u)+" "+u.Email), func(r rune) bool { return strings.ContainsRune(" @.", r) }) {
								some = some || strings.HasPrefix(part, w)
							}
							hit = hit && some
						}
						if hit {
							want = append(want, u.ID)
						}
					}
					f.Order, f.Descending, f.Limit = order, down, 7
					what := fmt.Sprintf("by %s, down %v, %q, %v, %v", order, down, f.Text, f.Role, f.IsActive)
					walkPages(t, s, what, f, want)
				}
			}
		}
	}},
	{"unknown_order", func(t *testing.T, s auth.Store) {
		if _, err := s.Read().SearchUsers(t.Context(), auth.UserSearch{Order: "password", Limit: 1}); err == nil {
			t.Error("users come in the order of what no order is")
		}
	}},
	{"index_again", func(t *testing.T, s auth.Store) {
		for i := range 3 {
			insertUser(t, s, i)
		}
		// All have their words since they were made.
		update(t, s, func(tx auth.Tx) error {
			if n, err := tx.IndexUsers(t.Context(), 10); n != 0 || err != nil {
				t.Errorf("IndexUsers = %d, %v", n, err)
			}
			return nil
		})
	}},
	{"email_change", func(t *testing.T, s auth.Store) {
		u, other := insertUser(t, s, 1), insertUser(t, s, 2)
		to := auth.Email{Shown: "New@x.org", Key: "new@x.org"}
		got := changeUser(t, s, u.ID, auth.UserChange{Email: &to})
		if got.Email != to.Shown || got.EmailKey != to.Key {
			t.Errorf("UpdateUser = %q, %q", got.Email, got.EmailKey)
		}
		if found, err := s.Read().UserByEmail(t.Context(), to.Key); err != nil || found.ID != u.ID {
			t.Errorf("UserByEmail = %d, %v", found.ID, err)
		}
		err := s.Update(t.Context(), func(tx auth.Tx) error {
			_, err := tx.UpdateUser(t.Context(), other.ID, auth.UserChange{Email: &to}, Now)
			return err
		})
		wantErr(t, "UpdateUser to an address that is taken", err, auth.ErrEmailTaken)
	}},
	{"count_admins", func(t *testing.T, s auth.Store) {
		for i := range 4 {
			u := insertUser(t, s, i)
			if i > 0 {
				changeUser(t, s, u.ID, auth.UserChange{Role: ptr(auth.RoleAdmin), IsActive: ptr(i < 3)})
			}
		}
		for limit, want := range map[int]int{1: 1, 2: 2, 5: 2} {
			if n, err := s.Read().CountAdmins(t.Context(), limit); n != want || err != nil {
				t.Errorf("CountAdmins(%d) = %d, %v; want %d", limit, n, err, want)
			}
		}
	}},
	{"lock_admins", func(t *testing.T, s auth.Store) {
		// Each counts and takes one away if there are two: one must remain.
		var ids []int64
		for i := range 8 {
			u := insertUser(t, s, i)
			changeUser(t, s, u.ID, auth.UserChange{Role: ptr(auth.RoleAdmin)})
			ids = append(ids, u.ID)
		}
		if err := atOnce(len(ids), func(i int) error {
			return s.Update(t.Context(), func(tx auth.Tx) error {
				if err := tx.LockAdmins(t.Context()); err != nil {
					return err
				}
				n, err := tx.CountAdmins(t.Context(), 2)
				if err != nil || n < 2 {
					return err
				}
				_, err = tx.UpdateUser(t.Context(), ids[i], auth.UserChange{Role: ptr(auth.RoleClient)}, Now)
				return err
			})
		}); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Read().CountAdmins(t.Context(), 9); n != 1 || err != nil {
			t.Errorf("%d administrators remain, %v", n, err)
		}
	}},
}

// walkPages goes through all pages to the end and back again.
func walkPages(t *testing.T, s auth.Store, what string, f auth.UserSearch, want []int64) {
	t.Helper()
	var got []int64
	var pages [][]int64
	var last auth.UserPage
	for {
		page, err := s.Read().SearchUsers(t.Context(), f)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if page.Count != int64(len(want)) || !page.Exact {
			t.Errorf("%s: count %d, exact %v; want %d", what, page.Count, page.Exact, len(want))
		}
		if (page.First == nil) != (len(pages) == 0) {
			t.Errorf("%s: page %d has something before it: %v", what, len(pages), page.First != nil)
		}
		var ids []int64
		for _, u := range page.Users {
			ids = append(ids, u.ID)
		}
		got, last = append(got, ids...), page
		pages = append(pages, ids)
		if page.Last == nil || len(pages) > 20 {
			break
		}
		f.From = page.Last
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
	f.Backwards = true
	for i := len(pages) - 2; i >= 0; i-- {
		f.From = last.First
		page, err := s.Read().SearchUsers(t.Context(), f)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		var ids []int64
		for _, u := range page.Users {
			ids = append(ids, u.ID)
		}
		if diff := gocmp.Diff(pages[i], ids); diff != "" || page.Last == nil || (page.First == nil) != (i == 0) {
			t.Fatalf("%s: back on page %d, before %v, after %v (-want +got):\n%s", what, i, page.First, page.Last, diff)
		}
		last = page
	}
}

var linkFacts = []fact{
	{"spend", func(t *testing.T, s auth.Store) {
		l := auth.Link{Hash: "h1", Kind: auth.LinkReset, UserID: 3, CreatedAt: Now, Expires: Now.Add(time.Hour)}
		insert := func(l auth.Link) {
			t.Helper()
			update(t, s, func(tx auth.Tx) error { return tx.InsertLink(t.Context(), l) })
		}
		insert(l)
		if got, err := s.Read().LinkByHash(t.Context(), auth.LinkReset, "h1", Now); err != nil || got != l {
			t.Errorf("LinkByHash = %+v, %v", got, err)
		}
		for name, q := range map[string]struct {
			kind auth.LinkKind
			hash string
			at   time.Time
		}{"kind": {auth.LinkSetup, "h1", Now}, "hash": {auth.LinkReset, "h", Now}, "time": {auth.LinkReset, "h1", Now.Add(time.Hour)}} {
			_, err := s.Read().LinkByHash(t.Context(), q.kind, q.hash, q.at)
			wantErr(t, "LinkByHash of another "+name, err, auth.ErrNotFound)
			err = s.Update(t.Context(), func(tx auth.Tx) error {
				_, err := tx.SpendLink(t.Context(), q.kind, q.hash, q.at)
				return err
			})
			wantErr(t, "SpendLink of another "+name, err, auth.ErrNotFound)
		}
		won := make([]bool, 20)
		if err := atOnce(len(won), func(i int) error {
			err := s.Update(t.Context(), func(tx auth.Tx) error {
				won[i] = false
				got, err := tx.SpendLink(t.Context(), auth.LinkReset, "h1", Now)
				won[i] = err == nil && got == l
				return err
			})
			if errors.Is(err, auth.ErrNotFound) {
				return nil
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, w := range won {
			if w {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d have spent one link", n)
		}

		// A user's links of one kind go together; others stay.
		insert(l)
		insert(auth.Link{Hash: "h2", Kind: auth.LinkReset, UserID: 3, CreatedAt: Now, Expires: Now.Add(time.Hour)})
		insert(auth.Link{Hash: "h3", Kind: auth.LinkReset, UserID: 4, CreatedAt: Now, Expires: Now.Add(time.Hour)})
		update(t, s, func(tx auth.Tx) error { return tx.DropLinks(t.Context(), auth.LinkReset, 3) })
		for hash, there := range map[string]bool{"h1": false, "h2": false, "h3": true} {
			if _, err := s.Read().LinkByHash(t.Context(), auth.LinkReset, hash, Now); (err == nil) != there {
				t.Errorf("link %s: %v", hash, err)
			}
		}
		// What has expired is swept.
		update(t, s, func(tx auth.Tx) error {
			gone, _, err := tx.Sweep(t.Context(), Now.Add(2*time.Hour), Now, "", 10)
			if gone != 1 {
				t.Errorf("%d rows were swept", gone)
			}
			return err
		})
	}},
	{"service_keys", func(t *testing.T, s auth.Store) {
		var all []auth.ServiceKey
		for i := range 3 {
			k := auth.ServiceKey{
				ID: fmt.Sprint("id", i), Name: "reports", Scope: auth.ScopeRevocations, Hash: fmt.Sprint("hash", i),
				CreatedAt: Now.Add(time.Duration(i) * time.Minute),
			}
			update(t, s, func(tx auth.Tx) error { return tx.InsertServiceKey(t.Context(), k) })
			all = append(all, k)
		}
		got, err := s.Read().ServiceKeys(t.Context())
		if diff := gocmp.Diff(all, got); err != nil || diff != "" {
			t.Errorf("ServiceKeys: %v (-want +got):\n%s", err, diff)
		}
		revoke := func(id string) (k auth.ServiceKey, err error) {
			err = s.Update(t.Context(), func(tx auth.Tx) error {
				k, err = tx.RevokeServiceKey(t.Context(), id, Now)
				return err
			})
			return k, err
		}
		if k, err := revoke("id1"); err != nil || k.Name != "reports" || !k.RevokedAt.Equal(Now) {
			t.Errorf("RevokeServiceKey = %+v, %v", k, err)
		}
		_, err = revoke("id1")
		wantErr(t, "RevokeServiceKey again", err, auth.ErrNotFound)
		_, err = s.Read().ServiceKeyByHash(t.Context(), "hash1")
		wantErr(t, "ServiceKeyByHash of a revoked one", err, auth.ErrNotFound)
		if k, err := s.Read().ServiceKeyByHash(t.Context(), "hash2"); err != nil || k != all[2] {
			t.Errorf("ServiceKeyByHash = %+v, %v", k, err)
		}
	}},
}

var auditFacts = []fact{
	{"filter_and_page", func(t *testing.T, s auth.Store) {
		ann, bob := insertUser(t, s, 1), insertUser(t, s, 2)
		kinds := []auth.EventKind{auth.EventLoggedIn, auth.EventUserChanged, auth.EventLoggedOut}
		var all []auth.AuditEvent // the newest first
		for i := range 30 {
			e := auth.Event{
				At: Now.Add(time.Duration(i/3) * time.Minute), Kind: kinds[i%3], UserID: []int64{ann.ID, bob.ID, 0, 4711}[i%4],
				ActorID: []int64{0, ann.ID}[i%2], Client: client, Count: 1, Detail: fmt.Sprint(i),
			}
			if e.Kind == auth.EventUserChanged {
				e.Changes = []auth.Change{{Field: "phone", Before: `"1"`, After: "2\x00\n"[:1] + "😀"}, {Field: "email", Before: "", After: "<b>"}}
			}
			update(t, s, func(tx auth.Tx) error { return tx.InsertEvent(t.Context(), e) })
			emails := map[int64]string{ann.ID: ann.Email, bob.ID: bob.Email}
			all = append(all, auth.AuditEvent{Event: e, UserEmail: emails[e.UserID], ActorEmail: emails[e.ActorID]})
		}
		slices.Reverse(all)
		for name, f := range map[string]auth.AuditFilter{
			"all": {}, "user": {UserID: ann.ID}, "kind": {Kind: auth.EventUserChanged}, "user and kind": {UserID: bob.ID, Kind: auth.EventLoggedIn},
			"time": {Since: Now.Add(2 * time.Minute), Until: Now.Add(5 * time.Minute)}, "since": {Since: Now.Add(8 * time.Minute), Kind: auth.EventLoggedOut},
			"until": {Until: Now.Add(time.Minute), UserID: ann.ID}, "nobody's": {UserID: 12},
		} {
			var want, got []auth.AuditEvent
			for _, e := range all {
				if (f.UserID == 0 || f.UserID == e.UserID) && (f.Kind == "" || f.Kind == e.Kind) &&
					!e.At.Before(f.Since) && (f.Until.IsZero() || e.At.Before(f.Until)) {
					want = append(want, e)
				}
			}
			f.Limit = 4
			for {
				page, err := s.Read().Audit(t.Context(), f)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range page {
					f.After = &auth.AuditPlace{At: e.At, ID: e.ID}
					e.ID = 0
					got = append(got, e)
				}
				if len(page) < f.Limit {
					break
				}
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}},
	{"own_only", func(t *testing.T, s auth.Store) {
		for i, actor := range []int64{0, 1, 2} {
			update(t, s, func(tx auth.Tx) error {
				return tx.InsertEvent(t.Context(), auth.Event{At: Now, Kind: auth.EventLoggedOut, UserID: 1, ActorID: actor, Detail: fmt.Sprint(i)})
			})
		}
		for own, want := range map[bool]int{false: 3, true: 2} {
			got, err := s.Read().Events(t.Context(), auth.EventFilter{UserID: 1, Own: own})
			if err != nil || len(got) != want {
				t.Errorf("own %v: %d events, %v; want %d", own, len(got), err, want)
			}
		}
	}},
	{"counts", func(t *testing.T, s auth.Store) {
		hour := Now.Truncate(time.Hour)
		for _, e := range []struct {
			kind auth.EventKind
			at   time.Time
			n    int64
		}{
			{auth.EventLoggedIn, hour.Add(-time.Second), 1},
			{auth.EventLoggedIn, hour, 1},
			{auth.EventLoggedIn, hour.Add(59 * time.Minute), 1},
			{auth.EventLoginFailed, hour.Add(3 * time.Hour), 40},
			{auth.EventLoggedOut, hour, 1},
			{auth.EventLoggedIn, hour.Add(-2 * time.Hour), 1},
		} {
			update(t, s, func(tx auth.Tx) error {
				return tx.InsertEvent(t.Context(), auth.Event{At: e.at, Kind: e.kind, UserID: 1, Count: e.n})
			})
		}
		got, err := s.Read().CountEvents(t.Context(), hour.Add(-time.Hour), time.Hour, auth.EventLoggedIn, auth.EventLoginFailed)
		want := []auth.Count{
			{Kind: auth.EventLoggedIn, At: hour.Add(-time.Hour), N: 1},
			{Kind: auth.EventLoggedIn, At: hour, N: 2},
			{Kind: auth.EventLoginFailed, At: hour.Add(3 * time.Hour), N: 40},
		}
		if diff := gocmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("CountEvents: %v (-want +got):\n%s", err, diff)
		}
		last := auth.Sample{At: hour, LiveSessions: 6}
		for _, sample := range []auth.Sample{{At: hour, LiveSessions: 5}, last, {At: hour.Add(-time.Hour), LiveSessions: 1}} {
			update(t, s, func(tx auth.Tx) error { return tx.InsertSample(t.Context(), sample) })
		}
		samples, err := s.Read().Samples(t.Context(), hour)
		if diff := gocmp.Diff([]auth.Sample{last}, samples); err != nil || diff != "" {
			t.Errorf("Samples: %v (-want +got):\n%s", err, diff)
		}
	}},
	{"describe", func(t *testing.T, s auth.Store) {
		d, err := s.Describe(context.Background())
		if err != nil || d.Engine == "" || d.Version == "" || d.Size <= 0 || d.Schema < 2 {
			t.Errorf("Describe = %+v, %v", d, err)
		}
	}},
}
