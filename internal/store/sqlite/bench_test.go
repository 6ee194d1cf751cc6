package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
	"github.com/latchkey-auth/latchkey/internal/store/storetest"
)

// BenchmarkRotate trades refresh tokens: 64 clients through the Store, one
// alone, and as the limit a bare loop that does nothing but the UPDATE, 64 to a
// transaction, with database/sql. CPU is the process's, in µs for each
// rotation; goals.md has the ratios.
func BenchmarkRotate(b *testing.B) {
	b.Run("store_64_clients", func(b *testing.B) { benchmarkStore(b, 64) })
	b.Run("store_1_client", func(b *testing.B) { benchmarkStore(b, 1) })
	b.Run("bare_groups_of_64", func(b *testing.B) { benchmarkBare(b, 64) })
	b.Run("bare_singly", func(b *testing.B) { benchmarkBare(b, 1) })
}

const benchSessions = 64

func benchmarkStore(b *testing.B, clients int) {
	db, _, user := benchData(b)
	tokens := make([]int, benchSessions)
	b.ResetTimer()
	cpu := cpuTime()
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := c; i < b.N; i += clients {
				got, err := db.Rotate(b.Context(), benchRotation(user, c, tokens[c]))
				if err != nil || !got.Done {
					b.Errorf("Rotate = %+v, %v", got, err)
					return
				}
				tokens[c]++
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
}

func benchmarkBare(b *testing.B, group int) {
	db, path, user := benchData(b)
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	bare, err := sql.Open("sqlite", "file:"+path+
		"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	bare.SetMaxOpenConns(1)
	update, err := bare.Prepare(`UPDATE sessions SET prev_jti = jti, jti = $1, rotated_at = $2, last_seen = $2, issued_at = $3,
			expires = $4, until = $5
		WHERE id = $6 AND user_id = $7 AND jti = $8 AND revoked_at IS NULL
			AND EXISTS (SELECT 1 FROM users WHERE users.id = sessions.user_id AND users.is_active)
		RETURNING created_at`)
	if err != nil {
		b.Fatal(err)
	}
	defer update.Close()
	b.ResetTimer()
	cpu := cpuTime()
	for done := 0; done < b.N; done += group {
		tx, err := bare.Begin()
		if err != nil {
			b.Fatal(err)
		}
		stmt := tx.Stmt(update) //nolint:sqlclosecheck // Closed with its transaction.
		for i := done; i < min(done+group, b.N); i++ {
			r := benchRotation(user, i%benchSessions, i/benchSessions)
			var created int64
			err := stmt.QueryRow(r.NewJTI, r.Now.UnixMicro(), r.IssuedAt, r.Expires, r.AccessUntil.UnixMicro(),
				r.SessionID, r.UserID, r.JTI).Scan(&created)
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
}

func benchData(b *testing.B) (*sqlite.DB, string, auth.User) {
	path := filepath.Join(b.TempDir(), "data.db")
	db := open(b, path)
	var u auth.User
	err := db.Update(b.Context(), func(tx auth.Tx) (err error) {
		u, err = tx.InsertUser(b.Context(), auth.NewUser{Role: auth.RoleEmployee, IsActive: true}, storetest.Now)
		for n := 0; n < benchSessions && err == nil; n++ {
			r := benchRotation(u, n, 0)
			_, err = tx.InsertSession(b.Context(), u.ID, auth.NewSession{
				ID: r.SessionID, JTI: r.JTI, IssuedAt: r.IssuedAt, Expires: r.Expires,
				Client: auth.Client{Address: "192.0.2.1", UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"},
			}, r.Now)
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return db, path, u
}

func benchRotation(u auth.User, session, i int) auth.Rotation {
	now := storetest.Now
	return auth.Rotation{
		SessionID: fmt.Sprintf("%032x", session), UserID: u.ID,
		JTI: fmt.Sprintf("%016x%016x", session, i), NewJTI: fmt.Sprintf("%016x%016x", session, i+1),
		IssuedAt: now.Unix(), Expires: now.Add(72 * time.Hour).Unix(), SessionMax: 720 * time.Hour,
		AccessUntil: now.Add(3 * time.Hour), Now: now,
	}
}

// cpuTime is what the process has used.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
