package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// The storage limit: a table like that of sessions with nothing beside it, and
// on it the one update that a rotation cannot do without.
const (
	groupClients = 64
	// groupSize is the most updates of one transaction.
	groupSize = 64
	// singleConnections is how many connections to PostgreSQL commit singly.
	singleConnections = 16
)

// update is one rotation that waits for its commit.
type update struct {
	id, old, new string
	done         chan error
}

// bareRows are the rows of such a table and their present values. Clients do
// not share rows.
type bareRows struct {
	jti  []string
	turn int
}

func newBareRows(n int) *bareRows {
	r := &bareRows{jti: make([]string, n)}
	for i := range r.jti {
		r.jti[i] = sessionJTI(i)
	}
	return r
}

// next is the turn-th update of a client.
func (r *bareRows) next(number, of, turn int) (row int, u update) {
	row = number + of*walk(turn, len(r.jti)/of)
	return row, update{id: sessionID(row), old: r.jti[row], new: fmt.Sprintf("%016x%016x", turn+1, row)}
}

// singly has each client commit its updates one by one.
func (r *bareRows) singly(ctx context.Context, processes []process, clients int, d time.Duration,
	commit func(client int, u update) error,
) (sample, error) {
	first := r.turn
	turns := make([]int, clients)
	s, err := measure(ctx, processes, clients, d, func(i int, m *meter) error {
		turn := first
		for ; m.another(); turn++ {
			row, u := r.next(i, clients, turn)
			if err := commit(i, u); err != nil {
				return err
			}
			r.jti[row] = u.new
		}
		turns[i] = turn
		return nil
	})
	for _, turn := range turns {
		r.turn = max(r.turn, turn)
	}
	return s, err
}

// grouped has one writer commit what clients have waiting, together.
func (r *bareRows) grouped(ctx context.Context, processes []process, d time.Duration,
	commit func(group []*update) error,
) (sample, error) {
	queue := make(chan *update, groupClients)
	written := make(chan struct{})
	go func() {
		defer close(written)
		group := make([]*update, 0, groupSize)
		for u := range queue {
			group = append(group[:0], u)
			for len(group) < groupSize && len(queue) > 0 {
				group = append(group, <-queue)
			}
			err := commit(group)
			for _, u := range group {
				u.done <- err
			}
		}
	}()
	done := make([]chan error, groupClients)
	for i := range done {
		done[i] = make(chan error, 1)
	}
	s, err := r.singly(ctx, processes, groupClients, d, func(client int, u update) error {
		u.done = done[client]
		queue <- &u
		return <-u.done
	})
	close(queue)
	<-written
	return s, err
}

const createBare = `CREATE TABLE bare (id TEXT PRIMARY KEY NOT NULL, user_id BIGINT NOT NULL, jti TEXT NOT NULL,
	prev_jti TEXT, rotated_at BIGINT)`

// bareSQLite is the storage limit on SQLite: WAL, synchronous=FULL, one
// connection.
type bareSQLite struct {
	db     *sql.DB
	conn   *sql.Conn
	update *sql.Stmt
	rows   *bareRows
}

func openBareSQLite(ctx context.Context, folder string, rows int) (*bareSQLite, error) {
	u := url.URL{Scheme: "file", Opaque: filepath.Join(folder, "bare.db"), RawQuery: url.Values{
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)"},
	}.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	b := &bareSQLite{db: db, rows: newBareRows(rows)}
	if b.conn, err = db.Conn(ctx); err != nil {
		_ = db.Close()
		return nil, err
	}
	for _, statement := range []string{
		createBare + ` WITHOUT ROWID`,
		fmt.Sprintf(`WITH RECURSIVE n(g) AS (SELECT 0 UNION ALL SELECT g + 1 FROM n WHERE g + 1 < %d)
			INSERT INTO bare (id, user_id, jti) SELECT printf('%%032x', g), g, printf('a%%031x', g) FROM n`, rows),
	} {
		if _, err := b.conn.ExecContext(ctx, statement); err != nil {
			_ = db.Close()
			return nil, err
		}
	}
	b.update, err = b.conn.PrepareContext(ctx,
		`UPDATE bare SET prev_jti = jti, jti = ?, rotated_at = ? WHERE id = ? AND jti = ? RETURNING user_id`)
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	return b, nil
}

