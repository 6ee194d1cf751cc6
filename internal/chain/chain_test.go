package chain_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/chain"
	"github.com/latchkey-auth/latchkey/internal/keyring"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
	"github.com/latchkey-auth/latchkey/internal/token"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var engines = []string{"sqlite", "postgres"}

const (
	key   = "the first signing key, of thirty-two bytes or more"
	other = "another signing key, of thirty-two bytes or more"
)

// trail is a store with its chain, a clock that stands still, and somebody who
// can write into the database.
type trail struct {
	t      *testing.T
	engine string
	store  auth.Store
	now    time.Time
	raw    func(statement string, args ...any) (int64, error)
	*chain.Sealer
}

func newTrail(t *testing.T, engine string) *trail {
	t.Helper()
	tr := &trail{t: t, engine: engine, now: time.Date(2026, 10, 1, 12, 30, 15, 123456000, time.UTC)}
	clock := func() time.Time { return tr.now }
	log := slog.New(slog.DiscardHandler)
	ctx := context.WithoutCancel(t.Context())
	if engine == "sqlite" {
		path := filepath.Join(t.TempDir(), "latchkey.db")
		db, err := sqlite.Open(ctx, sqlite.Options{Path: path, Now: clock, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		tr.store = db
		raw, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { raw.Close() })
		tr.raw = func(statement string, args ...any) (int64, error) {
			r, err := raw.Exec(statement, args...)
			if err != nil {
				return 0, err
			}
			return r.RowsAffected()
		}
	} else {
		url := pgtest.Database(t)
		db, err := postgres.Open(ctx, postgres.Options{URL: url, Now: clock, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		tr.store = db
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(ctx) })
		tr.raw = func(statement string, args ...any) (int64, error) {
			tag, err := conn.Exec(ctx, statement, args...)
			return tag.RowsAffected(), err
		}
	}
	t.Cleanup(func() { _ = tr.store.Close() })
	tr.Sealer = tr.sealer(key)
	return tr
}

func (tr *trail) ring(secret string) *keyring.Ring {
	tr.t.Helper()
	r, err := keyring.Open(tr.t.Context(), tr.store, keyring.Options{
		SigningKey: []byte(secret), Now: func() time.Time { return tr.now }, Lifetime: 72 * time.Hour,
	})
	if err != nil {
		tr.t.Fatal(err)
	}
	return r
}

// sealer is another process's.
func (tr *trail) sealer(secret string) *chain.Sealer {
	tr.t.Helper()
	return chain.New(chain.Options{
		Store: tr.store, Keys: tr.ring(secret), Retention: 90 * 24 * time.Hour,
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return tr.now },
	})
}

// fresh forgets what this process has seen of the chain.
func (tr *trail) fresh() *trail {
	tr.Sealer = tr.sealer(key)
	return tr
}

func (tr *trail) fatal(err error) {
	tr.t.Helper()
	if err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *trail) exec(statement string, args ...any) {
	tr.t.Helper()
	n, err := tr.raw(statement, args...)
	if err != nil || n == 0 {
		tr.t.Fatalf("%s: %d rows, %v", statement, n, err)
	}
}

