package latchkey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// FuzzVerify takes a token apart in every way at once: as it is, and with header
// and payload signed, so that the fuzzer gets past the signature. Nothing may
// panic, and what is taken means the same to encoding/json.
func FuzzVerify(f *testing.F) {
	k := hmacSigner(testSecret)
	now := time.Unix(1795410881, 0)
	v, err := NewVerifier(Options{HS256Keys: [][]byte{testSecret}, Sessionless: true, Now: func() time.Time { return now }})
	if err != nil {
		f.Fatal(err)
	}
	const good = `{"token_type":"access","exp":1795421681,"iat":1795410881,"jti":"j","user_id":65,"sid":"019a0b1c2d3e7f00a1b2c3d4e5f60718","role":"employee","gen":1}`
	for _, header := range []string{plainHead, `{"alg":"none"}`, `{ "alg":"HS256" , "kid":"k" }`, `{"\u0061lg":"HS256"}`, ``} {
		for _, payload := range []string{
			good, strings.ReplaceAll(good, ",", " ,\t"), strings.Replace(good, "65", `"65"`, 1),
			strings.Replace(good, "1}", `-0}`, 1), strings.Replace(good, "1795421681", "1.795421681e9", 1),
			strings.Replace(good, "employee", `\ud83d\ude00\u00e9`, 1), strings.Replace(good, "employee", "\xff", 1),
			strings.Replace(good, "1}", `1,"aud":["a","b"],"iss":"x","nbf":1}`, 1),
			strings.Replace(good, "1}", `1,"x":{"y":[[],{},null,true,false,-1.5E+3,"\b\f\n\r\t\/\\\""]}}`, 1),
			`{}`, `[]`, `{"exp":1e400}`, "\xff",
		} {
			f.Add(k.forge(header, payload), header, payload)
		}
	}
	f.Add(strings.Repeat(".", 100), "", "")
	f.Fuzz(func(t *testing.T, raw, header, payload string) {
		_, _ = v.Verify(context.Background(), raw)
		c, err := v.Verify(context.Background(), k.forge(header, payload))
		if err != nil {
			if !isOurs(err) || c != nil {
				t.Fatalf("refused with %v, %v", c, err)
			}
			return
		}
		var m map[string]any
		d := json.NewDecoder(strings.NewReader(payload))
		d.UseNumber()
		if err := d.Decode(&m); err != nil {
			t.Fatalf("took %q: %v", payload, err)
		}
		if m["token_type"] != "access" || m["jti"] != c.ID {
			t.Fatalf("%q read as %+v", payload, c)
		}
		if sid, _ := m["sid"].(string); sid != c.SessionID {
			t.Fatalf("%q read as %+v", payload, c)
		}
		if role, _ := m["role"].(string); c.Role != "" && role != string(c.Role) {
			t.Fatalf("%q read as %+v", payload, c)
		}
	})
}

