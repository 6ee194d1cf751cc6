package latchkey

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// maxKeySet bounds the body of a JWK Set.
	maxKeySet = 1 << 20
	// refreshEvery is the longest that a key set is used before it is fetched
	// again. Latchkey publishes a key that long before it signs with it.
	refreshEvery = 5 * time.Minute
	// earlyEvery is how often tokens with an unknown kid can have the set
	// fetched, and the shortest max-age that is believed.
	earlyEvery = 10 * time.Second
)

// keySet holds the keys of a JWKS URL and keeps them fresh.
type keySet struct {
	url      string
	client   *http.Client
	now      func() time.Time
	log      *slog.Logger
	maxStale time.Duration
	early    time.Duration // earlyEvery, but for tests

	current atomic.Pointer[fetchedKeys]
	failure atomic.Pointer[error] // of the last fetch; nil if it went well
	// tried is closed after the first fetch, however it ended.
	tried chan struct{}
	// unknown asks for a fetch ahead of time.
	unknown chan struct{}
}

type fetchedKeys struct {
	keys map[string]key
	at   time.Time // when the fetch began
}

func newKeySet(url string, client *http.Client, now func() time.Time, log *slog.Logger, maxStale time.Duration) *keySet {
	return &keySet{
		url: url, client: client, now: now, log: log, maxStale: maxStale, early: earlyEvery,
		tried: make(chan struct{}), unknown: make(chan struct{}, 1),
	}
}

// key gives the key of this name. It waits for nothing but the first fetch.
func (s *keySet) key(ctx context.Context, kid string) (key, error) {
	set := s.current.Load()
	if set == nil {
		select {
		case <-s.tried:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: the key set has not come yet: %w", ErrUnavailable, ctx.Err())
		}
		if set = s.current.Load(); set == nil {
			return nil, fmt.Errorf("%w: there is no key set yet", ErrUnavailable)
		}
	}
	age := s.now().Sub(set.at)
	if age > s.maxStale {
		return nil, fmt.Errorf("%w: the key set is %s old", ErrUnavailable, age.Round(time.Second))
	}
	if k, ok := set.keys[kid]; ok {
		return k, nil
	}
	if age < s.early {
		return nil, ErrSignature
	}
	// The key may be newer than the set. Somebody sends made-up names, too, so
	// this is no reason to fetch more often than earlyEvery.
	select {
	case s.unknown <- struct{}{}:
	default:
	}
	return nil, fmt.Errorf("%w: the token's key is not known yet", ErrUnavailable)
}

// follow fetches the set again and again until ctx is done.
func (s *keySet) follow(ctx context.Context) {
	failures := 0
	first := true
	for {
		began := s.now()
		started := time.Now()
		keys, maxAge, err := s.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		var wait time.Duration
		if err != nil {
			if failures++; failures == 1 {
				s.log.Error("the key set cannot be fetched; going on with what is known", "url", s.url, "error", err)
			}
			s.failure.Store(&err)
			wait = backoff(failures, 250*time.Millisecond, 15*time.Second)
		} else {
			if failures > 0 {
				s.log.Info("the key set can be fetched again", "url", s.url)
			}
			failures = 0
			s.failure.Store(nil)
			s.current.Store(&fetchedKeys{keys, began})
			wait = maxAge - maxAge/10 // A bit before everybody's caches.
		}
		if first {
			first = false
			close(s.tried)
		}
		next := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-next.C:
		case <-s.unknown:
			sleep(ctx, min(wait, s.early)-time.Since(started))
		}
		next.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// fetch gets the set and for how long it may be used.
func (s *keySet) fetch(ctx context.Context) (map[string]key, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("the server answers %s", resp.Status)
	}
	body, err := readBody(resp.Body, maxKeySet)
	if err != nil {
		return nil, 0, err
	}
	keys, err := parseKeySet(body)
	return keys, freshFor(resp.Header.Get("Cache-Control")), err
}

// freshFor reads the max-age of a Cache-Control header, within bounds.
func freshFor(cacheControl string) time.Duration {
	for directive := range strings.SplitSeq(cacheControl, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if strings.ToLower(name) != "max-age" {
			continue
		}
		if n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 32); err == nil {
			return min(refreshEvery, max(earlyEvery, time.Duration(n)*time.Second))
		}
	}
	return refreshEvery
}
