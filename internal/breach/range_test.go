package breach

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

const breached, fresh = "correct horse battery staple", "c0rrect-Horse-42"

// list answers like Have I Been Pwned, with padding.
func list(w http.ResponseWriter, r *http.Request) {
	sum := sha1Line(breached)
	for i := range 800 {
		fmt.Fprintf(w, "%035X:0\r\n", i)
	}
	if strings.HasSuffix(r.URL.Path, "/"+sum[:5]) {
		fmt.Fprintf(w, "%s:216384\r\n", sum[5:])
	}
	if sum := sha1Line("padding"); strings.HasSuffix(r.URL.Path, sum[:5]) {
		fmt.Fprintf(w, "%s:0\r\n", sum[5:])
	}
	fmt.Fprintf(w, "%035X:1", 0xabc)
}

func checker(t *testing.T, base string, closed bool) (*Checker, *bytes.Buffer) {
	t.Helper()
	log := new(bytes.Buffer)
	return New(Options{
		RangeURL: base, Timeout: time.Minute, Closed: closed,
		Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now,
	}), log
}

// Five hex digits go out, and nothing else that tells one Latchkey or one
// password from another.
//
// ASVS 6.2.12
func TestRange(t *testing.T) {
	seen := make(chan *http.Request, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		list(w, r)
	}))
	defer server.Close()
	t.Setenv("HTTP_PROXY", "http://192.0.2.1:1") // nobody's way
	c, log := checker(t, server.URL+"/range", true)
	for pw, want := range map[string]bool{breached: true, fresh: false, "padding": false, breached + " ": false, strings.Repeat("x", 1<<20): false} {
		got, err := c.Reported(t.Context(), pw)
		if err != nil || got != want {
			t.Errorf("%.40q: %v, %v", pw, got, err)
		}
		r := <-seen
		if want := "/range/" + sha1Line(pw)[:5]; r.URL.String() != want || r.Method != http.MethodGet || r.ContentLength != 0 {
			t.Errorf("%.40q: asked %s %s", pw, r.Method, r.URL)
		}
		for name, values := range r.Header {
			want := map[string]string{"User-Agent": "Latchkey", "Add-Padding": "true"}[name]
			if len(values) != 1 || values[0] != want {
				t.Errorf("header %s: %q", name, values)
			}
		}
	}
	if log.Len() > 0 || c.Failed() != 0 {
		t.Errorf("logged %s", log)
	}
}

// Whatever the service does, a password is not taken for breached or fresh by
// it: it is accepted with a word in the log, or refused, as is set.
//
// ASVS 6.2.12, 16.5.2
func TestRangeFails(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	sum := sha1Line(breached)
	handlers := map[string]http.HandlerFunc{
		"slow": func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		},
		"slow in the middle": func(w http.ResponseWriter, r *http.Request) {
			list(w, r)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		},
		"500":   func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500); list(w, r) },
		"404":   func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404); list(w, r) },
		"429":   func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(429) },
		"204":   func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) },
		"empty": func(w http.ResponseWriter, r *http.Request) {},
		"a page": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "<html>sign in to the hotel's network</html>")
		},
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/"+r.URL.Path, http.StatusFound)
		},
		"here": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other"+r.URL.Path, http.StatusFound)
		},
		"no count":  func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s\n", sum[5:]) },
		"negative":  func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s:-1\n", sum[5:]) },
		"whole sum": func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s:7\n", sum) },
		"half": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100000")
			list(w, r)
			panic(http.ErrAbortHandler)
		},
		"huge": func(w http.ResponseWriter, r *http.Request) {
			b := bytes.Repeat([]byte(fmt.Sprintf("%035X:1\n", 1)), 1000)
			for range 100 {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		},
		"one endless line": func(w http.ResponseWriter, r *http.Request) {
			b := bytes.Repeat([]byte("A"), 1<<20)
			for range 4 {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		},
		"gzip": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprint(w, "\x1f\x8b")
		},
		"huge header": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
			list(w, r)
		},
	}
	for name, handler := range handlers {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(handler)
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
			server.Start()
			defer server.Close()
			fails(t, server.URL, strings.HasPrefix(name, "slow"))
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		fails(t, "http://"+l.Addr().String(), false)
	})
	t.Run("no HTTP", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write([]byte("220 mail.example.com ESMTP\r\n"))
				c.Close()
			}
		}()
		fails(t, "http://"+l.Addr().String(), false)
	})
	t.Run("a certificate that nobody vouches for", func(t *testing.T) {
		server := httptest.NewUnstartedServer(http.HandlerFunc(list))
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		server.StartTLS()
		defer server.Close()
		fails(t, server.URL, false)
	})
}

