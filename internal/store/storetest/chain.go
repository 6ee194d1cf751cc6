package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// insertEvents writes n events of one after the other second.
func insertEvents(t *testing.T, s auth.Store, n int, at time.Time) {
	t.Helper()
	update(t, s, func(tx auth.Tx) error {
		for i := range n {
			if err := tx.InsertEvent(t.Context(), auth.Event{
				At: at.Add(time.Duration(i) * time.Second), Kind: auth.EventLoggedIn, UserID: int64(i), Client: client, Detail: "é\"\\",
				Changes: []auth.Change{{Field: "role", Before: "client", After: "admin"}},
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// seal makes a link of what there is, at most limit, with nothing in it but ids.
func seal(t *testing.T, s auth.Store, link int64, limit int) (rows []auth.AuditRow) {
	t.Helper()
	update(t, s, func(tx auth.Tx) (err error) {
		if rows, err = tx.SealRows(t.Context(), link, Now.Add(-2*time.Minute), limit); err != nil || len(rows) == 0 {
			return err
		}
		return tx.InsertChainLink(t.Context(), auth.ChainLink{
			Seq: link, At: Now, Count: int64(len(rows)), FirstID: rows[0].ID, LastID: rows[len(rows)-1].ID,
			IDs: "x", LastAt: Now, Batch: "b", Hash: "h",
		})
	})
	return rows
}

// everySealed are all sealed rows.
func everySealed(t *testing.T, s auth.Store) []auth.AuditRow {
	t.Helper()
	all, err := s.Read().SealedRows(t.Context(), auth.SealedRange{FirstLink: 1, LastLink: 1 << 60, FirstID: 0, LastID: 1 << 60, Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// chainFacts hold for the chain over the audit trail.
var chainFacts = []fact{
	{"is_empty_at_first", func(t *testing.T, s auth.Store) {
		c, err := s.Read().Chain(t.Context())
		if err != nil || c != (auth.Chain{}) {
			t.Errorf("%+v, %v", c, err)
		}
	}},
	{"is_kept_whole", func(t *testing.T, s auth.Store) {
		want := auth.Chain{
			BegunAt: Now, Events: 1, HeadSeq: 2, HeadHash: "a", SealedAt: Now.Add(3), AnchorSeq: 4, AnchorHash: "b", AnchoredAt: Now.Add(time.Second),
			AcceptedSeq: 5, AcceptedAt: Now.Add(2 * time.Second), VerifiedAt: Now.Add(3 * time.Second), VerifiedSeq: 6, Problems: 7, KeyID: "k", MAC: "m",
		}
		want.SealedAt = want.SealedAt.Truncate(time.Microsecond)
		update(t, s, func(tx auth.Tx) error {
			if err := tx.SetChain(t.Context(), want); err != nil {
				return err
			}
			got, err := tx.LockChain(t.Context())
			if got != want {
				t.Errorf("locked %+v", got)
			}
			return err
		})
		if got, err := s.Read().Chain(t.Context()); err != nil || got != want {
			t.Errorf("read %+v, %v, want %+v", got, err, want)
		}
	}},
	{"takes_what_no_link_holds", func(t *testing.T, s auth.Store) {
		insertEvents(t, s, 5, Now)
		first := seal(t, s, 1, 3)
		second := seal(t, s, 2, 3)
		if third := seal(t, s, 3, 3); len(first) != 3 || len(second) != 2 || len(third) != 0 {
			t.Fatalf("sealed %d, %d and %d", len(first), len(second), len(third))
		}
		want := append(first, second...)
		for i, r := range want {
			if r.Kind != "logged_in" || r.UserID != int64(i) || r.Address != client.Address || r.UserAgent != client.UserAgent || r.Count != 1 ||
				r.Detail != "é\"\\" || r.Changes != `[["role","client","admin"]]` || r.At != Now.Add(time.Duration(i)*time.Second).UnixMicro() {
				t.Errorf("row %d is %+v", i, r)
			}
		}
		if diff := cmp.Diff(want, everySealed(t, s)); diff != "" {
			t.Errorf("what was sealed is not what is there (-sealed +there):\n%s", diff)
		}
		some, err := s.Read().SealedRows(t.Context(), auth.SealedRange{FirstLink: 2, LastLink: 2, FirstID: 0, LastID: 1 << 60, Limit: 1})
		if err != nil || len(some) != 1 || some[0] != second[0] {
			t.Errorf("of the second link %+v, %v", some, err)
		}
		links, err := s.Read().ChainLinks(t.Context(), 1, 10)
		if err != nil || len(links) != 1 || links[0].Seq != 2 || links[0].FirstID != second[0].ID || !links[0].At.Equal(Now) || links[0].Count != 2 {
			t.Errorf("links %+v, %v", links, err)
		}
	}},
	// A sealed count is final: failures that are written later have a row of
	// their own.
	{"failures_are_sealed_when_their_minute_is_over", func(t *testing.T, s auth.Store) {
		failures := func(minute time.Time, n int64) {
			update(t, s, func(tx auth.Tx) error {
				return tx.AddLoginFailures(t.Context(), []auth.LoginFailure{{UserID: 1, Address: "a", Minute: minute, Count: n}})
			})
		}
		failures(Now, 3)
		failures(Now.Add(-10*time.Minute), 4)
		all, sealable, _, err := s.Read().UnsealedRows(t.Context(), Now.Add(-2*time.Minute))
		if err != nil || all != 2 || sealable != 1 {
			t.Errorf("%d to seal, %d now, %v", all, sealable, err)
		}
		sealed := seal(t, s, 1, 10)
		if len(sealed) != 1 || sealed[0].Count != 4 || sealed[0].Minute != nil {
			t.Fatalf("sealed %+v", sealed)
		}
		failures(Now.Add(-10*time.Minute), 5)
		failures(Now, 1)
		if got := everySealed(t, s); len(got) != 1 || got[0] != sealed[0] {
			t.Errorf("now %+v", got)
		}
		counts := map[int64]bool{}
		events, err := s.Read().Events(t.Context(), auth.EventFilter{Kind: auth.EventLoginFailed})
		for _, e := range events {
			counts[e.Count] = true
		}
		if err != nil || len(events) != 3 || !counts[4] || !counts[5] {
			t.Errorf("failures %+v, %v", events, err)
		}
	}},
	// Two sealers at once: each row is in one link, and the links follow one
	// another.
	{"is_made_by_one_at_a_time", func(t *testing.T, s auth.Store) {
		const n, size = 60, 5
		insertEvents(t, s, n, Now)
		err := atOnce(8, func(int) error {
			for {
				done := false
				err := s.Update(t.Context(), func(tx auth.Tx) error {
					c, err := tx.LockChain(t.Context())
					if err != nil {
						return err
					}
					rows, err := tx.SealRows(t.Context(), c.HeadSeq+1, Now, size)
					if done = err == nil && len(rows) == 0; err != nil || done {
						return err
					}
					c.HeadSeq++
					c.Events += int64(len(rows))
					return errors.Join(tx.InsertChainLink(t.Context(), auth.ChainLink{Seq: c.HeadSeq, At: Now, LastAt: Now, Count: int64(len(rows))}), tx.SetChain(t.Context(), c))
				})
				if err != nil || done {
					return err
				}
			}
		})
		c, readErr := s.Read().Chain(t.Context())
		if err := errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		if got := everySealed(t, s); len(got) != n || c.Events != n || c.HeadSeq != n/size {
			t.Errorf("%d rows are sealed; the chain says %d in %d links", len(got), c.Events, c.HeadSeq)
		}
	}},
	// What a link holds goes with it alone; so the sweep leaves it.
	{"is_pruned_link_by_link", func(t *testing.T, s auth.Store) {
		insertEvents(t, s, 6, Now.Add(-time.Hour))
		seal(t, s, 1, 3)
		seal(t, s, 2, 2)
		sweep := func(want int) {
			t.Helper()
			update(t, s, func(tx auth.Tx) error {
				_, _, err := tx.Sweep(t.Context(), Now, Now, "", 100)
				return err
			})
			left, err := s.Read().Events(t.Context(), auth.EventFilter{})
			if err != nil || len(left) != want {
				t.Errorf("after the sweep %d events are left (%v), want %d", len(left), err, want)
			}
		}
		sweep(5) // one was not sealed
		links, err := s.Read().ChainLinks(t.Context(), 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		update(t, s, func(tx auth.Tx) error {
			n, err := tx.PruneChainLink(t.Context(), links[0])
			if n != 3 {
				t.Errorf("pruned %d events", n)
			}
			return err
		})
		if got := everySealed(t, s); len(got) != 2 || got[0].Link != 2 {
			t.Errorf("left: %+v", got)
		}
		if links, err := s.Read().ChainLinks(t.Context(), 0, 10); err != nil || len(links) != 1 || links[0].Seq != 2 {
			t.Errorf("links %+v, %v", links, err)
		}
		// What an operator has accepted is in no link any more.
		update(t, s, func(tx auth.Tx) error {
			return errors.Join(tx.SetChain(t.Context(), auth.Chain{AcceptedSeq: 2}), tx.DropChainLinks(t.Context(), 2))
		})
		if n, err := s.Read().AcceptedRows(t.Context(), 2); err != nil || n != 2 {
			t.Errorf("%d events were accepted, %v", n, err)
		}
		sweep(0)
	}},
	{"finds_strays", func(t *testing.T, s auth.Store) {
		insertEvents(t, s, 9, Now)
		for link := range 3 {
			seal(t, s, int64(link+1), 3)
		}
		first, last, err := s.Read().EventIDs(t.Context())
		if err != nil || last-first != 8 {
			t.Fatalf("ids %d to %d, %v", first, last, err)
		}
		stray := func(after, upTo, accepted int64) string {
			t.Helper()
			rows, err := s.Read().StrayRows(t.Context(), after, upTo, accepted, 100)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, r := range rows {
				got += fmt.Sprint(" ", r.ID-first)
			}
			return got
		}
		if got := stray(first-1, last, 0); got != "" {
			t.Errorf("strays%s in a whole chain", got)
		}
		update(t, s, func(tx auth.Tx) error {
			l := auth.ChainLink{Seq: 2, At: Now, LastAt: Now, FirstID: first + 4, LastID: first + 5}
			return errors.Join(tx.DropChainLinks(t.Context(), 2), tx.InsertChainLink(t.Context(), l))
		})
		for _, test := range []struct {
			after, upTo, accepted int64
			want                  string
		}{{-1, 8, 0, " 0 1 2 3"}, {0, 8, 0, " 1 2 3"}, {-1, 1, 0, " 0 1"}, {-1, 8, 1, " 3"}} {
			if got := stray(first+test.after, first+test.upTo, test.accepted); got != test.want {
				t.Errorf("after %d to %d, accepted %d: strays%s, want%s", test.after, test.upTo, test.accepted, got, test.want)
			}
		}
	}},
}