// FuzzMembers: the strict reader takes nothing that encoding/json does not, and
// reads the same strings in it.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { "a" : "b" , "c":[1,2,{"d":null}] } `, `{"a":1,"a":2}`, `{"\u0061":1,"a":2}`, `{"a":"\ud83d\ude00"}`, `{"a":"\ud83d"}`,
		`{"a":"\ude00\ud83d"}`, `{"a":-0.0e-0}`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":+1}`, `{"a":1e}`, `{"a":tru}`, `{"a":"\u00e"}`, `{"a":"\`,
		`{"a":"\x"}`, "{\"a\":\"\x01\"}", "{\"a\":\"\xff\"}", `{"a":1}x`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `[]`, ``, `{`, `{"a":[}`,
		strings.Repeat(`{"a":`, 33) + `1` + strings.Repeat(`}`, 33), "\ufeff{}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := map[string]string{}
		ok := members(raw, func(name, value string) bool {
			if _, twice := got[name]; twice {
				t.Fatalf("%q: %q twice", raw, name)
			}
			got[name] = value
			return true
		})
		_ = elements(raw, func(string) bool { return true })
		if !ok {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(raw), &want); err != nil || want == nil {
			t.Fatalf("took %q: %v", raw, err)
		}
		if len(want) != len(got) {
			t.Fatalf("%q: %d names, want %d", raw, len(got), len(want))
		}
		for name, value := range want {
			if got[name] != string(value) {
				t.Fatalf("%q: %q is %q, want %q", raw, name, got[name], value)
			}
			var s string
			isText := json.Unmarshal(value, &s) == nil && value[0] == '"'
			if mine, ok := text(got[name]); ok != isText || mine != s {
				t.Fatalf("%q reads as %q, %v", value, mine, ok)
			}
			n, isNumber := number(got[name])
			var float float64
			if isNumber && (json.Unmarshal(value, &float) != nil || float > 0 && n < 0) {
				t.Fatalf("%q is the number %d", value, n)
			}
			if i, ok := integer(got[name]); ok {
				var j int64
				if json.Unmarshal(value, &j) != nil || i != j {
					t.Fatalf("%q is the integer %d", value, i)
				}
			}
		}
	})
}

// FuzzHeader: what is taken for a header says the same to encoding/json.
func FuzzHeader(f *testing.F) {
	for _, s := range []string{plainHead, `{"alg":"none"}`, `{"alg":"HS256","crit":[]}`, `{"alg":"HS256","kid":"a"}`, `{"alg":"a","alg":"b"}`, `{"zip":"DEF"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		h, ok := parseHeader(raw)
		if !ok {
			return
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(raw), &m); err != nil {
			t.Fatalf("took %q: %v", raw, err)
		}
		kid, hasKID := m["kid"]
		if m["alg"] != h.algorithm || hasKID != h.hasKID || hasKID && kid != h.kid {
			t.Fatalf("%q read as %+v", raw, h)
		}
		for _, name := range []string{"crit", "zip", "b64"} {
			if _, there := m[name]; there {
				t.Fatalf("took %q in spite of its %s", raw, name)
			}
		}
	})
}

// FuzzPage: no body of the feed makes a set go back or skip, or panics.
func FuzzPage(f *testing.F) {
	for _, s := range []string{
		`{"seq":3,"reset":false,"max_access":10800,"revocations":[{"seq":2,"kind":"sid","key":"019a0b1c2d3e7f00a1b2c3d4e5f60718","gen":0,"iat_before":0,"until":99999999999},{"seq":3,"kind":"user","key":"65","gen":7,"iat_before":9,"until":1}]}`,
		`{"seq":0,"revocations":[]}`, `{"seq":1,"reset":true,"revocations":[{"seq":1,"kind":"all","key":"","iat_before":5,"until":5}]}`, `{}`, ``, `[]`,
	} {
		f.Add(s, int64(1))
	}
	f.Fuzz(func(t *testing.T, raw string, after int64) {
		p, ok := parsePage(raw, after)
		if !ok {
			return
		}
		if !json.Valid([]byte(raw)) {
			t.Fatalf("took %q", raw)
		}
		last := after
		if p.reset {
			last = 0
		}
		for _, r := range p.rows {
			if r.seq <= last || r.kind == "" {
				t.Fatalf("%q after %d: row %+v", raw, after, r)
			}
			last = r.seq
		}
		if p.seq < last {
			t.Fatalf("%q after %d: seq %d", raw, after, p.seq)
		}
		set := newRevoked()
		set.apply(p.rows, 1795410881)
		_ = set.has(&claims{})
		set.forget(1795410881)
	})
}

// FuzzKeySet: every key of a set verifies without a panic.
func FuzzKeySet(f *testing.F) {
	f.Add(jwks(edSigner("a"), ecSigner(f, "b"), rsaSigner(f, "c")), []byte("signature"))
	f.Add(`{"keys":[{"kty":"oct","k":"AAAA","use":"sig","alg":"HS256","kid":"x"}]}`, []byte{})
	f.Fuzz(func(t *testing.T, raw string, signature []byte) {
		keys, err := parseKeySet(raw)
		if err != nil && (!errors.Is(err, errKeySet) || keys != nil) {
			t.Fatal(err)
		}
		for kid, k := range keys {
			if kid == "" || k.algorithm() == algHS256 {
				t.Fatalf("%q has %q, %s", raw, kid, k.algorithm())
			}
			for _, s := range [][]byte{signature, make([]byte, 64), bytes.Repeat([]byte{1}, 256)} {
				if k.verify("input", s) {
					t.Fatalf("%q: a made-up signature is good", raw)
				}
			}
		}
	})
}
