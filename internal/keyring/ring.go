package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// secretLength is the length in bytes of the secrets that are made here, of
// the seal key, and the least that RFC 7518, section 3.2, wants of HS256.
const secretLength = 32

// Why a ring does not open. The texts around them say what to do.
var (
	// ErrOtherKey: the secret at hand is not that of the stored signing key.
	ErrOtherKey = errors.New("this is not the key that tokens are signed with here")
	// ErrNoSecret: the signing key is kept outside the database, and there is
	// no secret at hand.
	ErrNoSecret = errors.New("the secret of the signing key is missing")
	// ErrSealed: a stored secret cannot be unsealed.
	ErrSealed = errors.New("a stored signing key cannot be unsealed")
	// ErrSecretFile: secret.key is readable for others, or damaged.
	ErrSecretFile = errors.New("the secret file cannot be used")
)

// CacheTime is how long others may keep the JWKS, and so how long a key is
// published before it signs.
const CacheTime = 5 * time.Minute

// Options say where secrets come from and how keys come and go.
type Options struct {
	// SigningKey is the operator's own secret; empty for none.
	SigningKey []byte
	// SecretFile is where the secret that the first start makes is kept: the
	// path of secret.key on SQLite. With "" it is kept in the store.
	SecretFile string
	// SealKey, 32 bytes, seals secrets that are kept in the store; nil leaves
	// them plain.
	SealKey []byte
	// Algorithm is that of the key that the first start makes, and of the one
	// that Align turns to; "" means HS256.
	Algorithm string
	// RotateEvery is how long a key signs before Advance lets another one; 0 is
	// for ever.
	RotateEvery time.Duration
	// Lifetime is that of the longest-lived token: how long a retired key is
	// accepted. Only what retires a key needs it.
	Lifetime time.Duration
	// Cache is the CacheTime to keep to; 0 means that. Tests shorten it.
	Cache time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// ahead is how long before it signs a key is published: a cache time, and a
// tenth for nodes that publish it later than the first and for slow answers.
func (o Options) ahead() time.Duration { return o.Cache + o.Cache/10 }

// leeway is how far nodes' clocks may be apart: a minute.
func (o Options) leeway() time.Duration { return o.Cache / 5 }

// check mends what has a default and refuses what cannot be used.
func (o Options) check() (Options, error) {
	if n := len(o.SealKey); n != 0 && n != secretLength {
		return o, fmt.Errorf("keys.seal_key has %d bytes: it must have %d", n, secretLength)
	}
	o.SigningKey, o.SealKey = slices.Clone(o.SigningKey), slices.Clone(o.SealKey)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Algorithm == "" {
		o.Algorithm = token.HS256
	}
	if !known(o.Algorithm) {
		return o, fmt.Errorf("there is no algorithm %q: signing.algorithm is HS256, EdDSA, ES256 or RS256", o.Algorithm)
	}
	if o.Cache == 0 {
		o.Cache = CacheTime
	}
	return o, nil
}

// Ring is the keys in force. It is safe for concurrent use; looking up keys
// takes no lock.
type Ring struct {
	store   auth.Store
	options Options
	// outside is the secret that is not in the store: signing.key's or
	// secret.key's, nil without either.
	outside []byte

	state atomic.Pointer[state]

	looking atomic.Int64 // requests that wait for a read

	reload sync.Mutex // One at a time, so that an older read never wins.
	// made are the keys of the rows that were last read, by what makes a key
	// another one: it takes a while to make one. lookedUp is when a token was
	// last the reason for a read, readAt when the last read, whatever its reason,
	// began, unread that it failed. All are under reload.
	made     map[identity]token.Key
	lookedUp time.Time
	readAt   time.Time
	unread   bool
}

type identity struct{ id, algorithm, fingerprint string }

// Open reads the ring, and makes its first key where there is none. It refuses
// when the secret at hand is not that of the stored signing key.
func Open(ctx context.Context, store auth.Store, o Options) (*Ring, error) {
	o, err := o.check()
	if err != nil {
		return nil, err
	}
	rows, err := store.Read().Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the key ring: %w", err)
	}
	r := &Ring{store: store, options: o}
	signing, found := signingRow(rows)
	if r.outside, err = o.fromOutside(signing, found); err != nil {
		return nil, err
	}
	if !found {
		if signing, err = r.first(ctx); err != nil {
			return nil, err
		}
	}
	if r.outside != nil && signing.Algorithm == token.HS256 && !is(signing, r.outside) {
		return nil, o.otherKey(r.outside, signing)
	}
	if err := r.sealPlain(ctx); err != nil {
		return nil, err
	}
	if err := r.Reload(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// fromOutside gives the secret that is not in the store, or nil. Without a
// signing row yet it makes secret.key; with one it never does, since another
// key than the row's would end every session.
func (o Options) fromOutside(signing auth.Key, found bool) ([]byte, error) {
	switch {
	case len(o.SigningKey) > 0:
		return o.SigningKey, nil
	case len(signing.Secret) > 0:
		return nil, nil
	case !found && (o.SecretFile == "" || isAsymmetric(o.Algorithm)):
		return nil, nil // It will be made in the store.
	case o.SecretFile == "":
		return nil, fmt.Errorf("%w: it was given as signing.key before; "+
			"set signing.key again, or run `latchkey key use` to change to another key", ErrNoSecret)
	case !found:
		return makeSecretFile(o.SecretFile)
	default:
		return readSecretFile(o.SecretFile)
	}
}

// otherKey explains which secret does not fit, and what to do.
func (o Options) otherKey(secret []byte, signing auth.Key) error {
	have, want := token.NewHS256("", secret).Fingerprint(), signing.Fingerprint
	if len(o.SigningKey) > 0 {
		return fmt.Errorf("signing.key has the fingerprint %s, tokens are signed with %s: %w; "+
			"put the former signing.key back, or run `latchkey key use` to change to the new one", have, want, ErrOtherKey)
	}
	return fmt.Errorf("%s has the fingerprint %s, tokens are signed with %s: %w; "+
		"put the right file back from a backup, or set signing.key if that was used before, "+
		"or run `latchkey key use` to change to another key", o.SecretFile, have, want, ErrOtherKey)
}

// first stores the first signing key, or finds the one that another node has
// stored meanwhile. It signs at once: nobody has an older copy of the JWKS.
func (r *Ring) first(ctx context.Context) (auth.Key, error) {
	row, err := r.options.fresh(r.options.Algorithm, r.outside)
	if err != nil {
		return auth.Key{}, err
	}
	row.State, row.SignsAt, row.Lifetime = auth.KeySigning, row.CreatedAt, r.options.Lifetime

	var signing auth.Key
	err = r.store.Update(ctx, func(tx auth.Tx) error {
		if err := tx.LockKeys(ctx); err != nil {
			return err
		}
		rows, err := tx.Keys(ctx)
		if err != nil {
			return err
		}
		var found bool
		if signing, found = signingRow(rows); found {
			return nil
		}
		signing, err = tx.InsertKey(ctx, row)
		return err
	})
	if err != nil {
		return auth.Key{}, fmt.Errorf("store the first signing key: %w", err)
	}
	if signing.State != auth.KeySigning {
		return auth.Key{}, fmt.Errorf("key %s is %s and no key is signing: run `latchkey key use`", signing.ID, signing.State)
	}
	return signing, nil
}

// fresh is the row of a new key, which is not in the store yet and has no
// state. An HS256 key is outside if there is one: then the row keeps it only
// sealed, or not at all if it is the file's.
func (o Options) fresh(algorithm string, outside []byte) (row auth.Key, err error) {
	secret, kept := outside, false
	if secret == nil || algorithm != token.HS256 {
		if secret, err = token.Generate(algorithm); err != nil {
			return auth.Key{}, err
		}
		kept = true
	}
	id, err := keyID(algorithm, secret)
	if err != nil {
		return auth.Key{}, err
	}
	key, err := token.New(id, algorithm, secret)
	if err != nil {
		return auth.Key{}, err
	}
	row = auth.Key{ID: id, Algorithm: algorithm, Fingerprint: key.Fingerprint(), CreatedAt: o.Now()}
	if kept {
		row.Secret, row.Sealed, err = o.stored(id, secret)
	}
	return row, err
}

// Reload reads the ring again, to follow what other nodes and the command line
// have changed. When it fails, the ring stays as it was: so it does when the
// new signing key's secret is neither in the store nor here, which is when
// this node wants a restart with the new signing.key.
func (r *Ring) Reload(ctx context.Context) error {
	_, err := r.reloaded(ctx)
	return err
}

// reloaded is Reload; it gives the rows.
func (r *Ring) reloaded(ctx context.Context) ([]auth.Key, error) {
	r.reload.Lock()
	defer r.reload.Unlock()
	return r.readAgain(ctx)
}

// readTime is how long a read may take: requests may wait behind it.
const readTime = 5 * time.Second

// readAgain is Reload, under its lock; it gives the rows.
func (r *Ring) readAgain(ctx context.Context) ([]auth.Key, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	r.readAt, r.unread = time.Now(), true
	rows, err := r.store.Read().Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the key ring: %w", err)
	}
	s, err := r.read(rows)
	if err != nil {
		return nil, err
	}
	r.state.Store(s)
	r.unread = false
	return rows, nil
}

// A kid is a word of whoever sends it, and may be that of a key which another
// node has let sign a moment ago. lookUpEvery is the least time between two
// reads that tokens are the reason for, and lookUpAgain after one that failed;
// lookUpTime is how long one may take. The requests wait meanwhile.
const (
	lookUpEvery = 50 * time.Millisecond
	lookUpAgain = time.Second
	lookUpTime  = 2 * time.Second
	// lookingUp is how many may wait for one at once, in the places of requests
	// that are worked on; to more it is unavailable.
	lookingUp = 64
)

// lookUp gives the ring with the key that a token names, if there is one by
// now: as read after it was asked, so that kids that somebody invents keep no
// key from being found. All who ask before a read begins share it. What cannot
// be read leaves the keys as they are, and is an error of kind Unavailable.
func (r *Ring) lookUp(kid string) (*state, error) {
	defer r.looking.Add(-1)
	if r.looking.Add(1) > lookingUp {
		if s := r.current(); len(s.named[kid]) > 0 {
			return s, nil // By now.
		}
		return r.current(), unavailable(nil)
	}
	asked := time.Now()
	r.reload.Lock()
	defer r.reload.Unlock()
	s := r.current()
	if len(s.named[kid]) > 0 {
		return s, nil
	}
	if r.unread && (r.readAt.After(asked) || time.Since(r.lookedUp) < lookUpAgain) {
		return s, unavailable(nil) // Why was told.
	}
	if r.readAt.After(asked) {
		return s, nil
	}
	time.Sleep(lookUpEvery - time.Since(r.lookedUp))
	r.lookedUp = time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), lookUpTime)
	defer cancel()
	if _, err := r.readAgain(ctx); err != nil {
		return s, unavailable(fmt.Errorf("look for key %s: %w", kid, err))
	}
	return r.current(), nil
}

