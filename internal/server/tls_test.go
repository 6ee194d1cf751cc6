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

// HTTP/1.1 is spoken over TLS, by a client that would like HTTP/2, too; one that can
// do nothing else is told so.
func TestNoHTTP2(t *testing.T) {
	r, _ := overTLS(t)
	r.http.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	if resp, body := r.do("GET", "/healthz", ""); resp.StatusCode != 200 || resp.ProtoMajor != 1 || resp.TLS.NegotiatedProtocol != "http/1.1" {
		t.Errorf("%s: %d %s", resp.Proto, resp.StatusCode, body)
	}
	addr := strings.TrimPrefix(r.url, "https://")
	if _, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}); err == nil || !strings.Contains(err.Error(), "no application protocol") {
		t.Errorf("one that speaks nothing else: %v", err)
	}
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	// It ends with the answer, as net/http has it.
	if b, err := io.ReadAll(conn); !strings.HasPrefix(string(b), "HTTP/1.1 404 ") || err != nil {
		t.Errorf("one that speaks it all the same: %q, %v", b, err)
	}
}

// A connection whose request was long ends with its answer: crypto/tls keeps the
// buffers that it made for it.
func TestLongRequestsByTLS(t *testing.T) {
	secure, _ := overTLS(t)
	plain := start(t, settings(t), server.RunOptions{})
	for _, r := range []*running{secure, plain} {
		for length, ends := range map[int]bool{100: false, 10_000: r == secure} {
			resp, body := r.do("POST", "/api/auth/token/verify/", `{"token":"`+strings.Repeat("x", length)+`"}`)
			if resp.StatusCode != 401 || resp.Close != ends {
				t.Errorf("%s, a token of %d: %d %s, ends: %v, want %v", r.url, length, resp.StatusCode, body, resp.Close, ends)
			}
		}
	}
}

// A head of as many fields as may be is taken and one more is 431, in the same
// words however it comes.
//
// ASVS 15.2.2
func TestManyFields(t *testing.T) {
	plain := start(t, settings(t), server.RunOptions{})
	secure, _ := overTLS(t)
	for _, r := range []*running{plain, secure} {
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
				t.Errorf("%d fields of %s: %d %s, want %d", fields, r.url, resp.StatusCode, body, want)
			}
			if want == 431 && string(body) != `{"detail":"Too many header fields."}` {
				t.Errorf("%d fields of %s: %s", fields, r.url, body)
			}
			if want == 431 && !resp.Close {
				t.Errorf("%d fields: the connection is kept", fields)
			}
		}
	}
}
