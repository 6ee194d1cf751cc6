package server

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// logDelay is how long a line of the log may wait to be written with
	// others: a system call for each request would cost more than checking a
	// token does.
	logDelay = 200 * time.Millisecond
	// logBuffer is how many bytes wait at most.
	logBuffer = 32 << 10
)

// LogWriter collects lines and writes them together, after 200 ms at the
// latest. What is a warning or worse is written at once (see LogHandler), and
// Flush writes what is left: call it before the program ends.
type LogWriter struct {
	to io.Writer

	mu      sync.Mutex
	waiting []byte
	timer   *time.Timer
	armed   bool
}

// NewLogWriter makes a LogWriter in front of to.
func NewLogWriter(to io.Writer) *LogWriter {
	w := &LogWriter{to: to}
	w.timer = time.AfterFunc(time.Hour, w.Flush)
	w.timer.Stop()
	return w
}

// Write takes a line. Its error is always nil: a log that cannot be written
// must not fail what it tells of.
func (w *LogWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = append(w.waiting, line...)
	if len(w.waiting) >= logBuffer {
		w.flush()
	} else if !w.armed {
		w.armed = true
		w.timer.Reset(logDelay)
	}
	return len(line), nil
}

// Flush writes what is waiting.
func (w *LogWriter) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush()
}

func (w *LogWriter) flush() {
	w.armed = false
	if len(w.waiting) == 0 {
		return
	}
	_, _ = w.to.Write(w.waiting)
	w.waiting = w.waiting[:0]
}

// LogHandler writes to a LogWriter and flushes it after a warning or worse:
// what may be a program's last words does not wait.
type LogHandler struct {
	slog.Handler
	Writer *LogWriter
}

// Handle implements slog.Handler.
func (h LogHandler) Handle(ctx context.Context, record slog.Record) error {
	err := h.Handler.Handle(ctx, record)
	if record.Level >= slog.LevelWarn {
		h.Writer.Flush()
	}
	return err //nolint:wrapcheck // A handler's error is its own.
}

// UTCHandler has times in UTC, to the microsecond: nodes and events are compared
// by them.
type UTCHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h UTCHandler) Handle(ctx context.Context, record slog.Record) error {
	record.Time = record.Time.UTC().Truncate(time.Microsecond)
	return h.Handler.Handle(ctx, record) //nolint:wrapcheck // A handler's error is its own.
}

// WithAttrs implements slog.Handler.
func (h UTCHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return UTCHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h UTCHandler) WithGroup(name string) slog.Handler { return UTCHandler{h.Handler.WithGroup(name)} }

// WithAttrs implements slog.Handler.
func (h LogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return LogHandler{h.Handler.WithAttrs(attrs), h.Writer}
}

// WithGroup implements slog.Handler.
func (h LogHandler) WithGroup(name string) slog.Handler {
	return LogHandler{h.Handler.WithGroup(name), h.Writer}
}
