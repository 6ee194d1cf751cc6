package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
)

// What is the database's trouble and not the request's is told as such, so that
// it is answered 503; the rest is an internal error.
func TestTold(t *testing.T) {
	state := func(code string) error { return fmt.Errorf("act: %w", &pgconn.PgError{Code: code}) }
	for _, c := range []struct {
		err         error
		unavailable bool
	}{
		{state("57P01"), true}, // admin_shutdown
		{state("57P02"), true}, // crash_shutdown
		{state("57P03"), true}, // cannot_connect_now: starting, stopping, in recovery
		{state("53300"), true}, // too_many_connections
		{state("53100"), true}, // disk_full
		{state("53200"), true}, // out_of_memory
		{state("58030"), true}, // io_error
		{state("25006"), true}, // read_only_sql_transaction
		{state("40001"), true}, // serialization_failure, ten times
		{state("40P01"), true}, // deadlock_detected
		{state("55P03"), true}, // lock_not_available
		{state("57014"), true}, // query_canceled: statement_timeout
		{state("08006"), true}, // connection_failure
		{state("28P01"), true}, // invalid_password, of a server that let us in before
		{state("3D000"), true}, // invalid_catalog_name
		{io.ErrUnexpectedEOF, true},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		{&net.OpError{Op: "read", Err: syscall.ETIMEDOUT}, true},
		{postgres.MaybeDone(io.EOF), true},
		{state("23505"), false}, // unique_violation
		{state("42P01"), false}, // undefined_table
		{state("XX001"), false}, // data_corrupted
		{state("42501"), false}, // insufficient_privilege
		{errors.New("something of ours"), false},
		{context.DeadlineExceeded, false}, // the request's own
	} {
		if got := auth.IsKind(postgres.Told(c.err), auth.Unavailable); got != c.unavailable {
			t.Errorf("%v: unavailable is %v, want %v", c.err, got, c.unavailable)
		}
	}
	refused := auth.TokenError(auth.CodeTokenBlacklisted)
	if got := postgres.Told(refused); !errors.Is(got, refused) {
		t.Errorf("an act's own refusal became %v", got)
	}
}

// A server that is not there is waited for, and then told of as one that may
// come; one that refuses what was configured is not waited for.
func TestOpen_tells_outage_from_misconfiguration(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := postgres.Open(ctx, postgres.Options{URL: "postgres://u@" + nobody + "/db?sslmode=disable"}); !auth.IsKind(err, auth.Unavailable) {
		t.Errorf("nobody listens: %v, want the kind Unavailable", err)
	}
	for name, change := range wrong(t) {
		t.Run(name, func(t *testing.T) {
			db, err := postgres.Open(t.Context(), postgres.Options{URL: change})
			if err == nil {
				_ = db.Close()
			}
			if err == nil || auth.IsKind(err, auth.Unavailable) {
				t.Errorf("%v, want an error that nobody waits out", err)
			}
		})
	}
}

// In a fail-over an address leads to a standby for a moment, and elsewhere then:
// no connection to it is used any more once it has refused a write.
func TestReadOnlyConnections(t *testing.T) {
	url := pgtest.Database(t)
	db := openWith(t, postgres.Options{URL: url, Now: clock, MaxConns: 4})
	u := insertUser(t, db, 1)
	touch := func(ctx context.Context) error {
		return db.Update(ctx, func(tx auth.Tx) error {
			_, err := tx.UpdateUser(ctx, u.ID, auth.UserChange{Touch: true}, now)
			return err
		})
	}
	// A connection has this for as long as it lives, as that to a standby.
	name := databaseName(t, url)
	execute(t, url, `ALTER DATABASE `+name+` SET default_transaction_read_only = on`)
	execute(t, url, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := db.Read().UserByID(t.Context(), u.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	within, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := touch(within); err == nil {
		t.Fatal("a standby has taken a write")
	}
	execute(t, url+"&default_transaction_read_only=off", `ALTER DATABASE `+name+` RESET default_transaction_read_only`)
	for range 4 {
		if err := touch(t.Context()); err != nil {
			t.Errorf("a write after the fail-over: %v", err)
		}
	}
}

// silent is a server that lets everybody in and answers nothing then. It gives
// how many it has let in.
func silent(t *testing.T) (address string, came *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	came = new(atomic.Int64)
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				b := pgproto3.NewBackend(c, c)
				first, err := b.ReceiveStartupMessage()
				if _, ok := first.(*pgproto3.StartupMessage); err != nil || !ok {
					return
				}
				b.Send(&pgproto3.AuthenticationOk{})
				b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
				if b.Flush() != nil {
					return
				}
				came.Add(1)
				for {
					m, err := b.Receive()
					if _, ok := m.(*pgproto3.Terminate); err != nil || ok {
						return
					}
				}
			})
		}
	})
	return l.Addr().String(), came
}

// A server that is silent once it has let us in is given up like one that does
// not let us in: it holds no place in the pool.
func TestOpen_silent_server(t *testing.T) {
	address, came := silent(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := postgres.Open(ctx, postgres.Options{URL: "postgres://u@" + address + "/db?sslmode=disable&connect_timeout=1", MaxConns: 2})
	if !auth.IsKind(err, auth.Unavailable) || ctx.Err() != nil {
		t.Errorf("%v, want the kind Unavailable", err)
	}
	if n := came.Load(); n < 2 {
		t.Errorf("%d connections were tried", n)
	}
}
