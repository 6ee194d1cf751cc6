package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery is how often, at most, the certificate's files are looked at, and
// read while they cannot be used.
const lookEvery = time.Second

// tlsConfig is TLS 1.3, and 1.2 with forward secrecy and authenticated
// encryption only (RFC 9325, section 4.2). The curves are Go's, the
// post-quantum hybrid first.
//
// HTTP/1.1 is spoken over it and not HTTP/2, in which one connection brings as many
// requests at once as a hundred, each with what it takes, before any of them can
// be refused: docs/limits.md.
func tlsConfig(c *certificate) *tls.Config {
	return &tls.Config{
		GetCertificate: c.get,
		MinVersion:     tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos: []string{"http/1.1"},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return nil, greets(hello) // That is: this one.
		},
	}
}

// certificate is the one in force. A new one is taken when its files have
// changed, without a restart: who renews it need tell nobody. While the two
// do not fit (one of them has been written, the other not yet), or cannot be
// read, the old one stays and they are tried again.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	stamp   [2]stamp // of the files that it was read from
	told    string   // what the log has of those there are now
	looked  time.Time
}

// stamp is what tells a file from its successor. Who renews writes anew or
// moves a link; os.Stat follows it.
type stamp struct {
	size  int64
	mtime time.Time
}

// loadCertificate reads the files; they must be good at the start.
func loadCertificate(certFile, keyFile string, log *slog.Logger, now func() time.Time) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log, now: now}
	c.stamp = c.stamps()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	c.current, c.looked = &pair, now()
	return c, nil
}

func (c *certificate) stamps() (s [2]stamp) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			s[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return s
}

// get gives the certificate for a handshake.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if since := now.Sub(c.looked); since >= 0 && since < lookEvery {
		return c.current, nil
	}
	c.looked = now
	// The stamps are older than what is read: a change in between is seen the
	// next time.
	stamp := c.stamps()
	if stamp == c.stamp {
		c.told = ""
		return c.current, nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		// Nothing of it is kept but for the log: what is in the way may go without
		// a trace in the stamps, as where a key is root's until a hook has given it
		// to this user.
		if what := fmt.Sprint(stamp, err); what != c.told {
			c.told = what
			c.log.Warn("the new certificate cannot be used, the old one stays", "error", err)
		}
		return c.current, nil
	}
	c.current, c.stamp, c.told = &pair, stamp, ""
	c.log.Info("a new certificate is in force", "not_after", pair.Leaf.NotAfter)
	return c.current, nil
}

// inForce is the one that the next handshake shows.
func (c *certificate) inForce() *x509.Certificate {
	pair, _ := c.get(nil) // It has no error.
	return pair.Leaf
}
