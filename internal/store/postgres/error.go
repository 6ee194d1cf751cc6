package postgres

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATEs, from PostgreSQL's appendix A.
const (
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	tooManyConnections   = "53300"
	adminShutdown        = "57P01"
	crashShutdown        = "57P02"
	cannotConnectNow     = "57P03"
	connectionException  = "08" // the class
)

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// lostRace reports whether PostgreSQL broke the transaction off for another's
// sake.
func lostRace(err error) bool {
	code := sqlState(err)
	return code == serializationFailure || code == deadlockDetected
}

// lostConnection reports whether err says that the server is not there, or no
// more.
func lostConnection(err error) bool {
	switch code := sqlState(err); code {
	case adminShutdown, crashShutdown, cannotConnectNow, tooManyConnections:
		return true
	case "":
	default:
		return strings.HasPrefix(code, connectionException)
	}
	var connect *pgconn.ConnectError
	var network *net.OpError
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// maybeDone wraps an error after which nobody knows whether the transaction was
// committed.
type maybeDone struct{ error }

func (e maybeDone) Unwrap() error { return e.error }

const (
	// outage is how long a database that went away is waited for: a restart,
	// or a fail-over to a standby.
	outage = 3 * time.Second
	// maxRaces is how often a transaction may lose against others.
	maxRaces = 10
)

// retry runs f again while it fails for a reason that may have passed: the
// connection was lost, or a race. It never runs f again after maybeDone.
func retry(ctx context.Context, f func() error) error {
	var lostSince time.Time
	for races := 0; ; {
		err := f()
		if err == nil || ctx.Err() != nil || errors.As(err, new(maybeDone)) {
			return err
		}
		var wait time.Duration
		switch {
		case lostRace(err) && races < maxRaces:
			wait = time.Duration(races) * 5 * time.Millisecond
			races++
		case lostConnection(err) && lostSince.IsZero():
			lostSince = time.Now() // again at once: the pool may hold dead connections
		case lostConnection(err) && time.Since(lostSince) < outage:
			wait = 50 * time.Millisecond
		default:
			return err
		}
		select {
		case <-time.After(jitter(wait)):
		case <-ctx.Done():
			return err
		}
	}
}

// jitter gives between a half and one and a half of d.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + rand.N(d) //nolint:forbidigo // Jitter; nobody gains by guessing it.
}
