package postgres

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
)

// Examine implements auth.Store.
func (db *DB) Examine(ctx context.Context) (auth.Condition, error) {
	return db.examiner.examine(ctx, db.pool)
}

// examiner keeps what is asked once: how the server knows us, and whether
// notifications arrive. Both take connections of their own.
type examiner struct {
	mu     sync.Mutex
	method *string
	deaf   *bool
}

// examineTime bounds each of the two.
const examineTime = 3 * time.Second

// sqlstateWrongPassword is invalid_password.
const sqlstateWrongPassword = "28P01"

func (e *examiner) examine(ctx context.Context, pool *pgxpool.Pool) (auth.Condition, error) {
	p := &auth.PostgresCondition{Settings: map[string]string{}, MaxConns: int64(pool.Config().MaxConns) + 1}
	c := auth.Condition{Postgres: p}
	var err error
	if c.Known, err = newestVersion(); err != nil {
		return c, err
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return c, fmt.Errorf("examine the database: %w", err)
	}
	defer conn.Release()
	if c.Schema, err = schemaVersion(ctx, conn); err != nil {
		return c, err
	}
	if c.Ahead, err = ahead(ctx, conn); err != nil {
		return c, fmt.Errorf("compare the database's clock: %w", err)
	}
	if err := ask(ctx, conn, p); err != nil {
		return c, fmt.Errorf("examine the database: %w", err)
	}
	way(conn, p)

	e.mu.Lock()
	defer e.mu.Unlock()
	if e.method == nil {
		method, err := authentication(ctx, conn, p)
		if err != nil {
			return c, fmt.Errorf("ask how PostgreSQL knows us: %w", err)
		}
		e.method = &method
	}
	p.Authentication = *e.method
	if p.Pooled {
		if e.deaf == nil {
			deaf, err := isDeaf(ctx, pool.Config().ConnConfig)
			if err != nil {
				return c, fmt.Errorf("try whether notifications arrive: %w", err)
			}
			e.deaf = &deaf
		}
		p.Deaf = *e.deaf
	}
	return c, nil
}

// ahead compares the clocks: the server's, read at some moment of the question,
// with the middle of it.
func ahead(ctx context.Context, conn *pgxpool.Conn) (time.Duration, error) {
	asked := time.Now()
	var micros int64
	err := conn.QueryRow(ctx, `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`, unprepared).Scan(&micros)
	took := time.Since(asked)
	return store.Time(micros).Sub(asked.Add(took / 2)), err
}

const (
	examineRole = `SELECT current_setting('server_version_num')::bigint / 10000, pg_is_in_recovery(), r.rolname,
		r.rolsuper, r.rolcreatedb, r.rolcreaterole, r.rolreplication, r.rolbypassrls,
		has_schema_privilege(current_schema(), 'CREATE') OR EXISTS (SELECT 1 FROM pg_class AS c
			WHERE c.oid = to_regclass('users') AND pg_has_role(c.relowner, 'USAGE')),
		has_function_privilege('pg_hba_file_rules()', 'EXECUTE')
		FROM pg_roles AS r WHERE r.rolname = current_user`
	// reset_val is what a new session of ours begins with, whatever this one has
	// set.
	examineSettings = `SELECT name, COALESCE(reset_val, '') FROM pg_settings WHERE name = ANY ($1)`
	examineNodes    = `SELECT COUNT(DISTINCT COALESCE(client_addr::text, '')) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = current_setting('application_name')`
	examineArchiver = `SELECT last_archived_time, last_failed_time FROM pg_stat_archiver`
	examineRules    = `SELECT concat_ws(' ', type, array_to_string(database, ','), array_to_string(user_name, ','), address, netmask)
		FROM pg_hba_file_rules WHERE auth_method = 'trust' ORDER BY line_number`
)

type condition = auth.PostgresCondition

// ask fills in what SQL tells.
func ask(ctx context.Context, conn *pgxpool.Conn, p *condition) error {
	var powers [4]bool
	var rules bool
	err := conn.QueryRow(ctx, examineRole, unprepared).Scan(&p.Version, &p.Standby, &p.Role, &p.Superuser,
		&powers[0], &powers[1], &powers[2], &powers[3], &p.ChangesSchema, &rules)
	if err != nil {
		return err
	}
	for i, name := range []string{"CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS"} {
		if powers[i] {
			p.Powers = append(p.Powers, name)
		}
	}
	rows, err := conn.Query(ctx, examineSettings, auth.PostgresSettings())
	if err != nil {
		return err
	}
	var name, value string
	if _, err := pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		p.Settings[name] = value
		return nil
	}); err != nil {
		return err
	}
	if err := conn.QueryRow(ctx, examineNodes, unprepared).Scan(&p.Nodes); err != nil {
		return err
	}
	var archived, failed *time.Time
	if err := conn.QueryRow(ctx, examineArchiver, unprepared).Scan(&archived, &failed); err != nil {
		return err
	}
	if archived != nil {
		p.LastArchived = *archived
	}
	if failed != nil {
		p.LastArchiveFailed = *failed
	}
	if !rules {
		return nil
	}
	rows, err = conn.Query(ctx, examineRules, unprepared)
	if err != nil {
		return err
	}
	p.TrustRules, err = pgx.CollectRows(rows, pgx.RowTo[string])
	p.RulesKnown = err == nil
	return err
}

