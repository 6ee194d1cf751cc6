package breach

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// userAgent is the same from every Latchkey.
	userAgent = "Latchkey"
	// maxAnswer is more than a padded answer has (some 60 KiB).
	maxAnswer = 1 << 20
	// maxConns bounds what goes out at once; who comes later waits within the
	// time-out.
	maxConns = 8
)

// ranges asks a range API.
type ranges struct {
	base    string
	timeout time.Duration
	dialer  *net.Dialer
	http    *http.Client
}

// newRanges asks the API at base, for which CheckRangeURL has nothing against it.
func newRanges(base string, timeout time.Duration, allowPrivate bool) *ranges {
	host := ""
	if u, err := url.Parse(base); err == nil {
		host = u.Hostname()
	}
	dialer := &net.Dialer{Timeout: timeout, ControlContext: reachOf(host, allowPrivate).control}
	return &ranges{
		base: strings.TrimSuffix(base, "/") + "/", timeout: timeout, dialer: dialer,
		http: &http.Client{
			Transport: &http.Transport{
				Proxy:       nil, // not that of an environment made for something else
				DialContext: dialer.DialContext,
				TLSClientConfig: &tls.Config{
					MinVersion: tls.VersionTLS12,
				},
				ForceAttemptHTTP2: true, DisableCompression: true,
				MaxResponseHeaderBytes: 16 << 10, MaxConnsPerHost: maxConns, MaxIdleConnsPerHost: 2,
				IdleConnTimeout: time.Minute,
			},
			// The digits go where the operator said.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// has asks whether a password is in the API's list. Its errors do not tell the
// digits.
func (r *ranges) has(ctx context.Context, pw string) (bool, error) {
	sum := sha1.Sum([]byte(pw))
	digits := strings.ToUpper(hex.EncodeToString(sum[:]))
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+digits[:5], nil)
	if err != nil {
		return false, errors.New("its address is none")
	}
	req.Header.Set("User-Agent", userAgent)
	// All answers are padded to about one length, so that who watches the
	// wire cannot tell which range was asked for.
	req.Header.Set("Add-Padding", "true")
	resp, err := r.http.Do(req)
	if err != nil {
		return false, bare(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return false, fmt.Errorf("it answered %d", resp.StatusCode)
	}
	return find(io.LimitReader(resp.Body, maxAnswer+1), digits[5:])
}

// bare takes the address, in which the digits are, off an error.
func bare(err error) error {
	if errors.Is(err, errReach) {
		return errReach // The rest names the address.
	}
	if e := new(url.Error); errors.As(err, &e) {
		err = e.Err
	}
	return err
}

// find looks for a suffix in an answer: lines of 35 hex digits, ":" and a
// count. A count of 0 is padding. The whole is read, so that nothing is made of
// half an answer.
func find(answer io.Reader, suffix string) (bool, error) {
	found, size := false, 0
	lines := bufio.NewScanner(answer)
	lines.Buffer(make([]byte, 0, 4096), 4096)
	for lines.Scan() {
		if size += len(lines.Bytes()) + 1; size > maxAnswer {
			return false, fmt.Errorf("its answer is over %d KiB", maxAnswer>>10)
		}
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		digits, tail, _ := strings.Cut(line, ":")
		count, err := strconv.ParseUint(tail, 10, 63)
		if _, hexErr := hex.DecodeString("0" + digits); len(digits) != 35 || hexErr != nil || err != nil {
			return false, errors.New("its answer is not a list of hashes")
		}
		if strings.ToUpper(digits) == suffix && count > 0 {
			found = true
		}
	}
	if err := lines.Err(); err != nil {
		return false, fmt.Errorf("read its answer: %w", bare(err))
	}
	if size == 0 {
		return false, errors.New("its answer is empty")
	}
	return found, nil
}