// happen writes n events at the time that it is.
func (tr *trail) happen(n int) {
	tr.t.Helper()
	tr.fatal(tr.store.Update(tr.t.Context(), func(tx auth.Tx) error {
		for i := range n {
			if err := tx.InsertEvent(tr.t.Context(), auth.Event{
				At: tr.now, Kind: auth.EventProfileChanged, UserID: int64(i + 1), ActorID: 1, SessionID: "5e55", Count: 1, Detail: "detail",
				Client:  auth.Client{Address: "192.0.2.7", UserAgent: "test"},
				Changes: []auth.Change{{Field: "role", Before: "client", After: "admin"}},
			}); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (tr *trail) seal() {
	tr.t.Helper()
	tr.fatal(tr.Seal(tr.t.Context()))
}

func (tr *trail) chain() auth.Chain {
	tr.t.Helper()
	c, err := tr.store.Read().Chain(tr.t.Context())
	tr.fatal(err)
	return c
}

func (tr *trail) verify(marks ...chain.Mark) *chain.Report {
	tr.t.Helper()
	r, err := tr.Verify(tr.t.Context(), chain.VerifyOptions{Marks: marks})
	tr.fatal(err)
	return r
}

// whole expects a trail without a fault of that many sealed events.
func (tr *trail) whole(events int64) {
	tr.t.Helper()
	if r := tr.verify(); !r.OK || r.Events != events {
		tr.t.Fatalf("%d events are compared, want %d; problems %+v", r.Events, events, r.Problems)
	}
}

func kinds(r *chain.Report) (all []string) {
	for _, p := range r.Problems {
		if !slices.Contains(all, p.Kind) {
			all = append(all, p.Kind)
		}
	}
	slices.Sort(all)
	return all
}

// on runs a test on both engines.
func on(t *testing.T, test func(*testing.T, *trail)) {
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) { test(t, newTrail(t, engine)) })
	}
}

func TestChain(t *testing.T) {
	on(t, func(t *testing.T, tr *trail) {
		if r := tr.verify(); !r.OK || r.Events != 0 || r.Unsealed != 0 {
			t.Errorf("an empty trail: %+v", r)
		}
		tr.seal()
		if c := tr.chain(); c != (auth.Chain{}) {
			t.Errorf("nothing was sealed, and the chain is %+v", c)
		}
		total := int64(0)
		for _, n := range []int{3, 1, 1234} { // three links of at most 500
			tr.happen(n)
			total += int64(n)
			if r := tr.verify(); !r.OK || r.Unsealed != int64(n) || !r.UnsealedSince.Equal(tr.now) {
				t.Errorf("before sealing: %+v", r)
			}
			tr.seal()
			tr.whole(total)
			tr.now = tr.now.Add(time.Minute)
		}
		c := tr.chain()
		if c.HeadSeq != 5 || c.Events != total || c.VerifiedSeq != 5 || c.Problems != 0 || c.VerifiedAt.IsZero() {
			t.Errorf("the chain is %+v", c)
		}
		tr.seal()
		if now := tr.chain(); now != c {
			t.Errorf("nothing happened, and the chain turned from %+v to %+v", c, now)
		}
		// Another process, and the marks of both.
		tr.happen(2)
		fresh := tr.sealer(key)
		tr.fatal(fresh.Seal(t.Context()))
		tr.seal()
		if r := tr.verify(chain.Mark{Seq: c.HeadSeq, Hash: c.HeadHash}, tr.head()); !r.OK || r.Links != 6 {
			t.Errorf("with marks: %+v", r)
		}
	})
}

func (tr *trail) head() chain.Mark {
	tr.t.Helper()
	state, err := tr.State(tr.t.Context())
	tr.fatal(err)
	return state.Head()
}

// Every column of an event, every column of a link, and both ends: whoever
// changes one with the database's own means is found, and told where.
//
// ASVS 16.4.2
func TestTampering(t *testing.T) {
	type tampering struct {
		name string
		do   []string
		want []string
		text string // in one of the problems
	}
	text := func(column, value string) tampering {
		return tampering{"events." + column, []string{fmt.Sprintf("UPDATE events SET %s = %s WHERE id = 7", column, value)}, []string{chain.Changed}, "link 2"}
	}
	tests := []tampering{
		text("at", "at + 1"), text("kind", "'registered'"), text("user_id", "user_id + 1"), text("actor_id", "0"), text("session_id", "''"),
		text("address", "'192.0.2.8'"), text("user_agent", "'tesu'"), text("count", "2"), text("detail", "''"),
		text("minute", "0"), text("changes", "''"), text("request", "'r-8'"),
		{"events.id", []string{"UPDATE events SET id = 999 WHERE id = 7"}, []string{chain.Inserted, chain.Missing}, "event 7 of link 2 is gone"},
		{"events.link to another", []string{"UPDATE events SET link = 1 WHERE id = 7"}, []string{chain.Inserted, chain.Missing}, "event 7 says that it is in link 1"},
		{"events.link to none", []string{"UPDATE events SET link = NULL WHERE id = 7"}, []string{chain.Missing}, "event 7 of link 2 is gone"},
		{"an event is taken out", []string{"DELETE FROM events WHERE id = 7"}, []string{chain.Missing}, "event 7 of link 2 is gone"},
		{"several are taken out", []string{"DELETE FROM events WHERE id IN (6, 7, 9)"}, []string{chain.Missing}, "event 6-7 of link 2 is gone"},
		{"the first is taken out", []string{"DELETE FROM events WHERE id = 1"}, []string{chain.Missing}, "event 1 of link 1"},
		{"the last is taken out", []string{"DELETE FROM events WHERE id = 14"}, []string{chain.Missing}, "event 14 of link 3"},
		{"two change places", []string{"UPDATE events SET id = -1 WHERE id = 7", "UPDATE events SET id = 7 WHERE id = 8", "UPDATE events SET id = 8 WHERE id = -1"}, []string{chain.Changed}, "link 2"},
		{"an event is put in", []string{`INSERT INTO events (id, at, kind, user_id, actor_id, session_id, address, user_agent, count, detail, changes, link)
			SELECT 1000, at, kind, user_id, actor_id, session_id, address, user_agent, count, detail, changes, 2 FROM events WHERE id = 7`}, []string{chain.Inserted}, "event 1000"},
		{"the events of a link are gone", []string{"DELETE FROM events WHERE link = 2"}, []string{chain.Missing}, "event 4-10 of link 2 is gone"},
		{"a link is gone with its events", []string{"DELETE FROM events WHERE link = 2", "DELETE FROM audit_links WHERE seq = 2"}, []string{chain.Missing}, "links 2 are gone"},
		{"the last link is gone with its events", []string{"DELETE FROM events WHERE link = 3", "DELETE FROM audit_links WHERE seq = 3"}, []string{chain.Truncated}, "links 3 are gone"},
		{"a link is put in", []string{"INSERT INTO audit_links SELECT 4, at, count, first_id, last_id, ids, last_at, batch, hash FROM audit_links WHERE seq = 3", "UPDATE audit_chain SET head_seq = 4"}, []string{chain.Changed, chain.Forged, chain.Missing}, "MAC"},
		{"the trail is emptied", []string{"DELETE FROM events", "DELETE FROM audit_links"}, []string{chain.Truncated}, "links 1-3 are gone"},
		{"the chain is begun anew", []string{"UPDATE audit_chain SET head_seq = 0, head_hash = '', key_id = '', mac = ''"}, []string{chain.Forged, chain.Inserted}, "no MAC"},
		{"the chain's ends are emptied", []string{`UPDATE audit_chain SET begun_at = 0, events = 0, head_seq = 0, head_hash = '', sealed_at = 0,
			verified_at = 0, verified_seq = 0, key_id = '', mac = ''`}, []string{chain.Inserted}, "link 1 is behind the end of the chain, which is link 0"},
		{"the chain's row is taken out", []string{"DELETE FROM audit_chain"}, []string{chain.Inserted}, "link 1 is behind the end"},
	}
	for column, value := range map[string]string{
		"at": "at + 1", "count": "count + 1", "ids": "'4-11'", "last_at": "last_at + 1", "batch": "'" + strings.Repeat("0", 64) + "'", "hash": "'" + strings.Repeat("0", 64) + "'",
		"first_id": "first_id - 1", "last_id": "last_id + 1",
	} {
		// The first link follows nothing, and is hashed like the others.
		for _, seq := range []int{1, 2} {
			change := fmt.Sprintf("UPDATE audit_links SET %s = %s WHERE seq = %d", column, value, seq)
			tests = append(tests, tampering{fmt.Sprintf("audit_links.%s of link %d", column, seq), []string{change}, []string{chain.Changed}, "link"})
		}
	}
	for _, column := range []string{"begun_at", "events", "head_seq", "sealed_at", "anchor_seq", "anchored_at", "accepted_seq", "accepted_at", "verified_at", "verified_seq", "problems"} {
		tests = append(tests, tampering{"audit_chain." + column, []string{fmt.Sprintf("UPDATE audit_chain SET %s = %s + 1", column, column)}, []string{chain.Forged}, "MAC"})
	}
	for _, column := range []string{"head_hash", "anchor_hash", "key_id", "mac"} {
		tests = append(tests, tampering{"audit_chain." + column, []string{fmt.Sprintf("UPDATE audit_chain SET %s = 'ab'", column)}, []string{chain.Forged}, "MAC"})
	}
	on(t, func(t *testing.T, tr *trail) {
		for _, n := range []int{3, 7, 4} {
			tr.happen(n)
			tr.seal()
			tr.now = tr.now.Add(time.Minute)
		}
		tr.whole(14)
		columns := 0
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				tr.t = t
				tr.keep()
				defer tr.putBack()
				for _, statement := range test.do {
					tr.exec(statement)
				}
				r := tr.fresh().verify()
				got := kinds(r)
				for _, kind := range test.want {
					if !slices.Contains(got, kind) {
						t.Errorf("found %v, want %v", got, test.want)
					}
				}
				told := false
				for _, p := range r.Problems {
					told = told || strings.Contains(p.Text, test.text)
				}
				if r.OK || !told {
					t.Errorf("%q is not told of in %+v", test.text, r.Problems)
				}
				// And nothing is sealed on top of forged ends.
				if err := tr.Seal(t.Context()); slices.Contains(got, chain.Forged) != errors.Is(err, chain.ErrBroken) {
					t.Errorf("sealing on top of it: %v", err)
				}
			})
			if strings.HasPrefix(test.name, "events.") {
				columns++
			}
		}
		tr.t = t
		tr.fresh().whole(14)
		// A column that is added must be hashed, and be in the table above: link
		// is there twice.
		if n := tr.columns("events"); columns != n+1 {
			t.Errorf("events has %d columns, %d are tampered with", n, columns-1)
		}
	})
}

