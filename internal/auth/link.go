package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"
)

// LinkKind is what a link does.
type LinkKind string

// The kinds of link.
const (
	// LinkReset sets a new password for the account that it was made for.
	LinkReset LinkKind = "reset"
	// LinkSetup makes the first administrator.
	LinkSetup LinkKind = "setup"
)

// How long links live.
const (
	ResetLifetime = 24 * time.Hour
	SetupLifetime = 15 * time.Minute
)

// Link works once. Its token stands behind the "#" of an address, so that it is
// sent to no server and written to no log on the way; only its hash is stored.
type Link struct {
	Hash      string
	Kind      LinkKind
	UserID    int64 // 0 for LinkSetup
	CreatedAt time.Time
	Expires   time.Time
}

// ServiceKey lets another service in: not a user, and not into the API of users.
type ServiceKey struct {
	ID        string // 12 letters and digits, to name it by
	Name      string
	Scope     Scope
	Hash      string
	CreatedAt time.Time
	// RevokedAt is zero while the key is good.
	RevokedAt time.Time
}

// Scope is what a service key opens.
type Scope string

// ScopeRevocations reads the revocations.
const ScopeRevocations Scope = "revocations:read"

// serviceKeyPrefix lets people, and scanners of sources, know one when they see
// it.
const serviceKeyPrefix = "lks_"

// NewSecret makes a secret of 256 bits in base64url, and what is stored of it.
// One hash is enough: there is nothing to guess.
func NewSecret() (secret, hash string) {
	b := make([]byte, 32)
	rand.Read(b)
	secret = base64.RawURLEncoding.EncodeToString(b)
	return secret, HashSecret(secret)
}

// NewServiceSecret is NewSecret for a service key.
func NewServiceSecret() (secret, hash string) {
	s, _ := NewSecret()
	secret = serviceKeyPrefix + s
	return secret, HashSecret(secret)
}

// IsServiceSecret reports whether s has the form of a service key.
func IsServiceSecret(s string) bool { return strings.HasPrefix(s, serviceKeyPrefix) }

// HashSecret is what is stored of a secret: its SHA-256 in hex.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Database is what an operator may want to know of the database.
type Database struct {
	Engine  string
	Version string
	// Size is in bytes.
	Size int64
	// Schema is the number of the newest migration.
	Schema int64
}
