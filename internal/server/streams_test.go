package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// The bound, the share of an address, and beyond both the end of the connection.
func TestStreams(t *testing.T) {
	s := newStreams(8192, (&conns{}).key) // 1,024 in all, 256 of an address
	var dones []func()
	enter := func(peer string, want fit) {
		t.Helper()
		how, done := s.enter(peer)
		dones = append(dones, done)
		if how != want {
			t.Fatalf("request %d, of %s: %d, want %d", len(dones), peer, how, want)
		}
	}
	for i := range 400 {
		want := fits
		switch {
		case i >= 384:
			want = flooded
		case i >= 256:
			want = crowded
		}
		enter("203.0.113.7:4711", want)
	}
	enter("203.0.113.8:1", fits)
	for i := range 1200 { // of this machine there is no share
		want := fits
		if 402+i > 1024 {
			want = crowded
		}
		enter("127.0.0.1:1", want)
	}
	// Whoever comes now has not brought it about; whoever has more than a few may
	// have.
	enter("203.0.113.9:1", crowded)
	for range 30 {
		enter("203.0.113.8:1", crowded)
	}
	enter("203.0.113.8:1", crowded) // the 32nd
	enter("203.0.113.8:1", flooded)
	for _, done := range dones {
		done()
	}
	if s.all.n != 0 || len(s.all.of) != 0 {
		t.Errorf("left: %v", s.all)
	}
	for range 256 {
		enter("[2001:db8::1]:4711", fits)
	}
	enter("[2001:db8::2]:4711", crowded) // the same /64
	enter("[2001:db8:0:1::1]:4711", fits)
}

// Refusals of HTTP/2 are held back as those of HTTP/1 are, before anything of them
// goes out.
func TestStreamsArePaced(t *testing.T) {
	f := &front{
		rest:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }),
		health: &health{now: time.Now}, cors: newCORS(nil, false), hosts: newHosts(nil), most: 10,
		log: slog.New(slog.DiscardHandler), now: time.Now, streams: newStreams(10, (&conns{}).key),
	}
	f.pace.each = time.Hour
	f.pace.next.Store(int64(time.Since(paceStart) + time.Hour))
	srv := httptest.NewUnstartedServer(f)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	began := time.Now()
	resp, err := srv.Client().Get(srv.URL + "/x")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if took := time.Since(began); resp.ProtoMajor != 2 || resp.StatusCode != 429 || took < paceMost {
		t.Errorf("%s: %d after %v", resp.Proto, resp.StatusCode, took)
	}
}

// A connection that is hung up is closed for the client.
func TestHangUp(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stay" {
			_, _ = io.WriteString(w, r.Proto)
			return
		}
		hangUp(r)
	}))
	srv.EnableHTTP2 = true
	srv.Config.ConnContext = withConnection
	srv.StartTLS()
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL + "/stay")
	if err != nil || resp.ProtoMajor != 2 {
		t.Fatalf("%v, %v", resp, err)
	}
	resp.Body.Close()
	if resp, err := srv.Client().Post(srv.URL, "", nil); err == nil {
		resp.Body.Close()
		t.Errorf("an answer by %s", resp.Proto)
	}
}
