package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

var revokeFacts = []fact{
	{"ends_and_tells", func(t *testing.T, s auth.Store) {
		u := openSession(t, s, insertUser(t, s, 1), 1).User
		openSession(t, s, u, 2)
		openSession(t, s, u, 3)
		r := revoking(u, 2, 1, 2)
		r.Detail = "by the user"
		got := revoke(t, s, r)
		until := Now.Add(time.Hour)
		want := auth.Revoked{
			Ended: []string{sessionID(1), sessionID(2)},
			Revocations: []auth.Revocation{
				{Seq: 1, Kind: auth.RevokedSession, Key: sessionID(1), Until: until},
				{Seq: 2, Kind: auth.RevokedSession, Key: sessionID(2), Until: until},
			},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("RevokeSession (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want.Revocations, revocations(t, s)); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{sessionID(3)}, live(t, s, u)); diff != "" {
			t.Errorf("live (-want +got):\n%s", diff)
		}
		told := map[string]auth.Event{}
		for _, e := range events(t, s, u.ID) {
			if e.Kind == auth.EventLoggedOut {
				told[e.SessionID] = e
			}
		}
		wantTold := map[string]auth.Event{}
		for n := 1; n <= 2; n++ {
			wantTold[sessionID(n)] = auth.Event{
				At: Now, Kind: auth.EventLoggedOut, UserID: u.ID, ActorID: u.ID, SessionID: sessionID(n),
				Client: client, Count: 1, Detail: "by the user",
			}
		}
		if diff := cmp.Diff(wantTold, told); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	}},
	{"twice", func(t *testing.T, s auth.Store) {
		u := openSession(t, s, insertUser(t, s, 1), 1).User
		revoke(t, s, revoking(u, 1))
		before := len(events(t, s, u.ID))
		got := revoke(t, s, revoking(u, 1))
		if len(got.Ended) != 0 || len(got.Revocations) != 0 {
			t.Errorf("the second time: %+v, want nothing", got)
		}
		if after := len(events(t, s, u.ID)); after != before {
			t.Errorf("%d events, want %d", after, before)
		}
		if rows := revocations(t, s); len(rows) != 1 {
			t.Errorf("revocations = %+v, want one", rows)
		}
		// With another that lives, only that one is new.
		openSession(t, s, u, 2)
		if got := revoke(t, s, revoking(u, 1, 2)); len(got.Ended) != 1 || got.Ended[0] != sessionID(2) {
			t.Errorf("Ended = %v, want only the second", got.Ended)
		}
	}},
	{"not_ones_own", func(t *testing.T, s auth.Store) {
		u, thief := insertUser(t, s, 1), insertUser(t, s, 2)
		u = openSession(t, s, u, 2).User
		openSession(t, s, thief, 1)
		openSession(t, s, thief, 3)
		for _, sessions := range [][]int{{2}, {404}, {1, 2}, {2, 3}, {1, 2, 3}, {1, 404}} {
			r := revoking(thief, sessions...)
			r.AccessJTI = "a"
			got, err := s.RevokeSession(t.Context(), r)
			wantErr(t, fmt.Sprint(sessions), err, auth.ErrNotFound)
			if len(got.Ended)+len(got.Revocations) > 0 {
				t.Errorf("%v: %+v", sessions, got)
			}
		}
		if a, b := live(t, s, u), live(t, s, thief); len(a) != 1 || len(b) != 2 {
			t.Errorf("live: %v and %v, want all", a, b)
		}
		if rows := revocations(t, s); len(rows) != 0 {
			t.Errorf("revocations = %+v, want none", rows)
		}
		if got := events(t, s, thief.ID); len(got) != 2 {
			t.Errorf("events = %+v, want the two logins", got)
		}
	}},
	{"access_token_without_a_session", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		r := revoking(u)
		r.AccessJTI = "abc"
		got := revoke(t, s, r)
		want := []auth.Revocation{{Seq: 1, Kind: auth.RevokedToken, Key: "abc", Until: Now.Add(time.Hour)}}
		if diff := cmp.Diff(want, got.Revocations); diff != "" || len(got.Ended) != 0 {
			t.Errorf("ended %v, revocations (-want +got):\n%s", got.Ended, diff)
		}
		if told := events(t, s, u.ID); len(told) != 1 || told[0].Kind != auth.EventLoggedOut || told[0].SessionID != "" {
			t.Errorf("events = %+v", told)
		}
	}},
	{"nothing", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		got := revoke(t, s, revoking(u))
		if len(got.Ended)+len(got.Revocations)+len(events(t, s, u.ID)) != 0 {
			t.Errorf("%+v, want nothing", got)
		}
	}},
	{"reuse_has_no_actor", func(t *testing.T, s auth.Store) {
		u := openSession(t, s, insertUser(t, s, 1), 1).User
		r := revoking(u, 1)
		r.Event = auth.EventReuseDetected
		revoke(t, s, r)
		told := events(t, s, u.ID)
		if e := told[len(told)-1]; e.Kind != auth.EventReuseDetected || e.ActorID != 0 {
			t.Errorf("event = %+v", e)
		}
	}},
	{"all_but_one", func(t *testing.T, s auth.Store) {
		u, other := insertUser(t, s, 1), insertUser(t, s, 2)
		for n := range 3 {
			openSession(t, s, u, n)
		}
		openSession(t, s, other, 3)
		revoke(t, s, revoking(u, 0))
		var ended, rest, none []string
		update(t, s, func(tx auth.Tx) (err error) {
			if ended, err = tx.RevokeSessions(t.Context(), u.ID, sessionID(2), Now); err != nil {
				return err
			}
			if rest, err = tx.RevokeSessions(t.Context(), u.ID, "", Now); err != nil {
				return err
			}
			none, err = tx.RevokeSessions(t.Context(), u.ID, "", Now)
			return err
		})
		if diff := cmp.Diff([][]string{{sessionID(1)}, {sessionID(2)}, nil}, [][]string{ended, rest, none}); diff != "" {
			t.Errorf("ended (-want +got):\n%s", diff)
		}
		if got := live(t, s, other); len(got) != 1 {
			t.Errorf("the other user has %v", got)
		}
	}},
}

