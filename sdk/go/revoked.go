package latchkey

import (
	"strconv"
	"sync"
)

// The kinds of revocation.
const (
	kindSession = "sid"  // a session's tokens; the key is its sid
	kindToken   = "jti"  // one token without a sid; the key is its jti
	kindUser    = "user" // a user's tokens; the key is the id in decimal
	kindAll     = "all"  // everybody's
)

// revocation is one row of the feed.
type revocation struct {
	seq       int64
	kind, key string
	gen       int64 // 0: does not apply
	iatBefore int64 // in Unix seconds, inclusive; 0: does not apply
	until     int64 // when the last token that it concerns has expired
}

// revoked is what has been revoked and is not expired yet. It matches as the
// server's nodes do. A session costs some 50 bytes.
type revoked struct {
	mu       sync.RWMutex
	sessions map[[16]byte]int64 // until
	tokens   map[string]int64
	users    map[int64]userRevocation
	all      allRevocation
}

type userRevocation struct{ gen, iatBefore, until int64 }

type allRevocation struct{ iatBefore, until int64 }

func newRevoked() *revoked {
	return &revoked{sessions: map[[16]byte]int64{}, tokens: map[string]int64{}, users: map[int64]userRevocation{}}
}

// apply adds rows that have not expired at now. It gives the number of those
// that it does not understand, whose kind is newer than this package.
func (r *revoked) apply(rows []revocation, now int64) (unknown int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, row := range rows {
		until := row.until + 1 // It was cut to seconds.
		if until <= now {
			continue
		}
		switch row.kind {
		case kindSession:
			if id, ok := hexID(row.key); ok { // Else no token has it.
				r.sessions[id] = max(r.sessions[id], until)
			}
		case kindToken:
			r.tokens[row.key] = max(r.tokens[row.key], until)
		case kindUser:
			id, err := strconv.ParseInt(row.key, 10, 64)
			if err != nil {
				unknown++
				continue
			}
			e := r.users[id]
			r.users[id] = userRevocation{max(e.gen, row.gen), max(e.iatBefore, row.iatBefore), max(e.until, until)}
		case kindAll:
			r.all = allRevocation{max(r.all.iatBefore, row.iatBefore), max(r.all.until, until)}
		default:
			unknown++
		}
	}
	return unknown
}

// has reports whether a token is dead.
func (r *revoked) has(c *claims) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.all.until != 0 && c.issuedAt <= r.all.iatBefore {
		return true
	}
	if c.SessionID != "" {
		id, _ := hexID(c.SessionID)
		if _, dead := r.sessions[id]; dead {
			return true
		}
	} else if _, dead := r.tokens[c.ID]; dead {
		return true
	}
	e, known := r.users[c.UserID]
	if !known {
		return false
	}
	if c.HasGen {
		return c.Gen < e.gen
	}
	// iat counts seconds: a token of the same second may be older, so it dies.
	return e.iatBefore != 0 && c.issuedAt <= e.iatBefore
}

// forget drops what no token can match any more.
func (r *revoked) forget(now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, until := range r.sessions {
		if until <= now {
			delete(r.sessions, k)
		}
	}
	for k, until := range r.tokens {
		if until <= now {
			delete(r.tokens, k)
		}
	}
	for k, e := range r.users {
		if e.until <= now {
			delete(r.users, k)
		}
	}
	if r.all.until <= now {
		r.all = allRevocation{}
	}
}

// size is how many rows are held.
func (r *revoked) size() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := len(r.sessions) + len(r.tokens) + len(r.users)
	if r.all.until != 0 {
		n++
	}
	return n
}
