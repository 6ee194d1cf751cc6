package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// The algorithms, by their JWS names.
const (
	// HS256 is HMAC with SHA-256 (RFC 7518, section 3.2): one secret signs and
	// verifies.
	HS256 = "HS256"
	// EdDSA is Ed25519 (RFC 8037, section 3.1).
	EdDSA = "EdDSA"
	// ES256 is ECDSA on P-256 with SHA-256 (RFC 7518, section 3.4).
	ES256 = "ES256"
	// RS256 is RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3).
	RS256 = "RS256"
)

// The headers that this package knows by heart, as they stand in a token.
const (
	// mintedHeader is {"typ":"JWT","alg":"HS256"}, the guide's.
	mintedHeader = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"
	// sortedHeader is {"alg":"HS256","typ":"JWT"}, that of the PyJWT that was
	// recorded: most tokens of a team that comes from Django bear it.
	sortedHeader = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
)

// Key is a key together with the one algorithm that it is used with (RFC 8725,
// section 3.1). It is a value, safe to copy and for concurrent use. The zero
// Key verifies nothing.
type Key struct {
	id          string
	algorithm   string
	fingerprint string
	hs256       *hs256 // nil for any other algorithm
	pair        *pair  // nil for HS256
}

// Generate makes the secret of a new key: 32 random bytes for HS256, the
// private key in PKCS #8 for the others. It takes a while for RS256.
func Generate(algorithm string) ([]byte, error) {
	if algorithm == HS256 {
		return generateHS256(), nil
	}
	return generatePair(algorithm)
}

// New makes a key of a secret as Generate makes it.
func New(id, algorithm string, secret []byte) (Key, error) {
	if algorithm != HS256 {
		return newPair(id, algorithm, secret)
	}
	if len(secret) == 0 {
		return Key{}, errors.New("an HS256 key of no bytes")
	}
	return NewHS256(id, secret), nil
}

// NewHS256 makes a key of secret, which is copied. Any length but zero does
// (Django's SECRET_KEY is what it is; keyring warns about short ones). An
// empty secret would let anybody sign, so it makes the zero Key.
func NewHS256(id string, secret []byte) Key {
	if len(secret) == 0 {
		return Key{}
	}
	return Key{
		id:          id,
		algorithm:   HS256,
		fingerprint: fingerprint(secret),
		hs256:       newHS256(secret),
	}
}

