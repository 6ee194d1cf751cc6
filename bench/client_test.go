package main

import (
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestReadHead(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, tt := range []struct {
		name, answer string
		want         head
		whole        bool
		err          string
	}{
		{"whole", ok + "Content-Length: 2\r\n\r\n{}", head{200, 38, 2}, true, ""},
		{"other case, no blank", ok + "A: b\r\ncontent-length:0\r\n\r\n", head{200, 43, 0}, true, ""},
		{"no reason", "HTTP/1.1 201\r\nContent-Length: 1\r\n\r\n", head{201, 35, 1}, true, ""},
		{"part of the head", ok + "Content-Length: 2\r\n", head{}, false, ""},
		{"nothing", "", head{}, false, ""},
		{"no length", ok + "Transfer-Encoding: chunked\r\n\r\n", head{}, false, "without a Content-Length"},
		{"length of another field", ok + "X-Content-Length: 2\r\n\r\n", head{}, false, "without a Content-Length"},
		{"negative length", ok + "Content-Length: -2\r\n\r\n", head{}, false, "content length"},
		{"too long", ok + "Content-Length: 999999\r\n\r\n", head{}, false, "content length"},
		{"no status", "HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\n", head{}, false, "no status line"},
		{"informational", "HTTP/1.1 100 Continue\r\n\r\n", head{}, false, "no status line"},
		{"other protocol", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", head{}, false, "no status line"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, whole, err := readHead([]byte(tt.answer))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil || got != tt.want || whole != tt.whole {
				t.Errorf("got %+v, %v, %v, want %+v, %v", got, whole, err, tt.want, tt.whole)
			}
		})
	}
}

// TestExchangeInPieces has the answer come byte by byte.
func TestExchangeInPieces(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	go func() {
		_, _ = theirs.Read(make([]byte, 100))
		for _, b := range []byte("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"a\":\"b\\n\"}") {
			_, _ = theirs.Write([]byte{b})
		}
	}()
	c := &connection{conn: ours, buf: make([]byte, maxAnswer)}
	if err := c.until(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	status, body, err := c.exchange([]byte("GET / HTTP/1.1\r\n\r\n"))
	if err != nil || status != 200 || string(body) != `{"a":"b\n"}` {
		t.Errorf("got %d %q, %v", status, body, err)
	}
}

func TestExchangeRefusesMoreThanTheAnswer(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	go func() {
		_, _ = theirs.Read(make([]byte, 100))
		_, _ = theirs.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP"))
	}()
	c := &connection{conn: ours, buf: make([]byte, maxAnswer)}
	if _, _, err := c.exchange([]byte("GET / HTTP/1.1\r\n\r\n")); err == nil {
		t.Error("no error, want one: the next answer would be misread")
	}
}

// TestDriveLimit runs each operation against the limit server: client, server
// and the checks of both fit.
func TestDriveLimit(t *testing.T) {
	srv := httptest.NewServer(limitHandler([]byte(signingKey)))
	defer srv.Close()
	limit := newTarget("limit", 1000, time.Now())
	limit.fixed = true
	limit.addr = srv.Listener.Addr().String()
	for name, op := range map[string]operation{
		"verify": verify(), "profile": profile(), "profile of any": profileOfAny(), "refresh": refresh(),
		"login": login(), "register": register(),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := drive(t.Context(), limit, op, 4, 20*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			if s.requests < 4 || s.p99 < s.p50 {
				t.Errorf("sample %+v", s)
			}
		})
	}

	// The checks can fail.
	stranger := newTarget("stranger", 1000, time.Now())
	stranger.addr = limit.addr
	for i := range stranger.owned {
		stranger.owned[i] += "x"
	}
	if _, err := drive(t.Context(), stranger, verify(), 1, time.Millisecond); err == nil ||
		!strings.Contains(err.Error(), "answer 401") {
		t.Errorf("a forged token gives %v, want the answer 401", err)
	}
}

func TestParse(t *testing.T) {
	var quiet strings.Builder
	for _, tt := range []struct{ args, err string }{
		{"", ""},
		{"-short -only verify,refresh -engines sqlite -users 1000,1000000", ""},
		{"-engines mysql", "-engines"},
		{"-only nothing", "-only"},
		{"-users 10", "-users"},
		{"-rounds 1000", "-rounds"},
		{"-time 1h", "-time"},
		{"-clients 0", "-clients"},
		{"-only import -import 1000000", ""},
		{"-import 10", "-import"},
		{"verify", "unexpected argument"},
	} {
		_, _, err := parse(strings.Fields(tt.args), &quiet)
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("parse %q gives %v, want an error with %q", tt.args, err, tt.err)
		}
	}
}
