package latchkey

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"
)

// The server's own tests wrote these tokens and what it makes of them. Here is
// the same verdict, or a stricter one with its reason.
func TestVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Now    int64
		Secret string
		JWKS   json.RawMessage
		Tokens []struct {
			Name, Token, Stricter string
			Accept                bool
			Claims                *struct {
				UserID    int64  `json:"user_id"`
				ID        string `json:"jti"`
				SessionID string `json:"sid"`
				Role      Role
				Gen       *int64
				Expires   int64  `json:"exp"`
				IssuedAt  *int64 `json:"iat"`
			}
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Tokens) < 200 {
		t.Fatalf("%d vectors", len(file.Tokens))
	}
	o := Options{
		HS256Keys: [][]byte{[]byte(file.Secret)}, Sessionless: true,
		Now: func() time.Time { return time.Unix(file.Now, 500_000_000) },
	}
	if file.JWKS != nil {
		o.JWKS, o.HTTPClient = "http://127.0.0.1:1/", &http.Client{Transport: fixed(file.JWKS)}
	}
	v := verifier(t, o)
	accepted := 0
	for _, tt := range file.Tokens {
		c, err := v.Verify(t.Context(), tt.Token)
		if err != nil && !isOurs(err) {
			t.Errorf("%s: %v is no error of this package", tt.Name, err)
		}
		switch want := tt.Accept && tt.Stricter == ""; {
		case (err == nil) != want:
			t.Errorf("%s: %v; accepted by the server: %v (%s)", tt.Name, err, tt.Accept, tt.Stricter)
		case err == nil:
			accepted++
			w := tt.Claims
			want := Claims{
				UserID: w.UserID, Role: w.Role, SessionID: w.SessionID, ID: w.ID,
				Expires: time.Unix(w.Expires, 0).UTC(), HasGen: w.Gen != nil,
			}
			if w.Gen != nil {
				want.Gen = *w.Gen
			}
			if w.IssuedAt != nil {
				want.IssuedAt = time.Unix(*w.IssuedAt, 0).UTC()
			}
			if !same(*c, want) {
				t.Errorf("%s: %+v, want %+v", tt.Name, *c, want)
			}
		}
	}
	if accepted < 40 {
		t.Errorf("only %d were accepted", accepted)
	}
}

// isOurs reports whether a caller can tell the error apart.
func isOurs(err error) bool {
	for _, known := range []error{
		ErrMalformed, ErrSignature, ErrExpired, ErrNotYetValid, ErrWrongType,
		ErrIssuer, ErrAudience, ErrRevoked, ErrUnavailable,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// same compares claims without issuer and audience.
func same(a, b Claims) bool {
	return a.UserID == b.UserID && a.Role == b.Role && a.SessionID == b.SessionID && a.ID == b.ID &&
		a.IssuedAt.Equal(b.IssuedAt) && a.Expires.Equal(b.Expires) && a.Gen == b.Gen && a.HasGen == b.HasGen
}
