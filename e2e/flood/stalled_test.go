package flood

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
)

var stalled = flag.Int("flood.stalled", 600, "clients that send nearly all of as large a request as there may be, and then nothing")

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

// TestStalled has clients send nearly all of the largest request and then nothing
// more. What the server keeps for them stays bounded, and everybody else is
// served, people who log in among them.
//
// ASVS 15.2.2
func TestStalled(t *testing.T) {
	var fields strings.Builder
	for i := range 3000 { // each takes many times its five bytes
		fmt.Fprintf(&fields, "%03x:\n", i)
	}
	var trailers strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&trailers, "%x,", i)
	}
	const (
		get  = "GET /api/auth/profile/ HTTP/1.1\r\nHost: x\r\n"
		post = "POST /api/auth/login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 65536\r\n"
	)
	long := "X-A: " + strings.Repeat("x", 15<<10)
	// A client's first words in TLS, of which there may be 64 KiB (RFC 8446,
	// sections 4 and 5.1).
	hello := "\x16\x03\x01\x40\x00\x01\x00\xff\xfc" + strings.Repeat("x", 0x4000-4) +
		strings.Repeat("\x16\x03\x01\x40\x00"+strings.Repeat("x", 0x4000), 2) + "\x16\x03\x01\x40\x00" + strings.Repeat("x", 0x3f00)
	wait := 2 * time.Second
	if *measure {
		wait = 5 * time.Second
	}
	for _, of := range []struct {
		name, send string
		tls        bool
		raw        bool // what is sent is TLS already
	}{
		{"a head of one field", get + long, false, false},
		{"a head of many fields", get + fields.String(), false, false},
		{"a head with the request before", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + get + fields.String()[:3600], false, false},
		{"a body", post + "\r\n" + strings.Repeat(" ", 65000), false, false},
		{"a body after a long head", post + long + "\r\n\r\n" + strings.Repeat(" ", 65000), false, false},
		{"a body after many fields", post + fields.String() + "\r\n", false, false},
		{"a body after as many as may be", post + fields.String()[:5*94] + "\r\n", false, false},
		{"a short head of many fields", get + fields.String()[:5*40], false, false},
		{"a body with trailers", strings.Replace(post, "Content-Length: 65536", "Transfer-Encoding: chunked\r\nTrailer: "+trailers.String()[:15000], 1) + "\r\n", false, false},
		{"a head in TLS", get + fields.String(), true, false},
		{"a body in TLS", post + "\r\n" + strings.Repeat(" ", 65000), true, false},
		{"a body with trailers in TLS", strings.Replace(post, "Content-Length: 65536", "Transfer-Encoding: chunked\r\nTrailer: "+trailers.String()[:15000], 1) + "\r\n", true, false},
		{"the beginning of a greeting", hello, true, true},
		{"a greeting", greeting(), true, true},
	} {
		t.Run(of.name, func(t *testing.T) {
			settings := []string{"LATCHKEY_LOG_LEVEL=error", "LATCHKEY_TIMEOUTS_READ=" + wait.String(), "LATCHKEY_TIMEOUTS_HEADER=" + wait.String()}
			dial, host := net.Dial, "http://"
			if of.tls {
				env, roots := secure(t)
				settings = append(settings, env...)
				host = "https://"
				if !of.raw {
					dial = func(network, addr string) (net.Conn, error) {
						return tls.Dial(network, addr, &tls.Config{RootCAs: roots})
					}
				}
				n := node.New(t, settings...)
				n.Secure(roots)
				if err := n.Run(node.Build(t)); err != nil {
					t.Fatalf("start: %v\n%s", err, n.Log())
				}
				stall(t, n, strings.TrimPrefix(n.URL, host), wait, dial, of.send)
				return
			}
			n := node.Start(t, settings...)
			stall(t, n, strings.TrimPrefix(n.URL, host), wait, dial, of.send)
		})
	}
}

// greeting is what a client says first in TLS, a long one's.
func greeting() string {
	var r recorder
	names := strings.Fields(strings.Repeat(strings.Repeat("x", 190)+" ", 30))
	_ = tls.Client(&r, &tls.Config{ServerName: "x", NextProtos: names}).Handshake()
	return r.String()
}

// recorder is a connection that nothing comes by.
type recorder struct {
	net.Conn
	strings.Builder
}

func (r *recorder) Write(b []byte) (int, error)      { return r.Builder.Write(b) }
func (r *recorder) Read([]byte) (int, error)         { return 0, io.EOF }
func (r *recorder) SetWriteDeadline(time.Time) error { return nil }
func (r *recorder) Close() error                     { return nil }

// stall has the clients send and wait for the end.
func stall(t *testing.T, n *node.Node, addr string, wait time.Duration, dial func(network, addr string) (net.Conn, error), send string) {
	v := newVerifier(t, n)
	var (
		wg              sync.WaitGroup
		late, busy, bad atomic.Int64
	)
	slots := make(chan struct{}, 64)
	client := func() {
		slots <- struct{}{}
		c, err := dial("tcp", addr)
		if err != nil {
			<-slots
			t.Errorf("connect: %v", err)
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(c, send)
		<-slots
		b, err := io.ReadAll(c)
		answer := string(b)
		if i := strings.LastIndex(answer, "HTTP/1.1 "); i > 0 {
			answer = answer[i:]
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.Errorf("a connection is still there: %v", err)
		case strings.HasPrefix(answer, "HTTP/1.1 503 "):
			busy.Add(1)
		case strings.HasPrefix(answer, "HTTP/1.1 431 "):
			bad.Add(1)
		default:
			late.Add(1)
		}
	}
	for range *stalled {
		wg.Go(client)
	}
	all := v.during(wait-time.Second, 2, 5*time.Millisecond)
	if a, err := n.Login(t.Context(), "verifier@example.com", password); err != nil || a.Status != 200 {
		t.Errorf("somebody who logs in: %v %d %s", err, a.Status, a.Body)
	}
	wg.Wait()
	t.Logf("%d were put out, %d told 503 and %d told 431; %d tokens were verified meanwhile, p99 %v",
		late.Load(), busy.Load(), bad.Load(), len(all), percentile(all, 0.99))
	bounded(t, n)
}