func unavailable(cause error) error {
	return &auth.Error{Kind: auth.Unavailable, Code: auth.CodeKeysUnread, Cause: cause}
}

// read makes keys of rows.
func (r *Ring) read(rows []auth.Key) (*state, error) {
	now := r.options.Now()
	if _, found := signingRow(rows); !found {
		return nil, errors.New("no key is signing: run `latchkey key use`")
	}
	s := &state{leeway: r.options.leeway()}
	all := map[identity]token.Key{}
	for _, row := range rows {
		h := held{id: row.ID, state: row.State, signsAt: row.SignsAt, until: row.AcceptUntil}
		if row.State != auth.KeyRemoved && (row.State != auth.KeyRetired || now.Before(row.AcceptUntil)) {
			key, err := r.keyOf(row)
			switch {
			case err == nil:
				h.key = key
				all[identity{row.ID, row.Algorithm, row.Fingerprint}] = key
			case row.State != auth.KeyPublished:
				return nil, err
			default:
				// Nothing is signed with it yet.
				s.warnings = append(s.warnings, fmt.Sprintf("a key that is to sign soon cannot be used here: %v", err))
			}
		}
		s.rows = append(s.rows, h)
	}
	r.made = all
	return s.at(now), nil
}

// keyOf makes the key of a row, or finds it made.
func (r *Ring) keyOf(row auth.Key) (token.Key, error) {
	if key, ok := r.made[identity{row.ID, row.Algorithm, row.Fingerprint}]; ok {
		return key, nil
	}
	if !known(row.Algorithm) {
		return token.Key{}, fmt.Errorf("key %s is for %s, which this version does not know", row.ID, row.Algorithm)
	}
	secret, err := r.options.secretOf(row, r.outside)
	if err != nil {
		return token.Key{}, err
	}
	return token.New(row.ID, row.Algorithm, secret)
}

