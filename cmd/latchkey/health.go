package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/latchkey-auth/latchkey/internal/config"
)

type healthCommand struct {
	URL     string        `name:"url" placeholder:"URL" help:"Address of the server. [from listen]"`
	Timeout time.Duration `default:"3s" help:"How long it may take. [3s]"`
}

// Run asks /readyz and prints the answer's body; it fails unless that is 200.
func (c *healthCommand) Run(p *program) error {
	// No proxy from the environment: the question is about this very server.
	transport := &http.Transport{DisableKeepAlives: true}
	base := c.URL
	if base == "" {
		cfg, err := p.config()
		if err != nil {
			return err
		}
		base = ownURL(cfg)
		// The certificate is for the public name, not for the loopback address
		// that a server asks itself at.
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return misused("write it like http://127.0.0.1:8000", "--url is not an address")
	}
	req, err := http.NewRequestWithContext(p.ctx, http.MethodGet, u.JoinPath("/readyz").String(), nil)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	client := &http.Client{
		Transport: transport, Timeout: c.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return failed("is the server running? --url names another one", "the server does not answer: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return failed("", "the server is not ready: %s %s", res.Status, printable(string(body)))
	}
	p.say("%s", printable(string(body)))
	return nil
}

// ownURL is where a server with this configuration is reached from its own
// machine.
func ownURL(cfg *config.Config) string {
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil { // config has looked at it.
		host, port = "", "8000"
	}
	if a, err := netip.ParseAddr(host); host == "" || err == nil && a.IsUnspecified() {
		host = "127.0.0.1"
		if a.Is6() {
			host = "::1"
		}
	}
	scheme := "http"
	if cfg.TLS.Cert != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