var tables = []string{"events", "audit_links", "audit_chain"}

func (tr *trail) keep() {
	tr.t.Helper()
	for _, table := range tables {
		_, err := tr.raw("CREATE TABLE kept_" + table + " AS SELECT * FROM " + table)
		tr.fatal(err)
	}
}

func (tr *trail) putBack() {
	tr.t.Helper()
	for _, table := range tables {
		for _, statement := range []string{"DELETE FROM " + table, "INSERT INTO " + table + " SELECT * FROM kept_" + table, "DROP TABLE kept_" + table} {
			_, err := tr.raw(statement)
			tr.fatal(err)
		}
	}
}

// columns counts a table's.
func (tr *trail) columns(table string) (n int) {
	tr.t.Helper()
	query := "CREATE TABLE counted AS SELECT COUNT(*) AS n FROM pragma_table_info('" + table + "')"
	if tr.engine == "postgres" {
		query = "CREATE TABLE counted AS SELECT COUNT(*) AS n FROM information_schema.columns WHERE table_name = '" + table + "'"
	}
	_, err := tr.raw(query)
	tr.fatal(err)
	for {
		found, err := tr.raw("UPDATE counted SET n = n - 1 WHERE n > 0")
		tr.fatal(err)
		if found == 0 {
			return n
		}
		n++
	}
}

