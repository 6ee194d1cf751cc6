package config

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/breach"
)

// check looks at what only several settings together can get wrong. A setting
// with a problem of its own is left out.
func (l *loader) check() {
	c := l.c
	atMost := func(low, high string, a, b Duration) {
		if l.blamed[low] || l.blamed[high] || a <= b {
			return
		}
		// Blame the one that somebody set; of two, the later source.
		key := low
		if c.origins[low].From == FromDefault {
			key = high
		}
		l.blame(key, c.origins[key], fmt.Sprintf("%s (%s) is longer than %s (%s)", low, a, high, b), "lower "+low+" or raise "+high)
	}
	atMost("tokens.access", "tokens.refresh", c.Tokens.Access, c.Tokens.Refresh)
	atMost("tokens.refresh", "tokens.session_max", c.Tokens.Refresh, c.Tokens.SessionMax)
	atMost("timeouts.header", "timeouts.read", c.Timeouts.Header, c.Timeouts.Read)

	if c.Password.RangeURL != "" {
		if err := breach.CheckRangeURL(c.Password.RangeURL, c.Password.RangePrivate); err != nil {
			l.blame("password.range_url", c.origins["password.range_url"], err.Error(), "https://api.pwnedpasswords.com/range/ is the one of Have I Been Pwned")
		}
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		given, missing := "tls.cert", "tls.key"
		if c.TLS.Cert == "" {
			given, missing = missing, given
		}
		l.blame(missing, c.origins[given], "is not set, but "+given+" is", "TLS needs both, plain HTTP neither")
	}
	c.signingKey = l.secret("signing.key", c.Signing.Key, "signing.key_file", c.Signing.KeyFile)
	l.django()
	if c.Django.Upstream != "" {
		if _, err := c.DjangoUpstream(); err != nil {
			l.blame("django.upstream", c.origins["django.upstream"], err.Error(), "write https://host, or http://127.0.0.1:port for one on this machine; the paths are the guide's")
		}
	}
	if every := c.Signing.RotateEvery; every != 0 && !l.blamed["signing.rotate_every"] {
		o := c.origins["signing.rotate_every"]
		switch {
		case every < Duration(time.Hour):
			l.blame("signing.rotate_every", o, fmt.Sprintf("%s is less than an hour", every), "write 0 for never, or 30d, say")
		case c.signingKey.IsSet() && c.Signing.Algorithm == HS256:
			l.blame("signing.rotate_every", o, "a signing.key of your own is not rotated by a schedule", "leave it out, and change the key with `latchkey key use`")
		}
	}
	c.sealKey = l.secret("keys.seal_key", c.Keys.SealKey, "keys.seal_key_file", c.Keys.SealKeyFile)
	if c.sealKey.IsSet() {
		if _, err := parseSealKey(c.sealKey.Reveal()); err != nil {
			key := "keys.seal_key"
			if c.Keys.SealKeyFile != "" {
				key = "keys.seal_key_file"
			}
			l.blame(key, c.origins[key], err.Error(), "`openssl rand -base64 32` makes one")
		}
	}
	if c.Registration.Open && len(c.Registration.Roles) == 0 && !l.blamed["registration.roles"] {
		l.blame("registration.roles", c.origins["registration.roles"], "is empty, so nobody could register", "name a role, or set registration.open to false")
	}
}

// DjangoUpstream gives the address of the Django that is asked about whom nobody
// knows here, nil where there is none.
func (c *Config) DjangoUpstream() (*url.URL, error) {
	if c.Django.Upstream == "" {
		return nil, nil
	}
	u, err := url.Parse(c.Django.Upstream)
	if err != nil || u.Host == "" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("is no address of the form scheme://host:port")
	}
	ip, err := netip.ParseAddr(u.Hostname())
	here := u.Hostname() == "localhost" || err == nil && ip.Unmap().IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !here) {
		return nil, errors.New("is not https: passwords would be sent for everybody to read")
	}
	return u, nil
}

// FileOfSecrets gives the path of the configuration file if there is a secret in
// it, the database's password counted; else "".
func (c *Config) FileOfSecrets() string {
	for _, key := range []string{"signing.key", "keys.seal_key", "database"} {
		if o := c.origins[key]; o.From == FromFile && (key != "database" || c.Database.HasPassword()) {
			return o.Name
		}
	}
	return ""
}

// secret gives what is set by key or read from the file that fileKey names.
func (l *loader) secret(key string, value Secret, fileKey, file string) Secret {
	switch {
	case file == "":
		return value
	case value.IsSet():
		l.blame(fileKey, l.c.origins[fileKey], key+" is set too, by "+l.c.origins[key].String(), "keep one of the two")
		return Secret{}
	}
	s, err := ReadSecret(file)
	if err != nil {
		l.blame(fileKey, l.c.origins[fileKey], err.Error(), "")
	}
	return NewSecret(s)
}

// SigningKey gives the team's own signing key, from signing.key or its file;
// nil when neither is set.
func (c *Config) SigningKey() []byte {
	if !c.signingKey.IsSet() {
		return nil
	}
	return []byte(c.signingKey.Reveal())
}

// SealKey gives the 32 bytes that seal the key ring, from keys.seal_key or
// its file; nil when neither is set.
func (c *Config) SealKey() []byte {
	// Load has found it well formed.
	key, err := parseSealKey(c.sealKey.Reveal())
	if err != nil {
		return nil
	}
	return key
}

// ReadSecret reads a file that holds one secret, as signing.key_file names it.
// One line break at its end, which editors and echo leave, is not part of it.
func ReadSecret(name string) (string, error) {
	data, err := readFile(name)
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %s", name, cause(err))
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if s == "" {
		return "", fmt.Errorf("%s is empty", name)
	}
	return s, nil
}

func parseSealKey(s string) ([]byte, error) {
	if key, err := hex.DecodeString(s); err == nil && len(key) == 32 {
		return key, nil
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if key, err := enc.DecodeString(s); err == nil && len(key) == 32 {
			return key, nil
		}
	}
	return nil, errors.New("is not 32 bytes in base64 or hex")
}

// Slog gives the level for log/slog.
func (l Log) Slog() slog.Level {
	var level slog.Level
	// The words of oneof are slog's own; info is the zero value.
	_ = level.UnmarshalText([]byte(l.Level))
	return level
}
