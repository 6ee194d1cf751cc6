package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Reopen holds that what was answered is there when the store is opened again.
// begin makes a place for data; what it gives opens a store on it. The test
// closes each store before it opens the next.
func Reopen(t *testing.T, begin func(*testing.T) (open func(*testing.T) auth.Store)) {
	open := begin(t)

	s := open(t)
	kept, gone := insertUser(t, s, 1), insertUser(t, s, 2)
	kept = openSession(t, s, kept, 1).User
	openSession(t, s, kept, 2)
	for i := range 3 {
		rotate(t, s, rotation(kept, 1, i))
	}
	revoke(t, s, revoking(kept, 2))
	update(t, s, func(tx auth.Tx) error {
		_, err := tx.DeleteUser(t.Context(), gone.ID)
		return err
	})
	put(t, s, full(1))
	session, rows := state(t, s, kept, 1), revocations(t, s)
	closeStore(t, s)

	s = open(t)
	defer closeStore(t, s)
	if got, err := s.Read().UserByID(t.Context(), kept.ID); err != nil || got != kept {
		t.Errorf("the user is %+v, %v; was %+v", got, err, kept)
	}
	if diff := cmp.Diff(session, state(t, s, kept, 1)); diff != "" {
		t.Errorf("the session (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(full(1), byKey(t, s, 1)[0]); diff != "" {
		t.Errorf("the counter (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(rows, revocations(t, s)); diff != "" {
		t.Errorf("the revocations (-before +after):\n%s", diff)
	}
	for i := range 3 {
		r := rotation(kept, 1, i)
		r.NewJTI = "a thief's"
		if got := rotate(t, s, r); got.Done {
			t.Errorf("token %d is good again: %+v", i, got)
		}
	}
	if got := rotate(t, s, rotation(kept, 2, 0)); got.Done {
		t.Errorf("the revoked session rotates: %+v", got)
	}
	if got := rotate(t, s, rotation(kept, 1, 3)); !got.Done {
		t.Errorf("the live session does not rotate: %+v", got)
	}
	if u := insertUser(t, s, 3); u.ID <= gone.ID {
		t.Errorf("id %d after %d was deleted", u.ID, gone.ID)
	}
	openSession(t, s, kept, 4)
	if got := revoke(t, s, revoking(kept, 4)); len(got.Revocations) != 1 || got.Revocations[0].Seq != int64(len(rows)+1) {
		t.Errorf("revocations = %+v after %+v", got.Revocations, rows)
	}
}

func closeStore(t *testing.T, s auth.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
