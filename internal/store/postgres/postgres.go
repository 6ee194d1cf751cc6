package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
)

// Options say which database and how.
type Options struct {
	// URL is a connection string as psql takes it. Behind PgBouncer in
	// transaction mode add default_query_exec_mode=exec, or set its
	// max_prepared_statements.
	URL string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log is told of what an operator should know; nil means nobody.
	Log *slog.Logger
	// MaxConns is the size of the pool, 2 at least; 0 means two for each CPU
	// and 4 at least. Changes uses one more connection for each call.
	MaxConns int
}

const (
	connectTimeout = 5 * time.Second
	// actTimeout bounds a rotation, which waits for no request: its batch has
	// several.
	actTimeout = 30 * time.Second
)

// DB is an open database.
type DB struct {
	pool *pgxpool.Pool
	now  func() time.Time
	log  *slog.Logger

	rotations *batcher[auth.Rotation, auth.Rotated]
	countings *batcher[auth.Counting, struct{}]
	// revoking has a place for each revocation under way: they queue for the
	// clock's row, and a queue should not hold the whole pool.
	revoking chan struct{}
	examiner examiner

	listeners  sync.WaitGroup
	closing    context.Context // ends the listeners
	close      context.CancelFunc
	closedOnce sync.Once
}

var _ auth.Store = (*DB)(nil)

// Open connects and brings the schema up to date. A database that is starting
// is waited for as in any outage; after that the error is of kind
// auth.Unavailable, and Open may be called again. A schema newer than this
// program, a wrong password and a database that does not exist are other errors.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	config, err := poolConfig(o)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	if err := again(ctx, func() error { return prepare(ctx, pool, o.Log) }); err != nil {
		pool.Close()
		if !misconfigured(err) {
			err = told(err)
		}
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	db := &DB{pool: pool, now: o.Now, log: o.Log, revoking: make(chan struct{}, maxRevoking)}
	db.closing, db.close = context.WithCancel(context.Background())
	db.rotations = newBatcher(func(r auth.Rotation) string { return r.SessionID }, db.rotateAll)
	db.countings = newBatcher(func(auth.Counting) string { return "" }, db.countAll)
	return db, nil
}

// settings are made on every connection. Whatever the parameters and however
// small a table is today, every statement of a request finds its rows by an
// index. Left alone the planner makes a new plan for each small batch, which
// costs more than running it, and keeps plans for tables that have grown since.
// No jit: a statement without an index to use is then thought so expensive that
// PostgreSQL would compile it, for a third of a second, to read a single row.
// A SET, as PgBouncer refuses these as start-up parameters.
const settings = `SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off`

// dialer notices a server that has vanished without a word, as when a network
// or a machine fails: within deadAfter, where the system is told how.
var dialer = &net.Dialer{
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 3},
	Control:         giveUp,
}

// deadAfter is how long the other side may leave what was sent unacknowledged.
const deadAfter = 3 * time.Second

func poolConfig(o Options) (*pgxpool.Config, error) {
	// Its error hides the password.
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("read the database's URL: %w", err)
	}
	if o.MaxConns == 0 {
		o.MaxConns = max(4, 2*runtime.GOMAXPROCS(0))
	}
	config.MaxConns = int32(min(max(o.MaxConns, 2), 1000))
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "latchkey"
	}
	config.ConnConfig.DialFunc = dialer.DialContext
	// A connection that has been idle is asked for a sign of life before it is
	// used; one that gives none is not waited for as long as a statement.
	config.PingTimeout = connectTimeout
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		return within(ctx, config.ConnConfig.ConnectTimeout, c, settings)
	}
	// A standby, to which an address has led for a moment of a fail-over, is in
	// good health: its connections would stay in the pool, each for an hour.
	fatal := config.ConnConfig.OnPgError
	config.ConnConfig.OnPgError = func(c *pgconn.PgConn, e *pgconn.PgError) bool {
		return e.Code != readOnly && fatal(c, e)
	}
	return config, nil
}

// within runs the first statement of a new connection. ConnectTimeout ends where
// the server lets us in, and it may be silent from then on: the connection would
// hold its place in the pool for ever.
func within(ctx context.Context, d time.Duration, c *pgx.Conn, statement string) error {
	limited, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	_, err := c.Exec(limited, statement)
	if limited.Err() != nil && ctx.Err() == nil {
		return errSilent
	}
	return err
}

// Read implements auth.Store.
func (db *DB) Read() auth.Reader { return db.tx(reader{db.pool}) }

// tx is the shared statements over a connection.
func (db *DB) tx(c store.Conn) store.Tx { return store.Tx{Conn: c, Engine: engine{}, Now: db.now} }

// Ping implements auth.Store.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.pool.Ping(ctx); err != nil {
		return fmt.Errorf("ask PostgreSQL for a sign of life: %w", err)
	}
	return nil
}

// errClosed answers what comes after Close: a request that a stop has not waited
// for is put off, to the next start or another node.
var errClosed error = &auth.Error{Kind: auth.Unavailable, Code: auth.CodeDatabaseAway, Cause: errors.New("the store is closed")}

// Close implements auth.Store.
func (db *DB) Close() error {
	db.closedOnce.Do(func() {
		db.close()
		db.rotations.close()
		db.countings.close()
		db.listeners.Wait()
		db.pool.Close() // waits for every connection to come back
	})
	return nil
}