var clockFacts = []fact{
	{"rows", func(t *testing.T, s auth.Store) {
		update(t, s, func(tx auth.Tx) error { return tx.RaiseMaxAccess(t.Context(), 3*time.Hour) })
		rows := []auth.Revocation{
			{Kind: auth.RevokedSession, Key: "s"},
			{Kind: auth.RevokedUser, Key: "7", Gen: 5, IssuedBefore: 6},
			{Kind: auth.RevokedAll, IssuedBefore: 8},
		}
		var got, none []auth.Revocation
		update(t, s, func(tx auth.Tx) (err error) {
			if none, err = tx.Revoke(t.Context()); err != nil {
				return err
			}
			got, err = tx.Revoke(t.Context(), rows...)
			return err
		})
		want := make([]auth.Revocation, len(rows))
		for i, r := range rows {
			r.Seq, r.Until = int64(i+1), Now.Add(4*time.Hour)
			want[i] = r
		}
		if diff := cmp.Diff(want, got); diff != "" || len(none) != 0 {
			t.Errorf("Revoke: %v, (-want +got):\n%s", none, diff)
		}
		if rows[0].Seq != 0 {
			t.Error("Revoke wrote into its argument")
		}
		for after := range int64(4) {
			page, err := s.Read().Revocations(t.Context(), after, 2)
			if diff := cmp.Diff(want[after:min(after+2, 3)], page); err != nil || len(page) > 0 && diff != "" {
				t.Errorf("after %d: %v (-want +got):\n%s", after, err, diff)
			}
		}
		if seq, err := s.Read().LastRevocation(t.Context()); err != nil || seq != 3 {
			t.Errorf("LastRevocation = %d, %v", seq, err)
		}
	}},
	{"max_access_only_rises", func(t *testing.T, s auth.Store) {
		for _, c := range []struct{ raise, want time.Duration }{
			{0, 0}, {3 * time.Hour, 3 * time.Hour}, {time.Minute, 3 * time.Hour}, {4 * time.Hour, 4 * time.Hour},
		} {
			update(t, s, func(tx auth.Tx) error { return tx.RaiseMaxAccess(t.Context(), c.raise) })
			if got, err := s.Read().MaxAccess(t.Context()); err != nil || got != c.want {
				t.Errorf("MaxAccess after %v = %v, %v; want %v", c.raise, got, err, c.want)
			}
		}
	}},
	{"access_revoked", func(t *testing.T, s auth.Store) {
		update(t, s, func(tx auth.Tx) error {
			_, err := tx.Revoke(t.Context(),
				auth.Revocation{Kind: auth.RevokedSession, Key: "dead"},
				auth.Revocation{Kind: auth.RevokedToken, Key: "spent"},
				auth.Revocation{Kind: auth.RevokedUser, Key: "7", Gen: 50},
				auth.Revocation{Kind: auth.RevokedUser, Key: "8", IssuedBefore: 1000},
				auth.Revocation{Kind: auth.RevokedUser, Key: "9", Gen: 50, IssuedBefore: 1000},
				auth.Revocation{Kind: auth.RevokedAll, IssuedBefore: 100})
			return err
		})
		type id = auth.AccessIdentity
		for _, c := range []struct {
			name string
			id   id
			want bool
		}{
			{"fine", id{UserID: 1, SessionID: "s", JTI: "j", HasGen: true, Gen: 1, IssuedAt: 2000}, false},
			{"session", id{UserID: 1, SessionID: "dead", JTI: "j", HasGen: true, Gen: 1, IssuedAt: 2000}, true},
			{"session_id_as_jti", id{UserID: 1, SessionID: "spent", JTI: "dead", HasGen: true, Gen: 1, IssuedAt: 2000}, false},
			{"token", id{UserID: 1, JTI: "spent", IssuedAt: 2000}, true},
			{"no_session", id{UserID: 1, JTI: "j", IssuedAt: 2000}, false},
			{"gen_below", id{UserID: 7, SessionID: "s", HasGen: true, Gen: 49, IssuedAt: 2000}, true},
			{"gen_equal", id{UserID: 7, SessionID: "s", HasGen: true, Gen: 50, IssuedAt: 2000}, false},
			{"gen_row_token_without", id{UserID: 7, IssuedAt: 101}, false},
			{"iat_row_token_with_gen", id{UserID: 8, HasGen: true, Gen: 1, IssuedAt: 999}, false},
			{"iat_before", id{UserID: 8, IssuedAt: 999}, true},
			{"iat_same_second", id{UserID: 8, IssuedAt: 1000}, true},
			{"iat_after", id{UserID: 8, IssuedAt: 1001}, false},
			{"both_gen", id{UserID: 9, HasGen: true, Gen: 49, IssuedAt: 2000}, true},
			{"both_iat", id{UserID: 9, IssuedAt: 1000}, true},
			{"both_alive", id{UserID: 9, HasGen: true, Gen: 50, IssuedAt: 999}, false},
			{"all", id{UserID: 1, SessionID: "s", HasGen: true, Gen: 99, IssuedAt: 100}, true},
			{"all_without_iat", id{UserID: 1}, true},
			{"all_later", id{UserID: 1, SessionID: "s", HasGen: true, Gen: 99, IssuedAt: 101}, false},
		} {
			if got, err := s.Read().AccessRevoked(t.Context(), c.id); err != nil || got != c.want {
				t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
			}
		}
	}},
	{"commits_are_in_the_order_of_numbers", func(t *testing.T, s auth.Store) {
		// A reader that asks for what is after the last it has seen must never
		// miss one: a number that becomes visible after a higher one is a
		// revoked token that goes on.
		const writers, each = 32, 10
		var us [4]auth.User
		for i := range us {
			us[i] = insertUser(t, s, i)
		}
		finished := make(chan error, 1)
		go func() {
			finished <- atOnce(writers, func(w int) error {
				for i := range each {
					ctx := t.Context()
					var err error
					if (w+i)%2 == 0 {
						_, err = s.RevokeSession(ctx, auth.Revoking{
							UserID: us[w%4].ID, AccessJTI: fmt.Sprintf("%d-%d", w, i), Event: auth.EventLoggedOut, Now: Now,
						})
					} else {
						err = s.Update(ctx, func(tx auth.Tx) error {
							u, err := tx.UpdateUser(ctx, us[w%4].ID, auth.UserChange{RaiseGen: true}, Now)
							if err != nil {
								return err
							}
							_, err = tx.Revoke(ctx, auth.Revocation{Kind: auth.RevokedUser, Key: fmt.Sprint(u.ID), Gen: u.Gen})
							return err
						})
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		}()
		var last int64
		poll := func() {
			rows, err := s.Read().Revocations(t.Context(), last, 7)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				if r.Seq != last+1 {
					t.Fatalf("%d was visible while %d was not", r.Seq, last+1)
				}
				last = r.Seq
			}
		}
		for done := false; !done; poll() {
			select {
			case err := <-finished:
				if err != nil {
					t.Fatal(err)
				}
				done = true
			default:
			}
		}
		for last < writers*each {
			before := last
			if poll(); last == before {
				break
			}
		}
		if last != writers*each {
			t.Errorf("saw %d revocations, want %d", last, writers*each)
		}
	}},
}
