package server_test

import (
	"bytes"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// holder is a client of HTTP/2 that takes heads of answers and no bodies.
type holder struct {
	t    *testing.T
	conn *tls.Conn
	*http2.Framer
	next uint32
	// gone says that the server has closed the connection.
	gone bool
}

func (r *running) hold() *holder {
	r.t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(r.url, "https://"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	h := &holder{t: r.t, conn: conn, Framer: http2.NewFramer(conn, conn), next: 1}
	h.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		r.t.Fatal(err)
	}
	if err := h.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		r.t.Fatal(err)
	}
	return h
}

// ask sends requests and gives how many heads there were of each status. It ends
// early where the server hangs up.
func (h *holder) ask(n int, path string) map[string]int {
	h.t.Helper()
	for range n {
		var head bytes.Buffer
		encoder := hpack.NewEncoder(&head)
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "localhost"}, {":path", path}} {
			_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		if err := h.WriteHeaders(http2.HeadersFrameParam{StreamID: h.next, BlockFragment: head.Bytes(), EndStream: true, EndHeaders: true}); err != nil {
			h.gone = true
			break
		}
		h.next += 2
	}
	got := map[string]int{}
	refused, ended := map[uint32]bool{}, 0
	for answers := 0; answers < n || ended < len(refused); {
		f, err := h.ReadFrame()
		if err != nil {
			h.gone = true
			return got
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = h.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			got[f.PseudoValue("status")]++
			answers++
			if f.PseudoValue("status") == "503" {
				refused[f.StreamID] = true
			}
			if f.StreamEnded() {
				ended++
			}
		case *http2.DataFrame:
			// The end of a refusal may come alone. A body would not come.
			if f.StreamEnded() && refused[f.StreamID] {
				ended++
			}
		case *http2.GoAwayFrame, *http2.RSTStreamFrame:
			h.t.Errorf("%v", f)
		}
	}
	return got
}

// A client of HTTP/2 that takes no bodies, short as they are, holds no more
// requests than there may be, and nobody else is in want by it; who goes on loses
// the connection.
//
// ASVS 15.2.2
func TestHeldStreams(t *testing.T) {
	r, _ := overTLS(t, "LATCHKEY_LIMITS_CONNECTIONS=64", "LATCHKEY_TIMEOUTS_WRITE=15s")
	var first []*holder
	for i := range 9 {
		h := r.hold()
		first = append(first, h)
		if got := h.ask(10, "/healthz"); got["200"] != 10 {
			t.Fatalf("number %d: %v", i, got)
		}
	}
	last, more := r.hold(), r.hold()
	got := last.ask(15, "/")
	if got["200"] != 10 || got["503"] != 5 {
		t.Errorf("the last: %v, want 10 and 5 refused", got)
	}
	if resp, body := r.do("GET", "/healthz", ""); resp.ProtoMajor != 1 || resp.StatusCode != 200 {
		t.Errorf("somebody else meanwhile: %s %d %s", resp.Proto, resp.StatusCode, body)
	}
	// What is refused is done with.
	for range 5 {
		if got := more.ask(15, "/healthz"); got["503"] != 15 || more.gone {
			t.Errorf("one more: %v, gone %v", got, more.gone)
		}
	}
	for _, h := range append(first, last) {
		h.conn.Close()
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if got := r.hold().ask(1, "/healthz"); got["200"] == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("what the closed connections held was not given back")
		}
	}
}