// is reports whether a secret is that of a row.
func is(row auth.Key, secret []byte) bool {
	key, err := token.New("", row.Algorithm, secret)
	return err == nil && key.Fingerprint() == row.Fingerprint
}

// secretOf gives the secret of a row: the one from outside if it is that, else
// the stored one. Either has the row's fingerprint.
func (o Options) secretOf(row auth.Key, outside ...[]byte) ([]byte, error) {
	if row.Algorithm == token.HS256 {
		for _, secret := range outside {
			if is(row, secret) {
				return secret, nil
			}
		}
	}
	if len(row.Secret) == 0 {
		return nil, fmt.Errorf("key %s (%s, fingerprint %s): %w; start again with this key as signing.key",
			row.ID, row.State, row.Fingerprint, ErrNoSecret)
	}
	secret, err := o.open(row)
	if err != nil {
		return nil, err
	}
	if !is(row, secret) {
		return nil, fmt.Errorf("key %s: the stored secret does not have the stored fingerprint %s: %w",
			row.ID, row.Fingerprint, ErrOtherKey)
	}
	return secret, nil
}

// signingRow finds the key that signs. Transactions under LockKeys keep it
// unique.
func signingRow(rows []auth.Key) (auth.Key, bool) {
	i := slices.IndexFunc(rows, func(k auth.Key) bool { return k.State == auth.KeySigning })
	if i < 0 {
		return auth.Key{}, false
	}
	return rows[i], true
}
