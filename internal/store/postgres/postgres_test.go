package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.M{M: m}) }

// now is the tests' time.
var now = time.Date(2026, 10, 1, 12, 0, 0, 123456000, time.UTC)

func clock() time.Time { return now }

func open(t testing.TB, url string) *postgres.DB {
	t.Helper()
	return openWith(t, postgres.Options{URL: url, Now: clock})
}

func openWith(t testing.TB, o postgres.Options) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// insertUser makes a user n@example.com.
func insertUser(t testing.TB, db *postgres.DB, n int) (u auth.User) {
	t.Helper()
	email := fmt.Sprintf("%d@example.com", n)
	err := db.Update(t.Context(), func(tx auth.Tx) (err error) {
		u, err = tx.InsertUser(t.Context(), auth.NewUser{
			Email: auth.Email{Shown: email, Key: email}, Role: auth.RoleEmployee, Password: "!", IsActive: true,
		}, now)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// openSession opens session n of a user; its refresh token is jti(n, 0).
func openSession(t testing.TB, db *postgres.DB, u auth.User, n int) string {
	t.Helper()
	opened, err := db.OpenSession(t.Context(), opening(u, n))
	if err != nil || !opened.OK {
		t.Fatalf("OpenSession = %+v, %v", opened, err)
	}
	return sessionID(n)
}

func opening(u auth.User, n int) auth.Opening {
	return auth.Opening{
		UserID: u.ID, CredentialVersion: u.CredentialVersion,
		Session: auth.NewSession{
			ID: sessionID(n), JTI: jti(n, 0), IssuedAt: now.Unix(), Expires: now.Add(72 * time.Hour).Unix(),
			Until: now.Add(3 * time.Hour), Client: auth.Client{Address: "192.0.2.1", UserAgent: "test"},
		},
		Now: now, Event: auth.EventLoggedIn,
	}
}

func sessionID(n int) string { return fmt.Sprintf("%032x", n) }

func jti(session, rotation int) string { return fmt.Sprintf("%016x%016x", session, rotation) }

// rotation trades jti(session, from) for newJTI.
func rotation(u auth.User, session, from int, newJTI string) auth.Rotation {
	return auth.Rotation{
		SessionID: sessionID(session), UserID: u.ID, JTI: jti(session, from), NewJTI: newJTI,
		IssuedAt: now.Unix(), Expires: now.Add(72 * time.Hour).Unix(), SessionMax: 30 * 24 * time.Hour,
		AccessUntil: now.Add(3 * time.Hour), Now: now,
	}
}

func revoking(u auth.User, sessions ...int) auth.Revoking {
	r := auth.Revoking{UserID: u.ID, Event: auth.EventLoggedOut, Now: now}
	for _, n := range sessions {
		r.SessionIDs = append(r.SessionIDs, sessionID(n))
	}
	return r
}

func TestOpen_twice_at_once(t *testing.T) {
	url := pgtest.Database(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			db, err := postgres.Open(t.Context(), postgres.Options{URL: url})
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(db.Ping(t.Context()), db.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestOpen_refuses_a_newer_schema(t *testing.T) {
	url := pgtest.Database(t)
	open(t, url)
	execute(t, url, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`)
	db, err := postgres.Open(t.Context(), postgres.Options{URL: url})
	if err == nil {
		db.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "version 9999") {
		t.Errorf("Open = %v, want an error that names the version", err)
	}
}

func TestOpen_refuses_another_encoding(t *testing.T) {
	url := pgtest.Database(t)
	execute(t, url, `CREATE DATABASE latin_`+databaseName(t, url)+` TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'`)
	latin := strings.Replace(url, databaseName(t, url), "latin_"+databaseName(t, url), 1)
	t.Cleanup(func() { execute(t, url, `DROP DATABASE latin_`+databaseName(t, url)+` WITH (FORCE)`) })
	db, err := postgres.Open(t.Context(), postgres.Options{URL: latin})
	if err == nil {
		db.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "LATIN1") {
		t.Errorf("Open = %v, want an error that names the encoding", err)
	}
}

func TestOpen_hides_the_password(t *testing.T) {
	for _, url := range []string{
		"postgres://latchkey:hunter2@[::1:5432/db",
		"postgres://latchkey:hunter2@localhost:port/db",
		"host=localhost password=hunter2 port=no",
	} {
		_, err := postgres.Open(t.Context(), postgres.Options{URL: url})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open(%q) = %v", url, err)
		}
	}
}

// wrong gives URLs of a server that is there and refuses them.
func wrong(t *testing.T) map[string]string {
	t.Helper()
	good := pgtest.Database(t)
	urls := map[string]string{}
	for name, change := range map[string]func(*url.URL){
		"wrong password":   func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "not it") },
		"no such database": func(u *url.URL) { u.Path = "/there-is-no-such-database" },
		"no TLS there":     func(u *url.URL) { u.RawQuery = "sslmode=require" },
	} {
		u, err := url.Parse(good)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		urls[name] = u.String()
	}
	return urls
}

func TestOpen_gives_up_without_a_server(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := postgres.Open(ctx, postgres.Options{URL: "postgres://localhost:1/db"})
	if err == nil {
		t.Error("opened what is not there")
	}
}

func TestClose(t *testing.T) {
	db, err := postgres.Open(t.Context(), postgres.Options{URL: pgtest.Database(t), Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	u := insertUser(t, db, 1)
	openSession(t, db, u, 1)
	hints := db.Changes(t.Context())
	if err := errors.Join(db.Close(), db.Close()); err != nil {
		t.Error(err)
	}
	for range hints { //nolint:revive // until it is closed
	}
	// Whoever asks is told to come again, not that something broke.
	_, rotated := db.Rotate(t.Context(), rotation(u, 1, 0, jti(1, 1)))
	_, read := db.Read().UserByID(t.Context(), u.ID)
	for what, err := range map[string]error{
		"Rotate": rotated, "UserByID": read,
		"Update": db.Update(t.Context(), func(auth.Tx) error { return nil }),
		"Count":  db.Count(t.Context(), auth.Counting{}),
	} {
		if !auth.IsKind(err, auth.Unavailable) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
	if err := db.Ping(t.Context()); err == nil {
		t.Error("a closed store answers")
	}
}

// The nodes' connections die (a fail-over, an operator); what comes next works.
func TestTerminatedConnections(t *testing.T) {
	url := pgtest.Database(t)
	db := open(t, url)
	u := insertUser(t, db, 1)
	n := 1
	openSession(t, db, u, n)
	for name, act := range map[string]func() error{
		"read one": func() error {
			_, err := db.Read().UserByID(t.Context(), u.ID)
			return err
		},
		"read several": func() error {
			all, err := db.Read().Users(t.Context(), auth.UserFilter{})
			if len(all) != 1 {
				t.Errorf("read %d users", len(all))
			}
			return err
		},
		"update": func() error {
			return db.Update(t.Context(), func(tx auth.Tx) error {
				_, err := tx.UpdateUser(t.Context(), u.ID, auth.UserChange{Touch: true}, now)
				return err
			})
		},
		"open": func() error {
			n++
			opened, err := db.OpenSession(t.Context(), opening(u, n))
			if err == nil && !opened.OK {
				t.Error("the session was not opened")
			}
			return err
		},
		"rotate": func() error {
			got, err := db.Rotate(t.Context(), rotation(u, 1, 0, jti(1, 1)))
			if err == nil && !got.Done {
				t.Error("not rotated")
			}
			return err
		},
		"revoke": func() error {
			_, err := db.RevokeSession(t.Context(), auth.Revoking{UserID: u.ID, AccessJTI: "a", Event: auth.EventLoggedOut, Now: now})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			// Fill the pool: all its connections are known good, and then dead.
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() {
					if _, err := db.Read().UserByID(t.Context(), u.ID); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			execute(t, url, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid()`)
			if err := act(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A restart is waited out; what was acknowledged before a crash is there after.
func TestCrash(t *testing.T) {
	server := pgtest.Durable(t)
	db := open(t, server.URL("postgres"))
	u := insertUser(t, db, 1)
	openSession(t, db, u, 1)

	// Rotate all the while, and look each time that nothing went back.
	acknowledged, stop := make(chan int), make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		defer close(acknowledged)
		for n := 1; ; n++ {
			// An outage that takes longer than is waited for, as on a busy
			// machine, is told as one; then the same is asked again.
			var got auth.Rotated
			err := patiently(t, func() (err error) {
				got, err = db.Rotate(t.Context(), rotation(u, 1, n-1, jti(1, n)))
				return err
			})
			if err != nil || !got.Done {
				t.Errorf("rotation %d = %+v, %v", n, got, err)
				return
			}
			var s auth.Session
			err = patiently(t, func() (err error) {
				s, _, err = db.Read().SessionState(t.Context(), sessionID(1), u.ID)
				return err
			})
			if err != nil || s.JTI != jti(1, n) {
				t.Errorf("after rotation %d the session has %s, %v", n, s.JTI, err)
				return
			}
			select {
			case acknowledged <- n:
			case <-stop:
				return
			}
		}
	})
	wait := func(n int) {
		for range n {
			if _, ok := <-acknowledged; !ok {
				t.FailNow()
			}
		}
	}
	wait(20)
	for range 3 {
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		wait(5)
	}
}

// patiently does something again while the database is away.
func patiently(t *testing.T, do func() error) error {
	t.Helper()
	for range 20 {
		began := time.Now()
		err := do()
		if !auth.IsKind(err, auth.Unavailable) {
			return err
		}
		if took := time.Since(began); took < 2*time.Second {
			t.Errorf("after %v: %v: the outage was not waited out", took, err)
		}
	}
	return errors.New("the database has not come back")
}

// 256 clients on the smallest pool: everybody is served.
func TestManyClientsFewConnections(t *testing.T) {
	db := openWith(t, postgres.Options{URL: pgtest.Database(t), Now: clock, MaxConns: 2})
	const clients = 256
	u := insertUser(t, db, 1)
	users := make([]auth.User, clients)
	for i := range users {
		users[i] = u
		if i%8 == 0 {
			u = insertUser(t, db, i+2)
		}
	}
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			u := users[i]
			opened, err := db.OpenSession(t.Context(), opening(u, i))
			if err != nil || !opened.OK {
				t.Errorf("OpenSession = %v, %v", opened.OK, err)
				return
			}
			for n := range 3 {
				got, err := db.Rotate(t.Context(), rotation(u, i, n, jti(i, n+1)))
				if err != nil || !got.Done {
					t.Errorf("Rotate = %v, %v", got.Done, err)
				}
			}
			if _, err := db.Read().UserByID(t.Context(), u.ID); err != nil {
				t.Error(err)
			}
			err = db.Update(t.Context(), func(tx auth.Tx) error {
				_, err := tx.UpdateUser(t.Context(), u.ID, auth.UserChange{Touch: true}, now)
				return err
			})
			if err != nil {
				t.Error(err)
			}
			if _, err := db.RevokeSession(t.Context(), revoking(u, i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	last, err := db.Read().LastRevocation(t.Context())
	if err != nil || last != clients {
		t.Errorf("the clock stands at %d, %v; want %d", last, err, clients)
	}
}

// execute runs a statement on a connection of its own.
func execute(t testing.TB, url, statement string) {
	t.Helper()
	// Not the test's context: it has ended when a test cleans up.
	ctx := context.Background()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Exec(ctx, statement)
	if err := errors.Join(err, c.Close(ctx)); err != nil {
		t.Fatal(err)
	}
}

func databaseName(t testing.TB, url string) string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return config.Database
}
