package keyring

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// held is a row that was read, and its key if that may be of use.
type held struct {
	id    string
	state auth.KeyState
	key   token.Key // the zero Key of a removed one, and where there is no secret
	// signsAt is when a published key begins to sign, until when a retired one
	// stops being accepted.
	signsAt, until time.Time
}

// state is the ring at one time, as of one read of the store.
type state struct {
	rows     []held // the oldest first
	leeway   time.Duration
	warnings []string

	signing token.Key
	// accepted are all keys that a token may be signed with, the signing one
	// first; plain those of them for tokens without kid.
	accepted, plain []token.Key
	// named gives a key of ours by its id: a slice of one if it is accepted, nil
	// if not.
	named map[string][]token.Key
	// pending are the ids of published keys that are not accepted yet.
	pending map[string]bool
	jwks    []byte
	// soonest is when any of this will be different; zero for never.
	soonest time.Time
}

// at gives the ring of the same rows at another time.
func (s *state) at(now time.Time) *state {
	n := &state{
		rows: s.rows, leeway: s.leeway, warnings: s.warnings,
		named: map[string][]token.Key{}, pending: map[string]bool{},
	}
	var signsAt time.Time // of a published key that signs by now
	public := []token.Key{}
	for _, h := range s.rows {
		n.named[h.id] = nil
		accepted := false
		switch h.state {
		case auth.KeySigning:
			accepted = true
			if signsAt.IsZero() {
				n.signing = h.key
			}
		case auth.KeyPublished:
			if h.signsAt.IsZero() {
				break
			}
			// Another node's clock may be ahead.
			accepted = n.reached(now, h.signsAt.Add(-s.leeway))
			if n.reached(now, h.signsAt) && h.key != (token.Key{}) && !h.signsAt.Before(signsAt) {
				n.signing, signsAt = h.key, h.signsAt
			}
		case auth.KeyRetired:
			accepted = !n.reached(now, h.until)
		case auth.KeyRemoved:
		}
		if h.key == (token.Key{}) {
			continue
		}
		if accepted {
			n.named[h.id] = []token.Key{h.key}
			n.accepted = append(n.accepted, h.key)
		} else if h.state == auth.KeyPublished {
			n.pending[h.id] = true
		}
		if h.key.Asymmetric() && (accepted || h.state == auth.KeyPublished) {
			public = append(public, h.key)
		}
	}
	isSigning := func(k token.Key) bool { return k == n.signing }
	first(n.accepted, isSigning)
	first(public, isSigning)
	n.plain = slices.DeleteFunc(slices.Clone(n.accepted), token.Key.Asymmetric)
	n.jwks = jwks(public)
	return n
}

// reached reports whether t has come, and notes it if it has not.
func (s *state) reached(now, t time.Time) bool {
	if !now.Before(t) {
		return true
	}
	if s.soonest.IsZero() || t.Before(s.soonest) {
		s.soonest = t
	}
	return false
}

// first moves the key that is to the front.
func first(keys []token.Key, is func(token.Key) bool) {
	if i := slices.IndexFunc(keys, is); i > 0 {
		k := keys[i]
		copy(keys[1:i+1], keys[:i])
		keys[0] = k
	}
}

// jwks is the JSON Web Key Set (RFC 7517, section 5).
func jwks(keys []token.Key) []byte {
	b := []byte(`{"keys":[`)
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, k.JWK()...)
	}
	return append(b, "]}\n"...)
}

// current is the ring now. It costs no more than a look at the clock, and not
// even that while nothing will change by itself.
func (r *Ring) current() *state {
	s := r.state.Load()
	if s.soonest.IsZero() {
		return s
	}
	now := r.options.Now()
	if now.Before(s.soonest) {
		return s
	}
	n := s.at(now)
	// A newer read of the store is better; this caller goes on with what it has.
	r.state.CompareAndSwap(s, n)
	return n
}

// Signing is the key that signs.
func (r *Ring) Signing() token.Key { return r.current().signing }

// AcceptsForeign reports whether tokens without sid are accepted, which the
// team's Django has minted: only while the operator sets signing.key. A key
// that was made here has signed nothing of the kind.
func (r *Ring) AcceptsForeign() bool { return len(r.options.SigningKey) > 0 }

