package server_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/server"
)

// certificates writes a certificate of a number and its key. Where mixed is set
// the certificate is written without the key that belongs to it.
func certificates(t *testing.T, dir string, number int64, mixed bool) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: "localhost"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if file == keyFile && mixed {
			continue
		}
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// overTLS starts a server with a certificate of its own.
func overTLS(t *testing.T, env ...string) (r *running, dir string) {
	t.Helper()
	dir = t.TempDir()
	certFile, keyFile := certificates(t, dir, 1, false)
	return start(t, settings(t, append(env, "LATCHKEY_TLS_CERT="+certFile, "LATCHKEY_TLS_KEY="+keyFile)...), server.RunOptions{}), dir
}

// TLS 1.2 and 1.3 are spoken and nothing older, and of 1.2 only what has
// forward secrecy and authenticated encryption.
//
// ASVS 12.1.1
func TestTLS(t *testing.T) {
	r, _ := overTLS(t)
	addr := strings.TrimPrefix(r.url, "https://")
	if resp, body := r.do("GET", "/healthz", ""); resp.StatusCode != 200 || resp.TLS.Version != tls.VersionTLS13 {
		t.Errorf("over TLS: %d %s", resp.StatusCode, body)
	}
	try := func(c *tls.Config) error {
		c.InsecureSkipVerify = true
		conn, err := tls.Dial("tcp", addr, c)
		if err == nil {
			conn.Close()
		}
		return err
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if try(&tls.Config{MinVersion: version, MaxVersion: version}) == nil {
			t.Errorf("%s was taken", tls.VersionName(version))
		}
	}
	good := 0
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		name := suite.Name
		if strings.HasPrefix(name, "TLS_AES") || strings.HasPrefix(name, "TLS_CHACHA") {
			continue // 1.3 has no others
		}
		err := try(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
		// The certificate is ECDSA's.
		want := strings.HasPrefix(name, "TLS_ECDHE_ECDSA_") && (strings.Contains(name, "GCM") || strings.Contains(name, "POLY1305"))
		if (err == nil) != want {
			t.Errorf("%s: %v, want taken=%v", name, err, want)
		}
		if want {
			good++
		}
	}
	if good != 3 {
		t.Errorf("%d suites could be tried, want 3", good)
	}
}

// Over TLS every answer tells the browser to stay with it, those of errors too.
//
// ASVS 3.4.1
func TestStrictTransportEverywhere(t *testing.T) {
	r, _ := overTLS(t)
	for _, path := range []string{"/", "/login", "/healthz", "/readyz", "/api/schema/", "/api/auth/profile/", "/api/nowhere/", "/no.where", "/.well-known/jwks.json"} {
		resp, _ := r.do("GET", path, "")
		if have := resp.Header["Strict-Transport-Security"]; len(have) != 1 || have[0] != "max-age=31536000" {
			t.Errorf("%s: %q", path, have)
		}
	}
	plain := start(t, settings(t), server.RunOptions{})
	if resp, _ := plain.do("GET", "/api/schema/", ""); resp.Header.Get("Strict-Transport-Security") != "" {
		t.Error("without TLS a browser that came by HTTP would be told never to come so again")
	}
}

// A renewed certificate is taken without a restart; one that does not fit its
// key, or is none, never.
func TestCertificateIsRenewed(t *testing.T) {
	r, dir := overTLS(t)
	addr := strings.TrimPrefix(r.url, "https://")
	number := func() int64 {
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatalf("no handshake: %v", err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: not after 20 s\n%s", what, r.log)
			}
		}
	}
	if n := number(); n != 1 {
		t.Fatalf("certificate %d", n)
	}
	certificates(t, dir, 22, true)
	until("the log tells of one that does not fit", func() bool {
		if n := number(); n != 1 {
			t.Fatalf("certificate %d, whose key is not there", n)
		}
		return strings.Contains(r.log.String(), "the new certificate cannot be used")
	})
	certificates(t, dir, 333, false)
	until("the new one", func() bool { return number() == 333 })
	if err := os.Remove(filepath.Join(dir, "cert.pem")); err != nil {
		t.Fatal(err)
	}
	until("the log tells that it is gone", func() bool {
		return number() == 333 && strings.Count(r.log.String(), "the new certificate cannot be used") > 1
	})
}