// Somebody with the database alone can put an earlier state of all of it back;
// a mark that was kept elsewhere, or a server that runs, knows better.
func TestRewound(t *testing.T) {
	on(t, func(t *testing.T, tr *trail) {
		tr.happen(3)
		tr.seal()
		early := tr.head()
		tr.keep()
		tr.happen(3)
		tr.seal()
		late := tr.head()
		tr.putBack()
		if err := tr.Seal(t.Context()); !errors.Is(err, chain.ErrBroken) {
			t.Errorf("a server that runs goes on: %v", err)
		}
		if r := tr.verify(); !slices.Contains(kinds(r), chain.Forged) {
			t.Errorf("a server that runs finds %+v", r.Problems)
		}
		tr.fresh()
		if r := tr.verify(early); !r.OK {
			t.Errorf("without the late mark: %+v", r.Problems)
		}
		if r := tr.verify(early, late); !slices.Equal(kinds(r), []string{chain.Rewound}) {
			t.Errorf("with the late mark: %+v", r.Problems)
		}
		// Other events in the place of those.
		tr.now = tr.now.Add(time.Second)
		tr.happen(3)
		tr.seal()
		if r := tr.verify(early, late); !slices.Equal(kinds(r), []string{chain.Rewound}) {
			t.Errorf("with others in their place: %+v", r.Problems)
		}
	})
}

// A mark whose link is gone is told of: neither pruning nor accepting answers for
// it. That of the last link that went is under the MAC.
func TestMarkIsGone(t *testing.T) {
	on(t, func(t *testing.T, tr *trail) {
		var marks []chain.Mark
		for range 3 {
			tr.happen(3)
			tr.seal()
			marks = append(marks, tr.head())
			tr.now = tr.now.AddDate(0, 0, 40)
		}
		tr.fatal(tr.Prune(t.Context())) // The first goes; it is the anchor.
		wrong := chain.Mark{Seq: 1, Hash: marks[1].Hash}
		for _, test := range []struct {
			marks   []chain.Mark
			ok      bool
			without []chain.Mark
		}{
			{nil, true, nil},
			{marks, true, nil},
			{[]chain.Mark{marks[2], wrong}, false, nil},
		} {
			if r := tr.verify(test.marks...); r.OK != test.ok || !slices.Equal(r.Uncompared, test.without) {
				t.Errorf("%v: %+v", test.marks, r)
			}
		}
		tr.now = tr.now.AddDate(0, 0, 40)
		tr.fatal(tr.Prune(t.Context()))
		if r := tr.verify(append(marks, wrong)...); !r.OK || !slices.Equal(r.Uncompared, []chain.Mark{marks[0], wrong}) {
			t.Errorf("pruned: %+v", r)
		}
		_, err := tr.Accept(t.Context())
		tr.fatal(err)
		if r := tr.verify(marks...); !r.OK || !slices.Equal(r.Uncompared, marks[:2]) {
			t.Errorf("accepted: %+v", r)
		}
	})
}

