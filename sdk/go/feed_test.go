package latchkey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Each kind of revocation against each kind of token, as the server's own table
// has it (internal/session, TestRevokedKinds).
func TestRevokedKinds(t *testing.T) {
	const issued = 1795410881
	ours := claims{Claims: Claims{UserID: 7, SessionID: testSID, ID: "a", Gen: 100, HasGen: true}, issuedAt: issued}
	django := claims{Claims: Claims{UserID: 7, ID: "a"}, issuedAt: issued}
	noIssue := claims{Claims: Claims{UserID: 7, ID: "a"}}
	for _, tt := range []struct {
		name  string
		row   revocation
		token claims
		want  bool
	}{
		{"session", revocation{kind: "sid", key: testSID}, ours, true},
		{"other session", revocation{kind: "sid", key: otherSID}, ours, false},
		{"session, a token without", revocation{kind: "sid", key: ""}, django, false},
		{"jti of a token without session", revocation{kind: "jti", key: "a"}, django, true},
		{"other jti", revocation{kind: "jti", key: "b"}, django, false},
		{"older generation", revocation{kind: "user", key: "7", gen: 101}, ours, true},
		{"same generation", revocation{kind: "user", key: "7", gen: 100}, ours, false},
		{"other user", revocation{kind: "user", key: "8", gen: 101, iatBefore: issued}, ours, false},
		{"password change leaves our tokens to sid rows", revocation{kind: "user", key: "7", iatBefore: issued + 10}, ours, false},
		{"password change kills Django's, inclusively", revocation{kind: "user", key: "7", iatBefore: issued}, django, true},
		{"a later one of Django's lives", revocation{kind: "user", key: "7", iatBefore: issued - 1}, django, false},
		{"a generation alone leaves Django's", revocation{kind: "user", key: "7", gen: 101}, django, false},
		{"without iat it counts as old", revocation{kind: "user", key: "7", iatBefore: issued}, noIssue, true},
		{"all, inclusively", revocation{kind: "all", iatBefore: issued}, ours, true},
		{"all, Django's", revocation{kind: "all", iatBefore: issued}, django, true},
		{"all, later token", revocation{kind: "all", iatBefore: issued - 1}, ours, false},
		{"a kind of the future", revocation{kind: "device", key: testSID}, ours, false},
		{"a key that is no user", revocation{kind: "user", key: "seven", gen: 101}, ours, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRevoked()
			tt.row.until = issued + 1000
			unknown := r.apply([]revocation{tt.row}, issued)
			if got := r.has(&tt.token); got != tt.want {
				t.Errorf("has = %v", got)
			}
			if want := tt.row.kind == "device" || tt.row.key == "seven"; (unknown == 1) != want {
				t.Errorf("%d unknown", unknown)
			}
			// Until the last token has expired, and a second for what was cut off.
			r.forget(tt.row.until)
			if got := r.has(&tt.token); got != tt.want {
				t.Errorf("in the last second, has = %v", got)
			}
			r.forget(tt.row.until + 1)
			if r.has(&tt.token) || r.size() != 0 {
				t.Errorf("it is held for ever")
			}
		})
	}
	t.Run("expired rows are not taken", func(t *testing.T) {
		r := newRevoked()
		r.apply([]revocation{{kind: "sid", key: testSID, until: issued - 2}}, issued)
		if r.size() != 0 {
			t.Error("one was")
		}
	})
	t.Run("of two rows about one user both count", func(t *testing.T) {
		r := newRevoked()
		r.apply([]revocation{
			{kind: "user", key: "7", gen: 101, until: issued + 10},
			{kind: "user", key: "7", iatBefore: issued, until: issued + 5},
		}, issued)
		r.forget(issued + 8)
		if !r.has(&ours) || !r.has(&django) {
			t.Error("one was lost")
		}
	})
}