// Plain HTTP on the port of TLS is told so, and never sent on to HTTPS: a
// client that sends a password in the clear shall fail, not work by luck.
//
// ASVS 4.1.2
func TestPlainOnTLS(t *testing.T) {
	r, _ := overTLS(t)
	for _, path := range []string{"/api/auth/login/", "/api/auth/profile/", "/", "/login"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 400 || resp.Header.Get("Location") != "" || !strings.Contains(string(body), "HTTPS") {
			t.Errorf("%s: %d %v %q", path, resp.StatusCode, resp.Header, body)
		}
		conn.Close()
	}
	// Nor does a server without TLS know of another that has it.
	plain := start(t, settings(t, "LATCHKEY_PUBLIC_URL=https://auth.example.com"), server.RunOptions{})
	plain.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, path := range []string{"/api/auth/profile/", "/api/auth/profile", "/api/schema/", "/"} {
		if resp, _ := plain.do("GET", path, ""); resp.StatusCode/100 == 3 {
			t.Errorf("%s: %d to %s", path, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
}

// HTTP/2 is spoken, with heads bounded as those of HTTP/1 are.
func TestHTTP2(t *testing.T) {
	r, _ := overTLS(t)
	r.http.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	resp, _ := r.do("GET", "/api/schema/", "")
	if resp.StatusCode != 200 || resp.ProtoMajor != 2 {
		t.Fatalf("%d by %s", resp.StatusCode, resp.Proto)
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", r.url+"/api/auth/profile/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.Repeat(".", 20<<10))
	if resp, err := r.http.Do(req); err == nil {
		t.Errorf("a head of 20 KiB: %d", resp.StatusCode)
	} else if !strings.Contains(err.Error(), "larger than peer's advertised limit") {
		t.Error(err)
	}
	resp, _ = r.do("POST", "/api/auth/login/", `{"email":"`+strings.Repeat("x", 70<<10)+`"}`)
	if resp.StatusCode != 413 {
		t.Errorf("a body over 64 KiB: %d", resp.StatusCode)
	}
}

// Where many connections speak HTTP/2, the next one is served by HTTP/1.1 until one
// of them ends; one that can do nothing else is told so.
func TestHTTP2Places(t *testing.T) {
	r, _ := overTLS(t)
	addr := strings.TrimPrefix(r.url, "https://")
	dial := func(protocols ...string) (*tls.Conn, error) {
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
		if err == nil {
			t.Cleanup(func() { conn.Close() })
		}
		return conn, err
	}
	spoken := func() string {
		t.Helper()
		conn, err := dial("h2", "http/1.1")
		if err != nil {
			t.Fatal(err)
		}
		return conn.ConnectionState().NegotiatedProtocol
	}
	first, err := dial("h2")
	if err != nil {
		t.Fatal(err)
	}
	n := 1
	for spoken() == "h2" {
		if n++; n > 1000 {
			t.Fatal("a thousand connections speak HTTP/2")
		}
	}
	if n != 128 { // docs/limits.md
		t.Errorf("%d connections speak HTTP/2", n)
	}
	r.http.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	if resp, body := r.do("GET", "/healthz", ""); resp.StatusCode != 200 || resp.ProtoMajor != 1 || resp.TLS.Version != tls.VersionTLS13 {
		t.Errorf("one more: %s %d %s", resp.Proto, resp.StatusCode, body)
	}
	if _, err := dial("h2"); err == nil || !strings.Contains(err.Error(), "no application protocol") {
		t.Errorf("one more that speaks nothing else: %v", err)
	}
	if _, err := dial("http/1.1"); err != nil {
		t.Errorf("one that does not want it: %v", err)
	}
	first.Close()
	for end := time.Now().Add(10 * time.Second); spoken() != "h2"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the place of the closed connection was not given back")
		}
	}
}

// A head of as many fields as may be is taken and one more is 431, in the same
// words however it comes.
//
// ASVS 15.2.2
func TestManyFields(t *testing.T) {
	plain := start(t, settings(t), server.RunOptions{})
	first, _ := overTLS(t)
	second, _ := overTLS(t)
	second.http.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	for _, r := range []*running{plain, first, second} {
		for fields, want := range map[int]int{100: 200, 101: 431, 130: 431} {
			req, err := http.NewRequestWithContext(t.Context(), "GET", r.url+"/healthz", nil)
			if err != nil {
				t.Fatal(err)
			}
			// Host, and the client's own Accept-Encoding and User-Agent.
			for i := range fields - 3 {
				req.Header.Add(fmt.Sprintf("X-%d", i/2), "x")
			}
			resp, err := r.http.Do(req)
			if err != nil {
				t.Fatalf("%d fields: %v", fields, err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != want {
				t.Errorf("%d fields by %s: %d %s, want %d", fields, resp.Proto, resp.StatusCode, body, want)
			}
			if want == 431 && string(body) != `{"detail":"Too many header fields."}` {
				t.Errorf("%d fields by %s: %s", fields, resp.Proto, body)
			}
			if want == 431 && resp.ProtoMajor == 1 && !resp.Close {
				t.Errorf("%d fields by %s: the connection is kept", fields, resp.Proto)
			}
		}
	}
}

// frame is one of HTTP/2 (RFC 9113, section 4.1).
func frame(kind, flags byte, stream uint32, payload string) string {
	n := len(payload)
	return string([]byte{
		byte(n >> 16), byte(n >> 8), byte(n), kind, flags,
		byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream),
	}) + payload
}

// A client that asks and at once takes it back, over and over, does not get
// more work done at once than one that waits: it is put out (CVE-2023-44487).
func TestRapidReset(t *testing.T) {
	r, _ := overTLS(t)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(r.url, "https://"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(60 * time.Second))
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, conn)
		ended <- err
	}()
	head := "\x83\x87" + // :method POST, :scheme https
		"\x04\x10/api/auth/login/" + "\x01\x01x" // :path, :authority
	var b strings.Builder
	b.WriteString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, ""))
	const asked = 20000
	for i := range uint32(asked) {
		b.WriteString(frame(1, 4|1, 2*i+1, head)) // HEADERS, END_HEADERS and END_STREAM
		b.WriteString(frame(3, 0, 2*i+1, "\x00\x00\x00\x08"))
	}
	// How many are at work at once is what counts; how many come to an end
	// depends on who is faster.
	before, most := runtime.NumGoroutine(), 0
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			most = max(most, runtime.NumGoroutine())
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	_, writeErr := io.WriteString(conn, b.String())
	if writeErr == nil {
		// It was faster than the sender: the connection still must serve.
		_, _ = io.WriteString(conn, frame(7, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\x00"))
	}
	<-ended
	if resp, body := r.do("GET", "/healthz", ""); resp.StatusCode != 200 {
		t.Errorf("afterwards: %d %s", resp.StatusCode, body)
	}
	close(stop)
	<-stopped
	if more := most - before; more > asked/10 {
		t.Errorf("%d goroutines more for %d requests that were taken back, and the sender saw %v", more, asked, writeErr)
	}
}