// fingerprint is what auth.Key.Fingerprint is documented to be: of the secret
// of an HS256 key, of the public half (PKIX) of any other.
func fingerprint(secret []byte) string {
	h := sha256.New()
	h.Write([]byte("latchkey key fingerprint\x00"))
	h.Write(secret)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// ID is the key's id, the kid of tokens that bear one.
func (k Key) ID() string { return k.id }

// Algorithm is the JWS name of the only algorithm that the key is used with.
func (k Key) Algorithm() string { return k.algorithm }

// Fingerprint tells whether two keys are the same: 32 hex digits that give
// nothing of the secret away. "" for the zero Key.
func (k Key) Fingerprint() string { return k.fingerprint }

// String names the key and hides the secret from whoever prints it.
func (k Key) String() string { return k.algorithm + " key " + k.id }

// Asymmetric reports whether others can verify tokens without being able to
// sign them.
func (k Key) Asymmetric() bool { return k.pair != nil }

// Sign mints a token. Equal claims give equal tokens, which is how a lost
// refresh token is made again. It panics on the zero Key and on the public half
// of one: no token is better than one that nobody signed.
func (k Key) Sign(c Claims) string {
	switch {
	case k.hs256 != nil:
		return k.hs256.token(c)
	case k.pair != nil && k.pair.private != nil:
		return k.pair.token(c)
	default:
		panic("token: sign with a key that cannot")
	}
}

// verify reports whether signature is that of input under this key.
func (k Key) verify(input string, signature []byte) bool {
	switch {
	case k.hs256 != nil:
		return k.hs256.verify(input, signature)
	case k.pair != nil:
		return k.pair.public.verify(input, signature)
	default:
		return false
	}
}

// appendToken spells a token up to its signature.
func appendToken(b []byte, header string, payload []byte) []byte {
	b = append(b, header...)
	b = append(b, '.')
	return base64.RawURLEncoding.AppendEncode(b, payload)
}

// appendSignature ends a token.
func appendSignature(b, signature []byte) []byte {
	b = append(b, '.')
	return base64.RawURLEncoding.AppendEncode(b, signature)
}

// MAC gives the HMAC-SHA256 of data under a key that is derived from this
// key's secret and from label, so that what is made for one purpose is worth
// nothing for another, nor as the signature of a token. It panics where Sign
// does.
func (k Key) MAC(label string, data []byte) []byte {
	secret := k.hs256
	if k.pair != nil {
		secret = k.pair.secret
	}
	if secret == nil {
		panic("token: MAC with a key that cannot")
	}
	m := hmac.New(sha256.New, secret.derive(label))
	m.Write(data)
	return m.Sum(nil)
}

// CheckMAC reports whether mac is MAC's of this label and data.
func (k Key) CheckMAC(label string, data, mac []byte) bool {
	if k.hs256 == nil && (k.pair == nil || k.pair.secret == nil) {
		return false
	}
	return hmac.Equal(k.MAC(label, data), mac)
}

// JWK gives the public half as a JSON Web Key (RFC 7517), nil for an HS256
// key: nobody may ever see that.
func (k Key) JWK() []byte {
	if k.pair == nil {
		return nil
	}
	b := k.pair.public.appendJWK([]byte(`{`))
	b = append(b, `,"alg":`...)
	b = appendString(b, k.algorithm)
	b = append(b, `,"use":"sig","kid":`...)
	b = appendString(b, k.id)
	return append(b, '}')
}

// appendClaims spells the payload: compact, in the order of SimpleJWT, then
// what only Latchkey has, then iss and aud where they are configured.
func appendClaims(b []byte, c Claims) []byte {
	b = append(b, `{"token_type":`...)
	b = appendString(b, c.Type)
	b = append(b, `,"exp":`...)
	b = strconv.AppendInt(b, c.Expires, 10)
	b = append(b, `,"iat":`...)
	b = strconv.AppendInt(b, c.IssuedAt, 10)
	b = append(b, `,"jti":`...)
	b = appendString(b, c.ID)
	b = append(b, `,"user_id":`...)
	b = strconv.AppendInt(b, c.UserID, 10)
	if c.SessionID != "" {
		b = append(b, `,"sid":`...)
		b = appendString(b, c.SessionID)
	}
	if c.Type == Access {
		if c.Role != "" {
			b = append(b, `,"role":`...)
			b = appendString(b, c.Role)
		}
		if c.HasGen {
			b = append(b, `,"gen":`...)
			b = strconv.AppendInt(b, c.Gen, 10)
		}
	}
	b = c.As.append(b, c)
	if c.Issuer != "" {
		b = append(b, `,"iss":`...)
		b = appendString(b, c.Issuer)
	}
	if c.Audience != "" {
		b = append(b, `,"aud":`...)
		b = appendString(b, c.Audience)
	}
	return append(b, '}')
}

// append spells the claims that the other program calls otherwise once more.
func (f Foreign) append(b []byte, c Claims) []byte {
	member := func(name, here string, value func([]byte) []byte) {
		if name != "" && name != here {
			b = append(appendString(append(b, ','), name), ':')
			b = value(b)
		}
	}
	member(f.Type, typeName, func(b []byte) []byte { return appendString(b, c.Type) })
	member(f.ID, idName, func(b []byte) []byte { return appendString(b, c.ID) })
	member(f.User, userName, func(b []byte) []byte { return strconv.AppendInt(b, c.UserID, 10) })
	return b
}

// appendString quotes s. The error is about invalid UTF-8, which comes out
// mended.
func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}