func (b *bareSQLite) close() error { return b.db.Close() }

func (b *bareSQLite) rotate(ctx context.Context, u *update) error {
	var user int64
	return b.update.QueryRowContext(ctx, u.new, time.Now().UnixMicro(), u.id, u.old).Scan(&user)
}

func (b *bareSQLite) group(ctx context.Context, d time.Duration) (sample, error) {
	return b.rows.grouped(ctx, []process{{pid: os.Getpid()}}, d, func(group []*update) error {
		if _, err := b.conn.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
			return err
		}
		for _, u := range group {
			if err := b.rotate(ctx, u); err != nil {
				return err
			}
		}
		_, err := b.conn.ExecContext(ctx, `COMMIT`)
		return err
	})
}

func (b *bareSQLite) single(ctx context.Context, d time.Duration) (sample, error) {
	return b.rows.singly(ctx, []process{{pid: os.Getpid()}}, 1, d, func(_ int, u update) error {
		return b.rotate(ctx, &u)
	})
}

// barePostgres is the storage limit on PostgreSQL.
type barePostgres struct {
	conns     []*pgx.Conn
	processes []process
	rows      *bareRows
}

// openBarePostgres uses a database of its own. postmaster is the server's
// process.
func openBarePostgres(ctx context.Context, address string, postmaster, rows int) (*barePostgres, error) {
	b := &barePostgres{
		processes: []process{{pid: os.Getpid()}, {pid: postmaster, tree: true}},
		rows:      newBareRows(rows),
	}
	for range singleConnections {
		conn, err := pgx.Connect(ctx, address)
		if err != nil {
			b.close()
			return nil, err
		}
		b.conns = append(b.conns, conn)
	}
	for _, statement := range []string{
		createBare,
		fmt.Sprintf(`INSERT INTO bare (id, user_id, jti)
			SELECT lpad(to_hex(g), 32, '0'), g, 'a' || lpad(to_hex(g), 31, '0') FROM generate_series(0, %d - 1) g`, rows),
		`VACUUM ANALYZE bare`,
	} {
		if _, err := b.conns[0].Exec(ctx, statement); err != nil {
			b.close()
			return nil, err
		}
	}
	return b, nil
}

func (b *barePostgres) close() {
	for _, c := range b.conns {
		_ = c.Close(context.Background()) // the database goes with its server
	}
}

func (b *barePostgres) single(ctx context.Context, d time.Duration) (sample, error) {
	return b.rows.singly(ctx, b.processes, len(b.conns), d, func(client int, u update) error {
		var user int64
		return b.conns[client].QueryRow(ctx,
			`UPDATE bare SET prev_jti = jti, jti = $1, rotated_at = $2 WHERE id = $3 AND jti = $4 RETURNING user_id`,
			u.new, time.Now().UnixMicro(), u.id, u.old).Scan(&user)
	})
}

func (b *barePostgres) group(ctx context.Context, d time.Duration) (sample, error) {
	ids, olds, news := make([]string, 0, groupSize), make([]string, 0, groupSize), make([]string, 0, groupSize)
	return b.rows.grouped(ctx, b.processes, d, func(group []*update) error {
		ids, olds, news = ids[:0], olds[:0], news[:0]
		for _, u := range group {
			ids, olds, news = append(ids, u.id), append(olds, u.old), append(news, u.new)
		}
		rows, err := b.conns[0].Query(ctx, `UPDATE bare SET prev_jti = bare.jti, jti = v.new, rotated_at = $4
			FROM unnest($1::text[], $2::text[], $3::text[]) AS v(id, old, new)
			WHERE bare.id = v.id AND bare.jti = v.old RETURNING bare.id, bare.user_id`,
			ids, olds, news, time.Now().UnixMicro())
		if err != nil {
			return err
		}
		updated := 0
		for rows.Next() {
			updated++
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if updated != len(group) {
			return fmt.Errorf("%d of %d rows updated", updated, len(group))
		}
		return nil
	})
}
