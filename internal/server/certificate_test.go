package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/doctor"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

// selfSigned is a certificate of a number, and its key, as files have them.
func selfSigned(t *testing.T, number int64, until time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(number), NotBefore: until.Add(-2000 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// certificateFiles writes them, of this age.
func certificateFiles(t *testing.T, dir string, cert, key []byte, age time.Time) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, b := range map[string][]byte{certFile: cert, keyFile: key} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, age, age); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// A renewed certificate that could not be read at first is tried again though
// its files look the same, once a second, and the log has one line of it.
func TestCertificateIsTriedAgain(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	var out bytes.Buffer
	old, oldKey := selfSigned(t, 1, now.Add(time.Hour))
	certFile, keyFile := certificateFiles(t, dir, old, oldKey, now)
	c, err := loadCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&out, nil)), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	renewed, key := selfSigned(t, 2, now.Add(48*time.Hour))
	// A key that may not be read yet: root, as whom tests may run, reads them all.
	certificateFiles(t, dir, renewed, bytes.Repeat([]byte{'x'}, len(key)), now.Add(time.Minute))
	for range 10 {
		now = now.Add(lookEvery)
		if n := c.inForce().SerialNumber.Int64(); n != 1 {
			t.Fatalf("certificate %d, whose key cannot be read", n)
		}
	}
	if n := strings.Count(out.String(), "cannot be used"); n != 1 {
		t.Errorf("told %d times:\n%s", n, out.String())
	}
	certificateFiles(t, dir, renewed, key, c.stamps()[0].mtime)
	if n := c.inForce().SerialNumber.Int64(); n != 1 {
		t.Errorf("read within %v: certificate %d", lookEvery, n)
	}
	now = now.Add(lookEvery)
	if n := c.inForce().SerialNumber.Int64(); n != 2 {
		t.Errorf("certificate %d is in force", n)
	}
	// The next fault is told of again.
	certificateFiles(t, dir, renewed, oldKey, now)
	now = now.Add(lookEvery)
	if n := c.inForce().SerialNumber.Int64(); n != 2 || strings.Count(out.String(), "cannot be used") != 2 {
		t.Errorf("certificate %d:\n%s", n, out.String())
	}
}

// The doctor of a server judges what browsers are shown, not what is in the
// files.
func TestDoctorJudgesTheCertificateInForce(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "a.db"), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	cfg, now := config.Default(), time.Now()
	renewed, key := selfSigned(t, 2, now.Add(1000*time.Hour))
	cfg.TLS.Cert, cfg.TLS.Key = certificateFiles(t, t.TempDir(), renewed, key, now)
	old, _ := selfSigned(t, 1, now.Add(-time.Hour))
	block, _ := pem.Decode(old)
	shown, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	r := newRounds(cfg, db, func() doctor.Peers { return doctor.Peers{} }, log, time.Now)
	r.hashing = func(context.Context) time.Duration { return time.Millisecond }
	for inForce, want := range map[*x509.Certificate]string{nil: "ok", shown: "error"} {
		if r.inForce = nil; inForce != nil {
			r.inForce = func() *x509.Certificate { return inForce }
		}
		said := map[string]string{}
		for _, f := range r.look(t.Context()).Findings {
			said[f.ID] = f.Severity
		}
		if said["tls-certificate-expired"] != want || said["tls-certificate-unusable"] != "ok" {
			t.Errorf("want %s: %q, usable %q", want, said["tls-certificate-expired"], said["tls-certificate-unusable"])
		}
	}
}
