package flood

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/latchkey-auth/latchkey/e2e/node"
)

var held = flag.Int("flood.held", 90, "connections of HTTP/2 that take no answers, with a hundred requests each")

// secure makes a certificate for this machine, and gives the settings that name
// it and the roots that trust it.
func secure(t *testing.T) (env []string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range map[string]*pem.Block{"CERT": {Type: "CERTIFICATE", Bytes: cert}, "KEY": {Type: "PRIVATE KEY", Bytes: private}} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
		env = append(env, "LATCHKEY_TLS_"+name+"="+path)
	}
	roots = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(parsed)
	return env, roots
}

// TestHeldAnswers has clients of HTTP/2 ask much, with heads as large as may be, and
// take none of it: the window for what they are sent is zero. Memory stays
// bounded, and others are served.
//
// ASVS 15.2.2
func TestHeldAnswers(t *testing.T) {
	many := make([][2]string, 400)
	for i := range many {
		many[i][0] = fmt.Sprintf("%03d", i)
	}
	for name, of := range map[string]asked{
		"a long field": {fields: [][2]string{{"cookie", strings.Repeat("x", 12<<10)}}},
		"many fields":  {fields: many},
		"bodies":       {fields: [][2]string{{"content-type", "application/json"}}, body: 4},
	} {
		t.Run(name, func(t *testing.T) { holdAnswers(t, of) })
	}
}

// asked is a kind of request.
type asked struct {
	fields [][2]string
	// body is how many pieces are sent of a body, without its end.
	body int
}

// streams is how many requests a connection may have (docs/limits.md).
const streams = 16

// piece is so much of a body.
var piece = bytes.Repeat([]byte(" "), 15000)

func holdAnswers(t *testing.T, of asked) {
	env, roots := secure(t)
	n := node.New(t, append(env, "LATCHKEY_THROTTLE_ENABLED=false", "LATCHKEY_TIMEOUTS_WRITE=5s", "LATCHKEY_LOG_LEVEL=error")...)
	n.Secure(roots)
	if err := n.Run(node.Build(t)); err != nil {
		t.Fatalf("start: %v\n%s", err, n.Log())
	}
	v := newVerifier(t, n)
	var (
		wg              sync.WaitGroup
		served, refused atomic.Int64
		sent            atomic.Int64 // to HTTP/1.1
	)
	for range *held {
		wg.Go(func() {
			requests := 100
			if of.body > 0 {
				requests = streams // more than may be sent end others
			}
			ok, busy, err := hold(strings.TrimPrefix(n.URL, "https://"), roots, of, requests)
			if errors.Is(err, errPlain) {
				sent.Add(1)
			} else if err != nil {
				t.Error(err)
			}
			served.Add(ok)
			refused.Add(busy)
		})
	}
	all := v.during(5*time.Second, 4, 0)
	wg.Wait()
	t.Logf("%d requests were let in and %d refused, %d connections had to speak HTTP/1.1; %d tokens were verified meanwhile, p99 %v",
		served.Load(), refused.Load(), sent.Load(), len(all), percentile(all, 0.99))
	if *held >= 90 && (refused.Load() == 0 || len(of.fields) == 1 && of.body == 0 && served.Load() == 0) {
		t.Error("not both some were let in and some refused")
	}
	if *held >= 200 && sent.Load() == 0 {
		t.Error("all connections speak HTTP/2")
	}
	if len(all) == 0 {
		t.Error("nobody else was served")
	}
	bounded(t, n)
	if ok, _, err := hold(strings.TrimPrefix(n.URL, "https://"), roots, asked{}, 1); ok != 1 {
		t.Errorf("afterwards: %d served, %v", ok, err)
	}
}

// errPlain says that a connection may not speak HTTP/2.
var errPlain = errors.New("HTTP/1.1 is spoken")

// hold asks so much on a connection of its own and stays until the server has
// ended it or each request. It gives how many were answered and how many
// refused.
func hold(addr string, roots *x509.CertPool, of asked, requests int) (ok, busy int64, err error) {
	conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	if conn.ConnectionState().NegotiatedProtocol != "h2" {
		return 0, 0, errPlain
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		return 0, 0, err
	}
	if err := framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		return 0, 0, err
	}
	var head bytes.Buffer
	encoder := hpack.NewEncoder(&head)
	for i := range requests {
		head.Reset()
		method, path := "GET", []string{"/api/docs/", "/", "/healthz"}[i%3]
		if of.body > 0 {
			method, path = "POST", "/api/auth/login/"
		}
		pseudo := [][2]string{{":method", method}, {":scheme", "https"}, {":authority", addr}, {":path", path}}
		for _, f := range append(pseudo, of.fields...) {
			if err := encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
				return 0, 0, err
			}
		}
		if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: head.Bytes(), EndStream: of.body == 0, EndHeaders: true}); err != nil {
			return 0, 0, nil // It has hung up.
		}
	}
	// What may be sent on the connection (RFC 9113, section 6.9): no stream is sent
	// more than its own first window.
	var (
		window  atomic.Int64
		writing sync.Mutex
	)
	write := func(frame func() error) error {
		writing.Lock()
		defer writing.Unlock()
		return frame()
	}
	window.Store(65535)
	gone := make(chan struct{})
	defer close(gone)
	go func() {
		for i := range requests * of.body {
			for window.Load() < int64(len(piece)) {
				select {
				case <-gone:
					return
				case <-time.After(time.Millisecond):
				}
			}
			window.Add(-int64(len(piece)))
			if write(func() error { return framer.WriteData(uint32(2*(i%requests)+1), false, piece) }) != nil {
				return
			}
		}
	}()
	for ended := 0; ended < requests; {
		f, err := framer.ReadFrame()
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return ok, busy, err
			}
			return ok, busy, nil
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = write(framer.WriteSettingsAck)
			}
		case *http2.WindowUpdateFrame:
			if f.StreamID == 0 {
				window.Add(int64(f.Increment))
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				_ = write(func() error { return framer.WritePing(true, f.Data) })
			}
		case *http2.MetaHeadersFrame:
			if status := f.PseudoValue("status"); status == "503" || status == "431" {
				busy++
			} else {
				ok++
			}
			if f.StreamEnded() {
				ended++
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				ended++
			}
		case *http2.RSTStreamFrame:
			ended++
		}
	}
	return ok, busy, nil
}
