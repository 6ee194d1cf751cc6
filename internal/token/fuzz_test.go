package token

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse takes a token apart in every way at once. The first argument is
// parsed as it is; header and payload are signed, so that the fuzzer gets past
// the signature. Both readers of claims must come to one verdict, and nothing
// may panic.
//
// ROW 12
func FuzzParse(f *testing.F) {
	keys := testKeys()
	for _, header := range []string{plainHeader, `{"alg":"HS256","typ":"JWT"}`, `{ "alg":"HS256" , "kid":"k" }`, `{"alg":"none"}`, `{"typ":"JWT","alg":"EdDSA","kid":"eddsa-key"}`, ``} {
		for _, payload := range []string{
			goodPayload,
			string(appendClaims(nil, accessClaims())),
			string(appendClaims(nil, refreshClaims())),
			strings.ReplaceAll(goodPayload, ",", ", "),
			strings.Replace(goodPayload, "65", `"65"`, 1),
			strings.Replace(goodPayload, "65}", `065}`, 1),
			strings.Replace(goodPayload, "1795421681", `1795421681.5`, 1),
			strings.Replace(goodPayload, "1795410881", `1795410881,"iat":1`, 1),
			strings.Replace(goodPayload, "1795410881", `"1_7"`, 1),
			strings.Replace(goodPayload, "65}", `999999999999999999}`, 1),
			strings.Replace(goodPayload, "65}", `9999999999999999999}`, 1),
			strings.Replace(goodPayload, "65}", `65,"sid":"x"}`, 1),
			strings.Replace(goodPayload, "65}", `65,"role":"\u0061"}`, 1),
			strings.Replace(goodPayload, "65}", `65,"gen":-0}`, 1),
			strings.Replace(goodPayload, "65}", `65,"nbf":9e9}`, 1),
			strings.Replace(goodPayload, "65}", "65,\"role\":\"\xff\"}", 1),
			strings.Replace(goodPayload, "65}", "65,\"role\":\"é\x7f\"}", 1),
			strings.Replace(goodPayload, "65}", `65,"iss":"i","aud":"a"}`, 1),
			strings.Replace(goodPayload, "65}", `65,"aud":["",1],"iss":null}`, 1),
			`{}`, `[]`, `{"exp":1e400}`, "\xff",
		} {
			f.Add(forge(testSecret, header, payload), header, payload)
		}
	}
	f.Add(strings.Repeat(".", 100), "", "")
	f.Fuzz(func(t *testing.T, raw, header, payload string) {
		sameOnBothPaths(t, payload)
		for _, token := range []string{raw, forge(testSecret, header, payload)} {
			c, err := Parse(token, keys, testNow)
			if err != nil {
				if !errors.Is(err, ErrInvalid) || c != (Claims{}) {
					t.Fatalf("refused with %+v, %v", c, err)
				}
				continue
			}
			if c.HasExpires {
				if _, err := Parse(token, keys, time.Unix(c.Expires, 0)); err == nil {
					t.Fatalf("accepted in the second of its exp: %+v", c)
				}
			}
			_ = c.Check(Access, Refresh)
			// What was accepted and could be ours is minted again and means the same.
			if c.HasExpires && c.HasID && c.IDIsString && c.UserIDValid && c.HasIssuedAt && c.Type == Access {
				back, err := Parse(keys[0].Sign(c), keys, testNow)
				if d := cmp.Diff(c, back); err != nil || d != "" {
					t.Fatalf("minted again: %v\n%s", err, d)
				}
			}
		}
	})
}

// sameOnBothPaths: what quick takes, general takes, and reads the same in it.
func sameOnBothPaths(t *testing.T, payload string) {
	t.Helper()
	fast, ok := quick(payload)
	if !ok {
		return
	}
	slow, ok := general(payload, Names{}, testNow.Unix())
	if !ok {
		t.Fatalf("quick takes %q, general does not", payload)
	}
	if d := cmp.Diff(slow, fast); d != "" {
		t.Fatalf("payload %q (-general +quick):\n%s", payload, d)
	}
}

// FuzzHeader: reading a header never panics, and what comes out of it is what
// an independent reader finds.
func FuzzHeader(f *testing.F) {
	for _, s := range []string{
		plainHeader, `{"alg":"HS256","typ":"JWT"}`, `{"alg":"none"}`, `{"alg":"HS256","crit":[]}`,
		`{"alg":"HS256","kid":"a"}`, `{"alg":"HS256","kid":1}`, `{"alg":"HS256","alg":"none"}`, `{"\u0061lg":"HS256"}`,
		`{"alg":"HS256"} `, `{"alg":"HS256"}{}`, `[]`, `null`, ``, "{\"alg\":\"\xff\"}", `{"zip":"DEF"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, ok := parseHeader(raw)
		if !ok {
			return
		}
		m, err := oracleObject(raw)
		if err != nil {
			t.Fatalf("took %q: %v", raw, err)
		}
		kid, hasKID := m["kid"]
		if m["alg"] != got.algorithm || hasKID != got.hasKID || hasKID && kid != got.kid {
			t.Fatalf("%q read as %+v", raw, got)
		}
		for _, name := range []string{"crit", "zip", "b64"} {
			if _, ok := m[name]; ok {
				t.Fatalf("took %q in spite of its %s", raw, name)
			}
		}
	})
}
