package keyring

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
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

// Options say where secrets come from.
type Options struct {
	// SigningKey is the operator's own secret; empty for none.
	SigningKey []byte
	// SecretFile is where the secret that the first start makes is kept: the
	// path of secret.key on SQLite. With "" it is kept in the store.
	SecretFile string
	// SealKey, 32 bytes, seals secrets that are kept in the store; nil leaves
	// them plain.
	SealKey []byte
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// check mends what has a default and refuses what cannot be used.
func (o Options) check() (Options, error) {
	if n := len(o.SealKey); n != 0 && n != secretLength {
		return o, fmt.Errorf("keys.seal_key has %d bytes: it must have %d", n, secretLength)
	}
	o.SigningKey, o.SealKey = slices.Clone(o.SigningKey), slices.Clone(o.SealKey)
	if o.Now == nil {
		o.Now = time.Now
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

	reload sync.Mutex // One at a time, so that an older read never wins.
	state  atomic.Pointer[state]
}

// state is the ring as of one read of the store.
type state struct {
	signing token.Key
	// accepted holds the signing key, then the retired ones; until is when
	// each stops being accepted, zero for the signing key.
	accepted []token.Key
	until    []time.Time
	// soonest is the first of until to come; zero when there is none.
	soonest time.Time
	// ids are those of all rows, accepted or not.
	ids      map[string]bool
	warnings []string
}

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
	if r.outside != nil && token.NewHS256("", r.outside).Fingerprint() != signing.Fingerprint {
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
	case o.SecretFile == "" && !found:
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
// stored meanwhile.
func (r *Ring) first(ctx context.Context) (auth.Key, error) {
	secret, row := r.outside, auth.Key{}
	if secret == nil {
		secret = make([]byte, secretLength)
		rand.Read(secret)
		var err error
		if row.Secret, row.Sealed, err = r.options.stored(keyID(secret), secret); err != nil {
			return auth.Key{}, err
		}
	}
	key := token.NewHS256(keyID(secret), secret)
	row.ID, row.Algorithm, row.Fingerprint = key.ID(), key.Algorithm(), key.Fingerprint()
	row.State, row.CreatedAt = auth.KeySigning, r.options.Now()

	var signing auth.Key
	err := r.store.Update(ctx, func(tx auth.Tx) error {
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

// Reload reads the ring again, to follow what other nodes and the command line
// have changed. When it fails, the ring stays as it was: so it does when the
// new signing key's secret is neither in the store nor here, which is when
// this node wants a restart with the new signing.key.
func (r *Ring) Reload(ctx context.Context) error {
	r.reload.Lock()
	defer r.reload.Unlock()
	rows, err := r.store.Read().Keys(ctx)
	if err != nil {
		return fmt.Errorf("read the key ring: %w", err)
	}
	s, err := r.read(rows)
	if err != nil {
		return err
	}
	r.state.Store(s)
	return nil
}

// read makes keys of rows.
func (r *Ring) read(rows []auth.Key) (*state, error) {
	now := r.options.Now()
	s := &state{ids: map[string]bool{}}
	signing, found := signingRow(rows)
	if !found {
		return nil, errors.New("no key is signing: run `latchkey key use`")
	}
	for _, row := range rows {
		s.ids[row.ID] = true
		isSigning := row.ID == signing.ID
		if !isSigning && (row.State != auth.KeyRetired || !now.Before(row.AcceptUntil)) {
			continue
		}
		if row.Algorithm != token.HS256 {
			return nil, fmt.Errorf("key %s is for %s, which this version does not know", row.ID, row.Algorithm)
		}
		secret, err := r.options.secretOf(row, r.outside)
		if err != nil {
			return nil, err
		}
		key := token.NewHS256(row.ID, secret)
		if isSigning {
			s.signing = key
			s.accepted = slices.Insert(s.accepted, 0, key)
			s.until = slices.Insert(s.until, 0, time.Time{})
		} else {
			s.accepted = append(s.accepted, key)
			s.until = append(s.until, row.AcceptUntil)
			if s.soonest.IsZero() || row.AcceptUntil.Before(s.soonest) {
				s.soonest = row.AcceptUntil
			}
		}
		s.warnings = append(s.warnings, warnings(row, secret)...)
	}
	return s, nil
}

// secretOf gives the secret of a row: the one from outside if it is that, else
// the stored one. Either has the row's fingerprint.
func (o Options) secretOf(row auth.Key, outside ...[]byte) ([]byte, error) {
	for _, secret := range outside {
		if token.NewHS256("", secret).Fingerprint() == row.Fingerprint {
			return secret, nil
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
	if token.NewHS256("", secret).Fingerprint() != row.Fingerprint {
		return nil, fmt.Errorf("key %s: the stored secret does not have the stored fingerprint %s: %w",
			row.ID, row.Fingerprint, ErrOtherKey)
	}
	return secret, nil
}

// warnings says what is unwise about a key in use.
func warnings(row auth.Key, secret []byte) (found []string) {
	if len(secret) < secretLength {
		found = append(found, fmt.Sprintf("the %s key %s has %d bytes: HS256 wants %d at least (RFC 7518, section 3.2); "+
			"change it with `latchkey key use`", row.State, row.ID, len(secret), secretLength))
	}
	if plain(row) {
		found = append(found, fmt.Sprintf("the %s key %s lies unsealed in the database, "+
			"and so in its backups: set keys.seal_key", row.State, row.ID))
	}
	return found
}

// Signing is the key that signs.
func (r *Ring) Signing() token.Key { return r.state.Load().signing }

// AcceptsForeign reports whether tokens without sid are accepted, which the
// team's Django has minted: only while the operator sets signing.key. A key
// that was made here has signed nothing of the kind.
func (r *Ring) AcceptsForeign() bool { return len(r.options.SigningKey) > 0 }

// Warnings says what is unwise about the keys in use, a sentence each; no
// secret is in them.
func (r *Ring) Warnings() []string { return slices.Clone(r.state.Load().warnings) }

// Accepted implements token.Keys: the signing key first, then those that are
// retired and whose last token has not expired.
//
// A kid that is the id of one of our keys, in whatever state, means that key
// and no other: nothing comes back for a published or removed one. Any other
// kid is ignored, as the real stack ignores it, and the token is tried like one
// without. Our own HS256 tokens bear none; an asymmetric key will be accepted
// by its kid alone.
func (r *Ring) Accepted(kid string, hasKID bool) []token.Key {
	s := r.state.Load()
	keys := s.accepted
	if !s.soonest.IsZero() {
		if now := r.options.Now(); !now.Before(s.soonest) {
			keys = s.at(now)
		}
	}
	if !hasKID || !s.ids[kid] {
		return keys
	}
	for i := range keys {
		if keys[i].ID() == kid {
			return keys[i : i+1]
		}
	}
	return nil
}

// at gives the keys that are still accepted at now.
func (s *state) at(now time.Time) []token.Key {
	var keys []token.Key
	for i, k := range s.accepted {
		if s.until[i].IsZero() || now.Before(s.until[i]) {
			keys = append(keys, k)
		}
	}
	return keys
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

// keyID names a key by its secret, so that two nodes with one secret mean one
// row, and a secret that comes back is found again.
func keyID(secret []byte) string {
	return "hs256-" + token.NewHS256("", secret).Fingerprint()[:16]
}

// MAC authenticates data that this server gives away and wants back unchanged,
// such as cursors, by the signing key.
func (r *Ring) MAC(label string, data []byte) []byte { return r.Signing().MAC(label, data) }

// CheckMAC reports whether a key that is still accepted made the MAC.
func (r *Ring) CheckMAC(label string, data, mac []byte) bool {
	for _, k := range r.Accepted("", false) {
		if hmac.Equal(k.MAC(label, data), mac) {
			return true
		}
	}
	return false
}
