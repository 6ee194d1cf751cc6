package auth

import "time"

// KeyState is where a signing key is in its life.
type KeyState string

// The states of a key; design.md, "Keys".
const (
	KeyPublished KeyState = "published"
	KeySigning   KeyState = "signing"
	KeyRetired   KeyState = "retired"
	KeyRemoved   KeyState = "removed"
)

// Key is a row of the key ring as it is stored. The bytes of Secret are sealed
// or plain as Sealed says; they are nil for a key that lives outside the
// database (secret.key, signing.key).
type Key struct {
	ID        string
	Algorithm string // "HS256", "EdDSA", "ES256" or "RS256"
	State     KeyState
	Secret    []byte
	Sealed    bool
	// Fingerprint tells whether a key from outside is the same: hex of the
	// first 16 bytes of SHA-256 over "latchkey key fingerprint\x00" and the
	// secret, or the public half (PKIX) where there is one.
	Fingerprint string
	CreatedAt   time.Time
	// SignsAt is when the key begins to sign, which is known as soon as it is
	// published; zero for keys older than that knowledge.
	SignsAt time.Time
	// Lifetime is that of the longest-lived token that it may have signed,
	// where that was noted.
	Lifetime time.Duration
	// RetiredAt is zero until the key is retired; AcceptUntil is when its last
	// token has expired.
	RetiredAt   time.Time
	AcceptUntil time.Time
}
