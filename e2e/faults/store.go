package faults

import (
	"context"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Point is a moment of a call of the store at which it can fail.
type Point struct {
	// Call names the method: "UserByEmail", "Update", "Update/InsertUser".
	Call string
	When When
}

func (p Point) String() string { return p.Call + " " + p.When.String() }

// When is the moment.
type When int

const (
	// Before anything has been done.
	Before When = iota
	// AtCommit: all has been done, and is rolled back.
	AtCommit
	// AfterCommit: it is on disk.
	AfterCommit
)

func (w When) String() string {
	return [...]string{"before it began", "at its commit", "after its commit"}[w]
}

// Decide is asked at each point. Its error is what the call answers; nil lets
// it go on. It may panic.
type Decide func(ctx context.Context, p Point) error

// OfRequest reports whether a call is made for a request, and not by the work
// that goes on beside them.
func OfRequest(ctx context.Context) bool { return ctx.Value(http.ServerContextKey) != nil }

// Wrap gives a store that asks decide.
func Wrap(s auth.Store, decide Decide) auth.Store { return &faulty{Store: s, decide: decide} }

type faulty struct {
	auth.Store
	decide Decide
}

func (s *faulty) Read() auth.Reader { return reader{s.Store.Read(), s.decide, ""} }

func (s *faulty) Describe(ctx context.Context) (auth.Database, error) {
	if err := s.decide(ctx, Point{"Describe", Before}); err != nil {
		return auth.Database{}, err
	}
	return s.Store.Describe(ctx)
}

func (s *faulty) Ping(ctx context.Context) error {
	if err := s.decide(ctx, Point{"Ping", Before}); err != nil {
		return err
	}
	return s.Store.Ping(ctx)
}

// hot runs a hot act, which has no transaction to look into.
func hot[In, Out any](ctx context.Context, s *faulty, name string, in In, act func(context.Context, In) (Out, error)) (Out, error) {
	var none Out
	if err := s.decide(ctx, Point{name, Before}); err != nil {
		return none, err
	}
	out, err := act(ctx, in)
	if err != nil {
		return out, err
	}
	if err := s.decide(ctx, Point{name, AfterCommit}); err != nil {
		return none, err
	}
	return out, nil
}

func (s *faulty) Rotate(ctx context.Context, r auth.Rotation) (auth.Rotated, error) {
	return hot(ctx, s, "Rotate", r, s.Store.Rotate)
}

func (s *faulty) OpenSession(ctx context.Context, o auth.Opening) (auth.Opened, error) {
	return hot(ctx, s, "OpenSession", o, s.Store.OpenSession)
}

func (s *faulty) RevokeSession(ctx context.Context, r auth.Revoking) (auth.Revoked, error) {
	return hot(ctx, s, "RevokeSession", r, s.Store.RevokeSession)
}

func (s *faulty) Count(ctx context.Context, c auth.Counting) error {
	_, err := hot(ctx, s, "Count", c, func(ctx context.Context, c auth.Counting) (struct{}, error) {
		return struct{}{}, s.Store.Count(ctx, c)
	})
	return err
}

func (s *faulty) Update(ctx context.Context, fn func(auth.Tx) error) error {
	if err := s.decide(ctx, Point{"Update", Before}); err != nil {
		return err
	}
	err := s.Store.Update(ctx, func(t auth.Tx) error {
		if err := fn(tx{reader{t, s.decide, "Update/"}, t, t, t}); err != nil {
			return err
		}
		return s.decide(ctx, Point{"Update", AtCommit})
	})
	if err != nil {
		return err
	}
	return s.decide(ctx, Point{"Update", AfterCommit})
}

// reader is auth.Reader in front of another one; prefix is set in a
// transaction.
type reader struct {
	auth.Reader
	decide Decide
	prefix string
}

func (r reader) fails(ctx context.Context, call string) error {
	return r.decide(ctx, Point{r.prefix + call, Before})
}

func (r reader) UserByID(ctx context.Context, id int64) (auth.User, error) {
	if err := r.fails(ctx, "UserByID"); err != nil {
		return auth.User{}, err
	}
	return r.Reader.UserByID(ctx, id)
}

func (r reader) UserByEmail(ctx context.Context, key string) (auth.User, error) {
	if err := r.fails(ctx, "UserByEmail"); err != nil {
		return auth.User{}, err
	}
	return r.Reader.UserByEmail(ctx, key)
}

func (r reader) Users(ctx context.Context, f auth.UserFilter) ([]auth.User, error) {
	if err := r.fails(ctx, "Users"); err != nil {
		return nil, err
	}
	return r.Reader.Users(ctx, f)
}

func (r reader) SessionState(ctx context.Context, sessionID string, userID int64) (auth.Session, auth.User, error) {
	if err := r.fails(ctx, "SessionState"); err != nil {
		return auth.Session{}, auth.User{}, err
	}
	return r.Reader.SessionState(ctx, sessionID, userID)
}

func (r reader) SessionByOrigin(ctx context.Context, originJTI string) (auth.Session, error) {
	if err := r.fails(ctx, "SessionByOrigin"); err != nil {
		return auth.Session{}, err
	}
	return r.Reader.SessionByOrigin(ctx, originJTI)
}

func (r reader) Sessions(ctx context.Context, userID int64, now time.Time) ([]auth.Session, error) {
	if err := r.fails(ctx, "Sessions"); err != nil {
		return nil, err
	}
	return r.Reader.Sessions(ctx, userID, now)
}

func (r reader) CountSessions(ctx context.Context, now time.Time) (int64, error) {
	if err := r.fails(ctx, "CountSessions"); err != nil {
		return 0, err
	}
	return r.Reader.CountSessions(ctx, now)
}

func (r reader) Revocations(ctx context.Context, after int64, limit int) ([]auth.Revocation, error) {
	if err := r.fails(ctx, "Revocations"); err != nil {
		return nil, err
	}
	return r.Reader.Revocations(ctx, after, limit)
}

func (r reader) LastRevocation(ctx context.Context) (int64, error) {
	if err := r.fails(ctx, "LastRevocation"); err != nil {
		return 0, err
	}
	return r.Reader.LastRevocation(ctx)
}

func (r reader) AccessRevoked(ctx context.Context, a auth.AccessIdentity) (bool, error) {
	if err := r.fails(ctx, "AccessRevoked"); err != nil {
		return false, err
	}
	return r.Reader.AccessRevoked(ctx, a)
}

func (r reader) MaxAccess(ctx context.Context) (time.Duration, error) {
	if err := r.fails(ctx, "MaxAccess"); err != nil {
		return 0, err
	}
	return r.Reader.MaxAccess(ctx)
}

func (r reader) Keys(ctx context.Context) ([]auth.Key, error) {
	if err := r.fails(ctx, "Keys"); err != nil {
		return nil, err
	}
	return r.Reader.Keys(ctx)
}

func (r reader) Events(ctx context.Context, f auth.EventFilter) ([]auth.Event, error) {
	if err := r.fails(ctx, "Events"); err != nil {
		return nil, err
	}
	return r.Reader.Events(ctx, f)
}

func (r reader) SearchUsers(ctx context.Context, s auth.UserSearch) (auth.UserPage, error) {
	if err := r.fails(ctx, "SearchUsers"); err != nil {
		return auth.UserPage{}, err
	}
	return r.Reader.SearchUsers(ctx, s)
}

func (r reader) ForeignHash(ctx context.Context, after string) (string, error) {
	if err := r.fails(ctx, "ForeignHash"); err != nil {
		return "", err
	}
	return r.Reader.ForeignHash(ctx, after)
}

func (r reader) CountAdmins(ctx context.Context, limit int) (int, error) {
	if err := r.fails(ctx, "CountAdmins"); err != nil {
		return 0, err
	}
	return r.Reader.CountAdmins(ctx, limit)
}

func (r reader) Audit(ctx context.Context, f auth.AuditFilter) ([]auth.AuditEvent, error) {
	if err := r.fails(ctx, "Audit"); err != nil {
		return nil, err
	}
	return r.Reader.Audit(ctx, f)
}

func (r reader) CountEvents(ctx context.Context, since time.Time, bucket time.Duration, kinds ...auth.EventKind) ([]auth.Count, error) {
	if err := r.fails(ctx, "CountEvents"); err != nil {
		return nil, err
	}
	return r.Reader.CountEvents(ctx, since, bucket, kinds...)
}

func (r reader) Samples(ctx context.Context, since time.Time) ([]auth.Sample, error) {
	if err := r.fails(ctx, "Samples"); err != nil {
		return nil, err
	}
	return r.Reader.Samples(ctx, since)
}

func (r reader) LinkByHash(ctx context.Context, kind auth.LinkKind, hash string, now time.Time) (auth.Link, error) {
	if err := r.fails(ctx, "LinkByHash"); err != nil {
		return auth.Link{}, err
	}
	return r.Reader.LinkByHash(ctx, kind, hash, now)
}

func (r reader) ServiceKeys(ctx context.Context) ([]auth.ServiceKey, error) {
	if err := r.fails(ctx, "ServiceKeys"); err != nil {
		return nil, err
	}
	return r.Reader.ServiceKeys(ctx)
}

func (r reader) ServiceKeyByHash(ctx context.Context, hash string) (auth.ServiceKey, error) {
	if err := r.fails(ctx, "ServiceKeyByHash"); err != nil {
		return auth.ServiceKey{}, err
	}
	return r.Reader.ServiceKeyByHash(ctx, hash)
}

func (r reader) CountersByKey(ctx context.Context, keys []string) ([]auth.Counter, error) {
	if err := r.fails(ctx, "CountersByKey"); err != nil {
		return nil, err
	}
	return r.Reader.CountersByKey(ctx, keys)
}

func (r reader) Counters(ctx context.Context, f auth.CounterFilter) ([]auth.ListedCounter, error) {
	if err := r.fails(ctx, "Counters"); err != nil {
		return nil, err
	}
	return r.Reader.Counters(ctx, f)
}

func (r reader) Secret(ctx context.Context, name string) (auth.StoredSecret, error) {
	if err := r.fails(ctx, "Secret"); err != nil {
		return auth.StoredSecret{}, err
	}
	return r.Reader.Secret(ctx, name)
}

func (r reader) TokenImported(ctx context.Context, jti string) (bool, error) {
	if err := r.fails(ctx, "TokenImported"); err != nil {
		return false, err
	}
	return r.Reader.TokenImported(ctx, jti)
}

// tx is auth.Tx in front of another one: it reads as reader does. Nobody takes
// users over by a request.
type tx struct {
	reader
	auth.SessionWriter
	auth.TakeoverWriter
	to auth.Tx
}

func (t tx) InsertUser(ctx context.Context, u auth.NewUser, now time.Time) (auth.User, error) {
	if err := t.fails(ctx, "InsertUser"); err != nil {
		return auth.User{}, err
	}
	return t.to.InsertUser(ctx, u, now)
}

func (t tx) UpdateUser(ctx context.Context, id int64, c auth.UserChange, now time.Time) (auth.User, error) {
	if err := t.fails(ctx, "UpdateUser"); err != nil {
		return auth.User{}, err
	}
	return t.to.UpdateUser(ctx, id, c, now)
}

func (t tx) DeleteUser(ctx context.Context, id int64) (auth.User, error) {
	if err := t.fails(ctx, "DeleteUser"); err != nil {
		return auth.User{}, err
	}
	return t.to.DeleteUser(ctx, id)
}

func (t tx) InsertSession(ctx context.Context, userID int64, s auth.NewSession, now time.Time) (auth.Session, error) {
	if err := t.fails(ctx, "InsertSession"); err != nil {
		return auth.Session{}, err
	}
	return t.to.InsertSession(ctx, userID, s, now)
}

func (t tx) AdoptSession(ctx context.Context, a auth.Adoption) (auth.Session, bool, error) {
	if err := t.fails(ctx, "AdoptSession"); err != nil {
		return auth.Session{}, false, err
	}
	return t.to.AdoptSession(ctx, a)
}

func (t tx) ConfirmSession(ctx context.Context, userID int64, sessionID string, now time.Time) (bool, error) {
	if err := t.fails(ctx, "ConfirmSession"); err != nil {
		return false, err
	}
	return t.to.ConfirmSession(ctx, userID, sessionID, now)
}

func (t tx) RevokeSessions(ctx context.Context, userID int64, except string, now time.Time) ([]string, error) {
	if err := t.fails(ctx, "RevokeSessions"); err != nil {
		return nil, err
	}
	return t.to.RevokeSessions(ctx, userID, except, now)
}

func (t tx) EndAll(ctx context.Context, now time.Time) (int64, error) {
	if err := t.fails(ctx, "EndAll"); err != nil {
		return 0, err
	}
	return t.to.EndAll(ctx, now)
}

func (t tx) Sweep(ctx context.Context, now, eventsBefore time.Time, after string, limit int) (int64, string, error) {
	if err := t.fails(ctx, "Sweep"); err != nil {
		return 0, "", err
	}
	return t.to.Sweep(ctx, now, eventsBefore, after, limit)
}

func (t tx) Revoke(ctx context.Context, rows ...auth.Revocation) ([]auth.Revocation, error) {
	if err := t.fails(ctx, "Revoke"); err != nil {
		return nil, err
	}
	return t.to.Revoke(ctx, rows...)
}

func (t tx) RaiseMaxAccess(ctx context.Context, d time.Duration) error {
	if err := t.fails(ctx, "RaiseMaxAccess"); err != nil {
		return err
	}
	return t.to.RaiseMaxAccess(ctx, d)
}

func (t tx) InsertKey(ctx context.Context, k auth.Key) (auth.Key, error) {
	if err := t.fails(ctx, "InsertKey"); err != nil {
		return auth.Key{}, err
	}
	return t.to.InsertKey(ctx, k)
}

func (t tx) UpdateKey(ctx context.Context, k auth.Key) error {
	if err := t.fails(ctx, "UpdateKey"); err != nil {
		return err
	}
	return t.to.UpdateKey(ctx, k)
}

func (t tx) LockKeys(ctx context.Context) error {
	if err := t.fails(ctx, "LockKeys"); err != nil {
		return err
	}
	return t.to.LockKeys(ctx)
}

func (t tx) InsertEvent(ctx context.Context, e auth.Event) error {
	if err := t.fails(ctx, "InsertEvent"); err != nil {
		return err
	}
	return t.to.InsertEvent(ctx, e)
}

func (t tx) AddLoginFailures(ctx context.Context, failures []auth.LoginFailure) error {
	if err := t.fails(ctx, "AddLoginFailures"); err != nil {
		return err
	}
	return t.to.AddLoginFailures(ctx, failures)
}

func (t tx) LockAdmins(ctx context.Context) error {
	if err := t.fails(ctx, "LockAdmins"); err != nil {
		return err
	}
	return t.to.LockAdmins(ctx)
}

func (t tx) IndexUsers(ctx context.Context, limit int) (int, error) {
	if err := t.fails(ctx, "IndexUsers"); err != nil {
		return 0, err
	}
	return t.to.IndexUsers(ctx, limit)
}

func (t tx) InsertSample(ctx context.Context, s auth.Sample) error {
	if err := t.fails(ctx, "InsertSample"); err != nil {
		return err
	}
	return t.to.InsertSample(ctx, s)
}

func (t tx) InsertLink(ctx context.Context, l auth.Link) error {
	if err := t.fails(ctx, "InsertLink"); err != nil {
		return err
	}
	return t.to.InsertLink(ctx, l)
}

func (t tx) SpendLink(ctx context.Context, kind auth.LinkKind, hash string, now time.Time) (auth.Link, error) {
	if err := t.fails(ctx, "SpendLink"); err != nil {
		return auth.Link{}, err
	}
	return t.to.SpendLink(ctx, kind, hash, now)
}

func (t tx) DropLinks(ctx context.Context, kind auth.LinkKind, userID int64) error {
	if err := t.fails(ctx, "DropLinks"); err != nil {
		return err
	}
	return t.to.DropLinks(ctx, kind, userID)
}

func (t tx) InsertServiceKey(ctx context.Context, k auth.ServiceKey) error {
	if err := t.fails(ctx, "InsertServiceKey"); err != nil {
		return err
	}
	return t.to.InsertServiceKey(ctx, k)
}

func (t tx) RevokeServiceKey(ctx context.Context, id string, now time.Time) (auth.ServiceKey, error) {
	if err := t.fails(ctx, "RevokeServiceKey"); err != nil {
		return auth.ServiceKey{}, err
	}
	return t.to.RevokeServiceKey(ctx, id, now)
}

func (t tx) Count(ctx context.Context, c auth.Counting) error {
	if err := t.fails(ctx, "Count"); err != nil {
		return err
	}
	return t.to.Count(ctx, c)
}

func (t tx) DropCounters(ctx context.Context, userID int64) error {
	if err := t.fails(ctx, "DropCounters"); err != nil {
		return err
	}
	return t.to.DropCounters(ctx, userID)
}

func (t tx) SaveSecret(ctx context.Context, s auth.StoredSecret) error {
	if err := t.fails(ctx, "SaveSecret"); err != nil {
		return err
	}
	return t.to.SaveSecret(ctx, s)
}

func (r reader) ImportBases(ctx context.Context, ids []int64) ([]auth.ImportBase, error) {
	if err := r.fails(ctx, "ImportBases"); err != nil {
		return nil, err
	}
	return r.Reader.ImportBases(ctx, ids)
}

func (r reader) ImportedIDs(ctx context.Context, after int64, limit int) ([]int64, error) {
	if err := r.fails(ctx, "ImportedIDs"); err != nil {
		return nil, err
	}
	return r.Reader.ImportedIDs(ctx, after, limit)
}

func (r reader) DeletedIDs(ctx context.Context, after int64, limit int) ([]int64, error) {
	if err := r.fails(ctx, "DeletedIDs"); err != nil {
		return nil, err
	}
	return r.Reader.DeletedIDs(ctx, after, limit)
}

func (r reader) LastUserID(ctx context.Context) (int64, error) {
	if err := r.fails(ctx, "LastUserID"); err != nil {
		return 0, err
	}
	return r.Reader.LastUserID(ctx)
}

func (r reader) BlacklistedTokens(ctx context.Context, now time.Time, after string, limit int) ([]auth.KnownToken, error) {
	if err := r.fails(ctx, "BlacklistedTokens"); err != nil {
		return nil, err
	}
	return r.Reader.BlacklistedTokens(ctx, now, after, limit)
}

func (r reader) ImportedSecrets(ctx context.Context, userID int64) ([]auth.ImportedSecret, error) {
	if err := r.fails(ctx, "ImportedSecrets"); err != nil {
		return nil, err
	}
	return r.Reader.ImportedSecrets(ctx, userID)
}

func (r reader) LastImport(ctx context.Context, source string) (auth.ImportRun, error) {
	if err := r.fails(ctx, "LastImport"); err != nil {
		return auth.ImportRun{}, err
	}
	return r.Reader.LastImport(ctx, source)
}

func (r reader) OutstandingTokens(ctx context.Context, now time.Time, after string, limit int) ([]auth.KnownToken, error) {
	if err := r.fails(ctx, "OutstandingTokens"); err != nil {
		return nil, err
	}
	return r.Reader.OutstandingTokens(ctx, now, after, limit)
}

func (r reader) PasswordFormats(ctx context.Context) (map[auth.PasswordFormat]int64, error) {
	if err := r.fails(ctx, "PasswordFormats"); err != nil {
		return nil, err
	}
	return r.Reader.PasswordFormats(ctx)
}

func (r reader) RevokedSessions(ctx context.Context, now time.Time, after string, limit int) ([]auth.Session, error) {
	if err := r.fails(ctx, "RevokedSessions"); err != nil {
		return nil, err
	}
	return r.Reader.RevokedSessions(ctx, now, after, limit)
}

func (r reader) SpentTokens(ctx context.Context, now time.Time, after string, limit int) ([]auth.KnownToken, error) {
	if err := r.fails(ctx, "SpentTokens"); err != nil {
		return nil, err
	}
	return r.Reader.SpentTokens(ctx, now, after, limit)
}

func (r reader) UserIDsByEmail(ctx context.Context, keys []string) (map[string]int64, error) {
	if err := r.fails(ctx, "UserIDsByEmail"); err != nil {
		return nil, err
	}
	return r.Reader.UserIDsByEmail(ctx, keys)
}

func (r reader) UsersByIDs(ctx context.Context, ids []int64) ([]auth.User, error) {
	if err := r.fails(ctx, "UsersByIDs"); err != nil {
		return nil, err
	}
	return r.Reader.UsersByIDs(ctx, ids)
}

func (t tx) DropImportedSecrets(ctx context.Context) error {
	if err := t.fails(ctx, "DropImportedSecrets"); err != nil {
		return err
	}
	return t.to.DropImportedSecrets(ctx)
}

func (t tx) InsertImported(ctx context.Context, users []auth.ImportedUser, now time.Time) ([]int64, error) {
	if err := t.fails(ctx, "InsertImported"); err != nil {
		return nil, err
	}
	return t.to.InsertImported(ctx, users, now)
}

func (t tx) PutImport(ctx context.Context, r auth.ImportRun) error {
	if err := t.fails(ctx, "PutImport"); err != nil {
		return err
	}
	return t.to.PutImport(ctx, r)
}

func (t tx) PutImportedSecrets(ctx context.Context, secrets []auth.ImportedSecret) error {
	if err := t.fails(ctx, "PutImportedSecrets"); err != nil {
		return err
	}
	return t.to.PutImportedSecrets(ctx, secrets)
}

func (t tx) PutTokens(ctx context.Context, tokens []auth.KnownToken) ([]string, error) {
	if err := t.fails(ctx, "PutTokens"); err != nil {
		return nil, err
	}
	return t.to.PutTokens(ctx, tokens)
}

func (t tx) RaiseUserIDs(ctx context.Context, past int64) error {
	if err := t.fails(ctx, "RaiseUserIDs"); err != nil {
		return err
	}
	return t.to.RaiseUserIDs(ctx, past)
}

func (t tx) RevokeAdopted(ctx context.Context, jtis []string, now time.Time) ([]string, error) {
	if err := t.fails(ctx, "RevokeAdopted"); err != nil {
		return nil, err
	}
	return t.to.RevokeAdopted(ctx, jtis, now)
}

func (t tx) RevokeBlacklisted(ctx context.Context, after string, limit int, now time.Time) ([]string, string, error) {
	if err := t.fails(ctx, "RevokeBlacklisted"); err != nil {
		return nil, "", err
	}
	return t.to.RevokeBlacklisted(ctx, after, limit, now)
}

func (t tx) SetBases(ctx context.Context, bases []auth.ImportBase) error {
	if err := t.fails(ctx, "SetBases"); err != nil {
		return err
	}
	return t.to.SetBases(ctx, bases)
}

func (t tx) SetImported(ctx context.Context, b auth.ImportBase, updatedAt, lastLogin time.Time) error {
	if err := t.fails(ctx, "SetImported"); err != nil {
		return err
	}
	return t.to.SetImported(ctx, b, updatedAt, lastLogin)
}

func (s *faulty) Examine(ctx context.Context) (auth.Condition, error) {
	if err := s.decide(ctx, Point{"Examine", Before}); err != nil {
		return auth.Condition{}, err
	}
	return s.Store.Examine(ctx)
}