// A logout is felt by a service that never calls the server per request.
func TestFeed(t *testing.T) {
	k := edSigner("k")
	s := newServer(t, k)
	s.revoke(revocation{kind: "sid", key: otherSID})
	v := verifier(t, s.options())
	mustVerify(t, v, k.token(payload()))
	if _, err := v.Verify(t.Context(), k.token(payload("sid", `"`+otherSID+`"`))); !errors.Is(err, ErrRevoked) {
		t.Errorf("revoked before the start: %v", err)
	}
	if v.Healthy() != nil || v.LastSync().IsZero() {
		t.Errorf("Healthy = %v, LastSync = %v", v.Healthy(), v.LastSync())
	}
	var waits []time.Duration
	for i := range 50 {
		sid := fmt.Sprintf("%032x", i+1)
		token := k.token(payload("sid", `"`+sid+`"`))
		mustVerify(t, v, token)
		began := time.Now()
		s.revoke(revocation{kind: "sid", key: sid})
		for {
			if _, err := v.Verify(t.Context(), token); errors.Is(err, ErrRevoked) {
				break
			}
			if time.Since(began) > 5*time.Second {
				t.Fatal("the logout is not felt")
			}
			time.Sleep(100 * time.Microsecond)
		}
		waits = append(waits, time.Since(began))
	}
	slices.Sort(waits)
	t.Logf("a logout is felt after %v at the median, %v at most", waits[len(waits)/2], waits[len(waits)-1])
	if waits[len(waits)-1] > time.Second {
		t.Errorf("a logout was felt only after %v", waits[len(waits)-1])
	}
	mustVerify(t, v, k.token(payload()))
}

func TestFeedPages(t *testing.T) {
	k := edSigner("k")
	s := newServer(t, k)
	var rows []revocation
	for i := range 3500 {
		rows = append(rows, revocation{kind: "sid", key: fmt.Sprintf("%032x", i+1)})
	}
	s.revoke(rows...)
	v := verifier(t, s.options())
	eventually(t, "the feed at its end", func() bool { return !v.LastSync().IsZero() })
	if _, err := v.Verify(t.Context(), k.token(payload("sid", fmt.Sprintf(`"%032x"`, 3500)))); !errors.Is(err, ErrRevoked) {
		t.Errorf("the last row: %v", err)
	}
	mustVerify(t, v, k.token(payload()))
	if n := v.feed.current.Load().size(); n != 3500 {
		t.Errorf("%d rows", n)
	}
}

// A part of the pages does not stand for the whole.
func TestFeedHalfRead(t *testing.T) {
	k := edSigner("k")
	s := newServer(t, k)
	for i := range 1500 {
		s.revoke(revocation{kind: "sid", key: fmt.Sprintf("%032x", i+1)})
	}
	s.set(func() { s.hangAfter = 1 })
	v := verifier(t, s.options())
	eventually(t, "the second page asked for", func() bool { _, n := s.hits(); return n == 2 })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	last := k.token(payload("sid", fmt.Sprintf(`"%032x"`, 1500)))
	if _, err := v.Verify(ctx, last); !errors.Is(err, ErrUnavailable) {
		t.Errorf("after one page of two: %v", err)
	}
	s.set(func() { s.hangAfter = 0 })
	if _, err := v.Verify(t.Context(), last); !errors.Is(err, ErrRevoked) {
		t.Errorf("after both: %v", err)
	}
}

// A server with another database forgets what the old one had revoked, and does
// so in one step: half a set is none.
func TestFeedReset(t *testing.T) {
	k := edSigner("k")
	s := newServer(t, k)
	for range 20 {
		s.revoke(revocation{kind: "sid", key: testSID})
	}
	v := verifier(t, s.options())
	if _, err := v.Verify(t.Context(), k.token(payload())); !errors.Is(err, ErrRevoked) {
		t.Fatal(err)
	}
	eventually(t, "the feed at its end", func() bool { return !v.LastSync().IsZero() })
	s.set(func() { s.seq, s.rows = 0, nil })
	s.revoke(revocation{kind: "sid", key: otherSID})
	eventually(t, "the reset", func() bool {
		_, err := v.Verify(t.Context(), k.token(payload()))
		return err == nil
	})
	if _, err := v.Verify(t.Context(), k.token(payload("sid", `"`+otherSID+`"`))); !errors.Is(err, ErrRevoked) {
		t.Errorf("a row of the new database: %v", err)
	}
	s.revoke(revocation{kind: "user", key: "65", gen: 1 << 60})
	eventually(t, "a row after the reset", func() bool {
		_, err := v.Verify(t.Context(), k.token(payload()))
		return errors.Is(err, ErrRevoked)
	})
}

