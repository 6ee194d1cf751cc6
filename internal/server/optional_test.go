package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/breach"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/server"
)

// What is optional and set wrongly stops the start, with the name of the setting
// and what is the matter: it neither serves without it nor fails at the first
// sign-in. What is set rightly and away stops nothing.
//
// LESSON 37
func TestOptionalSettings(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for env, want := range map[string]string{
		"LATCHKEY_PASSWORD_RANGE_URL=http://api.pwnedpasswords.com/range/":   "password.range_url: is plain http",
		"LATCHKEY_PASSWORD_RANGE_URL=https://10.0.0.7/range/":                "password.range_url: is an address in a private network",
		"LATCHKEY_PASSWORD_RANGE_URL=https://169.254.169.254/":               "password.range_url: is an address where no range API may be",
		"LATCHKEY_PASSWORD_RANGE_URL=api.pwnedpasswords.com":                 "password.range_url: is not an address such as",
		"LATCHKEY_PASSWORD_RANGE_TIMEOUT=0s":                                 "password.range_timeout",
		"LATCHKEY_PASSWORD_UNKNOWN=maybe":                                    "password.unknown",
		"LATCHKEY_PASSWORD_FILTER=" + filepath.Join(dir, "none"):             "password.filter: open",
		"LATCHKEY_PASSWORD_FILTER=" + file("empty", ""):                      "password.filter",
		"LATCHKEY_PASSWORD_FILTER=" + file("page", "<html>not found</html>"): "password.filter",
		"LATCHKEY_PASSWORD_LIST=" + filepath.Join(dir, "none"):               "password rules",
		"LATCHKEY_DJANGO_SETTINGS=" + filepath.Join(dir, "none"):             "django.settings",
		"LATCHKEY_DJANGO_SETTINGS=" + file("jwt", `{"ALGORITHM": "none"}`):   "django.settings",
		"LATCHKEY_TLS_CERT=" + filepath.Join(dir, "none"):                    "tls.key",
		"LATCHKEY_KEYS_SEAL_KEY=c2hvcnQ=":                                    "keys.seal_key",
		"LATCHKEY_PASSWORD_RANGE_URI=https://x.example":                      "did you mean LATCHKEY_PASSWORD_RANGE_URL",
	} {
		cfg, err := config.Load(config.Sources{Env: []string{
			"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATA=" + filepath.Join(t.TempDir(), "data"),
			"LATCHKEY_SIGNING_KEY=an operator's key of thirty-two bytes or more", env,
		}})
		if err == nil {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			err = server.Run(ctx, cfg, slog.New(slog.DiscardHandler), server.RunOptions{Ready: func(string) { cancel() }})
			cancel()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", env, err, want)
		}
	}
	// Nobody answers there: everything goes on.
	r := start(t, settings(t, "LATCHKEY_PASSWORD_RANGE_URL=http://127.0.0.1:1/"), server.RunOptions{})
	r.register("ada@example.com")
	r.waitFor("a password could not be looked up")
}

// What the doctor says of the filter and of django.settings comes of what is
// there.
func TestDoctorLooks(t *testing.T) {
	dir := t.TempDir()
	simplejwt := filepath.Join(dir, "simplejwt.json")
	if err := os.WriteFile(simplejwt, []byte(`{"REFRESH_TOKEN_LIFETIME": 86400}`), 0o600); err != nil {
		t.Fatal(err)
	}
	filter := filepath.Join(dir, "breached.filter")
	cfg := settings(t, "LATCHKEY_DJANGO_SETTINGS="+simplejwt, "LATCHKEY_PASSWORD_FILTER="+filter)
	said := func() map[string]string {
		out := map[string]string{}
		for _, f := range server.Examine(t.Context(), cfg) {
			out[f.ID] = string(f.Severity)
		}
		return out
	}
	if got := said(); got["breach-filter-unusable"] != "error" || got["breach-filter-old"] != "" {
		t.Errorf("no filter: %v", got)
	}
	if _, err := breach.Build(t.Context(), bytes.NewReader([]byte("password\nletmein\n")), filter, breach.BuildOptions{}); err != nil {
		t.Fatal(err)
	}
	store, err := server.OpenStore(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	taken := func(kind auth.EventKind, ago time.Duration) {
		t.Helper()
		if err := store.Update(t.Context(), func(tx auth.Tx) error {
			return tx.InsertEvent(t.Context(), auth.Event{At: time.Now().Add(-ago), Kind: kind, UserID: 1})
		}); err != nil {
			t.Fatal(err)
		}
	}
	if got := said(); got["breach-filter-unusable"] != "ok" || got["breach-filter-old"] != "ok" || got["django-settings-left"] != "" {
		t.Errorf("a filter, and nothing taken over: %v", got)
	}
	taken(auth.EventImported, 100*time.Hour)
	if got := said(); got["django-settings-left"] != "notice" {
		t.Errorf("an old import: %v", got)
	}
	taken(auth.EventSessionAdopted, time.Hour)
	if got := said(); got["django-settings-left"] != "ok" {
		t.Errorf("a token's first use: %v", got)
	}
	old := time.Now().Add(-400 * 24 * time.Hour)
	if err := os.Chtimes(filter, old, old); err != nil {
		t.Fatal(err)
	}
	if got := said(); got["breach-filter-old"] != "notice" {
		t.Errorf("an old filter: %v", got)
	}
	if b, err := json.Marshal(server.Examine(t.Context(), cfg)); err != nil || bytes.Contains(b, []byte("letmein")) {
		t.Errorf("%v %s", err, b)
	}
}
