package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

var keyFacts = []fact{
	{"insert_if_absent", func(t *testing.T, s auth.Store) {
		k := auth.Key{
			ID: "k1", Algorithm: "HS256", State: auth.KeySigning, Secret: []byte{0, 1, 0xff}, Sealed: true,
			Fingerprint: "f", CreatedAt: Now, SignsAt: Now.Add(time.Minute), Lifetime: 72 * time.Hour,
		}
		other := k
		other.Secret, other.Fingerprint = []byte("other"), "o"
		outside := auth.Key{ID: "k2", Algorithm: "HS256", State: auth.KeyRetired, CreatedAt: Now.Add(time.Second)}
		var got [3]auth.Key
		update(t, s, func(tx auth.Tx) error {
			for i, insert := range []auth.Key{k, other, outside} {
				var err error
				if got[i], err = tx.InsertKey(t.Context(), insert); err != nil {
					return err
				}
			}
			return nil
		})
		if diff := cmp.Diff([3]auth.Key{k, k, outside}, got); diff != "" {
			t.Errorf("InsertKey (-want +got):\n%s", diff)
		}
		all, err := s.Read().Keys(t.Context())
		if diff := cmp.Diff([]auth.Key{k, outside}, all); err != nil || diff != "" {
			t.Errorf("Keys: %v (-want +got):\n%s", err, diff)
		}
	}},
	{"insert_at_once", func(t *testing.T, s auth.Store) {
		const n = 8
		got := make([]auth.Key, n)
		err := atOnce(n, func(i int) error {
			return s.Update(t.Context(), func(tx auth.Tx) (err error) {
				got[i], err = tx.InsertKey(t.Context(), auth.Key{
					ID: "k", Algorithm: "HS256", State: auth.KeySigning, Secret: []byte{byte(i)}, CreatedAt: Now,
				})
				return err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range got {
			if diff := cmp.Diff(got[0], k); diff != "" {
				t.Errorf("two nodes have two keys (-a +b):\n%s", diff)
			}
		}
	}},
	{"update", func(t *testing.T, s auth.Store) {
		k := auth.Key{
			ID: "k", Algorithm: "HS256", State: auth.KeySigning, Secret: []byte("plain"), Fingerprint: "f", CreatedAt: Now,
		}
		update(t, s, func(tx auth.Tx) error {
			if err := tx.LockKeys(t.Context()); err != nil {
				return err
			}
			if _, err := tx.InsertKey(t.Context(), k); err != nil {
				return err
			}
			k.State, k.Secret, k.Sealed, k.RetiredAt, k.AcceptUntil = auth.KeyRetired, []byte("sealed"), true, Now, Now.Add(time.Hour)
			k.SignsAt, k.Lifetime = Now.Add(-time.Hour), time.Hour
			return tx.UpdateKey(t.Context(), k)
		})
		all, err := s.Read().Keys(t.Context())
		if diff := cmp.Diff([]auth.Key{k}, all); err != nil || diff != "" {
			t.Errorf("Keys: %v (-want +got):\n%s", err, diff)
		}
		err = s.Update(t.Context(), func(tx auth.Tx) error {
			return tx.UpdateKey(t.Context(), auth.Key{ID: "none", State: auth.KeyRetired})
		})
		wantErr(t, "UpdateKey", err, auth.ErrNotFound)
	}},
	{"lock", func(t *testing.T, s auth.Store) {
		// Read and write under the lock: nobody's write is lost.
		update(t, s, func(tx auth.Tx) error {
			_, err := tx.InsertKey(t.Context(), auth.Key{ID: "k", Algorithm: "0", State: auth.KeySigning, CreatedAt: Now, Secret: []byte{0}})
			return err
		})
		const n = 16
		err := atOnce(n, func(int) error {
			return s.Update(t.Context(), func(tx auth.Tx) error {
				if err := tx.LockKeys(t.Context()); err != nil {
					return err
				}
				all, err := tx.Keys(t.Context())
				if err != nil {
					return err
				}
				all[0].Secret[0]++
				return tx.UpdateKey(t.Context(), all[0])
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		all, err := s.Read().Keys(t.Context())
		if err != nil || len(all) != 1 || all[0].Secret[0] != n {
			t.Errorf("Keys = %+v, %v; want %d changes", all, err, n)
		}
	}},
}

var eventFacts = []fact{
	{"insert_and_list", func(t *testing.T, s auth.Store) {
		var want []auth.Event
		for i := range 6 {
			e := auth.Event{
				At: Now.Add(time.Duration(-i) * time.Minute), Kind: auth.EventRoleChanged, UserID: int64(1 + i%2), ActorID: 9,
				SessionID: "s", Client: auth.Client{Address: "192.0.2.7", UserAgent: "storetest", Request: fmt.Sprint("r-", i)}, Count: 1, Detail: fmt.Sprint("employee -> manager ", i),
			}
			if i == 5 {
				e.Kind = auth.EventKeyChanged
			}
			update(t, s, func(tx auth.Tx) error {
				in := e
				in.Count = 0
				return tx.InsertEvent(t.Context(), in)
			})
			want = append([]auth.Event{e}, want...)
		}
		for _, c := range []struct {
			name   string
			filter auth.EventFilter
			want   []auth.Event
		}{
			{"all_newest_first", auth.EventFilter{}, want},
			{"user", auth.EventFilter{UserID: 1}, []auth.Event{want[1], want[3], want[5]}},
			{"kind", auth.EventFilter{Kind: auth.EventKeyChanged}, want[:1]},
			{"user_and_kind", auth.EventFilter{UserID: 2, Kind: auth.EventRoleChanged}, []auth.Event{want[2], want[4]}},
			{"limit", auth.EventFilter{Limit: 2}, want[:2]},
			{"nobody", auth.EventFilter{UserID: 404}, nil},
		} {
			got, err := s.Read().Events(t.Context(), c.filter)
			for i := range got {
				got[i].ID = 0
			}
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", c.name, err, diff)
			}
		}
	}},
	{"pages", func(t *testing.T, s auth.Store) {
		// Users take turns and so do kinds, so that each filter leaves gaps in the
		// ids. Times go backwards: what pages are cut by is the id.
		kinds := []auth.EventKind{auth.EventLoggedIn, auth.EventLoggedOut, auth.EventProfileChanged}
		insert := func(n int) {
			t.Helper()
			update(t, s, func(tx auth.Tx) error {
				return tx.InsertEvent(t.Context(), auth.Event{
					At: Now.Add(-time.Duration(n) * time.Hour), Kind: kinds[n%3], UserID: int64(1 + n%2), Client: client, Detail: fmt.Sprint(n),
				})
			})
		}
		const n = 24
		for i := range n {
			insert(i)
		}
		for _, c := range []struct {
			name   string
			filter auth.EventFilter
			is     func(i int) bool
		}{
			{"all", auth.EventFilter{}, func(int) bool { return true }},
			{"of_a_user", auth.EventFilter{UserID: 2}, func(i int) bool { return i%2 == 1 }},
			{"of_a_kind", auth.EventFilter{Kind: auth.EventLoggedOut}, func(i int) bool { return i%3 == 1 }},
			{"of_a_user_and_a_kind", auth.EventFilter{UserID: 1, Kind: auth.EventProfileChanged}, func(i int) bool { return i%2 == 0 && i%3 == 2 }},
			{"of_nobody", auth.EventFilter{UserID: 404}, func(int) bool { return false }},
		} {
			var want []string
			for i := n - 1; i >= 0; i-- {
				if c.is(i) {
					want = append(want, fmt.Sprint(i))
				}
			}
			for _, limit := range []int{1, 3, 4, len(want), n, n + 1} {
				if limit == 0 {
					continue
				}
				var got []string
				filter := c.filter
				filter.Limit = limit
				for range n + 1 {
					page, err := s.Read().Events(t.Context(), filter)
					if err != nil || len(page) > limit {
						t.Fatalf("%s: %d events of at most %d, %v", c.name, len(page), limit, err)
					}
					for _, e := range page {
						if filter.Before != 0 && e.ID >= filter.Before {
							t.Fatalf("%s: event %d before %d", c.name, e.ID, filter.Before)
						}
						got = append(got, e.Detail)
						filter.Before = e.ID
					}
					if len(page) < limit {
						break
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, %d at a time (-want +got):\n%s", c.name, limit, diff)
				}
			}
		}

		// What is written meanwhile moves no page.
		first, err := s.Read().Events(t.Context(), auth.EventFilter{Limit: 2})
		if err != nil || len(first) != 2 {
			t.Fatalf("Events = %+v, %v", first, err)
		}
		insert(n)
		second, err := s.Read().Events(t.Context(), auth.EventFilter{Limit: 1, Before: first[1].ID})
		if err != nil || len(second) != 1 || second[0].Detail != fmt.Sprint(n-3) {
			t.Errorf("the next page = %+v, %v, want %d", second, err, n-3)
		}
		// Before the first and beyond the last there is nothing and everything.
		for before, want := range map[int64]int{1: 0, -1: n + 1, 1 << 62: n + 1} {
			got, err := s.Read().Events(t.Context(), auth.EventFilter{Before: before})
			if err != nil || len(got) != want {
				t.Errorf("before %d: %d events, %v, want %d", before, len(got), err, want)
			}
		}
	}},
	{"login_failures_fold", func(t *testing.T, s auth.Store) {
		minute := Now.Truncate(time.Minute)
		flush := func(f ...auth.LoginFailure) {
			t.Helper()
			update(t, s, func(tx auth.Tx) error { return tx.AddLoginFailures(t.Context(), f) })
		}
		flush(
			auth.LoginFailure{UserID: 1, Address: "a", Minute: Now, Count: 3},
			auth.LoginFailure{UserID: 1, Address: "b", Minute: minute, Count: 1},
			auth.LoginFailure{UserID: 0, Address: "a", Minute: minute, Count: 5},
		)
		flush(
			auth.LoginFailure{UserID: 1, Address: "a", Minute: minute, Count: 4},
			auth.LoginFailure{UserID: 1, Address: "a", Minute: minute.Add(time.Minute), Count: 1},
		)
		flush()
		// An event that is no failure stays by itself.
		update(t, s, func(tx auth.Tx) error {
			return tx.InsertEvent(t.Context(), auth.Event{At: minute, Kind: auth.EventLoggedIn, UserID: 1, Client: auth.Client{Address: "a"}})
		})
		all, err := s.Read().Events(t.Context(), auth.EventFilter{Kind: auth.EventLoginFailed})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		for _, e := range all {
			got[fmt.Sprint(e.UserID, e.Client.Address, e.At.Sub(minute))] += e.Count
		}
		want := map[string]int64{"1a0s": 7, "1b0s": 1, "0a0s": 5, "1a1m0s": 1}
		if diff := cmp.Diff(want, got); diff != "" || len(all) != 4 {
			t.Errorf("%d rows (-want +got):\n%s", len(all), diff)
		}
	}},
	{"login_failures_at_once", func(t *testing.T, s auth.Store) {
		const n = 16
		err := atOnce(n, func(i int) error {
			return s.Update(t.Context(), func(tx auth.Tx) error {
				var failures []auth.LoginFailure
				for k := range 10 { // each in another order
					failures = append(failures, auth.LoginFailure{UserID: int64((k + i) % 10), Address: "a", Minute: Now, Count: 1})
				}
				return tx.AddLoginFailures(t.Context(), failures)
			})
		})
		all, readErr := s.Read().Events(t.Context(), auth.EventFilter{Kind: auth.EventLoginFailed})
		if err := errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		if len(all) != 10 {
			t.Errorf("%d rows, want 10", len(all))
		}
		for _, e := range all {
			if e.Count != n {
				t.Errorf("user %d: count %d, want %d", e.UserID, e.Count, n)
			}
		}
	}},
}
