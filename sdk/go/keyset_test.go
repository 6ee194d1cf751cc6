package latchkey

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestKeySet(t *testing.T) {
	t.Parallel()
	t.Run("a new key is fetched ahead of time, once", func(t *testing.T) {
		old, next := edSigner("old"), edSigner("next")
		s, c := newServer(t, old), newClock()
		v := verifier(t, Options{JWKS: s.URL + "/.well-known/jwks.json", Now: c.now})
		v.keys.early = 300 * time.Millisecond
		mustVerify(t, v, old.token(payload()))
		// Right after the fetch the name cannot be a newer key's.
		if _, err := v.Verify(t.Context(), next.token(payload())); !errors.Is(err, ErrSignature) {
			t.Errorf("a key that is not there: %v", err)
		}
		s.set(func() { s.keys = jwks(old, next) })
		c.add(time.Second)
		if _, err := v.Verify(t.Context(), next.token(payload())); !errors.Is(err, ErrUnavailable) {
			t.Errorf("a key that may be there: %v", err)
		}
		eventually(t, "the next key", func() bool {
			_, err := v.Verify(t.Context(), next.token(payload()))
			return err == nil
		})
		mustVerify(t, v, old.token(payload()))
		if n, _ := s.hits(); n != 2 {
			t.Errorf("%d fetches", n)
		}
	})
	t.Run("made-up names do not make it fetch more often", func(t *testing.T) {
		s, c := newServer(t, edSigner("k")), newClock()
		v := verifier(t, Options{JWKS: s.URL + "/.well-known/jwks.json", Now: c.now})
		v.keys.early = 250 * time.Millisecond
		mustVerify(t, v, edSigner("k").token(payload()))
		begin := time.Now()
		for time.Since(begin) < 600*time.Millisecond {
			c.add(time.Second)
			_, _ = v.Verify(t.Context(), edSigner("made up").token(payload()))
			time.Sleep(time.Millisecond)
		}
		if n, _ := s.hits(); n < 2 || n > 4 {
			t.Errorf("%d fetches in 600 ms, with 250 ms between them", n)
		}
	})
	t.Run("a key that has left the set is dead", func(t *testing.T) {
		old, next := edSigner("old"), edSigner("next")
		s, c := newServer(t, old, next), newClock()
		v := verifier(t, Options{JWKS: s.URL + "/.well-known/jwks.json", Now: c.now})
		v.keys.early = time.Millisecond
		mustVerify(t, v, old.token(payload()))
		s.set(func() { s.keys = jwks(next) })
		c.add(time.Second)
		_, _ = v.Verify(t.Context(), edSigner("made up").token(payload())) // has it fetched
		eventually(t, "the old key's end", func() bool {
			_, err := v.Verify(t.Context(), old.token(payload()))
			return err != nil
		})
		mustVerify(t, v, next.token(payload()))
	})
	t.Run("unreachable, the keys are good for a while", func(t *testing.T) {
		k := edSigner("k")
		s, c := newServer(t, k), newClock()
		v := verifier(t, Options{JWKS: s.URL + "/.well-known/jwks.json", Now: c.now, KeysMaxStale: time.Hour})
		v.keys.early = time.Millisecond
		good := payload("exp", "99999999999")
		mustVerify(t, v, k.token(good))
		s.set(func() { s.keyFail = 500 })
		c.add(time.Second)
		if _, err := v.Verify(t.Context(), edSigner("next").token(good)); !errors.Is(err, ErrUnavailable) {
			t.Errorf("an unknown key while the set cannot be had: %v", err)
		}
		eventually(t, "a failure", func() bool { return v.Healthy() != nil })
		if err := v.Healthy(); !strings.Contains(err.Error(), "500") {
			t.Errorf("Healthy = %v", err)
		}
		c.add(59 * time.Minute)
		mustVerify(t, v, k.token(good))
		c.add(2 * time.Minute)
		if _, err := v.Verify(t.Context(), k.token(good)); !errors.Is(err, ErrUnavailable) {
			t.Errorf("with keys that are too old: %v", err)
		}
		s.set(func() { s.keyFail = 0 })
		eventually(t, "the keys again", func() bool {
			_, err := v.Verify(t.Context(), k.token(good))
			return err == nil && v.Healthy() == nil
		})
	})
	t.Run("never reached", func(t *testing.T) {
		v := verifier(t, Options{JWKS: "http://127.0.0.1:1/", HS256Keys: [][]byte{testSecret}})
		if _, err := v.Verify(t.Context(), edSigner("k").token(payload())); !errors.Is(err, ErrUnavailable) {
			t.Errorf("Verify = %v", err)
		}
		mustVerify(t, v, hmacSigner(testSecret).token(payload())) // needs nobody
		if v.Healthy() == nil {
			t.Error("healthy without a key set")
		}
	})
	t.Run("the first token waits, as long as its request", func(t *testing.T) {
		release := make(chan struct{})
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			<-release
			_, _ = w.Write([]byte(jwks(edSigner("k"))))
		}))
		defer s.Close()
		v := verifier(t, Options{JWKS: s.URL})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := v.Verify(ctx, edSigner("k").token(payload())); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Verify = %v", err)
		}
		verified := make(chan error)
		go func() {
			_, err := v.Verify(context.Background(), edSigner("k").token(payload()))
			verified <- err
		}()
		close(release)
		if err := <-verified; err != nil {
			t.Error(err)
		}
	})
}

// An answer that is no key set changes nothing.
func TestBadKeySets(t *testing.T) {
	k := edSigner("k")
	redirected := newServer(t, k)
	for name, handler := range map[string]http.HandlerFunc{
		"HTML":          func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no keys":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"Keys":[]}`)) },
		"keys twice":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[],"keys":[]}`)) },
		"one kid twice": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(jwks(k, k))) },
		"kid a number":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[{"kid":1}]}`)) },
		"too many": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"keys":[` + strings.Repeat("{},", 100) + `{}]}`))
		},
		"too long": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(jwks(k) + strings.Repeat(" ", maxKeySet)))
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			_, _ = w.Write([]byte(jwks(k)))
		},
		"404": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(jwks(k)))
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, redirected.URL+"/.well-known/jwks.json", http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(handler)
			defer s.Close()
			v := verifier(t, Options{JWKS: s.URL, HTTPClient: s.Client()})
			if _, err := v.Verify(t.Context(), k.token(payload())); !errors.Is(err, ErrUnavailable) {
				t.Errorf("Verify = %v", err)
			}
		})
	}
	if n, _ := redirected.hits(); n != 0 {
		t.Errorf("the redirect was followed")
	}
}

func TestFreshFor(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": refreshEvery, "public, max-age=300": refreshEvery, "public, max-age=120": 2 * time.Minute,
		"max-age=86400": refreshEvery, "max-age=0": earlyEvery, "no-store": refreshEvery, "Max-Age=60": time.Minute,
		`max-age="60"`: time.Minute, "max-age=x": refreshEvery, "max-age=-5": refreshEvery, "s-maxage=60": refreshEvery,
		"max-age=99999999999999999999": refreshEvery,
	} {
		if got := freshFor(header); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

func mustVerify(t testing.TB, v *Verifier, token string) {
	t.Helper()
	if _, err := v.Verify(context.Background(), token); err != nil {
		t.Fatalf("a good token: %v", err)
	}
}
