package server

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// work is something that goes on beside the requests until its context ends.
type work struct {
	name string
	run  func(context.Context)
}

// The time after which a work that has panicked begins anew: longer each time,
// and from the beginning when it has gone well for calmAfter.
const (
	minRest   = 100 * time.Millisecond
	maxRest   = 30 * time.Second
	calmAfter = time.Minute
)

// workPatience bounds a transaction of such a work: a connection that is alive
// and brings nothing, as through a proxy whose server has gone, must not hold the
// work for ever. It is long: batches are small, and a busy database may be slow.
const workPatience = time.Minute

// update is Store.Update for a work.
func update(ctx context.Context, store auth.Store, fn func(context.Context, auth.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, workPatience)
	defer cancel()
	return store.Update(ctx, func(tx auth.Tx) error { return fn(ctx, tx) }) //nolint:wrapcheck // Its caller tells what it was.
}

// supervise runs a work until it returns. A panic in it ends neither the process
// nor the work: it is logged, and the work begins anew (ASVS 16.5.4). All that
// goes on beside the requests is run by it.
func supervise(ctx context.Context, log *slog.Logger, w work) {
	for rest := minRest; ; rest = min(4*rest, maxRest) {
		began := time.Now()
		if !panics(ctx, log, w) || ctx.Err() != nil {
			return
		}
		if time.Since(began) > calmAfter {
			rest = minRest
		}
		if !pause(ctx, rest) {
			return
		}
	}
}

// panics runs a work and reports whether it has panicked.
func panics(ctx context.Context, log *slog.Logger, w work) (panicked bool) {
	defer func() {
		if p := recover(); p != nil {
			panicked = true
			log.Error("panic beside the requests; beginning anew", "what", w.name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	w.run(ctx)
	return false
}
