package token

import (
	"strings"
	"testing"
	"time"
)

// A token that Django minted is read by Django's names, and by no others; ours
// by ours, whatever stands beside.
func TestForeignNames(t *testing.T) {
	names := Names{Foreign: Foreign{Type: "typ", ID: "id", User: "uid"}}
	const times = `"exp":1795421681,"iat":1795410881`
	for _, tt := range []struct {
		name, payload string
		ok            bool
	}{
		{"integer", `{"typ":"access",` + times + `,"id":"x","uid":65}`, true},
		{"text", `{"typ":"access",` + times + `,"id":"x","uid":"65"}`, true},
		{"both", `{"token_type":"refresh","typ":"access",` + times + `,"jti":"y","id":"x","user_id":1,"uid":65}`, true},
		{"ours without a session", `{"token_type":"access",` + times + `,"jti":"x","user_id":65}`, false},
		{"no user", `{"typ":"access",` + times + `,"id":"x","user_id":65}`, false},
		{"float", `{"typ":"access",` + times + `,"id":"x","uid":65.0}`, false},
		{"true", `{"typ":"access",` + times + `,"id":"x","uid":true}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := names.Parse(forge(testSecret, plainHeader, tt.payload), testKeys(), testNow)
			if err != nil {
				t.Fatal(err)
			}
			got := c.Check(Access) == nil && c.ID == "x" && c.HasUserID && c.UserIDValid && c.UserID == 65
			if got != tt.ok {
				t.Errorf("taken %v, want %v: %+v", got, tt.ok, c)
			}
		})
	}
}

// Tokens of ours are read by SimpleJWT under its names, and by ours here.
func TestForeignAliases(t *testing.T) {
	names := Names{Foreign: Foreign{Type: "typ", ID: "jti", User: "u\"id"}}
	key := NewHS256("k1", testSecret)
	for _, c := range []Claims{accessClaims(), refreshClaims()} {
		c.As = names.Foreign
		signed := key.Sign(c)
		payload, err := decodeSecond(signed)
		if err != nil || !strings.Contains(payload, `,"typ":"`+c.Type+`","u\"id":65}`) || strings.Count(payload, exampleJTI) != 1 {
			t.Errorf("payload %s (%v)", payload, err)
		}
		got, err := names.Parse(signed, testKeys(), testNow)
		c.As = Foreign{}
		if err != nil || got != c {
			t.Errorf("read back %+v, %v; want %+v", got, err, c)
		}
		// Who knows nothing of the other names reads the same.
		if got, err := Parse(signed, testKeys(), testNow); err != nil || got != c {
			t.Errorf("read by others %+v, %v", got, err)
		}
	}
}

func decodeSecond(signed string) (string, error) {
	b, ok := decode(nil, strings.Split(signed, ".")[1])
	if !ok {
		return "", ErrInvalid
	}
	return string(b), nil
}

// The leeway is for tokens without a session alone.
func TestForeignLeeway(t *testing.T) {
	names := Names{Foreign: Foreign{Leeway: 90 * time.Second}}
	ours, theirs := accessClaims(), accessClaims()
	theirs.SessionID = ""
	key := NewHS256("k1", testSecret)
	at := func(c Claims, late time.Duration) error {
		_, err := names.Parse(key.Sign(c), testKeys(), time.Unix(c.Expires, 0).Add(late))
		return err
	}
	for late, want := range map[time.Duration]bool{-time.Second: true, 0: true, 89 * time.Second: true, 90 * time.Second: false} {
		if got := at(theirs, late) == nil; got != want {
			t.Errorf("Django's token %v after its exp: %v, want %v", late, got, want)
		}
		if got := at(ours, late) == nil; got != (late < 0) {
			t.Errorf("our token %v after its exp: %v", late, got)
		}
	}
}
