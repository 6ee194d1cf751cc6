package server

import (
	"context"
	"log/slog"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/doctor"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

// A hash that was measured in a rush is measured again before anybody is told
// that the machine is slow, and the least counts.
func TestHashIsMeasuredAgain(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "a.db"), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r := newRounds(config.Default(), db, func() doctor.Peers { return doctor.Peers{} }, log, time.Now)
	took, measured := 900*time.Millisecond, 0
	r.hashing = func(context.Context) time.Duration {
		measured++
		return took
	}
	severity := func() string {
		t.Helper()
		r.at = time.Time{} // What was said is old.
		d, err := r.tell(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range d.Findings {
			if f.ID == "hash-slow" {
				return f.Severity
			}
		}
		return ""
	}
	if got := severity(); got != "" || measured != 0 {
		t.Errorf("before the first time: %q, measured %d times", got, measured)
	}
	r.measure(t.Context())
	if got := severity(); got != "warning" || measured != 2 {
		t.Errorf("in the rush: %q, measured %d times", got, measured)
	}
	took = 60 * time.Millisecond
	if got := severity(); got != "ok" || measured != 3 {
		t.Errorf("after it: %q, measured %d times", got, measured)
	}
	took = 900 * time.Millisecond
	r.measure(t.Context())
	if got := severity(); got != "ok" || measured != 4 || r.hash.Load() != int64(60*time.Millisecond) {
		t.Errorf("in the next rush: %q, measured %d times, kept %v", got, measured, time.Duration(r.hash.Load()))
	}
	took = 0 // It could not be told.
	r.measure(t.Context())
	if r.hash.Load() != int64(60*time.Millisecond) {
		t.Errorf("kept %v", time.Duration(r.hash.Load()))
	}
}

// The memory of the largest hash that somebody has is found out, with a server
// and without one.
func TestLargestHash(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "a.db"), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const salted = "$" + "c29tZXNhbHRzb21lc2FsdA" + "$" + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for i, step := range []struct {
		hash string
		want int64
	}{
		{"argon2$argon2id$v=19$m=19456,t=2,p=1" + salted, 0}, // one of ours
		{"argon2$argon2id$v=19$m=102400,t=2,p=8" + salted, 100 << 20},
		{"pbkdf2_sha256$600000$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 100 << 20},
	} {
		if err := db.Update(t.Context(), func(tx auth.Tx) error {
			_, err := tx.InsertUser(t.Context(), auth.NewUser{
				Email: auth.Email{Key: strconv.Itoa(i), Shown: strconv.Itoa(i)}, Role: auth.RoleClient, Password: step.hash, IsActive: true,
			}, time.Now())
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if got := largestHash(t.Context(), db.Read()); got != step.want {
			t.Errorf("with %s: %d bytes, want %d", step.hash, got, step.want)
		}
	}
}

// What was written last is told from what bears the latest time: they differ
// after a clock that was ahead has been set right.
func TestLatestWritten(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "a.db"), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	now := time.Now().Truncate(time.Microsecond)
	for _, c := range []struct{ at, newest time.Time }{
		{now.Add(time.Hour), now.Add(time.Hour)},
		{now, now.Add(time.Hour)},
	} {
		if err := db.Update(t.Context(), func(tx auth.Tx) error {
			return tx.InsertEvent(t.Context(), auth.Event{At: c.at, Kind: auth.EventPasswordChanged})
		}); err != nil {
			t.Fatal(err)
		}
		d := doctor.Gather(t.Context(), doctor.Options{Config: config.Default(), Store: db, Now: now}).Database
		if !d.Newest.Equal(c.newest) || !d.Latest.Equal(c.at) {
			t.Errorf("newest %v, written last %v; want %v, %v", d.Newest, d.Latest, c.newest, c.at)
		}
	}
}
