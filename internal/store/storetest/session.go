package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

var openFacts = []fact{
	{"opens", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		if _, err := s.Read().UserByID(t.Context(), u.ID); err != nil { // it may be kept
			t.Fatal(err)
		}
		o := openSession(t, s, u, 1)
		u.LastLogin = Now
		if diff := cmp.Diff(u, o.User); diff != "" {
			t.Errorf("the user (-want +got):\n%s", diff)
		}
		if len(o.Revocations) != 0 {
			t.Errorf("revocations = %+v, want none", o.Revocations)
		}
		want := auth.Session{
			ID: sessionID(1), UserID: u.ID, JTI: jti(1, 0), IssuedAt: Now.Unix(), Expires: Now.Add(72 * time.Hour).Unix(),
			CreatedAt: Now, LastSeen: Now, Until: Now.Truncate(time.Second).Add(72 * time.Hour), ConfirmedAt: Now, Client: client,
		}
		got, user, err := s.Read().SessionState(t.Context(), sessionID(1), u.ID)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("SessionState: %v (-want +got):\n%s", err, diff)
		}
		if diff := cmp.Diff(u, user); diff != "" {
			t.Errorf("SessionState's user (-want +got):\n%s", diff)
		}
		wantEvents := []auth.Event{{
			At: Now, Kind: auth.EventLoggedIn, UserID: u.ID, ActorID: u.ID, SessionID: sessionID(1), Client: client, Count: 1,
		}}
		if diff := cmp.Diff(wantEvents, events(t, s, u.ID)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		read, err := s.Read().UserByID(t.Context(), u.ID)
		if diff := cmp.Diff(u, read); err != nil || diff != "" {
			t.Errorf("UserByID: %v (-want +got):\n%s", err, diff)
		}
	}},
	{"until_covers_the_access_token", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		o := opening(u, 1)
		o.Session.Until = Now.Add(100 * time.Hour)
		if _, err := s.OpenSession(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if got := state(t, s, u, 1).Until; got.Before(o.Session.Until) {
			t.Errorf("Until = %v, want %v or later", got, o.Session.Until)
		}
	}},
	{"rehash", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		o := opening(u, 1)
		o.Rehash = "better"
		got, err := s.OpenSession(t.Context(), o)
		if err != nil || got.User.Password != "better" || got.User.CredentialVersion != u.CredentialVersion {
			t.Errorf("OpenSession = %+v, %v", got, err)
		}
		openSession(t, s, u, 2) // the version is the same still
	}},
	{"refused", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		stale, inactive, gone := opening(u, 1), opening(u, 1), opening(u, 1)
		stale.CredentialVersion--
		stale.Rehash = "never"
		gone.UserID = 404
		off := insertUser(t, s, 2)
		changeUser(t, s, off.ID, auth.UserChange{IsActive: ptr(false)})
		inactive.UserID = off.ID
		for _, o := range []auth.Opening{stale, inactive, gone} {
			got, err := s.OpenSession(t.Context(), o)
			if err != nil || got.OK || got.User.ID != 0 || got.Revocations != nil {
				t.Errorf("OpenSession = %+v, %v; want a refusal", got, err)
			}
			if session, _, err := s.Read().SessionState(t.Context(), sessionID(1), o.UserID); err != nil || session.ID != "" {
				t.Errorf("SessionState = %+v, %v; want none", session, err)
			}
			if got := events(t, s, o.UserID); len(got) != 0 {
				t.Errorf("events = %+v, want none", got)
			}
		}
		if got, err := s.Read().UserByID(t.Context(), u.ID); err != nil || got != u {
			t.Errorf("the user is %+v, %v; want %+v", got, err, u)
		}
	}},
	{"again_after_a_lost_answer", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		openSession(t, s, u, 1)
		openSession(t, s, u, 1)
		if got := events(t, s, u.ID); len(got) != 1 {
			t.Errorf("%d events, want 1: %+v", len(got), got)
		}
		if got := live(t, s, u); len(got) != 1 {
			t.Errorf("live = %v, want one", got)
		}
	}},
	{"id_of_another", func(t *testing.T, s auth.Store) {
		u, v := insertUser(t, s, 1), insertUser(t, s, 2)
		openSession(t, s, u, 1)
		if got, err := s.OpenSession(t.Context(), opening(v, 1)); err == nil {
			t.Errorf("OpenSession = %+v, want an error", got)
		}
		if got := state(t, s, u, 1); got.UserID != u.ID {
			t.Errorf("the session is user %d's now", got.UserID)
		}
	}},
	{"limit", func(t *testing.T, s auth.Store) {
		u, other := insertUser(t, s, 1), insertUser(t, s, 2)
		openSession(t, s, other, 1000)
		for n := range auth.MaxSessions {
			o := opening(u, n)
			o.Now = Now.Add(time.Duration(n) * time.Second)
			if got, err := s.OpenSession(t.Context(), o); err != nil || !got.OK || len(got.Revocations) != 0 {
				t.Fatalf("session %d: %+v, %v", n, got, err)
			}
		}
		// A clock that lags must not end the session that is being opened.
		o := opening(u, auth.MaxSessions)
		o.Now = Now.Add(-time.Hour)
		got, err := s.OpenSession(t.Context(), o)
		if err != nil || !got.OK {
			t.Fatalf("OpenSession = %+v, %v", got, err)
		}
		want := []auth.Revocation{{Seq: 1, Kind: auth.RevokedSession, Key: sessionID(0), Until: Now.Add(time.Hour)}}
		if diff := cmp.Diff(want, got.Revocations); diff != "" {
			t.Errorf("revocations (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, revocations(t, s)); diff != "" {
			t.Errorf("stored revocations (-want +got):\n%s", diff)
		}
		if ended := state(t, s, u, 0); ended.RevokedAt.IsZero() {
			t.Error("the oldest session lives")
		}
		if ids := live(t, s, u); len(ids) != auth.MaxSessions || !slices.Contains(ids, sessionID(auth.MaxSessions)) {
			t.Errorf("%d live sessions, want %d with the new one", len(ids), auth.MaxSessions)
		}
		if ids := live(t, s, other); len(ids) != 1 {
			t.Errorf("the other user has %v, want one", ids)
		}
		var told []auth.Event
		for _, e := range events(t, s, u.ID) {
			if e.Kind == auth.EventSessionLimit {
				told = append(told, e)
			}
		}
		if len(told) != 1 || told[0].SessionID != sessionID(0) {
			t.Errorf("events of the limit = %+v", told)
		}
	}},
	{"limit_at_once", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		const n = auth.MaxSessions + 20
		err := atOnce(n, func(i int) error {
			_, err := s.OpenSession(t.Context(), opening(u, i))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if ids := live(t, s, u); len(ids) != auth.MaxSessions {
			t.Errorf("%d live sessions, want %d", len(ids), auth.MaxSessions)
		}
		if rows := revocations(t, s); len(rows) != n-auth.MaxSessions {
			t.Errorf("%d revocations, want %d", len(rows), n-auth.MaxSessions)
		}
	}},
	{"insert", func(t *testing.T, s auth.Store) {
		var inserted auth.Session
		var u auth.User
		update(t, s, func(tx auth.Tx) (err error) {
			if u, err = tx.InsertUser(t.Context(), newUser(1), Now); err != nil {
				return err
			}
			inserted, err = tx.InsertSession(t.Context(), u.ID, opening(u, 1).Session, Now)
			return err
		})
		if diff := cmp.Diff(state(t, s, u, 1), inserted); diff != "" {
			t.Errorf("InsertSession (-stored +got):\n%s", diff)
		}
	}},
	{"confirm", confirmSessions},
	{"list_and_count", func(t *testing.T, s auth.Store) {
		u, v := insertUser(t, s, 1), insertUser(t, s, 2)
		for n := range 3 {
			o := opening(u, n)
			o.Now = Now.Add(time.Duration(n) * time.Second)
			if _, err := s.OpenSession(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		openSession(t, s, v, 3)
		expired := opening(u, 4)
		expired.Session.Expires = Now.Unix()
		if _, err := s.OpenSession(t.Context(), expired); err != nil {
			t.Fatal(err)
		}
		revoke(t, s, revoking(u, 1))
		if diff := cmp.Diff([]string{sessionID(2), sessionID(0)}, live(t, s, u)); diff != "" {
			t.Errorf("live sessions (-want +got):\n%s", diff)
		}
		if n, err := s.Read().CountSessions(t.Context(), Now); err != nil || n != 3 {
			t.Errorf("CountSessions = %d, %v; want 3", n, err)
		}
	}},
	{"state_of_nothing", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		openSession(t, s, u, 1)
		ctx := t.Context()
		for _, c := range []struct {
			name               string
			session            string
			user               int64
			hasSession, hasOne bool
		}{
			{"neither", "nothing", 404, false, false},
			{"session_only", sessionID(1), 404, true, false},
			{"user_only", "nothing", u.ID, false, true},
		} {
			session, user, err := s.Read().SessionState(ctx, c.session, c.user)
			if err != nil || (session.ID != "") != c.hasSession || (user.ID != 0) != c.hasOne {
				t.Errorf("%s: %+v, %+v, %v", c.name, session, user, err)
			}
			if !c.hasSession && session != (auth.Session{}) || !c.hasOne && user != (auth.User{}) {
				t.Errorf("%s: not zero: %+v, %+v", c.name, session, user)
			}
		}
	}},
}

// confirmSessions: the time is the one session's, is kept by a rotation, and is
// not written into what is another's, ended, or not there.
func confirmSessions(t *testing.T, s auth.Store) {
	u, other := insertUser(t, s, 1), insertUser(t, s, 2)
	for n := range 3 {
		openSession(t, s, u, n)
	}
	openSession(t, s, other, 3)
	revoke(t, s, revoking(u, 2))
	later := Now.Add(time.Hour)
	for _, c := range []struct {
		user    auth.User
		session string
		want    bool
	}{
		{u, sessionID(0), true},
		{u, sessionID(2), false},
		{u, sessionID(3), false},
		{u, sessionID(9), false},
		{other, sessionID(1), false},
	} {
		update(t, s, func(tx auth.Tx) error {
			got, err := tx.ConfirmSession(t.Context(), c.user.ID, c.session, later)
			if got != c.want {
				t.Errorf("session %s of user %d: %v, want %v", c.session, c.user.ID, got, c.want)
			}
			return err
		})
	}
	rotate(t, s, rotation(u, 0, 0))
	for n, want := range []time.Time{later, Now, Now} {
		if got := state(t, s, u, n).ConfirmedAt; !got.Equal(want) {
			t.Errorf("session %d was confirmed at %v, want %v", n, got, want)
		}
	}
	all, err := s.Read().Sessions(t.Context(), u.ID, Now)
	if err != nil || len(all) != 2 || !all[0].ConfirmedAt.Equal(Now) || !all[1].ConfirmedAt.Equal(later) {
		t.Errorf("the list is %+v, %v", all, err)
	}
}

var rotateFacts = []fact{
	{"rotates", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		u = openSession(t, s, u, 1).User
		want := state(t, s, u, 1)
		for i := range 20 { // within one second of each other or not: nothing counts seconds
			r := rotation(u, 1, i)
			got := rotate(t, s, r)
			want.JTI, want.PrevJTI, want.RotatedAt, want.LastSeen = r.NewJTI, r.JTI, r.Now, r.Now
			want.IssuedAt, want.Expires = r.IssuedAt, r.Expires
			want.Until = time.Unix(r.Expires, 0).UTC()
			if diff := cmp.Diff(auth.Rotated{Done: true, Session: want, User: u}, got); diff != "" {
				t.Fatalf("rotation %d (-want +got):\n%s", i, diff)
			}
			if diff := cmp.Diff(want, state(t, s, u, 1)); diff != "" {
				t.Fatalf("stored after rotation %d (-want +got):\n%s", i, diff)
			}
		}
		if got := events(t, s, u.ID); len(got) != 1 {
			t.Errorf("events = %+v: a refresh is none", got)
		}
	}},
	{"every_older_token_is_stale", func(t *testing.T, s auth.Store) {
		u := openSession(t, s, insertUser(t, s, 1), 1).User
		for i := range 5 {
			rotate(t, s, rotation(u, 1, i))
		}
		want := state(t, s, u, 1)
		for i := range 5 {
			r := rotation(u, 1, i)
			r.NewJTI = "a thief's"
			got := rotate(t, s, r)
			if diff := cmp.Diff(auth.Rotated{Session: want, User: u}, got); diff != "" {
				t.Errorf("token %d (-want +got):\n%s", i, diff)
			}
		}
		if diff := cmp.Diff(want, state(t, s, u, 1)); diff != "" {
			t.Errorf("the session has changed (-want +got):\n%s", diff)
		}
	}},
	{"again_after_a_lost_answer", func(t *testing.T, s auth.Store) {
		u := openSession(t, s, insertUser(t, s, 1), 1).User
		first := rotate(t, s, rotation(u, 1, 0))
		if diff := cmp.Diff(first, rotate(t, s, rotation(u, 1, 0))); diff != "" {
			t.Errorf("the retry (-first +second):\n%s", diff)
		}
		revoke(t, s, revoking(u, 1))
		if got := rotate(t, s, rotation(u, 1, 0)); got.Done {
			t.Errorf("a retry after the session's end: %+v", got)
		}
	}},
	{"revoked", func(t *testing.T, s auth.Store) {
		u := openSession(t, s, insertUser(t, s, 1), 1).User
		revoke(t, s, revoking(u, 1))
		got := rotate(t, s, rotation(u, 1, 0))
		if got.Done || got.Session.RevokedAt != Now || got.Session.JTI != jti(1, 0) || got.User != u {
			t.Errorf("Rotate = %+v", got)
		}
	}},
	{"capped_by_session_max", func(t *testing.T, s auth.Store) {
		u := openSession(t, s, insertUser(t, s, 1), 1).User
		r := rotation(u, 1, 0)
		r.SessionMax = 24 * time.Hour
		got := rotate(t, s, r)
		if want := Now.Add(24 * time.Hour).Unix(); !got.Done || got.Session.Expires != want {
			t.Errorf("Expires = %d, want the cap %d; %+v", got.Session.Expires, want, got)
		}
		r = rotation(u, 1, 1)
		r.SessionMax = 24 * time.Hour
		r.Now = Now.Add(24*time.Hour - time.Microsecond)
		if got := rotate(t, s, r); !got.Done {
			t.Errorf("just before session_max: %+v", got)
		}
		r = rotation(u, 1, 2)
		r.SessionMax = 24 * time.Hour
		r.Now = Now.Add(24 * time.Hour)
		if got := rotate(t, s, r); got.Done || got.Session.JTI != jti(1, 2) {
			t.Errorf("at session_max: %+v", got)
		}
	}},
	{"until_never_falls", func(t *testing.T, s auth.Store) {
		u := openSession(t, s, insertUser(t, s, 1), 1).User
		r := rotation(u, 1, 0)
		r.AccessUntil = Now.Add(200 * time.Hour)
		high := rotate(t, s, r).Session.Until
		if high.Before(r.AccessUntil) {
			t.Errorf("Until = %v, want %v at least", high, r.AccessUntil)
		}
		if got := rotate(t, s, rotation(u, 1, 1)).Session.Until; got != high {
			t.Errorf("Until = %v after %v", got, high)
		}
	}},
	{"inactive_user", func(t *testing.T, s auth.Store) {
		u := openSession(t, s, insertUser(t, s, 1), 1).User
		off := changeUser(t, s, u.ID, auth.UserChange{IsActive: ptr(false)})
		got := rotate(t, s, rotation(u, 1, 0))
		if got.Done || got.User != off || got.Session.JTI != jti(1, 0) {
			t.Errorf("Rotate = %+v", got)
		}
	}},
	{"deleted_user", func(t *testing.T, s auth.Store) {
		u := openSession(t, s, insertUser(t, s, 1), 1).User
		update(t, s, func(tx auth.Tx) error {
			_, err := tx.DeleteUser(t.Context(), u.ID)
			return err
		})
		got := rotate(t, s, rotation(u, 1, 0))
		if got.Done || got.User != (auth.User{}) || got.Session.ID != sessionID(1) {
			t.Errorf("Rotate = %+v", got)
		}
	}},
	{"no_session", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		got := rotate(t, s, rotation(u, 1, 0))
		if diff := cmp.Diff(auth.Rotated{User: u}, got); diff != "" {
			t.Errorf("Rotate (-want +got):\n%s", diff)
		}
	}},
	{"session_of_another", func(t *testing.T, s auth.Store) {
		u, thief := insertUser(t, s, 1), insertUser(t, s, 2)
		u = openSession(t, s, u, 1).User
		r := rotation(u, 1, 0)
		r.UserID = thief.ID
		got := rotate(t, s, r)
		if got.Done || got.Session.UserID != u.ID || got.User != u || state(t, s, u, 1).JTI != jti(1, 0) {
			t.Errorf("Rotate = %+v", got)
		}
	}},
	{"user_as_of_the_rotation", func(t *testing.T, s auth.Store) {
		u := openSession(t, s, insertUser(t, s, 1), 1).User
		for i, role := range []auth.Role{auth.RoleAdmin, auth.RoleClient, auth.RoleManager} {
			want := changeUser(t, s, u.ID, auth.UserChange{Role: &role, RaiseGen: true})
			if got := rotate(t, s, rotation(u, 1, i)); !got.Done || got.User != want {
				t.Errorf("Rotate = %+v, want the user %+v", got, want)
			}
		}
	}},
	{"one_token_at_once", func(t *testing.T, s auth.Store) {
		u := openSession(t, s, insertUser(t, s, 1), 1).User
		for round := range 5 {
			const n = 64
			done := make([]auth.Rotated, n)
			err := atOnce(n, func(i int) (err error) {
				r := rotation(u, 1, round)
				if i > 0 {
					r.NewJTI = jti(1000+round, i)
				}
				r.JTI = currentJTI(round)
				done[i], err = s.Rotate(context.WithoutCancel(t.Context()), r)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			var winners []string
			for _, d := range done {
				if d.Done {
					winners = append(winners, d.Session.JTI)
				}
			}
			now := state(t, s, u, 1)
			if len(winners) != 1 || winners[0] != now.JTI {
				t.Fatalf("winners %v, the session has %s; want one", winners, now.JTI)
			}
			for _, d := range done {
				if d.Session.JTI != now.JTI {
					t.Fatalf("one was answered %+v, the session has %s", d, now.JTI)
				}
			}
			// Bring the token back to a known name for the next round.
			r := rotation(u, 1, round)
			r.JTI, r.NewJTI = now.JTI, currentJTI(round+1)
			if !rotate(t, s, r).Done {
				t.Fatal("the winner's token does not rotate")
			}
		}
	}},
	{"many_sessions_at_once", func(t *testing.T, s auth.Store) {
		const n = 64
		var us [4]auth.User
		for i := range us {
			us[i] = insertUser(t, s, i)
		}
		err := atOnce(n, func(i int) error {
			_, err := s.OpenSession(t.Context(), opening(us[i%len(us)], i))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			got := make([]auth.Rotated, n)
			err := atOnce(n, func(k int) (err error) {
				got[k], err = s.Rotate(t.Context(), rotation(us[k%len(us)], k, i))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for k, g := range got {
				if !g.Done || g.Session.ID != sessionID(k) || g.Session.JTI != jti(k, i+1) || g.User.ID != us[k%len(us)].ID {
					t.Fatalf("session %d: %+v", k, g)
				}
			}
		}
	}},
}

func currentJTI(round int) string {
	if round == 0 {
		return jti(1, 0)
	}
	return jti(2000, round)
}