func fails(t *testing.T, base string, slow bool) {
	t.Helper()
	for _, closed := range []bool{false, true} {
		c, log := checker(t, base, closed)
		if slow {
			c.ranges.timeout = 50 * time.Millisecond
		}
		for range 2 {
			reported, err := c.Reported(t.Context(), breached)
			if reported || errors.Is(err, ErrUnknown) != closed || (err != nil) != closed {
				t.Errorf("closed %v: reported %v, %v", closed, reported, err)
			}
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || c.Failed() != 2 {
			t.Errorf("%d lines in the log of %d failures:\n%s", n, c.Failed(), log)
		}
		sum := sha1Line(breached)
		if said := strings.ToUpper(log.String()); strings.Contains(said, sum[:5]) || strings.Contains(said, sum[5:]) || strings.Contains(said, "HORSE") {
			t.Errorf("the log tells what was asked: %s", log)
		}
	}
}

// A client that has gone is no failure of the service.
func TestRangeGone(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(list))
	defer server.Close()
	c, log := checker(t, server.URL, true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Reported(ctx, fresh); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknown) || log.Len() > 0 {
		t.Errorf("%v, logged %q", err, log)
	}
}

func TestCheckRangeURL(t *testing.T) {
	for s, good := range map[string]bool{
		"https://api.pwnedpasswords.com/range/": true, "https://hibp.internal:8443": true,
		"http://127.0.0.1:8080/range": true, "http://[::1]/": true, "http://localhost:3000/": true,
		"http://api.pwnedpasswords.com/range/": false, "http://10.0.0.1/": false, "http://localhost.example.com/": false,
		"ftp://127.0.0.1/": false, "api.pwnedpasswords.com/range": false, "/range/": false, "https:range": false, "https://": false,
		"https://user:pass@example.com/": false, "https://example.com/?x": false, "https://example.com/#x": false, "%": false,
	} {
		if err := CheckRangeURL(s, false); (err == nil) != good {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// A filter that cannot be read any more is met like a service that fails; no
// Checker at all knows nothing.
func TestListed(t *testing.T) {
	f, name := build(t, breached+"\n", BuildOptions{})
	for _, closed := range []bool{false, true} {
		log := new(bytes.Buffer)
		c := New(Options{Filter: f, Closed: closed, Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now})
		for pw, want := range map[string]bool{breached: true, fresh: false} {
			if got, err := c.Listed(t.Context(), pw); err != nil || got != want {
				t.Errorf("%q: %v, %v", pw, got, err)
			}
		}
		if got, err := c.Reported(t.Context(), breached); got || err != nil {
			t.Errorf("without a range API: %v, %v", got, err)
		}
	}
	var none *Checker
	if got, err := none.Listed(t.Context(), breached); got || err != nil || New(Options{}) != nil {
		t.Errorf("nowhere to look: %v, %v", got, err)
	}
	if err := os.Truncate(name, headerSize); err != nil {
		t.Fatal(err)
	}
	for _, closed := range []bool{false, true} {
		log := new(bytes.Buffer)
		c := New(Options{Filter: f, Closed: closed, Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now})
		if got, err := c.Listed(t.Context(), breached); got || errors.Is(err, ErrUnknown) != closed || c.Failed() != 1 || log.Len() == 0 {
			t.Errorf("cut, closed %v: %v, %v, logged %q", closed, got, err, log)
		}
	}
}
