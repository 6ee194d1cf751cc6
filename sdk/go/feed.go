package latchkey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// maxPage bounds the body of one page, of at most 1000 rows.
	maxPage = 4 << 20
	// longPoll is how long the server may hold a request back while there is
	// nothing new.
	longPoll = 25 * time.Second
	// The waits after failures. A server that is down or restarts is back soon,
	// and what was revoked meanwhile shall be known soon after; one that refuses
	// the service key wants a person.
	firstRetry   = 50 * time.Millisecond
	lastRetry    = time.Second
	refusedRetry = 30 * time.Second
	// forgetEvery is how often expired rows are looked for.
	forgetEvery = time.Minute
)

// feed follows the server's revocations.
type feed struct {
	url        *url.URL
	serviceKey string
	client     *http.Client
	now        func() time.Time
	log        *slog.Logger
	maxStale   time.Duration // 0: for ever
	wait       time.Duration // of a long poll
	pause      time.Duration // between answers that came at once and brought nothing

	// current is the set in force: nil until the server has been asked for
	// everything once.
	current atomic.Pointer[revoked]
	// synced is when the server last said that there is nothing more.
	synced  atomic.Pointer[time.Time]
	failure atomic.Pointer[error] // of the last request; nil if it went well
	// tried is closed when the set is complete or the first request has failed.
	tried chan struct{}
}

func newFeed(u *url.URL, o Feed, client *http.Client, now func() time.Time, log *slog.Logger) *feed {
	f := &feed{
		url: u, serviceKey: o.ServiceKey, client: client, now: now, log: log,
		maxStale: o.MaxStale, wait: longPoll, pause: time.Second / 4, tried: make(chan struct{}),
	}
	if f.maxStale > 0 {
		// The server must be heard of well within the time.
		f.wait = min(f.wait, max(time.Second, (f.maxStale/2).Truncate(time.Second)))
	}
	return f
}

// check is ErrRevoked for a dead token and ErrUnavailable where that is not
// known. It waits for nothing but the first answer.
func (f *feed) check(ctx context.Context, c *claims) error {
	set := f.current.Load()
	if set == nil {
		select {
		case <-f.tried:
		case <-ctx.Done():
			return fmt.Errorf("%w: the revocations have not come yet: %w", ErrUnavailable, ctx.Err())
		}
		if set = f.current.Load(); set == nil {
			return fmt.Errorf("%w: the revocations are not known yet", ErrUnavailable)
		}
	}
	// A dead token is dead however old the news.
	if set.has(c) {
		return ErrRevoked
	}
	if f.maxStale > 0 {
		if age := f.now().Sub(*f.synced.Load()); age > f.maxStale {
			return fmt.Errorf("%w: the revocations were last read %s ago", ErrUnavailable, age.Round(time.Second))
		}
	}
	return nil
}

// cursor is where a feed stands.
type cursor struct {
	after int64
	// filling takes the rows. It is the set in force, but at the start and after
	// a reset until all pages are in: a part of it must not stand for the whole.
	filling *revoked
	// complete says that the server had nothing beyond after.
	complete bool
	// reset says that the last answer was one.
	reset bool
}

// follow reads the feed until ctx is done.
func (f *feed) follow(ctx context.Context) {
	at := cursor{filling: newRevoked()}
	failures, tried := 0, false
	forgotten := time.Now()
	for ctx.Err() == nil {
		// Before everything is there nobody waits, and after each page it is
		// asked at once whether that was all.
		wait := time.Duration(0)
		if at.complete {
			wait = f.wait
		}
		began := time.Now()
		p, err := f.ask(ctx, at.after, wait)
		if err == nil {
			err = f.take(&at, p)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			// What went wrong may have taken time: whether there is news is asked
			// anew, without a long poll.
			at.complete = false
		}
		failures = f.report(err, failures)
		if !tried && (err != nil || at.complete) {
			tried = true
			close(f.tried)
		}
		if time.Since(forgotten) > forgetEvery {
			forgotten = time.Now()
			at.filling.forget(f.now().Unix())
		}
		switch {
		case err != nil:
			sleep(ctx, retryIn(err, failures))
		case at.complete && wait > 0 && time.Since(began) < f.pause:
			// Nothing, and at once: somebody on the way answers for the server.
			sleep(ctx, f.pause)
		}
	}
}

// report tells of a change between going well and failing, and counts failures.
func (f *feed) report(err error, failures int) int {
	if err != nil {
		if failures == 0 {
			f.log.Error("revocations cannot be read; going on with what is known", "url", f.url.String(), "error", err)
		}
		f.failure.Store(&err)
		return failures + 1
	}
	if failures > 0 {
		f.log.Info("revocations are read again", "url", f.url.String())
	}
	f.failure.Store(nil)
	return 0
}

var errResets = errors.New("the server begins anew again and again")

// take applies a page.
func (f *feed) take(at *cursor, p page) error {
	if p.reset {
		if at.reset {
			at.reset = false
			return errResets
		}
		at.filling, at.after, at.complete = newRevoked(), 0, false
	}
	at.reset = p.reset
	if n := at.filling.apply(p.rows, f.now().Unix()); n > 0 {
		f.log.Error("revocations of a kind that this version does not know: update it", "rows", n)
	}
	at.after = p.seq
	at.complete = len(p.rows) == 0
	if at.complete {
		now := f.now()
		f.synced.Store(&now)
		f.current.Store(at.filling)
	}
	return nil
}

// refusedError is an answer that is neither a page nor "nothing new".
type refusedError struct {
	status     int
	retryAfter time.Duration
}

func (e *refusedError) Error() string {
	s := fmt.Sprintf("the server answers %d %s", e.status, http.StatusText(e.status))
	switch e.status {
	case http.StatusUnauthorized:
		s += ": is the service key right, and not revoked?"
	case http.StatusForbidden:
		s += ": has the service key the scope revocations:read?"
	}
	return s
}

// retryIn is how long to wait after the nth failure in a row.
func retryIn(err error, n int) time.Duration {
	var refused *refusedError
	if errors.Is(err, errResets) {
		return lastRetry // The page before it went well, so n is 1.
	}
	if !errors.As(err, &refused) {
		return backoff(n, firstRetry, lastRetry)
	}
	switch refused.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return backoff(n, lastRetry, refusedRetry)
	default:
		return max(backoff(n, firstRetry, lastRetry), min(refused.retryAfter, 5*lastRetry))
	}
}

// ask gets the page after a row. Where there is nothing new, the answer comes
// after wait and has no rows.
func (f *feed) ask(ctx context.Context, after int64, wait time.Duration) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+fetchTimeout)
	defer cancel()
	u := *f.url
	q := u.Query()
	q.Set("after", strconv.FormatInt(after, 10))
	q.Set("wait", strconv.Itoa(int(wait/time.Second)))
	u.RawQuery = q.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return page{}, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", "Bearer "+f.serviceKey)
	r.Header.Set("If-None-Match", `"`+strconv.FormatInt(after, 10)+`"`)
	resp, err := f.client.Do(r)
	if err != nil {
		return page{}, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNotModified:
		return page{seq: after}, nil
	case http.StatusOK:
	default:
		seconds, _ := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16)
		return page{}, &refusedError{resp.StatusCode, time.Duration(seconds) * time.Second}
	}
	body, err := readBody(resp.Body, maxPage)
	if err != nil {
		return page{}, err
	}
	p, ok := parsePage(body, after)
	if !ok {
		return page{}, errors.New("the answer is no page of revocations")
	}
	return p, nil
}
