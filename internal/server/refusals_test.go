package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

// failingUpdate is a store whose transactions fail while it is told so.
type failingUpdate struct {
	auth.Store
	failing bool
}

func (f *failingUpdate) Update(ctx context.Context, fn func(auth.Tx) error) error {
	if f.failing {
		return errors.New("the database is away")
	}
	return f.Store.Update(ctx, fn)
}

// A flood of refusals is a few rows, none of it is lost, and of whom there are
// too many nothing is said but how many.
//
// ASVS 16.3.2, 16.3.3
func TestRefusalsAreFolded(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "a.db"), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store := &failingUpdate{Store: db}
	now := time.Date(2026, 11, 26, 12, 0, 30, 123456000, time.UTC)
	f := newRefusals(store, log, func() time.Time { return now })
	refuse := func(user int64, address, detail string) {
		f.add(auth.Event{
			At: now, Kind: auth.EventAccessRefused, UserID: user, ActorID: user, Detail: detail,
			Client: auth.Client{Address: address, Request: fmt.Sprint("r", user)},
		})
	}
	rows := func() (n int, count int64, all []auth.Event) {
		t.Helper()
		all, err := db.Read().Events(t.Context(), auth.EventFilter{Limit: 100_000})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			count += e.Count
		}
		return len(all), count, all
	}
	want := func(what string, wantRows int, wantCount int64) {
		t.Helper()
		if n, count, all := rows(); n != wantRows || count != wantCount {
			t.Fatalf("%s: %d rows of %d, want %d of %d: %+v", what, n, count, wantRows, wantCount, all[:min(len(all), 5)])
		}
	}
	// The first is there at once, with its request.
	refuse(1, "192.0.2.1", "GET /api/audit/ permission")
	f.write(t.Context(), false)
	want("the first", 1, 1)
	if _, _, all := rows(); all[0].Client.Request != "r1" || !all[0].At.Equal(now) || all[0].UserID != 1 || all[0].ActorID != 1 {
		t.Errorf("%+v", all[0])
	}
	// Those that follow it wait for the end of the minute.
	for range 10_000 {
		refuse(1, "192.0.2.1", "GET /api/audit/ permission")
		f.write(t.Context(), false)
	}
	want("a flood", 1, 1)
	refuse(1, "192.0.2.1", "GET /api/system/ permission")
	f.write(t.Context(), false)
	want("something else", 2, 2)
	now = now.Add(time.Minute)
	store.failing = true
	f.write(t.Context(), false)
	want("while the database is away", 2, 2)
	store.failing = false
	f.write(t.Context(), false)
	want("the minute after", 3, 10_002)
	if len(f.buckets) != 0 {
		t.Errorf("%d buckets are kept", len(f.buckets))
	}
	// Everybody at once.
	for i := range int64(20 * maxRefusals) {
		refuse(2+i, fmt.Sprint("10.0.0.", i), "GET /api/audit/ permission")
	}
	if len(f.buckets) > maxRefusals+1 {
		t.Errorf("%d buckets", len(f.buckets))
	}
	f.write(t.Context(), false)
	want("everybody", 3+maxRefusals+1, 10_002+20*maxRefusals)
	if _, _, all := rows(); true {
		for _, e := range all {
			if e.Count > 1 && e.Count != 10_000 && (e.UserID != 0 || e.Client != (auth.Client{}) || e.Detail != "") {
				t.Errorf("those beyond the bound: %+v", e)
			}
		}
	}
	// What is left is written when the server stops, whatever the minute.
	refuse(2, "10.0.0.0", "GET /api/audit/ permission")
	f.write(t.Context(), true)
	want("the end", 3+maxRefusals+2, 10_003+20*maxRefusals)
}