// Without the key nobody lays the chain again: a key of the same name that is
// another one, and none.
func TestKeys(t *testing.T) {
	on(t, func(t *testing.T, tr *trail) {
		tr.happen(3)
		tr.seal()
		first := tr.chain().KeyID

		// Another key signs: the next round turns the chain to it.
		change := keyring.Change{Secret: []byte(other), Lifetime: 72 * time.Hour}
		o := keyring.Options{SigningKey: []byte(key), Now: func() time.Time { return tr.now }}
		tr.fatal(keyring.Use(t.Context(), tr.store, o, change))
		// A node that has not been told goes on with its own until then.
		tr.Sealer = tr.sealer(other)
		tr.seal()
		second := tr.chain().KeyID
		if first == second || second != tr.ring(other).Signing().ID() {
			t.Fatalf("the chain is under %s, and was under %s", second, first)
		}
		tr.whole(4) // and the event of the change

		// It is dropped at once: the change takes the chain with it.
		drop := func(lost bool) (accepted bool) {
			next := fmt.Sprint(other, tr.now)
			now := other
			if lost {
				now = ""
			}
			tr.fatal(keyring.Use(t.Context(), tr.store, keyring.Options{SigningKey: []byte(now), Now: func() time.Time { return tr.now }}, keyring.Change{
				Secret: []byte(next), Lifetime: time.Hour, Discard: true,
				Within: func(ctx context.Context, tx auth.Tx, find func(string) (token.Key, bool), k token.Key) (err error) {
					accepted, err = chain.Turn(ctx, tx, find, k, tr.now)
					return err
				},
			}))
			tr.Sealer = tr.sealer(next)
			return accepted
		}
		if drop(false) {
			t.Error("the key was at hand, and the trail was accepted unproven")
		}
		tr.whole(4)
		tr.seal()
		tr.whole(5)
		tr.now = tr.now.Add(time.Second)
		if !drop(true) {
			t.Error("the key was lost, and the trail is taken for proven")
		}
		tr.seal()
		if r := tr.verify(); !r.OK || r.Events != 1 || r.Accepted != 5 {
			t.Errorf("after a lost key: %+v", r)
		}
		// A key that is gone without that is a break, for anybody can write such
		// a name.
		tr.exec("UPDATE audit_chain SET key_id = 'hs256-0000000000000000'")
		if err := tr.Seal(t.Context()); !errors.Is(err, chain.ErrBroken) {
			t.Errorf("under a key that is not here: %v", err)
		}
		_, err := tr.Accept(t.Context())
		tr.fatal(err)
		tr.happen(2)
		tr.seal()
		if r := tr.verify(); !r.OK || r.Events != 2 || r.Accepted != 6 {
			t.Errorf("accepted: %+v", r)
		}
	})
}

// What is old goes with its links, and the rest still verifies; also what was
// accepted, and a clock that was wrong does not keep anything.
//
// ASVS 14.2.7
func TestRetention(t *testing.T) {
	const day = 24 * time.Hour
	on(t, func(t *testing.T, tr *trail) {
		prune := func() {
			t.Helper()
			tr.fatal(tr.Prune(t.Context()))
			// The server's sweep beside it.
			tr.fatal(tr.store.Update(t.Context(), func(tx auth.Tx) error {
				_, _, err := tx.Sweep(t.Context(), tr.now, tr.now.Add(-90*day), "", 10_000)
				return err
			}))
		}
		left := func() int {
			t.Helper()
			all, err := tr.store.Read().Events(t.Context(), auth.EventFilter{Limit: 100_000})
			tr.fatal(err)
			return len(all)
		}
		for range 120 {
			tr.happen(3)
			tr.seal()
			tr.now = tr.now.Add(day)
		}
		prune()
		if n := left(); n != 90*3 {
			t.Errorf("%d events are left after 120 days, want those of 90", n)
		}
		tr.whole(90 * 3)
		if c := tr.chain(); c.AnchorSeq != 30 || c.Events != 360 {
			t.Errorf("the chain is %+v", c)
		}
		tr.fresh().whole(90 * 3)
		// One that is a day short of it stays a day longer.
		tr.now = tr.now.Add(-time.Minute)
		prune()
		if n := left(); n != 90*3 {
			t.Errorf("%d events are left", n)
		}
		// The anchor tells of pruning; who takes the beginning out is found.
		tr.keep()
		tr.exec("DELETE FROM events WHERE link = 31")
		tr.exec("DELETE FROM audit_links WHERE seq = 31")
		if r := tr.verify(); !slices.Contains(kinds(r), chain.Missing) {
			t.Errorf("the first link taken out: %+v", r.Problems)
		}
		tr.putBack()

		now := tr.now
		tr.now = now.AddDate(10, 0, 0) // A clock that is wrong for a while.
		tr.happen(1)
		tr.seal()
		tr.now = now
		for range 100 {
			tr.now = tr.now.Add(day)
			tr.happen(1)
			tr.seal()
			prune()
			tr.whole(int64(left()))
		}
		if n := left(); n < 89 || n > 91 {
			t.Errorf("%d events are left, want those of 90 days", n)
		}
		tr.now = tr.now.Add(91 * day)
		_, err := tr.Accept(t.Context())
		tr.fatal(err)
		prune()
		if n := left(); n != 0 {
			t.Errorf("%d events are left of what was accepted", n)
		}
		tr.whole(0)
	})
}

