package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/throttle"
)

// hostileTexts are what a client may send to break a line of the log, to paint
// in a terminal, or to fill a disk.
var hostileTexts = map[string]string{
	"line feed": "a\nlevel=ERROR msg=forged", "carriage return": "a\r\nforged", "escape": "\x1b[2J\x1b[31mred", "bell": "\a\b\x7f",
	"line separator": "a\u2028forged\u2029b", "next line": "a\u0085b", "not UTF-8": "\xff\xfe\xc0\x80", "NUL": "a\x00b",
	"bidi": "\u202eabc\u2066", "quotes": `","level":"ERROR","x":"`, "long": strings.Repeat("A", 1<<20), "formula": `=cmd|' /C calc'!A0`,
}

// Whatever a client sends where it is logged: one line, of bounded length, that
// a machine reads, in both formats.
//
// ASVS 16.2.2, 16.2.4, 16.4.1
func TestLogInjection(t *testing.T) {
	formats := map[string]func(*bytes.Buffer) slog.Handler{
		"json": func(b *bytes.Buffer) slog.Handler {
			return slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})
		},
		"text": func(b *bytes.Buffer) slog.Handler {
			return slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})
		},
	}
	for format, handler := range formats {
		for name, text := range hostileTexts {
			t.Run(format+"/"+name, func(t *testing.T) {
				var out bytes.Buffer
				f := &front{
					rest: http.HandlerFunc(welcome), health: &health{now: time.Now}, cors: newCORS(nil, false),
					hosts: newHosts(nil), most: 10, log: slog.New(handler(&out)), now: time.Now,
					// Nothing is taken of a peer that is not.
					trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, header: throttle.ForwardedFor,
				}
				f.ids.prefix = "test"
				r := httptest.NewRequest(http.MethodGet, "/x", nil)
				r.Method = text[:min(len(text), 100)]
				r.URL.Path = "/" + text
				r.URL.RawQuery = text
				r.Host = text
				r.RemoteAddr = "127.0.0.1:1"
				for _, h := range []string{
					"User-Agent", "X-Request-Id", "X-Forwarded-For", "Forwarded", "X-Real-Ip", "Authorization", "Cookie", "Origin", "Referer", "Accept-Language", "Auth-Mode", "Content-Type",
				} {
					r.Header[h] = []string{text}
				}
				f.ServeHTTP(httptest.NewRecorder(), r)
				lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
				if len(lines) > 1 {
					t.Fatalf("%d lines:\n%.2000s", len(lines), out.String())
				}
				for _, line := range lines {
					if len(line) > 1000 || !utf8.ValidString(line) {
						t.Errorf("%d bytes: %.300q", len(line), line)
					}
					for _, c := range line {
						if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == '\u2028' || c == '\u2029' || c == '\u202e' {
							t.Errorf("%U in %.300q", c, line)
						}
					}
					if format == "json" {
						var got struct {
							Time time.Time
							Msg  string
						}
						if err := json.Unmarshal([]byte(line), &got); err != nil || got.Msg == "" || got.Time.IsZero() {
							t.Errorf("%v: %.300q", err, line)
						}
					}
				}
				if strings.Contains(out.String(), "forged") || strings.Contains(out.String(), "AAAA") {
					t.Errorf("a client's words are in the log:\n%.500q", out.String())
				}
				// And what is audited of it.
				c := f.client(r)
				if len(c.UserAgent) > 512 || !utf8.ValidString(c.UserAgent) || strings.ContainsRune(c.UserAgent, 0) || c.Address != "127.0.0.1" {
					t.Errorf("the client is %.100q at %q", c.UserAgent, c.Address)
				}
			})
		}
	}
}

// A panic and a failure quote what they want, and are one line all the same.
//
// ASVS 16.3.4, 16.4.1
func TestPanicIsOneLine(t *testing.T) {
	for name, text := range hostileTexts {
		if name == "long" {
			continue // Of our own making; net/http bounds what a client sends.
		}
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			f := &front{
				rest:   http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(fmt.Errorf("read %s", text)) }),
				health: &health{now: time.Now}, cors: newCORS(nil, false), hosts: newHosts(nil), most: 10,
				log: slog.New(slog.NewJSONHandler(&out, nil)), now: time.Now,
			}
			w := httptest.NewRecorder()
			f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/x", nil))
			if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "read") {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if len(lines) != 2 {
				t.Fatalf("%d lines, want the panic's and the request's:\n%s", len(lines), out.String())
			}
			for _, line := range lines {
				if !json.Valid([]byte(line)) {
					t.Errorf("no JSON: %q", line)
				}
			}
		})
	}
}

// An answer that breaks off leaves its line like any other, which says so, and
// net/http is told to close the connection.
func TestAbortedIsOneLine(t *testing.T) {
	abort := func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = "/api/audit/"
		w.WriteHeader(http.StatusOK)
		w.(*exchange).NoteRefusal(auth.RefusedPermission, "")
		panic(http.ErrAbortHandler)
	}
	var out bytes.Buffer
	f := &front{
		rest: http.HandlerFunc(abort), health: &health{now: time.Now}, cors: newCORS(nil, false), hosts: newHosts(nil), most: 10,
		log: slog.New(slog.NewJSONHandler(&out, nil)), now: time.Now,
	}
	api := http.Handler(http.HandlerFunc(abort))
	f.api.Store(&api)
	to := newRefusals(nil, f.log, time.Now)
	f.refusals.Store(to)
	for path, route := range map[string]string{"/x": "ui", "/api/audit/": "/api/audit/"} {
		out.Reset()
		func() {
			defer func() {
				if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // As net/http compares it.
					t.Errorf("%s: net/http sees %v", path, p)
				}
			}()
			f.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		}()
		var line struct {
			Msg, Route, Refused string
			Status              int
			Aborted             bool
		}
		if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Msg != "request" || line.Route != route || line.Status != 200 || !line.Aborted {
			t.Errorf("%s: %v %s", path, err, out.String())
		}
	}
	if n := len(to.due(true)); n != 2 {
		t.Errorf("%d refusals are told of, want 2", n)
	}
	if n := f.underWay.Load(); n != 0 {
		t.Errorf("%d are under way", n)
	}
}