// While the server is away the verifier goes on with what it knows, and it knows
// the rest soon after the server is back.
func TestFeedUnreachable(t *testing.T) {
	t.Parallel()
	k := edSigner("k")
	s := newServer(t, k)
	// The way to the server can be cut.
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	way := &http.Server{Handler: proxy}
	go func() { _ = way.Serve(l) }()

	o := s.options()
	o.Revocations.URL = "http://" + addr + "/api/auth/revocations/"
	var said strings.Builder
	var mu sync.Mutex
	o.Log = slog.New(slog.NewTextHandler(lockedWriter{&mu, &said}, nil))
	v := verifier(t, o)
	s.revoke(revocation{kind: "sid", key: otherSID})
	mustVerify(t, v, k.token(payload()))
	other := k.token(payload("sid", `"`+otherSID+`"`))
	eventually(t, "a logout", func() bool { _, err := v.Verify(t.Context(), other); return errors.Is(err, ErrRevoked) })

	_ = way.Close()
	eventually(t, "the outage noticed", func() bool { return v.Healthy() != nil })
	before := v.LastSync()
	s.revoke(revocation{kind: "sid", key: testSID}) // Not to be known yet.
	time.Sleep(1500 * time.Millisecond)
	mustVerify(t, v, k.token(payload()))
	if _, err := v.Verify(t.Context(), other); !errors.Is(err, ErrRevoked) {
		t.Errorf("what was known is forgotten: %v", err)
	}
	if !v.LastSync().Equal(before) {
		t.Error("synced during the outage")
	}

	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	way = &http.Server{Handler: proxy}
	go func() { _ = way.Serve(l) }()
	back := time.Now()
	eventually(t, "what was missed", func() bool {
		_, err := v.Verify(t.Context(), k.token(payload()))
		return errors.Is(err, ErrRevoked)
	})
	took := time.Since(back)
	t.Logf("what was revoked during the outage is known %v after it", took)
	if took > 1200*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	eventually(t, "health", func() bool { return v.Healthy() == nil && v.LastSync().After(before) })
	v.Close()
	_ = way.Close()

	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(said.String(), "\n"); n != 2 || strings.Contains(said.String(), serviceKey) {
		t.Errorf("the log has %d lines, not one for the outage and one for its end, or the key:\n%s", n, said.String())
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// With MaxStale a service fails closed after a time, and opens again.
func TestMaxStale(t *testing.T) {
	t.Parallel()
	k := edSigner("k")
	s, c := newServer(t, k), newClock()
	o := s.options()
	o.Now = c.now
	o.Revocations.MaxStale = 30 * time.Second
	v := verifier(t, o)
	if v.feed.wait != 15*time.Second {
		t.Errorf("a long poll of %v: the server must be heard of within MaxStale", v.feed.wait)
	}
	good := payload("exp", "99999999999")
	mustVerify(t, v, k.token(good))
	s.set(func() { s.feedFail = 500 })
	eventually(t, "the failure", func() bool { return v.Healthy() != nil })
	c.add(29 * time.Second)
	mustVerify(t, v, k.token(good))
	c.add(2 * time.Second)
	if _, err := v.Verify(t.Context(), k.token(good)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("after MaxStale: %v", err)
	}
	if _, err := v.Verify(t.Context(), k.token(payload("token_type", `"refresh"`))); !errors.Is(err, ErrWrongType) {
		t.Errorf("what is bad for another reason: %v", err)
	}
	s.set(func() { s.feedFail = 0 })
	eventually(t, "the feed again", func() bool {
		_, err := v.Verify(t.Context(), k.token(good))
		return err == nil
	})
	// The default goes on for ever.
	o.Revocations.MaxStale = 0
	v = verifier(t, o)
	mustVerify(t, v, k.token(good))
	s.set(func() { s.feedFail = 500 })
	c.add(23 * time.Hour)
	mustVerify(t, v, k.token(good))
}

// Before the first answer nothing is known: a restart while the server is away
// must not bring a dead token back to life.
func TestFeedNeverReached(t *testing.T) {
	t.Parallel()
	k := edSigner("k")
	s := newServer(t, k)
	s.revoke(revocation{kind: "sid", key: otherSID})
	s.set(func() { s.feedFail = 503 })
	v := verifier(t, s.options())
	for _, token := range []string{k.token(payload()), k.token(payload("sid", `"`+otherSID+`"`))} {
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrUnavailable) {
			t.Errorf("Verify = %v", err)
		}
	}
	if v.Healthy() == nil || !v.LastSync().IsZero() {
		t.Errorf("Healthy = %v, LastSync = %v", v.Healthy(), v.LastSync())
	}
	s.set(func() { s.feedFail = 0 })
	eventually(t, "the feed", func() bool {
		_, err := v.Verify(t.Context(), k.token(payload()))
		return err == nil
	})
}

func TestFeedWaitsAsLongAsTheRequest(t *testing.T) {
	s := newServer(t, edSigner("k"))
	s.set(func() { s.hang = true })
	v := verifier(t, s.options())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := v.Verify(ctx, edSigner("k").token(payload()))
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
		t.Errorf("Verify = %v after %v", err, time.Since(began))
	}
}

