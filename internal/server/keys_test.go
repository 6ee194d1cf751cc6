package server_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/server"
)

// keyless is a store whose keys cannot be read while it is away.
type keyless struct {
	auth.Store
	away *atomic.Bool
}

func (k keyless) Read() auth.Reader { return keylessReader{k.Store.Read(), k.away} }

type keylessReader struct {
	auth.Reader
	away *atomic.Bool
}

func (k keylessReader) Keys(ctx context.Context) ([]auth.Key, error) {
	if k.away.Load() {
		return nil, errors.New("the connection is gone")
	}
	return k.Reader.Keys(ctx)
}

// While the keys cannot be read, nobody is told that a token of an unknown one is
// not valid: a client would throw it away.
func TestTokenOfAnUnreadKey(t *testing.T) {
	cfg := settings(t)
	store, err := server.OpenStore(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	var away atomic.Bool
	r := start(t, cfg, server.RunOptions{Store: keyless{store, &away}, KeyCache: time.Second})
	defer func() { _ = r.stop() }()
	enc := base64.RawURLEncoding.EncodeToString
	token := enc([]byte(`{"typ":"JWT","alg":"EdDSA","kid":"eddsa-0123456789abcdef"}`)) + "." + enc([]byte(`{}`)) + "." + enc(make([]byte, 64))
	ask := map[string]func() *http.Response{
		"profile": func() *http.Response {
			resp, _ := r.do(http.MethodGet, "/api/auth/profile/", "", "Authorization", "Bearer "+token)
			return resp
		},
		"refresh": func() *http.Response {
			resp, _ := r.do(http.MethodPost, "/api/auth/token/refresh/", `{"refresh":"`+token+`"}`)
			return resp
		},
		"verify": func() *http.Response {
			resp, _ := r.do(http.MethodPost, "/api/auth/token/verify/", `{"token":"`+token+`"}`)
			return resp
		},
	}
	for _, want := range []int{http.StatusUnauthorized, http.StatusServiceUnavailable, http.StatusUnauthorized} {
		away.Store(want == http.StatusServiceUnavailable)
		// The server looks at its keys twenty times in a second.
		time.Sleep(300 * time.Millisecond)
		for name, do := range ask {
			resp := do()
			for began := time.Now(); resp.StatusCode != want && time.Since(began) < 5*time.Second; time.Sleep(50 * time.Millisecond) {
				resp = do()
			}
			if resp.StatusCode != want || (want == http.StatusServiceUnavailable) != (resp.Header.Get("Retry-After") != "") {
				t.Errorf("%s: %d, Retry-After %q; want %d", name, resp.StatusCode, resp.Header.Get("Retry-After"), want)
			}
		}
	}
}