// Warnings says which keys that are to sign soon cannot be used here, a sentence
// each; no secret is in them. What is unwise about keys the doctor says.
func (r *Ring) Warnings() []string { return slices.Clone(r.state.Load().warnings) }

// JWKS is the document for those who verify tokens without us: the public
// halves of the keys that sign, will sign or have signed, the signing one
// first. There is never an HS256 key in it. The caller does not change it.
func (r *Ring) JWKS() []byte { return r.current().jwks }

// CacheTime is how long others may keep what JWKS gives.
func (r *Ring) CacheTime() time.Duration { return r.options.Cache }

// MAC authenticates data of our own that goes out and comes back (a cursor),
// under the signing key; label says what it is, so that nothing can pass for
// something else.
func (r *Ring) MAC(label string, data []byte) []byte { return r.Signing().MAC(label, data) }

// CheckMAC reports whether MAC made this under a key that is still accepted.
func (r *Ring) CheckMAC(label string, data, mac []byte) bool {
	return slices.ContainsFunc(r.current().accepted, func(k token.Key) bool { return k.CheckMAC(label, data, mac) })
}

// Held finds a key by its id, whatever its state, if its secret is still here:
// what was made with MAC may be older than the ring is asked for. signs is
// false for a key that has been retired.
func (r *Ring) Held(ctx context.Context, id string) (key token.Key, signs, found bool, err error) {
	s := r.current()
	if s.signing.ID() == id {
		return s.signing, true, true, nil
	}
	rows, err := r.store.Read().Keys(ctx)
	if err != nil {
		return token.Key{}, false, false, fmt.Errorf("read the key ring: %w", err)
	}
	i := slices.IndexFunc(rows, func(k auth.Key) bool { return k.ID == id })
	if i < 0 || rows[i].State == auth.KeyRemoved {
		return token.Key{}, false, false, nil
	}
	if key, found = r.options.find(rows, id, r.outside); !found {
		return token.Key{}, false, false, fmt.Errorf("key %s (%s): %w; start again with the signing.key that is in use",
			rows[i].ID, rows[i].State, ErrNoSecret)
	}
	// One that another node lets sign is not ours to turn away from.
	return key, rows[i].State != auth.KeyRetired, true, nil
}

// find makes the key of a row with this id, if its secret is at hand.
func (o Options) find(rows []auth.Key, id string, outside ...[]byte) (token.Key, bool) {
	i := slices.IndexFunc(rows, func(k auth.Key) bool { return k.ID == id })
	if i < 0 {
		return token.Key{}, false
	}
	secret, err := o.secretOf(rows[i], outside...)
	if err != nil {
		return token.Key{}, false
	}
	key, err := token.New(rows[i].ID, rows[i].Algorithm, secret)
	return key, err == nil
}

// Accepted implements token.Keys.
//
// A kid that is the id of one of our keys, in whatever state, means that key
// and no other: nothing comes back for a removed one, or for a published one
// before its time. Any other kid is ignored, as the real stack ignores it, and
// the token is tried like one without: with the HS256 keys, the signing one
// first. Our own HS256 tokens bear none.
//
// An error, of kind Unavailable, says that the rows could not be read in which a
// key of this id may be by now: that such a token is no good nobody can say.
func (r *Ring) Accepted(kid string, hasKID bool) (keys []token.Key, err error) {
	s := r.current()
	if !hasKID {
		return s.plain, nil
	}
	keys, known := s.named[kid]
	if known && keys == nil && s.pending[kid] || !known && mayBeOurs(kid) {
		// It may be signing by now.
		s, err = r.lookUp(kid)
		keys, known = s.named[kid]
	}
	if !known {
		return s.plain, err
	}
	return keys, err
}

// mayBeOurs reports whether a kid looks like the id of an asymmetric key that
// was made here: for anything else the store is not asked.
func mayBeOurs(kid string) bool {
	for _, algorithm := range asymmetric {
		hex, ok := strings.CutPrefix(kid, prefixOf(algorithm))
		if ok && len(hex) == idLength && strings.Trim(hex, "0123456789abcdef") == "" {
			return true
		}
	}
	return false
}
