package postgres

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// silence is how long the listening connection may be silent before it is
	// asked for a sign of life: the end of a dead one is never told.
	silence = 15 * time.Second
	// minBackoff and maxBackoff bound the time between two tries to listen.
	minBackoff = 100 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// Changes implements auth.Store. Each call listens on a connection of its own,
// outside the pool, and makes a new one when that is lost. There is a hint
// after each connect, for what was missed. Only a primary can be listened to:
// once it is found again the pool begins anew, since its connections may lead to
// the one of before, which is a standby now and may be behind.
func (db *DB) Changes(ctx context.Context) <-chan struct{} {
	hints := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(db.closing, cancel)
	db.listeners.Go(func() {
		defer close(hints)
		defer cancel()
		defer stop()
		backoff, told, lost := minBackoff, false, false
		for {
			err := db.listenSafely(ctx, func() {
				if lost {
					lost = false
					db.pool.Reset()
				}
				backoff, told = minBackoff, false
				select {
				case hints <- struct{}{}:
				default: // one is waiting already
				}
			})
			if ctx.Err() != nil {
				return
			}
			lost = true
			if !told {
				told = true
				db.log.WarnContext(ctx, "no connection that tells of other nodes' revocations", "error", err)
			}
			select {
			case <-time.After(jitter(backoff)):
			case <-ctx.Done():
				return
			}
			backoff = min(2*backoff, maxBackoff)
		}
	})
	return hints
}

// listenSafely turns a panic into an error: the listener begins anew.
func (db *DB) listenSafely(ctx context.Context, hint func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return db.listen(ctx, hint)
}

// listen calls hint once it listens and at each notification, until something
// fails or ctx ends.
func (db *DB) listen(ctx context.Context, hint func()) error {
	config := db.pool.Config().ConnConfig
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = c.Close(ctx) // nothing was written on it
	}()
	if err := within(ctx, config.ConnectTimeout, c, `LISTEN `+channel); err != nil {
		return err
	}
	hint()
	for {
		if err := waitForNotification(ctx, c); err != nil {
			return err
		}
		hint()
	}
}

func waitForNotification(ctx context.Context, c *pgx.Conn) error {
	for {
		quiet, cancel := context.WithTimeout(ctx, silence)
		_, err := c.WaitForNotification(quiet)
		timedOut := quiet.Err() != nil
		cancel()
		if err == nil || ctx.Err() != nil || !timedOut || c.IsClosed() {
			return err
		}
		alive, cancel := context.WithTimeout(ctx, connectTimeout)
		err = c.Ping(alive)
		cancel()
		if err != nil {
			return err
		}
	}
}
