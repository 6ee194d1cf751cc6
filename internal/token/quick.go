package token

import "strings"

// quick reads claims that are spelled exactly as Sign spells them, and as
// SimpleJWT does: compact, in order, plain strings, integers of at most 18
// digits. It is false for everything else, good or bad, which is general's to
// judge. The strings of its claims are parts of payload.
func quick(payload string) (c Claims, ok bool) {
	s := spelling{rest: payload, ok: true}
	s.literal(`{"token_type":`)
	c.Type = s.text()
	s.literal(`,"exp":`)
	c.Expires = s.integer()
	s.literal(`,"iat":`)
	c.IssuedAt = s.integer()
	s.literal(`,"jti":`)
	c.ID = s.text()
	s.literal(`,"user_id":`)
	c.UserID = s.integer()
	if s.has(`,"sid":`) {
		c.SessionID = s.text()
		s.ok = s.ok && isHex32(c.SessionID)
		if s.has(`,"role":`) {
			c.Role = s.text()
		}
		if s.has(`,"gen":`) {
			c.Gen = s.integer()
			c.HasGen = true
		}
	}
	if s.has(`,"iss":`) {
		c.Issuer = s.text()
	}
	if s.has(`,"aud":`) {
		c.Audience = s.text()
	}
	s.literal(`}`)
	if !s.ok || s.rest != "" {
		return Claims{}, false
	}
	c.HasType, c.HasExpires, c.HasIssuedAt = true, true, true
	c.HasID, c.IDIsString = true, true
	c.HasUserID, c.UserIDValid = true, true
	return c, true
}

// spelling is what is left to read; ok turns false at the first thing that is
// not as expected.
type spelling struct {
	rest string
	ok   bool
}

// has takes lit if it is next.
func (s *spelling) has(lit string) bool {
	rest, found := strings.CutPrefix(s.rest, lit)
	s.rest = rest
	return found
}

// literal takes lit, which must be next.
func (s *spelling) literal(lit string) {
	if !s.has(lit) {
		s.ok = false
	}
}

// text takes a string of printable ASCII without escapes.
func (s *spelling) text() string {
	if s.rest == "" || s.rest[0] != '"' {
		s.ok = false
		return ""
	}
	for i := 1; i < len(s.rest); i++ {
		switch b := s.rest[i]; {
		case b == '"':
			t := s.rest[1:i]
			s.rest = s.rest[i+1:]
			return t
		case b < ' ' || b > '~' || b == '\\':
			s.ok = false
			return ""
		}
	}
	s.ok = false
	return ""
}

// integer takes an integer without sign, of at most 18 digits, so that it fits
// 64 bits.
func (s *spelling) integer() int64 {
	var n int64
	i := 0
	for i < len(s.rest) && i < 18 && s.rest[i] >= '0' && s.rest[i] <= '9' {
		n = n*10 + int64(s.rest[i]-'0')
		i++
	}
	if i == 0 || i > 1 && s.rest[0] == '0' {
		s.ok = false
	}
	s.rest = s.rest[i:]
	return n
}
