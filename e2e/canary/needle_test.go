package canary_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// needle is a secret in every spelling that it could hide in.
type needle struct {
	name      string
	spellings [][]byte
}

// spell gives the spellings of a secret: as it is, in hex, percent-escaped, as
// JSON and as Go quotes it, and in base64 wherever in the text it begins.
func spell(name, secret string) needle {
	n := needle{name: name}
	add := func(s string) {
		if len(s) >= 8 {
			n.spellings = append(n.spellings, []byte(s))
		}
	}
	add(secret)
	add(hex.EncodeToString([]byte(secret)))
	add(strings.ToUpper(hex.EncodeToString([]byte(secret))))
	add(url.QueryEscape(secret))
	add(url.PathEscape(secret))
	quoted, _ := json.Marshal(secret)
	add(strings.Trim(string(quoted), `"`))
	for shift := range 3 {
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			s := alphabet.EncodeToString(append(make([]byte, shift), secret...))
			// The ends depend on what stands beside it.
			from, to := (shift*8+5)/6, len(s)-1
			add(s[from:to])
		}
	}
	return n
}

// in looks for a secret, and gives what is around it.
func (n needle) in(hay []byte) (found string, ok bool) {
	for _, s := range n.spellings {
		if i := bytes.Index(hay, s); i >= 0 {
			return string(hay[max(0, i-80):min(len(hay), i+len(s)+20)]), true
		}
	}
	return "", false
}

// A search that finds nothing proves nothing before it has found something.
func TestNeedle(t *testing.T) {
	const secret = "pl4nted \"sécret\"/+?&=% é"
	n := spell("x", secret)
	quoted, _ := json.Marshal(map[string]string{"a": secret})
	for name, hay := range map[string]string{
		"plain": "before " + secret + " after", "json": string(quoted), "query": "?" + url.Values{"a": {secret}}.Encode(),
		"path": "/" + url.PathEscape(secret), "hex": hex.EncodeToString([]byte("x" + secret + "y")),
		"base64 0": base64.StdEncoding.EncodeToString([]byte(secret)), "base64 1": base64.StdEncoding.EncodeToString([]byte("a" + secret + "b")),
		"base64 2": base64.URLEncoding.EncodeToString([]byte("ab" + secret + "cd")), "base64 3": base64.RawURLEncoding.EncodeToString([]byte("abc:" + secret)),
	} {
		if _, ok := n.in([]byte(hay)); !ok {
			t.Errorf("not found in %s: %s", name, hay)
		}
	}
	if found, ok := n.in([]byte("pl4nted " + strings.Repeat("z", 100))); ok {
		t.Errorf("found %q", found)
	}
}
