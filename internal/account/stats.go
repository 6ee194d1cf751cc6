package account

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Stats is how much happened, in equal times.
type Stats struct {
	Bucket time.Duration // an hour or a day
	// Begins are the beginnings of the buckets, the oldest first. Each of the
	// series has a number for each of them.
	Begins       []time.Time
	LoggedIn     []int64
	LoginFailed  []int64
	Registered   []int64 // by themselves and by administrators
	LiveSessions []int64 // as last counted within an hour; -1 where it was not counted

	Users      int64 // up to auth.CountExactTo
	UsersExact bool
	LiveNow    int64
}

// statsFor is how long what was counted is told again: the counting of a busy
// month takes a second, and an overview is looked at by several at once.
const statsFor = 15 * time.Second

// counted are the last Stats by their days.
type counted struct {
	mu   sync.Mutex
	last map[int]Stats
	at   map[int]time.Time
}

// Stats counts the last days: by the hour up to seven days, by the day (of UTC)
// beyond. What it tells is up to 15 s old.
func (s *Service) Stats(ctx context.Context, days int) (Stats, error) {
	s.counted.mu.Lock()
	defer s.counted.mu.Unlock()
	now := s.Now()
	if age := now.Sub(s.counted.at[days]); age >= 0 && age < statsFor {
		return s.counted.last[days], nil
	}
	out, err := s.count(ctx, days)
	if err == nil {
		s.counted.last[days], s.counted.at[days] = out, now
	}
	return out, err
}

func (s *Service) count(ctx context.Context, days int) (Stats, error) {
	bucket := time.Hour
	if days > 7 {
		bucket = 24 * time.Hour
	}
	now := s.Now()
	last := now.Truncate(bucket)
	n := days * int(24*time.Hour/bucket)
	since := last.Add(-time.Duration(n-1) * bucket)
	out := Stats{Bucket: bucket}
	for i := range n {
		out.Begins = append(out.Begins, since.Add(time.Duration(i)*bucket))
	}
	place := func(at time.Time) int { return int(at.Sub(since) / bucket) }

	store := s.Store.Read()
	counts, err := store.CountEvents(ctx, since, bucket,
		auth.EventLoggedIn, auth.EventLoginFailed, auth.EventRegistered, auth.EventUserCreated, auth.EventSetUp)
	if err != nil {
		return Stats{}, fmt.Errorf("count events: %w", err)
	}
	out.LoggedIn, out.LoginFailed, out.Registered = make([]int64, n), make([]int64, n), make([]int64, n)
	for _, c := range counts {
		i := place(c.At)
		if i < 0 || i >= n {
			continue
		}
		switch c.Kind { //nolint:exhaustive // Those that were asked for.
		case auth.EventLoggedIn:
			out.LoggedIn[i] += c.N
		case auth.EventLoginFailed:
			out.LoginFailed[i] += c.N
		default:
			out.Registered[i] += c.N
		}
	}
	samples, err := store.Samples(ctx, since)
	if err != nil {
		return Stats{}, fmt.Errorf("read samples: %w", err)
	}
	out.LiveSessions = make([]int64, n)
	for i := range out.LiveSessions {
		out.LiveSessions[i] = -1
	}
	for _, sample := range samples {
		// Of a day, the hour with the most stands for it.
		if i := place(sample.At); i >= 0 && i < n {
			out.LiveSessions[i] = max(out.LiveSessions[i], sample.LiveSessions)
		}
	}
	if out.LiveNow, err = store.CountSessions(ctx, now); err != nil {
		return Stats{}, fmt.Errorf("count sessions: %w", err)
	}
	page, err := store.SearchUsers(ctx, auth.UserSearch{Order: auth.OrderID, Limit: 1})
	if err != nil {
		return Stats{}, fmt.Errorf("count users: %w", err)
	}
	out.Users, out.UsersExact = page.Count, page.Exact
	return out, nil
}
