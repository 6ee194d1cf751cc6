package latchkey

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// Close ends every goroutine, in whatever they are, and takes no time.
func TestClose(t *testing.T) {
	k := edSigner("k")
	for _, tt := range []struct {
		name string
		set  func(*server)
	}{
		{"in a long poll", func(*server) {}},
		{"in a back-off", func(s *server) { s.feedFail, s.keyFail = 500, 500 }},
		{"in the first request", func(s *server) { s.hang = true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, k)
			s.set(func() { tt.set(s) })
			v, err := NewVerifier(s.options())
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "requests", func() bool { keys, feed := s.hits(); return keys > 0 && feed > 0 })
			time.Sleep(20 * time.Millisecond)
			began := time.Now()
			v.Close()
			v.Close()
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %v", took)
			}
			if strings.Contains(stacks(), ").follow(") {
				t.Error("a goroutine goes on")
			}
			// The server's side hears of it as well: no connection is left open.
			eventually(t, "no connection", func() bool { return !strings.Contains(stacks(), "http.(*persistConn)") })
		})
	}
}

// A closed verifier answers what it knows.
func TestVerifyAfterClose(t *testing.T) {
	k := edSigner("k")
	s := newServer(t, k)
	v, err := NewVerifier(s.options())
	if err != nil {
		t.Fatal(err)
	}
	mustVerify(t, v, k.token(payload()))
	v.Close()
	mustVerify(t, v, k.token(payload()))
}

func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}