// A clock that is wrongly ahead does not take the trail.
func TestUnsteadyClock(t *testing.T) {
	tr := newTrail(t, "sqlite")
	steady := false
	tr.Sealer = chain.New(chain.Options{
		Store: tr.store, Keys: tr.ring(key), Retention: 90 * 24 * time.Hour, Steady: func() bool { return steady },
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return tr.now },
	})
	tr.happen(3)
	tr.seal()
	tr.now = tr.now.AddDate(1, 0, 0)
	tr.fatal(tr.Prune(t.Context()))
	tr.whole(3)
	steady = true
	tr.fatal(tr.Prune(t.Context()))
	tr.whole(0)
}

// A verification is due after a day, and when the last one was in the future.
func TestVerifyIsDue(t *testing.T) {
	tr := newTrail(t, "sqlite")
	tr.happen(3)
	tr.seal()
	now := tr.now
	for verified, due := range map[time.Duration]bool{
		-25 * time.Hour: true, -23 * time.Hour: false, 30 * time.Second: false, time.Hour: true, 1000 * time.Hour: true,
	} {
		tr.now = now.Add(verified)
		tr.verify()
		tr.now = now
		ctx, stop := context.WithCancel(t.Context())
		s := chain.New(chain.Options{
			Store: tr.store, Keys: tr.ring(key), Every: time.Millisecond,
			Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
		})
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		again := false
		for began := time.Now(); !again && (time.Since(began) < 200*time.Millisecond || due && time.Since(began) < 10*time.Second); {
			again = tr.chain().VerifiedAt.Equal(now)
			time.Sleep(time.Millisecond)
		}
		stop()
		running.Wait()
		if again != due {
			t.Errorf("verified %v from now: verified again %v, want %v", verified, again, due)
		}
	}
}

// Pruning is no way to get rid of what does not fit: with the database alone
// nobody has the server remove what is not old, or what was tampered with, and
// put its MAC over the rest.
//
// ASVS 16.4.2
func TestPruneProves(t *testing.T) {
	const early = "UPDATE audit_links SET last_at = 0 WHERE seq"
	empty := fmt.Sprintf("%x", sha256.Sum256(nil))
	on(t, func(t *testing.T, tr *trail) {
		for range 2 { // Links 1 to 3 are old, 4 to 6 are not.
			for range 3 {
				tr.happen(3)
				tr.seal()
				tr.now = tr.now.Add(time.Minute)
			}
			tr.now = tr.now.AddDate(0, 0, 100)
		}
		tr.now = tr.now.AddDate(0, 0, -100)
		anew := func(t *testing.T, last int64) { // Hashes that follow one another again.
			t.Helper()
			links, err := tr.store.Read().ChainLinks(t.Context(), 0, 10)
			tr.fatal(err)
			before := tr.chain().AnchorHash
			for _, l := range links {
				if l.Seq <= last {
					l.Hash = chain.LinkHash(before, l)
					tr.exec("UPDATE audit_links SET hash = $1 WHERE seq = $2", l.Hash, l.Seq)
				}
				before = l.Hash
			}
		}
		for _, test := range []struct {
			name string
			do   []string
			anew int64
			text string
		}{
			{"young links are made old", []string{early + " IN (4, 5)"}, 0, "link 4 is not as it was made"},
			{"all links are made old", []string{early + " <= 6"}, 0, "link 1 is not as it was made"},
			{"young links are made old, with hashes", []string{early + " <= 5"}, 5, "link 6 is not as it was made"},
			{"young links are made old, with hashes of more", []string{early + " = 4"}, 5, "link 6 is not as it was made"},
			{"young links are made old, with hashes of all", []string{early + " = 4"}, 6, "does not end with the hash"},
			{"all links are made old, with hashes", []string{early + " <= 6"}, 6, "does not end with the hash"},
			{"a link that is old", []string{"UPDATE audit_links SET at = at + 1 WHERE seq = 1"}, 0, "link 1 is not as it was made"},
			{"an event is changed", []string{"UPDATE events SET detail = '' WHERE id = 5"}, 0, "an event of link 2 was changed"},
			{"an event is taken out", []string{"DELETE FROM events WHERE id = 5"}, 0, "event 5 of link 2 is gone"},
			{"an event is put in", []string{"UPDATE events SET link = 2 WHERE id = 9"}, 0, "event 9"},
			{"the first link is gone", []string{"DELETE FROM events WHERE link = 1", "DELETE FROM audit_links WHERE seq = 1"}, 0, "links 1 are gone"},
			{"a link is put in", []string{
				early + " <= 6",
				"INSERT INTO audit_links SELECT 7, at, 0, first_id, last_id, '', 0, '" + empty + "', hash FROM audit_links WHERE seq = 6",
			}, 7, "link 7 is behind the end of the chain"},
		} {
			t.Run(test.name, func(t *testing.T) {
				tr.t = t
				tr.keep()
				defer tr.putBack()
				for _, statement := range test.do {
					tr.exec(statement)
				}
				anew(t, test.anew)
				before := tr.chain()
				err := tr.Prune(t.Context())
				if !errors.Is(err, chain.ErrBroken) || !strings.Contains(err.Error(), test.text) {
					t.Errorf("pruned: %v; want %q", err, test.text)
				}
				if c := tr.chain(); c != before {
					t.Errorf("the chain is %+v, and was %+v", c, before)
				}
				if r := tr.verify(); r.OK {
					t.Error("and the rest verifies")
				}
			})
		}
		tr.t = t
		tr.whole(18)
		tr.fatal(tr.Prune(t.Context()))
		tr.whole(9)
		// Where it led was found out then, and is not forgotten.
		tr.keep()
		tr.exec(early + " = 4")
		anew(t, 6)
		if err := tr.Prune(t.Context()); !errors.Is(err, chain.ErrBroken) || !strings.Contains(err.Error(), "link 6") && !strings.Contains(err.Error(), "does not end") {
			t.Errorf("pruned later: %v", err)
		}
		tr.putBack()
		tr.now = tr.now.AddDate(0, 0, 100)
		tr.happen(1)
		tr.seal()
		tr.fatal(tr.Prune(t.Context()))
		tr.whole(1)
	})
}