// way fills in by which way the server is reached.
func way(conn *pgxpool.Conn, p *condition) {
	socket := conn.Conn().PgConn().Conn()
	if addr, ok := socket.RemoteAddr().(*net.TCPAddr); ok {
		p.Remote = !addr.IP.IsLoopback()
	}
	if t, ok := socket.(*tls.Conn); ok {
		p.Encrypted = true
		// The configuration that this connection was made with is not kept;
		// sslmode=require and less ask for no proof.
		state := t.ConnectionState()
		p.Verified = len(state.VerifiedChains) > 0 || verifies(conn.Conn().Config())
	}
	// A pooler makes up the key with which a query is cancelled.
	var pid uint32
	if err := conn.QueryRow(context.Background(), `SELECT pg_backend_pid()`, unprepared).Scan(&pid); err == nil {
		p.Pooled = pid != conn.Conn().PgConn().PID()
	}
}

func verifies(c *pgx.ConnConfig) bool {
	t := c.TLSConfig
	return t != nil && (!t.InsecureSkipVerify || t.VerifyPeerCertificate != nil || t.VerifyConnection != nil)
}

// authentication finds out how the server knows us. PostgreSQL 16 says so; an
// older one is tried with a password that is not ours.
func authentication(ctx context.Context, conn *pgxpool.Conn, p *condition) (string, error) {
	if p.Version >= 16 {
		var identity *string
		if err := conn.QueryRow(ctx, `SELECT system_user`, unprepared).Scan(&identity); err != nil {
			return "", err
		}
		if identity == nil {
			return "trust", nil
		}
		method, _, _ := strings.Cut(*identity, ":")
		return method, nil
	}
	config := conn.Conn().Config()
	if config.TLSConfig != nil && len(config.TLSConfig.Certificates) > 0 {
		return "", nil // Perhaps it is the certificate.
	}
	if _, tcp := conn.Conn().PgConn().Conn().RemoteAddr().(*net.TCPAddr); !tcp {
		return "", nil // Perhaps it is the user of the operating system.
	}
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	config.Password = rand.Text()
	// Never a server of somebody else's with our wrong password, and no wait.
	c, err := pgx.ConnectConfig(ctx, config)
	if err == nil {
		return "trust", c.Close(ctx)
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == sqlstateWrongPassword {
		return "password", nil
	}
	return "", nil
}

// isDeaf tries whether a notification arrives, on a channel of its own.
func isDeaf(ctx context.Context, config *pgx.ConnConfig) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	ear, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, err
	}
	defer func() { _ = ear.Close(context.WithoutCancel(ctx)) }()
	mouth, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, err
	}
	defer func() { _ = mouth.Close(context.WithoutCancel(ctx)) }()
	name := "latchkey_doctor_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if _, err := ear.Exec(ctx, `LISTEN `+name); err != nil {
		return false, err
	}
	if _, err := mouth.Exec(ctx, `NOTIFY `+name); err != nil {
		return false, err
	}
	soon, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err = ear.WaitForNotification(soon)
	return err != nil, nil
}

// Glance is a database that is looked at and never changed: not even its schema
// is brought up to date.
type Glance struct {
	pool     *pgxpool.Pool
	now      func() time.Time
	examiner examiner
}

// OpenGlance connects for looking.
func OpenGlance(ctx context.Context, o Options) (*Glance, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	config, err := poolConfig(o)
	if err != nil {
		return nil, err
	}
	wanted := config.AfterConnect
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		if _, err := c.Exec(ctx, `SET default_transaction_read_only = on`); err != nil {
			return err
		}
		return wanted(ctx, c)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	return &Glance{pool: pool, now: o.Now}, nil
}

// Read gives single reads. They are of use only where the schema is the known
// one.
func (g *Glance) Read() auth.Reader {
	return store.Tx{Conn: reader{g.pool}, Engine: engine{}, Now: g.now}
}

// Examine is that of auth.Store.
func (g *Glance) Examine(ctx context.Context) (auth.Condition, error) {
	return g.examiner.examine(ctx, g.pool)
}

// Close releases the connections.
func (g *Glance) Close() error {
	g.pool.Close()
	return nil
}
