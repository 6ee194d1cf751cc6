package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// adoption takes in the session of a Django-minted token, issued an hour ago.
func adoption(u auth.User, n int) auth.Adoption {
	return auth.Adoption{
		UserID: u.ID, OriginJTI: fmt.Sprintf("django-%d", n),
		IssuedAt: Now.Add(-time.Hour).Unix(), Expires: Now.Add(71 * time.Hour).Unix(),
		SessionID: sessionID(n), Client: client, Now: Now,
	}
}

func adopt(t *testing.T, s auth.Store, a auth.Adoption) (got auth.Session, created bool, err error) {
	t.Helper()
	err = s.Update(t.Context(), func(tx auth.Tx) (err error) {
		got, created, err = tx.AdoptSession(t.Context(), a)
		return err
	})
	return got, created, err
}

var adoptFacts = []fact{
	{"creates_then_finds", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		_, err := s.Read().SessionByOrigin(t.Context(), "django-1")
		wantErr(t, "SessionByOrigin", err, auth.ErrNotFound)
		a := adoption(u, 1)
		want := auth.Session{
			ID: sessionID(1), UserID: u.ID, JTI: "django-1", IssuedAt: a.IssuedAt, Expires: a.Expires, OriginJTI: "django-1",
			CreatedAt: Now, LastSeen: Now, Until: time.Unix(a.Expires, 0).UTC(), Client: client,
		}
		got, created, err := adopt(t, s, a)
		if diff := cmp.Diff(want, got); err != nil || !created || diff != "" {
			t.Errorf("AdoptSession: created %v, %v (-want +got):\n%s", created, err, diff)
		}
		a.SessionID = sessionID(2)
		got, created, err = adopt(t, s, a)
		if diff := cmp.Diff(want, got); err != nil || created || diff != "" {
			t.Errorf("the second time: created %v, %v (-want +got):\n%s", created, err, diff)
		}
		got, err = s.Read().SessionByOrigin(t.Context(), "django-1")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("SessionByOrigin: %v (-want +got):\n%s", err, diff)
		}
	}},
	{"rotates_on", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		if _, _, err := adopt(t, s, adoption(u, 1)); err != nil {
			t.Fatal(err)
		}
		if at := state(t, s, u, 1).ConfirmedAt; !at.IsZero() {
			t.Errorf("a password was proved at %v to somebody else", at)
		}
		r := rotation(u, 1, 0)
		r.JTI = "django-1"
		if got := rotate(t, s, r); !got.Done || got.Session.OriginJTI != "django-1" || got.Session.PrevJTI != "django-1" {
			t.Errorf("Rotate = %+v", got)
		}
		got, created, err := adopt(t, s, adoption(u, 1))
		if err != nil || created || got.JTI != r.NewJTI {
			t.Errorf("afterwards the origin gives %+v, %v, %v", got, created, err)
		}
	}},
	{"refused", func(t *testing.T, s auth.Store) {
		changed, off, other := insertUser(t, s, 1), insertUser(t, s, 2), insertUser(t, s, 3)
		changeUser(t, s, changed.ID, auth.UserChange{Password: ptr("new"), SetValidAfter: true})
		changeUser(t, s, off.ID, auth.UserChange{IsActive: ptr(false)})
		if _, _, err := adopt(t, s, adoption(other, 9)); err != nil {
			t.Fatal(err)
		}
		// Another's was changed on the stroke of a second.
		stroke, struck := insertUser(t, s, 4), Now.Truncate(time.Second)
		update(t, s, func(tx auth.Tx) error {
			_, err := tx.UpdateUser(t.Context(), stroke.ID, auth.UserChange{SetValidAfter: true}, struck)
			return err
		})
		onStroke := adoption(stroke, 6)
		onStroke.IssuedAt = struck.Unix()
		atChange, later, gone, stolen := adoption(changed, 1), adoption(changed, 2), adoption(off, 3), adoption(off, 9)
		atChange.IssuedAt = Now.Unix() // the very second of the change
		later.IssuedAt = Now.Unix() + 1
		gone.UserID = 404
		stolen.UserID = changed.ID
		stolen.IssuedAt = later.IssuedAt
		for _, c := range []struct {
			name string
			a    auth.Adoption
			code auth.Code
		}{
			{"issued_before", adoption(changed, 4), auth.CodeTokenBlacklisted},
			{"issued_in_that_second", atChange, auth.CodeTokenBlacklisted},
			{"issued_on_its_stroke", onStroke, auth.CodeTokenBlacklisted},
			{"inactive", adoption(off, 5), auth.CodeNoActiveAccount},
			{"gone", gone, auth.CodeNoActiveAccount},
			{"another_users_origin", stolen, auth.CodeTokenBlacklisted},
		} {
			_, created, err := adopt(t, s, c.a)
			var e *auth.Error
			if created || !errors.As(err, &e) || e.Kind != auth.TokenNotValid || e.Code != c.code {
				t.Errorf("%s: created %v, %v; want %s", c.name, created, err, c.code)
			}
		}
		if _, created, err := adopt(t, s, later); err != nil || !created {
			t.Errorf("issued later: created %v, %v", created, err)
		}
		if n, err := s.Read().CountSessions(t.Context(), Now); err != nil || n != 2 {
			t.Errorf("CountSessions = %d, %v; want 2", n, err)
		}
	}},
	{"at_once", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		const n = 32
		ids, news := make([]string, n), make([]bool, n)
		err := atOnce(n, func(i int) error {
			a := adoption(u, 1)
			a.SessionID = sessionID(i)
			return s.Update(t.Context(), func(tx auth.Tx) error {
				got, created, err := tx.AdoptSession(t.Context(), a)
				ids[i], news[i] = got.ID, created
				return err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		created := 0
		for i := range n {
			if ids[i] != ids[0] {
				t.Errorf("two sessions: %s and %s", ids[0], ids[i])
			}
			if news[i] {
				created++
			}
		}
		if got := live(t, s, u); created != 1 || len(got) != 1 {
			t.Errorf("created %d, live %v; want one", created, got)
		}
	}},
}

var endFacts = []fact{
	{"all", func(t *testing.T, s auth.Store) {
		a, b := insertUser(t, s, 1), insertUser(t, s, 2)
		a = openSession(t, s, a, 1).User
		openSession(t, s, a, 2)
		b = openSession(t, s, b, 3).User
		revoke(t, s, revoking(a, 2))
		for _, u := range []auth.User{a, b} { // they may be kept
			if got, err := s.Read().UserByID(t.Context(), u.ID); err != nil || got != u {
				t.Fatalf("UserByID = %+v, %v", got, err)
			}
		}
		// A gen that is ahead of the clock rises all the same.
		ahead := b.Gen
		at := time.UnixMicro(ahead).Add(-time.Second).UTC()
		var ended int64
		update(t, s, func(tx auth.Tx) (err error) {
			ended, err = tx.EndAll(t.Context(), at)
			return err
		})
		if ended != 2 {
			t.Errorf("EndAll = %d, want 2", ended)
		}
		for _, u := range []auth.User{a, b} {
			got, err := s.Read().UserByID(t.Context(), u.ID)
			want := u
			want.Gen, want.ValidAfter = u.Gen+1, at
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("user: %v (-want +got):\n%s", err, diff)
			}
		}
		if got := rotate(t, s, rotation(a, 1, 0)); got.Done {
			t.Errorf("a session rotates after EndAll: %+v", got)
		}
		if rows := revocations(t, s); len(rows) != 1 {
			t.Errorf("revocations = %+v: the caller writes them", rows)
		}
	}},
	{"all_moves_gen_to_now", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		at := Now.Add(10 * time.Second)
		update(t, s, func(tx auth.Tx) error {
			_, err := tx.EndAll(t.Context(), at)
			return err
		})
		got, err := s.Read().UserByID(t.Context(), u.ID)
		if err != nil || got.Gen != at.UnixMicro() || got.ValidAfter != at {
			t.Errorf("user = %+v, %v", got, err)
		}
		// Ten seconds of which the data knows nothing, and one to be sure.
		if next := insertUser(t, s, 2); next.ID <= u.ID+11_000 {
			t.Errorf("the next id is %d after %d, want more than 11000 between", next.ID, u.ID)
		}
	}},
	{"all_of_nothing", func(t *testing.T, s auth.Store) {
		update(t, s, func(tx auth.Tx) error {
			n, err := tx.EndAll(t.Context(), Now)
			if n != 0 {
				return fmt.Errorf("EndAll = %d, want 0", n)
			}
			return err
		})
		if u := insertUser(t, s, 1); u.ID <= 1000 {
			t.Errorf("the first id is %d, want more than 1000", u.ID)
		}
	}},
	{"sweep", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		for n := range 5 {
			openSession(t, s, u, n)
		}
		revoke(t, s, revoking(u, 0, 1, 2))
		after := ""
		sweep := func(now, eventsBefore time.Time, limit int) (gone int64) {
			update(t, s, func(tx auth.Tx) (err error) {
				gone, after, err = tx.Sweep(t.Context(), now, eventsBefore, after, limit)
				return err
			})
			return gone
		}
		if n := sweep(Now, Now, 100); n != 0 {
			t.Errorf("swept %d of what is needed", n)
		}
		// The revocations' Until is an hour from now, the sessions' three days.
		if n := sweep(Now.Add(time.Hour), Now, 100); n != 0 {
			t.Errorf("swept %d at Until", n)
		}
		if after != "" {
			t.Errorf("goes on after %q when all were looked at", after)
		}
		if n := sweep(Now.Add(time.Hour+1000), Now, 2); n != 2 || after == "" {
			t.Errorf("swept %d, want the limit of 2", n)
		}
		after = ""
		if n := sweep(Now.Add(time.Hour+1000), Now.Add(1000), 100); n != 1+8 {
			t.Errorf("swept %d, want 1 revocation and 8 events", n)
		}
		if n := sweep(Now.Add(100*time.Hour), Now, 3); n != 3 {
			t.Errorf("swept %d, want 3 sessions", n)
		}
		if after == "" {
			t.Error("does not go on after the third of five sessions")
		}
		if n := sweep(Now.Add(100*time.Hour), Now, 3); n != 2 || after != "" {
			t.Errorf("swept %d, want 2 sessions", n)
		}
		if seq, err := s.Read().LastRevocation(t.Context()); err != nil || seq != 3 {
			t.Errorf("LastRevocation = %d, %v: the clock does not go back", seq, err)
		}
		if _, err := s.Read().UserByID(t.Context(), u.ID); err != nil {
			t.Errorf("the user: %v", err)
		}
	}},
}
