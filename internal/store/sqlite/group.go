package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store"
)

// maxGroup is how many acts one transaction takes at most. Larger ones gain
// nothing more and make the first member wait for the last.
const maxGroup = 128

// The longest that a group waits for more members: this part of what the last
// transaction took, and never more than maxPatience.
const (
	patienceShare = 8
	maxPatience   = time.Millisecond
)

// errClosed is the answer to acts after Close: a request that a stop has not
// waited for is put off, to the next start or another node.
var errClosed error = &auth.Error{Kind: auth.Unavailable, Code: auth.CodeDatabaseAway, Cause: errors.New("the database is closed")}

// act is one member of a group: a unit of work that waits for its commit.
type act struct {
	ctx context.Context
	// run does the work; its writes are kept if it answers nil. It may be
	// called more than once.
	run func(store.Tx) error
	// committed is called after COMMIT and before the answer: what the process
	// holds in memory is put right there. May be nil.
	committed func()
	// single says that run writes with one statement at most, which needs no
	// SAVEPOINT.
	single bool

	state    atomic.Int32 // waiting, taken or abandoned
	err      error
	answered bool
	done     chan struct{}
}

const (
	waiting int32 = iota
	taken
	abandoned
)

// writer owns the one connection that writes. All fields but queue belong to
// its goroutine.
type writer struct {
	path  string
	log   *slog.Logger
	tx    store.Tx // Conn is set for each group
	conn  *conn    // nil after a failure that left it unusable
	group []*act   // those in hand
	queue chan *act

	// expect is how many acts were under way when the last group ended: those
	// who were answered and those who came meanwhile. patience is how long
	// gather waits for that many, timed by timer.
	expect   int
	patience time.Duration
	timer    *time.Timer

	// foreign is called when another process has committed.
	foreign     func()
	dataVersion int64

	mu     sync.RWMutex // guards closed against queue
	closed bool
	gone   chan struct{}
}

// do queues an act and waits for its commit. An act that is still waiting when
// its context ends is taken back; one that has begun is waited for, so that
// nothing of it runs after do has returned.
func (w *writer) do(a *act) error {
	// A select would take either case: an act of a caller that has gone is not begun.
	if err := a.ctx.Err(); err != nil {
		return err
	}
	a.done = make(chan struct{})
	if err := w.enqueue(a); err != nil {
		return err
	}
	select {
	case <-a.done:
		return a.err
	case <-a.ctx.Done():
		if a.state.CompareAndSwap(waiting, abandoned) {
			return a.ctx.Err()
		}
		<-a.done
		return a.err
	}
}

func (w *writer) enqueue(a *act) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return errClosed
	}
	select {
	case w.queue <- a:
		return nil
	case <-a.ctx.Done():
		return a.ctx.Err()
	}
}

// finish refuses what comes and ends when all that waits has been answered. It
// reports whether it is the first to do so.
func (w *writer) finish() bool {
	w.mu.Lock()
	first := !w.closed
	w.closed = true
	if first {
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.gone
	return first
}

// loop is the writer's goroutine.
func (w *writer) loop() {
	drained := false
	defer func() {
		if drained {
			close(w.gone)
			return
		}
		// An act has ended the goroutine (runtime.Goexit, as a test's Fatal
		// does), or it has panicked itself. The others must not pay for it.
		err := errors.New("an act has ended the writer's goroutine")
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the writer: %v", p)
			w.log.Error("panic in the goroutine that writes; it goes on", "panic", p, "stack", string(debug.Stack()))
		}
		w.rollback()
		// What was committed may not be in memory yet.
		w.lookAnew()
		answerAll(w.group, err)
		go w.loop()
	}()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	w.timer = time.NewTimer(lookEvery)
	defer w.timer.Stop()
	for {
		select {
		case a, open := <-w.queue:
			if !open {
				drained = true
				return
			}
			w.gather(a)
			began := time.Now()
			w.commitGroup(w.group)
			w.patience = min(time.Since(began)/patienceShare, maxPatience)
			w.expect = min(len(w.group)+len(w.queue), maxGroup)
			clear(w.group)
		case <-look.C:
			w.look()
		}
	}
}

// gather takes the first act and what is waiting with it, and then waits a
// little for those who were answered last and are about to ask again. Without
// that, steady callers fall into two halves that wait for each other's fsync,
// at half the rate. A caller who is alone is not waited with.
func (w *writer) gather(first *act) {
	w.group = w.group[:0]
	w.take(first)
	for waiting := len(w.queue); waiting > 0 && len(w.group) < maxGroup; waiting-- {
		w.take(<-w.queue)
	}
	if len(w.group) >= w.expect {
		return
	}
	w.timer.Reset(w.patience)
	for len(w.group) < w.expect {
		select {
		case a, open := <-w.queue:
			if !open {
				return
			}
			w.take(a)
		case <-w.timer.C:
			return
		}
	}
}