// Pages that are none, or that would have the feed skip something, leave the set
// as it is.
func TestBadPages(t *testing.T) {
	t.Parallel()
	row := `{"seq":5,"kind":"sid","key":"` + testSID + `","gen":0,"iat_before":0,"until":99999999999}`
	for name, body := range map[string]string{
		"HTML":               `<html>`,
		"nothing":            ``,
		"an error":           `{"detail":"x"}`,
		"no rows":            `{"seq":5,"reset":false}`,
		"no seq":             `{"reset":false,"revocations":[]}`,
		"seq behind":         `{"seq":2,"reset":false,"revocations":[]}`,
		"seq behind its row": `{"seq":4,"reset":false,"revocations":[` + row + `]}`,
		"a row that was":     `{"seq":5,"reset":false,"revocations":[` + strings.Replace(row, "5", "3", 1) + `]}`,
		"rows out of order":  `{"seq":6,"reset":false,"revocations":[` + strings.Replace(row, "5", "6", 1) + `,` + row + `]}`,
		"rows alike":         `{"seq":6,"reset":false,"revocations":[` + row + `,` + row + `]}`,
		"no kind":            `{"seq":5,"reset":false,"revocations":[` + strings.Replace(row, `"kind":"sid",`, "", 1) + `]}`,
		"no until":           `{"seq":5,"reset":false,"revocations":[` + strings.Replace(row, `,"until":99999999999`, "", 1) + `]}`,
		"key a number":       `{"seq":5,"reset":false,"revocations":[` + strings.Replace(row, `"`+testSID+`"`, "1", 1) + `]}`,
		"gen a fraction":     `{"seq":5,"reset":false,"revocations":[` + strings.Replace(row, `"gen":0`, `"gen":0.5`, 1) + `]}`,
		"until in a string":  `{"seq":5,"reset":false,"revocations":[` + strings.Replace(row, `99999999999`, `"99999999999"`, 1) + `]}`,
		"reset a number":     `{"seq":5,"reset":1,"revocations":[` + row + `]}`,
		"twice":              `{"seq":5,"seq":5,"reset":false,"revocations":[` + row + `]}`,
		"more after it":      `{"seq":5,"reset":false,"revocations":[` + row + `]}]`,
		"too long":           `{"seq":5,"reset":false,"revocations":[` + row + `]}` + strings.Repeat(" ", maxPage),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := edSigner("k")
			s := newServer(t, k)
			for range 3 {
				s.revoke(revocation{kind: "sid", key: otherSID})
			}
			v := verifier(t, s.options())
			mustVerify(t, v, k.token(payload()))
			s.set(func() { s.answer = func() string { return body } })
			eventually(t, "a failure", func() bool { return v.Healthy() != nil })
			mustVerify(t, v, k.token(payload()))
			if _, err := v.Verify(t.Context(), k.token(payload("sid", `"`+otherSID+`"`))); !errors.Is(err, ErrRevoked) {
				t.Errorf("what was known is forgotten: %v", err)
			}
			s.set(func() { s.answer = nil })
			s.revoke(revocation{kind: "sid", key: testSID})
			eventually(t, "the feed again", func() bool {
				_, err := v.Verify(t.Context(), k.token(payload()))
				return errors.Is(err, ErrRevoked)
			})
		})
	}
}

