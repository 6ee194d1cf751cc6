package server

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

// Old events and expired sessions go, in batches; what is needed stays.
func TestSweep(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "latchkey.db"), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	now := time.Now()
	const old, live = 1200, 7
	if err := store.Update(t.Context(), func(tx auth.Tx) error {
		for i := range old + live {
			at := now.Add(-100 * 24 * time.Hour)
			if i%((old+live)/live) == 0 && i/((old+live)/live) < live {
				at = now
			}
			if err := tx.InsertEvent(t.Context(), auth.Event{At: at, Kind: auth.EventLoggedIn, UserID: int64(i), Count: 1}); err != nil {
				return err
			}
			if _, err := tx.InsertSession(t.Context(), int64(i), auth.NewSession{
				ID: fmt.Sprintf("%032x", i), JTI: fmt.Sprintf("%032x", i), IssuedAt: at.Unix(), Expires: at.Add(time.Hour).Unix(), Until: at.Add(time.Hour),
			}, at); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	left := func() (events, sessions int) {
		all, err := store.Read().Events(t.Context(), auth.EventFilter{Limit: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		for i := range old + live {
			s, _, err := store.Read().SessionState(t.Context(), fmt.Sprintf("%032x", i), 1)
			if err != nil {
				t.Fatal(err)
			}
			if s.ID != "" {
				sessions++
			}
		}
		return len(all), sessions
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		sweep(ctx, store, 90*24*time.Hour, time.Millisecond, func() bool { return true }, time.Now, log)
	})
	defer running.Wait()
	defer cancel()
	deadline := time.Now().Add(20 * time.Second)
	for {
		events, sessions := left()
		if events == live && sessions == live {
			return
		}
		if time.Now().After(deadline) || events < live || sessions < live {
			t.Fatalf("%d events and %d sessions are left, want %d of each", events, sessions, live)
		}
	}
}
