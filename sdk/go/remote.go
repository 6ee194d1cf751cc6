package latchkey

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// fetchTimeout bounds a request to the server, beyond what a long poll waits.
const fetchTimeout = 10 * time.Second

// remoteURL reads the URL of something that decides who gets in. Over plain
// HTTP whoever sits on the way would decide it, so that is for this machine
// alone.
func remoteURL(raw string, allowHTTP bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	switch {
	case u.Host == "" || u.Fragment != "":
		return nil, fmt.Errorf("%q is not the URL of a server", raw)
	case u.User != nil:
		return nil, errors.New("a URL with a password in it ends up in logs")
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && (allowHTTP || isLoopback(u.Hostname())):
		return u, nil
	case u.Scheme == "http":
		return nil, fmt.Errorf("%q is plain HTTP to another machine: use https, or set AllowHTTP where the network is trusted", raw)
	default:
		return nil, fmt.Errorf("%q is neither https nor http", raw)
	}
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// httpClient gives the client to use, which follows no redirect: it would lead
// away from the host that was checked. done closes what is ours of it.
func httpClient(given *http.Client) (client *http.Client, done func()) {
	c := &http.Client{}
	done = func() {}
	if given != nil {
		*c = *given
	} else if t, ok := http.DefaultTransport.(*http.Transport); ok {
		own := t.Clone()
		c.Transport, done = own, own.CloseIdleConnections
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Timeout = 0 // Each request has its own.
	return c, done
}

// readBody reads at most limit bytes; more is an error.
func readBody(r io.Reader, limit int64) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return "", err
	}
	if int64(len(b)) > limit {
		return "", fmt.Errorf("the body is longer than %d bytes", limit)
	}
	return string(b), nil
}

// backoff is how long to wait before a try after n failures in a row: first,
// doubled each time up to most, less a random part of up to a half, so that many
// services do not come back at one time.
func backoff(n int, first, most time.Duration) time.Duration {
	d := most
	if n < 20 {
		d = min(most, first<<(n-1))
	}
	var b [1]byte
	rand.Read(b[:])
	return d/2 + d/2*time.Duration(b[0])/255
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
