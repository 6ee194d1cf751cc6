package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

func counterKey(n int) string { return fmt.Sprintf("%032x", n) }

// full is a counter with something in every field.
func full(n int) auth.Counter {
	return auth.Counter{
		Key: counterKey(n), Kind: auth.CounterDevice, UserID: int64(n), Address: "2001:db8::/64", Failures: int64(n),
		LastAt: Now.Add(time.Duration(n) * time.Second), Expires: Now.Add(time.Hour),
		BlockedUntil: Now.Add(time.Minute), KnownUntil: Now.Add(30 * time.Minute),
		Places: []byte{0, 1, 255}, Emails: []byte{7},
	}
}

// put stores counters as they are.
func put(t *testing.T, s auth.Store, all ...auth.Counter) {
	t.Helper()
	var keys []string
	for _, c := range all {
		keys = append(keys, c.Key)
	}
	err := s.Count(t.Context(), auth.Counting{Keys: keys, Change: func(counters []auth.Counter) (*auth.Event, error) {
		copy(counters, all)
		return nil, nil
	}})
	if err != nil {
		t.Fatalf("Count: %v", err)
	}
}

func byKey(t *testing.T, s auth.Store, keys ...int) []auth.Counter {
	t.Helper()
	var all []string
	for _, n := range keys {
		all = append(all, counterKey(n))
	}
	got, err := s.Read().CountersByKey(t.Context(), all)
	if err != nil {
		t.Fatalf("CountersByKey: %v", err)
	}
	return got
}

// plusOne counts up each of its keys.
func plusOne(keys ...int) auth.Counting {
	c := auth.Counting{Change: func(counters []auth.Counter) (*auth.Event, error) {
		for i := range counters {
			counters[i].Failures++
			counters[i].Expires = Now.Add(time.Hour)
		}
		return nil, nil
	}}
	for _, n := range keys {
		c.Keys = append(c.Keys, counterKey(n))
	}
	return c
}

