package token

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// NewID makes a jti: a random UUID (RFC 9562, version 4) as 32 hex digits, the
// spelling of SimpleJWT. Its 122 random bits name a token; they are no secret.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // It never fails: crypto/rand ends the process first.
	return uuidHex(b, 4)
}

// NewSessionID makes a sid: a UUID of version 7 (RFC 9562, section 5.7) as 32
// hex digits. Its first 48 bits are now in milliseconds, so that rows of one
// time lie beside each other in an index; 74 bits are random.
func NewSessionID(now time.Time) string {
	var b [16]byte
	rand.Read(b[6:])
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	return uuidHex(b, 7)
}

// uuidHex stamps the version and the variant and spells the id without hyphens.
func uuidHex(b [16]byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	return hex.EncodeToString(b[:])
}