// take adds an act to the group unless its caller has gone.
func (w *writer) take(a *act) {
	if a.state.CompareAndSwap(waiting, taken) {
		w.group = append(w.group, a)
	}
}

// commitGroup runs the acts in one transaction and answers them. When the
// transaction as a whole fails, each has one of its own.
func (w *writer) commitGroup(group []*act) {
	if len(group) == 0 {
		return
	}
	if len(group) == 1 {
		w.commitSingle(group[0])
		return
	}
	if err := w.begin(); err != nil {
		// Nothing has run and another BEGIN would wait as long again.
		answerAll(group, err)
		return
	}
	for _, a := range group {
		a.err = w.member(a)
		if w.conn.failed != nil {
			break
		}
	}
	if w.conn.failed == nil {
		_, w.conn.failed = w.conn.Exec(context.Background(), `COMMIT`)
	}
	if err := w.conn.failed; err != nil {
		w.log.Warn("a transaction failed, its acts run again singly", "acts", len(group), "error", err)
		w.rollback()
		for _, a := range group {
			w.commitSingle(a)
		}
		return
	}
	for _, a := range group {
		a.answer(a.err)
	}
}

// commitSingle runs one act in a transaction of its own and answers it.
func (w *writer) commitSingle(a *act) {
	if err := w.begin(); err != nil {
		a.answer(err)
		return
	}
	err := run(a, w.tx)
	if err == nil {
		// It fails too if the act has swallowed the error of a statement.
		_, err = w.conn.Exec(context.Background(), `COMMIT`)
	}
	if err != nil {
		w.rollback()
	}
	a.answer(err)
}

// member runs an act among others.
func (w *writer) member(a *act) error {
	if a.single {
		err := run(a, w.tx)
		if err != nil {
			// There is no SAVEPOINT to go back to.
			_ = w.conn.fail(err)
		}
		return err
	}
	ctx := context.Background()
	if _, err := w.conn.Exec(ctx, `SAVEPOINT act`); err != nil {
		return err
	}
	err := run(a, w.tx)
	if err != nil {
		if _, err := w.conn.Exec(ctx, `ROLLBACK TO act`); err != nil {
			return err
		}
	}
	if _, err := w.conn.Exec(ctx, `RELEASE act`); err != nil {
		return err
	}
	return err
}

// run turns a panic of the act into its error: the writer serves everybody.
func run(a *act, tx store.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
		}
	}()
	return a.run(tx)
}

func (a *act) answer(err error) {
	if a.answered {
		return
	}
	a.answered = true
	defer close(a.done)
	if err == nil && a.committed != nil {
		// Whatever becomes of it, the caller is not left waiting.
		a.err = errors.New("panic after a commit")
		a.committed()
	}
	a.err = err
}

func answerAll(group []*act, err error) {
	for _, a := range group {
		a.answer(err)
	}
}

// begin opens a transaction, on a new connection where the last one was lost.
func (w *writer) begin() error {
	if w.conn == nil {
		c, err := connect(w.path, writes)
		if err != nil {
			return fmt.Errorf("open the database again: %w", err)
		}
		if err := durable(context.Background(), c); err != nil {
			return errors.Join(fmt.Errorf("open the database again: %w", err), c.close())
		}
		w.conn = c
		w.dataVersion = -1
	}
	w.tx.Conn = w.conn
	if _, err := w.conn.Exec(context.Background(), `BEGIN IMMEDIATE`); err != nil {
		w.rollback()
		return fmt.Errorf("begin: %w", err)
	}
	return nil
}

// rollback ends the transaction if there still is one. A connection that does
// not come back to a clean state is given up.
func (w *writer) rollback() {
	if w.conn == nil {
		return
	}
	w.conn.failed = nil
	if _, err := w.conn.Exec(context.Background(), `ROLLBACK`); err == nil || !w.inTransaction() {
		w.conn.failed = nil
		return
	}
	w.log.Warn("the connection that writes is stuck in a transaction and is replaced")
	_ = w.conn.close()
	w.conn = nil
}

// inTransaction asks the only way that SQL has: BEGIN fails inside one.
func (w *writer) inTransaction() bool {
	ctx := context.Background()
	w.conn.failed = nil
	if _, err := w.conn.Exec(ctx, `BEGIN DEFERRED`); err != nil {
		return true
	}
	_, err := w.conn.Exec(ctx, `COMMIT`)
	return err != nil
}
