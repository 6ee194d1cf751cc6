package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// grace is how long after the end of a round its last answers may take.
const grace = 30 * time.Second

// process is one whose CPU is counted, with all its descendants if it is a
// tree.
type process struct {
	pid  int
	tree bool
}

// client is one user of a target: it waits for each answer before it asks
// again.
type client struct {
	// number of all clients of the round, from 0 to of-1.
	number, of int
	// turn is how many requests this client has made, in this round and those
	// before it.
	turn int
	// session is the one whose refresh token is under way.
	session int
	request []byte
}

// operation is what is asked for, over and over.
type operation struct {
	// ask appends the next request to c.request[:0] and gives it.
	ask func(t *target, c *client) []byte
	// check judges the answer.
	check func(t *target, c *client, status int, body []byte) error
	// mayShed says that 503 is an answer, too: not now, too many are hashing.
	mayShed bool
}

// drive has clients run an operation against a target for a time.
func drive(ctx context.Context, t *target, op operation, clients int, d time.Duration) (sample, error) {
	connections := make([]*connection, clients)
	defer func() {
		for _, c := range connections {
			if c != nil {
				_ = c.close()
			}
		}
	}()
	for i := range connections {
		var err error
		if connections[i], err = dial(ctx, t.addr); err != nil {
			return sample{}, fmt.Errorf("%s: %w", t.name, err)
		}
	}
	first := t.turn
	turns := make([]int, clients)
	s, err := measure(ctx, t.processes, clients, d, func(i int, m *meter) error {
		c := &client{number: i, of: clients, turn: first}
		conn := connections[i]
		if err := conn.until(time.Now().Add(d + grace)); err != nil {
			return err
		}
		for m.another() {
			status, body, err := conn.exchange(op.ask(t, c))
			switch {
			case err != nil:
			case op.mayShed && status == http.StatusServiceUnavailable:
				m.wasShed = true
			default:
				err = op.check(t, c, status, body)
			}
			if err != nil {
				return fmt.Errorf("request %d of client %d: %w", c.turn, i, err)
			}
			c.turn++
		}
		turns[i] = c.turn
		return nil
	})
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", t.name, err)
	}
	t.turn = slices.Max(turns)
	return s, nil
}

// meter takes the times of one client's requests.
type meter struct {
	over func(now time.Time) bool
	last time.Time
	took []time.Duration
	// wasShed is set by a request that was refused: it does not count.
	wasShed bool
	shed    int
}

// another is called before each request and once more after the last: it takes
// the time of the one that has ended and tells whether there is time left.
func (m *meter) another() bool {
	now := time.Now()
	switch {
	case m.wasShed:
		m.shed++
		m.wasShed = false
	case !m.last.IsZero():
		m.took = append(m.took, now.Sub(m.last))
	}
	m.last = now
	return !m.over(now)
}

// measure has clients work for a time, each with a meter of its own.
func measure(ctx context.Context, processes []process, clients int, d time.Duration,
	work func(client int, m *meter) error,
) (sample, error) {
	before, known, err := used(processes)
	if err != nil {
		return sample{}, err
	}
	meters := make([]meter, clients)
	errs := make([]error, clients)
	start := time.Now()
	over := func(now time.Time) bool { return now.Sub(start) >= d || ctx.Err() != nil }
	var wg sync.WaitGroup
	for i := range meters {
		wg.Go(func() {
			meters[i] = meter{over: over, took: make([]time.Duration, 0, 1024)}
			errs[i] = work(i, &meters[i])
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	after, _, err := used(processes)
	if err := errors.Join(append(errs, err, ctx.Err())...); err != nil {
		return sample{}, err
	}
	s := sample{elapsed: elapsed, cpu: after - before, cpuKnown: known}
	var all []time.Duration
	for i := range meters {
		all = append(all, meters[i].took...)
		s.shed += meters[i].shed
	}
	slices.Sort(all)
	s.requests, s.p50, s.p99 = len(all), percentile(all, 0.50), percentile(all, 0.99)
	return s, nil
}

// walk gives the turn-th place of a walk through all of n places that jumps
// about: even steps of the golden ratio visit each once before any again.
func walk(turn, n int) int {
	if n < 2 {
		return 0
	}
	step := int(0.6180339887 * float64(n))
	for gcd(step, n) != 1 {
		step++
	}
	return int(int64(turn) * int64(step) % int64(n))
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