// Events that are committed later than others with higher ids are in a later
// link, and nothing is taken for missing.
func TestLateCommit(t *testing.T) {
	tr := newTrail(t, "postgres")
	hold, held := make(chan struct{}), make(chan struct{})
	var late sync.WaitGroup
	late.Go(func() {
		err := tr.store.Update(t.Context(), func(tx auth.Tx) error {
			err := tx.InsertEvent(t.Context(), auth.Event{At: tr.now, Kind: auth.EventLoggedIn, UserID: 1})
			close(held)
			<-hold
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	tr.happen(3)
	tr.seal()
	tr.whole(3)
	close(hold)
	late.Wait()
	tr.seal()
	tr.whole(4)
	links, err := tr.store.Read().ChainLinks(t.Context(), 0, 10)
	tr.fatal(err)
	if len(links) != 2 || links[0].IDs != "2-4" || links[1].IDs != "1" {
		t.Errorf("links %+v", links)
	}
}

// Several nodes seal, verify and prune while acts go on: none of them finds a
// fault, and every event is sealed once.
func TestTogether(t *testing.T) {
	on(t, func(t *testing.T, tr *trail) {
		const writers, each = 4, 60
		// One link at least that is to be pruned, whoever comes first.
		now := tr.now
		tr.now = now.AddDate(0, 0, -100)
		tr.happen(5)
		tr.seal()
		tr.now = now
		ctx, stop := context.WithCancel(t.Context())
		var acts, sealers sync.WaitGroup
		for i := range writers {
			acts.Go(func() {
				for n := range each {
					at := tr.now
					if n < each/2 {
						at = at.Add(-100 * 24 * time.Hour) // to be pruned
					}
					if err := tr.store.Update(t.Context(), func(tx auth.Tx) error {
						if n >= each/2 && n%5 == 0 {
							return tx.AddLoginFailures(t.Context(), []auth.LoginFailure{
								{UserID: int64(n % 2), Address: "a", Minute: tr.now.Add(-time.Hour), Count: 1},
								{UserID: 7, Address: "b", Minute: tr.now.Add(-time.Hour), Count: 1},
							})
						}
						return tx.InsertEvent(t.Context(), auth.Event{At: at, Kind: auth.EventLoggedIn, UserID: int64(i)})
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for i := range 3 {
			s := tr.sealer(key)
			sealers.Go(func() {
				for ctx.Err() == nil {
					if err := s.Seal(t.Context()); err != nil {
						t.Errorf("node %d: %v", i, err)
					}
					if err := s.Prune(t.Context()); err != nil {
						t.Errorf("node %d: %v", i, err)
					}
					if r, err := s.Verify(t.Context(), chain.VerifyOptions{}); err != nil || !r.OK {
						t.Errorf("node %d: %+v, %v", i, r, err)
					}
				}
			})
		}
		acts.Wait()
		stop()
		sealers.Wait()
		tr.seal()
		tr.fatal(tr.Prune(t.Context()))
		r := tr.verify()
		c := tr.chain()
		if !r.OK || r.Unsealed != 0 || c.HeadSeq == 0 || c.AnchorSeq == 0 {
			t.Errorf("%+v; %+v", r, c)
		}
	})
}

// meanwhile is a store whose reads of the chain, or of its links, come late: by
// the time that they are answered, something else was done.
type meanwhile struct {
	auth.Store
	links bool   // or the chain's ends
	do    func() // once
}

func (m *meanwhile) Read() auth.Reader { return lateReader{m.Store.Read(), m} }

type lateReader struct {
	auth.Reader
	m *meanwhile
}

func (r lateReader) happen(links bool) {
	if do := r.m.do; do != nil && r.m.links == links {
		r.m.do = nil
		do()
	}
}

func (r lateReader) Chain(ctx context.Context) (auth.Chain, error) {
	c, err := r.Reader.Chain(ctx)
	r.happen(false)
	return c, err
}

func (r lateReader) ChainLinks(ctx context.Context, after int64, limit int) ([]auth.ChainLink, error) {
	all, err := r.Reader.ChainLinks(ctx, after, limit)
	r.happen(true)
	return all, err
}

// What is sealed, pruned and turned to another key between a read of the chain
// and the look at it is no break, whoever looks.
func TestMeanwhile(t *testing.T) {
	on(t, func(t *testing.T, tr *trail) {
		tr.happen(3)
		tr.seal()
		whole := func(r *chain.Report, err error) error {
			if err == nil && !r.OK {
				err = fmt.Errorf("found %+v", r.Problems)
			}
			return err
		}
		looks := map[string]func() error{
			"seal":   func() error { return tr.Seal(t.Context()) },
			"prune":  func() error { return tr.Prune(t.Context()) },
			"verify": func() error { return whole(tr.Verify(t.Context(), chain.VerifyOptions{})) },
			"state": func() error {
				state, err := tr.State(t.Context())
				if err == nil && state.Broken != "" {
					err = errors.New(state.Broken)
				}
				return err
			},
		}
		secret := key
		// late makes the sealer one whose reads come late.
		late := func(links bool) *meanwhile {
			m := &meanwhile{Store: tr.store, links: links}
			tr.Sealer = chain.New(chain.Options{
				Store: m, Keys: tr.ring(secret), Retention: 90 * 24 * time.Hour,
				Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return tr.now },
			})
			return m
		}
		for _, links := range []bool{false, true} {
			for name, look := range looks {
				tr.now = tr.now.AddDate(0, 0, 100) // What is there may be pruned.
				late(links).do = func() {
					tr.happen(2)
					tr.seal()
					tr.fatal(tr.Prune(t.Context()))
					tr.head() // Seen here by now.
				}
				if err := look(); err != nil {
					t.Errorf("%s, and it was sealed meanwhile (%v): %v", name, links, err)
				}

				// Another node turns the chain, and the key that it was under goes.
				last, next := tr.chain().KeyID, fmt.Sprint(other, name, links)
				o := keyring.Options{SigningKey: []byte(secret), Now: func() time.Time { return tr.now }}
				tr.fatal(keyring.Use(t.Context(), tr.store, o, keyring.Change{Secret: []byte(next), Lifetime: time.Hour}))
				secret = next
				late(links).do = func() {
					tr.fatal(tr.sealer(secret).Seal(t.Context()))
					tr.fatal(keyring.Retire(t.Context(), tr.store, o, last))
				}
				if err := look(); err != nil {
					t.Errorf("%s, and its key went meanwhile (%v): %v", name, links, err)
				}
				tr.Sealer = tr.sealer(secret)
				tr.seal()
			}
		}
	})
}

// A user's deletion leaves their events and the chain.
func TestUserDeleted(t *testing.T) {
	on(t, func(t *testing.T, tr *trail) {
		var u auth.User
		tr.fatal(tr.store.Update(t.Context(), func(tx auth.Tx) (err error) {
			u, err = tx.InsertUser(t.Context(), auth.NewUser{
				Email: auth.Email{Shown: "a@example.com", Key: "a@example.com"}, Role: auth.RoleClient, IsActive: true,
			}, tr.now)
			return err
		}))
		tr.happen(int(u.ID))
		tr.seal()
		tr.fatal(tr.store.Update(t.Context(), func(tx auth.Tx) error {
			_, err := tx.DeleteUser(t.Context(), u.ID)
			return err
		}))
		tr.whole(u.ID)
	})
}

func TestParseMark(t *testing.T) {
	sum := strings.Repeat("0f", 32)
	if m, ok := chain.ParseMark("12:" + strings.ToUpper(sum)); !ok || m.String() != "12:"+sum {
		t.Errorf("%v, %v", m, ok)
	}
	for _, bad := range []string{"", "12", "12:", "0:" + sum, "-1:" + sum, "x:" + sum, "12:" + sum[1:], "12:" + sum + "00", "12:" + strings.Repeat("xy", 32)} {
		if _, ok := chain.ParseMark(bad); ok {
			t.Errorf("%q is taken for a mark", bad)
		}
	}
}