// Whoever answers at once what he should have waited with does not make us ask
// without end.
func TestFeedIsPaced(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]func(n int) string{
		"nothing new, at once": func(int) string { return `{"seq":3,"reset":false,"revocations":[]}` },
		"anew, again and again": func(n int) string {
			return `{"seq":3,"reset":true,"revocations":[{"seq":3,"kind":"sid","key":"` + testSID + `","until":99999999999}]}`
		},
		"anew with nothing":          func(int) string { return `{"seq":3,"reset":true,"revocations":[]}` },
		"nothing, and a clock ahead": func(n int) string { return `{"seq":` + strconv.Itoa(3+n) + `,"revocations":[]}` },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, edSigner("k"))
			n := 0
			s.set(func() { s.answer = func() string { n++; return body(n) } })
			verifier(t, s.options())
			time.Sleep(700 * time.Millisecond)
			if _, hits := s.hits(); hits < 2 || hits > 20 {
				t.Errorf("%d requests in 700 ms", hits)
			}
		})
	}
}

// A wrong service key is tried again slowly, and said plainly.
func TestWrongServiceKey(t *testing.T) {
	s := newServer(t, edSigner("k"))
	o := s.options()
	o.Revocations.ServiceKey = "lks_wrong"
	v := verifier(t, o)
	if _, err := v.Verify(t.Context(), edSigner("k").token(payload())); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Verify = %v", err)
	}
	err := v.Healthy()
	if err == nil || !strings.Contains(err.Error(), "is the service key right") || strings.Contains(err.Error(), "lks_wrong") {
		t.Errorf("Healthy = %v", err)
	}
}

func TestRetryIn(t *testing.T) {
	for _, tt := range []struct {
		err         error
		n           int
		least, most time.Duration
	}{
		{io.EOF, 1, 25 * time.Millisecond, 50 * time.Millisecond},
		{io.EOF, 4, 200 * time.Millisecond, 400 * time.Millisecond},
		{io.EOF, 100, 500 * time.Millisecond, time.Second},
		{&refusedError{status: 500}, 100, 500 * time.Millisecond, time.Second},
		{&refusedError{503, 3 * time.Second}, 1, 3 * time.Second, 3 * time.Second},
		{&refusedError{503, time.Hour}, 1, 5 * time.Second, 5 * time.Second},
		{&refusedError{status: 401}, 1, 500 * time.Millisecond, time.Second},
		{&refusedError{status: 403}, 100, 15 * time.Second, 30 * time.Second},
	} {
		for range 50 {
			if got := retryIn(tt.err, tt.n); got < tt.least || got > tt.most {
				t.Errorf("%v, %d: %v", tt.err, tt.n, got)
			}
		}
	}
}

// The service key goes to the feed alone: no redirect takes it elsewhere.
func TestFeedFollowsNoRedirect(t *testing.T) {
	var seen sync.Map
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen.Store(r.Header.Get("Authorization"), true)
	}))
	defer thief.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	v := verifier(t, Options{HS256Keys: [][]byte{testSecret}, Revocations: Feed{URL: s.URL, ServiceKey: serviceKey}})
	if _, err := v.Verify(t.Context(), hmacSigner(testSecret).token(payload())); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Verify = %v", err)
	}
	seen.Range(func(k, _ any) bool { t.Errorf("the thief saw %q", k); return true })
}
