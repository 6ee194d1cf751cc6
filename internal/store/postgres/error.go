package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// SQLSTATEs, from PostgreSQL's appendix A.
const (
	uniqueViolation      = "23505"
	readOnly             = "25006" // a standby, which a fail-over has left us with
	transactionTimeout   = "25P04"
	idleInTransaction    = "25P03"
	unknownDatabase      = "3D000"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	tooManyConnections   = "53300"
	lockNotAvailable     = "55P03"
	queryCanceled        = "57014"
	adminShutdown        = "57P01"
	crashShutdown        = "57P02"
	cannotConnectNow     = "57P03"
	idleSession          = "57P05"

	// Classes: the first two letters of the others.
	connectionException   = "08"
	notAuthorized         = "28"
	insufficientResources = "53" // disk full, out of memory
	operatorIntervention  = "57"
	systemError           = "58" // an I/O error outside of PostgreSQL
)

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// class is the first two letters of a SQLSTATE.
func class(code string) string {
	if len(code) < 2 {
		return ""
	}
	return code[:2]
}

// lostRace reports whether PostgreSQL broke the transaction off for another's
// sake.
func lostRace(err error) bool {
	code := sqlState(err)
	return code == serializationFailure || code == deadlockDetected
}

// errSilent is a server's that has let us in and then says nothing.
var errSilent = errors.New("the server does not answer the first statement")

// lostConnection reports whether err says that the server is not there, or no
// more, or is one that takes no writes (yet).
func lostConnection(err error) bool {
	switch code := sqlState(err); code {
	case adminShutdown, crashShutdown, cannotConnectNow, tooManyConnections, readOnly,
		idleInTransaction, idleSession:
		return true
	case "":
	default:
		return class(code) == connectionException
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.Is(err, errSilent) || errors.As(err, &connect) || errors.As(err, &network) && !errors.Is(err, context.DeadlineExceeded) ||
		pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// away reports whether err is the database's own trouble, which may pass: what
// lostConnection says, and what is not worth a second try now, as a full disk,
// or a pool that has been closed.
func away(err error) bool {
	if lostConnection(err) || lostRace(err) || errors.As(err, new(maybeDone)) || errors.Is(err, puddle.ErrClosedPool) {
		return true
	}
	switch code := sqlState(err); code {
	case "":
		return false
	case lockNotAvailable, queryCanceled, transactionTimeout, unknownDatabase:
		return true
	default:
		switch class(code) {
		case insufficientResources, systemError, operatorIntervention, notAuthorized:
			return true
		}
		return false
	}
}

// told says in the words of auth what went wrong: that the database is away is
// no fault of the request's, and is answered 503.
func told(err error) error {
	var already *auth.Error
	if err == nil || errors.As(err, &already) || !away(err) {
		return err
	}
	return &auth.Error{Kind: auth.Unavailable, Code: auth.CodeDatabaseAway, Cause: err}
}

// misconfigured reports whether waiting would be in vain: the server is there,
// and does not let this program in.
func misconfigured(err error) bool {
	if code := sqlState(err); code == unknownDatabase || class(code) == notAuthorized {
		return true
	}
	var (
		record   tls.RecordHeaderError
		verify   *tls.CertificateVerificationError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		alert    tls.AlertError
	)
	return errors.As(err, &record) || errors.As(err, &verify) || errors.As(err, &unknown) ||
		errors.As(err, &hostname) || errors.As(err, &alert) ||
		strings.Contains(err.Error(), "server refused TLS connection")
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

// retry is again, and tells what is still in the way at the end as the
// database's.
func retry(ctx context.Context, f func() error) error { return told(again(ctx, f)) }

// again runs f again while it fails for a reason that may have passed: the
// connection was lost, or a race. It never runs f again after maybeDone.
func again(ctx context.Context, f func() error) error {
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
		case lostConnection(err) && !misconfigured(err) && time.Since(lostSince) < outage:
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
