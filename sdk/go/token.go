package latchkey

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

const (
	// maxLength is the longest token that is looked at, in bytes. Latchkey's
	// have some 400.
	maxLength = 8 << 10
	// maxExpiry is the last second of the year 9999.
	maxExpiry = 253402300799
	// guideHeader is {"typ":"JWT","alg":"HS256"}, which Latchkey puts before
	// every token that it signs with a secret.
	guideHeader = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"
)

// header is what matters of a JOSE header. The rest (jku, jwk, x5u, typ …) is
// never used.
type header struct {
	algorithm string
	kid       string
	hasKID    bool
}

// parts are those of a token.
type parts struct {
	header header
	input  string // what is signed
	// payload and signature are still in base64url.
	payload, signature string
}

// split takes a token apart. Nothing has been verified after it.
func split(token string) (p parts, ok bool) {
	// The length first: nothing below costs more than a few times maxLength.
	// Then the line ends, which Go's decoder would skip (one token would have
	// many spellings); every other byte outside base64url it refuses.
	if len(token) > maxLength || strings.IndexByte(token, '\n') >= 0 || strings.IndexByte(token, '\r') >= 0 {
		return parts{}, false
	}
	first := strings.IndexByte(token, '.')
	last := strings.LastIndexByte(token, '.')
	if first == last || strings.IndexByte(token[first+1:last], '.') >= 0 {
		return parts{}, false // Not three parts; an encrypted token has five.
	}
	p.input, p.payload, p.signature = token[:last], token[first+1:last], token[last+1:]
	p.header, ok = readHeader(token[:first])
	return p, ok
}

func readHeader(part string) (header, bool) {
	if part == guideHeader {
		return header{algorithm: algHS256}, true
	}
	raw, ok := decode(nil, part)
	if !ok {
		return header{}, false
	}
	return parseHeader(string(raw))
}

func parseHeader(raw string) (h header, ok bool) {
	ok = members(raw, func(name, value string) (ok bool) {
		switch name {
		case "alg":
			h.algorithm, ok = text(value)
			return ok
		case "kid":
			h.kid, ok = text(value)
			h.hasKID = ok
			return ok
		case "crit", "zip", "b64":
			// RFC 7515, section 4.1.11: who does not understand crit must
			// refuse. zip and b64 (RFC 7797) would have the payload read
			// otherwise.
			return false
		}
		return true
	})
	return h, ok && h.algorithm != ""
}

// decode appends the bytes of a part of a token to dst. Strict, so that the
// unused bits of the last character must be zero; split has refused line ends.
func decode(dst []byte, part string) ([]byte, bool) {
	out, err := base64.RawURLEncoding.Strict().AppendDecode(dst, []byte(part))
	return out, err == nil
}

// claims is what a payload says, with what is missing told apart.
type claims struct {
	Claims
	issuedAt int64 // seconds; 0 where there is none
	kind     string
	has      struct{ kind, expires, issuedAt, id, user bool }
}

// readClaims reads a payload. It is false for what is no JSON object of unique
// names in valid UTF-8, and for claims of a type that cannot be used.
func readClaims(payload string) (c claims, notBefore int64, ok bool) {
	ours := true // whether the claims that only our tokens have can be used
	ok = members(payload, func(name, value string) (ok bool) {
		switch name {
		case "token_type":
			// One of another type than string is the wrong type, not none.
			c.kind, _ = text(value)
			c.has.kind = true
			return true
		case "exp":
			var exp int64
			exp, ok = number(value)
			c.Expires, c.has.expires = time.Unix(exp, 0).UTC(), ok
			return ok && exp <= maxExpiry
		case "iat":
			c.issuedAt, ok = number(value)
			c.IssuedAt, c.has.issuedAt = time.Unix(c.issuedAt, 0).UTC(), ok
			return ok
		case "nbf":
			notBefore, ok = number(value)
			return ok
		case "jti":
			c.ID, ok = text(value)
			c.has.id = ok
			return ok
		case "user_id":
			c.UserID, ok = userID(value)
			c.has.user = ok
			return ok
		case "sid":
			c.SessionID, ok = text(value)
			_, hex := hexID(c.SessionID)
			return ok && hex
		case "role":
			var role string
			role, ok = text(value)
			c.Role = Role(role)
			ours = ours && ok
		case "gen":
			c.Gen, c.HasGen = integer(value)
			ours = ours && c.HasGen
		case "iss":
			// Another type than string is no issuer that anybody could want.
			c.Issuer, _ = text(value)
		case "aud":
			c.Audience = audience(value)
		}
		return true
	})
	if c.SessionID == "" {
		// Django made it: a claim of the team's own that happens to be called
		// like one of ours means nothing here.
		c.Role, c.Gen, c.HasGen = "", 0, false
		return c, notBefore, ok
	}
	return c, notBefore, ok && ours
}

// audience reads aud: one string or an array of them (RFC 7519, section 4.1.3).
// What is neither names nobody.
func audience(value string) []string {
	if s, ok := text(value); ok {
		return []string{s}
	}
	var all []string
	if !elements(value, func(v string) bool {
		s, ok := text(v)
		all = append(all, s)
		return ok
	}) {
		return nil
	}
	return all
}

// userID gives the user that the value names: an integer, or a decimal string
// in its one spelling, as SimpleJWT writes it since 5.5.1.
func userID(value string) (int64, bool) {
	s, ok := text(value)
	if !ok {
		return integer(value)
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	return int64(n), true
}

// hexID reads 32 lower-case hex digits.
func hexID(s string) (id [16]byte, ok bool) {
	if len(s) != 32 {
		return id, false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return id, false
		}
		id[i/2] = id[i/2]<<4 | c
	}
	return id, true
}
