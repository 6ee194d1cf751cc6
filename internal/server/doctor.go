package server

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/api"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/doctor"
	"github.com/latchkey-auth/latchkey/internal/login"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

const (
	// roundsKept is how long what the doctor said is good enough for whoever
	// asks next.
	roundsKept = 30 * time.Second
	// roundTime bounds one look at everything.
	roundTime = 5 * time.Second
	// formatsEvery is how often password formats are counted: after users came
	// from elsewhere, it reads as many rows.
	formatsEvery = time.Hour
)

// rounds are the doctor's, in a server.
type rounds struct {
	cfg   *config.Config
	store auth.Store
	peers func() doctor.Peers
	log   *slog.Logger
	now   func() time.Time
	// inForce is the certificate that is shown; nil without TLS.
	inForce func() *x509.Certificate

	// hashing measures how long a hash takes; hash is the least that was
	// measured, since a busy machine makes it longer and nothing shorter.
	hashing func(context.Context) time.Duration
	hash    atomic.Int64
	formats atomic.Pointer[map[auth.PasswordFormat]int64]
	// turn has one place: who waits for it is given what the other has found.
	turn chan struct{}
	at   time.Time // by the machine's clock
	said api.Diagnosis
}

func newRounds(cfg *config.Config, store auth.Store, peers func() doctor.Peers, log *slog.Logger, now func() time.Time) *rounds {
	return &rounds{cfg: cfg, store: store, peers: peers, log: log, now: now, turn: make(chan struct{}, 1), hashing: func(ctx context.Context) time.Duration {
		return doctor.MeasureHash(ctx, 1)
	}}
}

// run logs once what is an error, and keeps what takes long up to date.
func (r *rounds) run(ctx context.Context) {
	r.measure(ctx)
	for _, f := range r.look(ctx).Findings {
		if f.Severity == string(doctor.Error) {
			r.log.Warn("doctor: "+f.What+" "+f.Mend, "finding", f.ID)
		}
	}
	for {
		if formats, err := r.store.Read().PasswordFormats(ctx); err == nil {
			r.formats.Store(&formats)
		}
		if !pause(ctx, formatsEvery) {
			return
		}
		r.measure(ctx)
	}
}

// measure measures a hash once more.
func (r *rounds) measure(ctx context.Context) {
	took := int64(r.hashing(ctx))
	for took > 0 {
		least := r.hash.Load()
		if least != 0 && least <= took || r.hash.CompareAndSwap(least, took) {
			return
		}
	}
}

// tell gives what the doctor says.
func (r *rounds) tell(ctx context.Context) (api.Diagnosis, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return api.Diagnosis{}, ctx.Err()
	}
	if !r.at.IsZero() && time.Since(r.at) < roundsKept {
		return r.said, nil
	}
	// Started in a rush, a hash seems slow: before that is said it is tried again.
	if time.Duration(r.hash.Load()) > doctor.SlowHash {
		r.measure(ctx)
	}
	// Whoever asked may go away: what is found is for others, too.
	r.said = r.look(context.WithoutCancel(ctx))
	r.at = time.Now()
	return r.said, nil
}

// look judges everything anew.
func (r *rounds) look(ctx context.Context) api.Diagnosis {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	o := doctor.Options{
		Config: r.cfg, Store: r.store, Running: true, Peers: r.peers(),
		Hash: time.Duration(r.hash.Load()), LargestHash: largestHash(ctx, r.store.Read()), Now: r.now(),
	}
	if f := r.formats.Load(); f != nil {
		o.Formats = *f
	}
	if r.inForce != nil {
		o.Certificate = r.inForce()
	}
	d := api.Diagnosis{CheckedAt: o.Now}
	for _, f := range doctor.Judge(doctor.Gather(ctx, o)) {
		d.Findings = append(d.Findings, api.Finding{
			ID: f.ID, Severity: string(f.Severity), What: f.What, Why: f.Why, Mend: f.Mend, Do: f.Do, Params: f.Params,
		})
	}
	return d
}

// Examine is the doctor beside a server or without one: it opens what the
// configuration names for looking only.
func Examine(ctx context.Context, cfg *config.Config) []doctor.Finding {
	o := doctor.Options{Config: cfg, CountFormats: true, Hash: doctor.MeasureHash(ctx, 3), Now: time.Now()}
	glance, err := openGlance(ctx, cfg)
	switch {
	case err == nil:
		defer func() { _ = glance.Close() }() // Nothing was written.
		o.Store, o.LargestHash = glance, largestHash(ctx, glance.Read())
	case !errors.Is(err, fs.ErrNotExist) || cfg.Database.IsPostgres():
		o.Problem = err.Error()
	}
	return doctor.Judge(doctor.Gather(ctx, o))
}

// largestHash is the memory of the largest stored hash; 0 if that is not known.
func largestHash(ctx context.Context, from auth.UserReader) (most int64) {
	hashes, err := login.ForeignHashes(ctx, from)
	if err != nil {
		return 0
	}
	for _, h := range hashes {
		most = max(most, password.Memory(h))
	}
	return most
}

// glance is a database that is looked at.
type glance interface {
	doctor.Store
	Close() error
}

func openGlance(ctx context.Context, cfg *config.Config) (glance, error) {
	if cfg.Database.IsPostgres() {
		return postgres.OpenGlance(ctx, postgres.Options{URL: cfg.Database.Reveal(), MaxConns: 2}) //nolint:wrapcheck // It says what it is.
	}
	return sqlite.OpenGlance(filepath.Join(cfg.Data, sqlite.FileName), nil) //nolint:wrapcheck // As above.
}