var counterFacts = []fact{
	{"fields", func(t *testing.T, s auth.Store) {
		bare := auth.Counter{Key: counterKey(2), Kind: auth.CounterAccount, Expires: Now.Add(time.Hour), LastAt: Now}
		put(t, s, full(1), bare)
		got := byKey(t, s, 2, 3, 1)
		for i := range got { // nothing is kept as no bytes, by either engine
			got[i].Places, got[i].Emails = slices.Clip(got[i].Places), slices.Clip(got[i].Emails)
			if len(got[i].Places) == 0 {
				got[i].Places, got[i].Emails = nil, nil
			}
		}
		if diff := gocmp.Diff([]auth.Counter{bare, {Key: counterKey(3)}, full(1)}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if _, err := s.Read().CountersByKey(t.Context(), make([]string, 5)); err == nil {
			t.Error("five keys at once")
		}
	}},
	{"without_expiry_it_is_gone", func(t *testing.T, s auth.Store) {
		put(t, s, full(1), full(2))
		put(t, s, auth.Counter{Key: counterKey(1)}, auth.Counter{Key: counterKey(4)})
		got := byKey(t, s, 1, 2, 4)
		if !got[0].Expires.IsZero() || got[1].Expires.IsZero() || !got[2].Expires.IsZero() {
			t.Errorf("%+v", got)
		}
		all, err := s.Read().Counters(t.Context(), auth.CounterFilter{Now: Now, Limit: 10})
		if err != nil || len(all) != 1 {
			t.Errorf("%+v, %v", all, err)
		}
	}},
	{"an_error_changes_nothing", func(t *testing.T, s auth.Store) {
		put(t, s, full(1))
		refused := errors.New("refused")
		err := s.Count(t.Context(), auth.Counting{Keys: []string{counterKey(1), counterKey(2)}, Change: func(c []auth.Counter) (*auth.Event, error) {
			c[0].Failures, c[1].Failures = 99, 99
			c[1].Expires = Now.Add(time.Hour)
			c[0].Places[0] = 99
			return &auth.Event{At: Now, Kind: auth.EventAddressBlocked}, refused
		}})
		if !errors.Is(err, refused) {
			t.Errorf("Count: %v", err)
		}
		if got := byKey(t, s, 1, 2); got[0].Failures != 1 || got[0].Places[0] != 0 || !got[1].Expires.IsZero() {
			t.Errorf("%+v", got)
		}
		if all, err := s.Read().Events(t.Context(), auth.EventFilter{}); err != nil || len(all) != 0 {
			t.Errorf("events %+v, %v", all, err)
		}
	}},
	{"event", func(t *testing.T, s auth.Store) {
		c := plusOne(1)
		change := c.Change
		c.Change = func(counters []auth.Counter) (*auth.Event, error) {
			_, _ = change(counters)
			return &auth.Event{At: Now, Kind: auth.EventAddressBlocked, Client: client, Detail: "x"}, nil
		}
		if err := s.Count(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		all, err := s.Read().Events(t.Context(), auth.EventFilter{Kind: auth.EventAddressBlocked})
		if err != nil || len(all) != 1 || all[0].Client != client {
			t.Errorf("%+v, %v", all, err)
		}
	}},
	{"list", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		var all []auth.Counter
		for n := 1; n <= 7; n++ {
			c := full(n)
			c.LastAt = Now.Add(time.Duration(n/2) * time.Second) // some at the same time
			if c.UserID = 0; n%3 == 0 {
				c.UserID = u.ID
			}
			all = append(all, c)
		}
		known, old := full(8), full(9)
		known.Failures, known.UserID = 0, u.ID
		old.Expires, old.UserID = Now, u.ID
		put(t, s, append(all, known, old)...)
		var got []string
		f := auth.CounterFilter{Now: Now, Limit: 3}
		for {
			page, err := s.Read().Counters(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page {
				got = append(got, c.Key[31:]+c.Email)
			}
			if len(page) < 3 {
				break
			}
			f.After = &auth.CounterPlace{LastAt: page[2].LastAt, Key: page[2].Key}
		}
		if want := []string{"7", "6" + u.Email, "5", "4", "3" + u.Email, "2", "1"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		page, err := s.Read().Counters(t.Context(), auth.CounterFilter{Now: Now, UserID: u.ID, Limit: 9})
		if err != nil || len(page) != 2 || page[0].Key != counterKey(6) || page[1].Key != counterKey(3) {
			t.Errorf("of the user: %+v, %v", page, err)
		}
		update(t, s, func(tx auth.Tx) error { return tx.DropCounters(t.Context(), u.ID) })
		for i, c := range byKey(t, s, 3, 6, 8) {
			if !c.Expires.IsZero() {
				t.Errorf("%d is still there: %+v", i, c)
			}
		}
		if c := byKey(t, s, 1); c[0].Expires.IsZero() {
			t.Error("what was nobody's is gone")
		}
	}},
	{"sweep", func(t *testing.T, s auth.Store) {
		for n := range 5 {
			c := full(n)
			c.Expires = Now.Add(-time.Duration(n) * time.Second)
			put(t, s, c)
		}
		for _, want := range []int64{2, 2, 0} {
			var gone int64
			update(t, s, func(tx auth.Tx) (err error) {
				gone, _, err = tx.Sweep(t.Context(), Now, Now, "", 2)
				return err
			})
			if gone != want {
				t.Errorf("%d went, want %d", gone, want)
			}
		}
		if c := byKey(t, s, 0); c[0].Expires.IsZero() {
			t.Error("one that has not expired is gone")
		}
	}},
	{"with_the_session", func(t *testing.T, s auth.Store) {
		u := insertUser(t, s, 1)
		o := opening(u, 1)
		c := plusOne(1, 2)
		o.Counting = &c
		if got, err := s.OpenSession(t.Context(), o); err != nil || !got.OK {
			t.Fatalf("%+v, %v", got, err)
		}
		if got := byKey(t, s, 1, 2); got[0].Failures != 1 || got[1].Failures != 1 {
			t.Errorf("%+v", got)
		}
		// What it refuses opens nothing.
		refused := &auth.Error{Kind: auth.TooMany, RetryAfter: time.Minute}
		o = opening(u, 2)
		o.Counting = &auth.Counting{Keys: []string{counterKey(1)}, Change: func([]auth.Counter) (*auth.Event, error) { return nil, refused }}
		if got, err := s.OpenSession(t.Context(), o); !auth.IsKind(err, auth.TooMany) || got.OK {
			t.Errorf("%+v, %v", got, err)
		}
		if got := live(t, s, u); len(got) != 1 {
			t.Errorf("sessions %v", got)
		}
		// Nor is anything counted for a session that does not open.
		o = opening(u, 3)
		o.CredentialVersion++
		o.Counting = &c
		if got, err := s.OpenSession(t.Context(), o); err != nil || got.OK {
			t.Errorf("%+v, %v", got, err)
		}
		if got := byKey(t, s, 1); got[0].Failures != 1 {
			t.Errorf("%+v", got)
		}
	}},
	{"race", func(t *testing.T, s auth.Store) {
		// Each sees what all before it have counted: none is lost, whether the
		// counter was there or not, alone, in groups or within an Update, and
		// whatever the order of the keys.
		const callers, each = 16, 20
		err := atOnce(callers, func(i int) error {
			ctx := context.WithoutCancel(t.Context())
			for n := range each {
				c := plusOne(1, 2+(i+n)%4, 10+n)
				if i%2 == 0 {
					slices.Reverse(c.Keys)
				}
				var err error
				if i%5 == 0 {
					err = s.Update(ctx, func(tx auth.Tx) error { return tx.Count(ctx, c) })
				} else {
					err = s.Count(ctx, c)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var rest int64
		for _, c := range byKey(t, s, 2, 3, 4, 5) {
			rest += c.Failures
		}
		if got := byKey(t, s, 1); got[0].Failures != callers*each || rest != callers*each {
			t.Errorf("counted %d and %d of %d", got[0].Failures, rest, callers*each)
		}
		for n := range each {
			if got := byKey(t, s, 10+n); got[0].Failures != callers {
				t.Errorf("counter %d: %d of %d", 10+n, got[0].Failures, callers)
			}
		}
	}},
	{"race_for_places", func(t *testing.T, s auth.Store) {
		// Ten places on one counter and three on another, and everybody comes at
		// once: nobody gets one that is not there.
		var taken [2]atomic.Int64
		limits := [2]int64{10, 3}
		err := atOnce(64, func(i int) error {
			mine := i % 2
			var got bool
			err := s.Count(context.WithoutCancel(t.Context()), auth.Counting{
				Keys: []string{counterKey(100), counterKey(mine)},
				Change: func(c []auth.Counter) (*auth.Event, error) {
					if got = c[0].Failures < 12 && c[1].Failures < limits[mine]; got {
						for i := range c {
							c[i].Failures++
							c[i].Expires = Now.Add(time.Hour)
						}
					}
					return nil, nil
				},
			})
			if err == nil && got {
				taken[mine].Add(1)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		got := byKey(t, s, 0, 1, 100)
		a, b := taken[0].Load(), taken[1].Load()
		if a > 10 || b > 3 || a+b > 12 || got[0].Failures != a || got[1].Failures != b || got[2].Failures != a+b {
			t.Errorf("%d and %d took places, counted %d, %d, %d", a, b, got[0].Failures, got[1].Failures, got[2].Failures)
		}
		if a+b != 12 && a != 10 {
			t.Errorf("places were left: %d and %d", a, b)
		}
	}},
	{"secret", func(t *testing.T, s auth.Store) {
		if _, err := s.Read().Secret(t.Context(), "x"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("none: %v", err)
		}
		for _, want := range []auth.StoredSecret{{Name: "x", Secret: []byte{0, 1}}, {Name: "x", Secret: []byte{2}, Sealed: true}} {
			update(t, s, func(tx auth.Tx) error { return tx.SaveSecret(t.Context(), want) })
			got, err := s.Read().Secret(t.Context(), "x")
			if diff := gocmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		}
	}},
}
