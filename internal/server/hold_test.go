package server_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/keyring"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

// A server that starts with a clock that may be ahead forgets no key before it
// has seen it go for a while, though its tokens are refused by then.
func TestKeysOutliveAStart(t *testing.T) {
	cfg := settings(t, "LATCHKEY_SIGNING_ALGORITHM=EdDSA")
	store, err := server.OpenStore(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	o := server.RingOptions(cfg)
	o.Now = func() time.Time { return time.Now().AddDate(0, 0, -30) }
	ring, err := keyring.Open(t.Context(), store, o)
	if err != nil {
		t.Fatal(err)
	}
	one := ring.Signing().ID()
	if _, err := keyring.Rotate(t.Context(), store, o, true); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	state := func() auth.KeyState {
		t.Helper()
		store, err := sqlite.OpenGlance(filepath.Join(cfg.Data, sqlite.FileName), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = store.Close() }()
		rows, err := store.Read().Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range rows {
			if k.ID == one {
				return k.State
			}
		}
		return ""
	}
	const cache = 100 * time.Millisecond
	r := start(t, cfg, server.RunOptions{KeyCache: cache})
	time.Sleep(5 * cache) // It looks at its keys a hundred times.
	if got := state(); got != auth.KeyRetired {
		t.Errorf("soon after the start the key is %s", got)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	start(t, cfg, server.RunOptions{KeyCache: cache, SweepHold: -1})
	for began := time.Now(); state() != auth.KeyRemoved; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("without a hold the key is %s", state())
		}
	}
}
