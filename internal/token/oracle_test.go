package token

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

// oracleObject reads a JSON object with the standard library.
func oracleObject(raw []byte) (map[string]any, error) {
	var m map[string]any
	err := json.Unmarshal(raw, &m)
	if err == nil && m == nil {
		err = fmt.Errorf("null")
	}
	return m, err
}

// seeded is a source of randomness whose seed is told when the test fails.
func seeded(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func randomClaims(r *rand.Rand) Claims {
	c := accessClaims()
	c.Expires = testNow.Unix() + 1 + r.Int64N(1<<30)
	c.IssuedAt = testNow.Unix() + leeway - r.Int64N(1<<30)
	c.ID, c.UserID = NewID(), r.Int64()
	if r.IntN(2) == 0 {
		c.SessionID = ""
	}
	if r.IntN(2) == 0 {
		c.Type, c.Role, c.Gen, c.HasGen = Refresh, "", 0, false
		return c
	}
	c.Role = []string{"admin", "manager", "employee", "client", "", `q"\`, "é<&>\u2028"}[r.IntN(7)]
	if c.HasGen = r.IntN(2) == 0; c.HasGen {
		c.Gen = r.Int64() - r.Int64()
	} else {
		c.Gen = 0
	}
	return c
}

// oracle is golang-jwt, told to be as strict as it can be.
func oracle() *jwt.Parser {
	return jwt.NewParser(
		jwt.WithValidMethods([]string{"HS256"}),
		jwt.WithTimeFunc(oracleNow),
		jwt.WithStrictDecoding(),
		jwt.WithJSONNumber(),
	)
}

func oracleNow() time.Time { return testNow }

func oracleKey(*jwt.Token) (any, error) { return testSecret, nil }

// What we mint, golang-jwt reads, and the other way round.
func TestOracleReadsOurs(t *testing.T) {
	r, k, p := seeded(t), testKeys()[0], oracle()
	for range 500 {
		c := randomClaims(r)
		got := jwt.MapClaims{}
		if _, err := p.ParseWithClaims(k.Sign(c), got, oracleKey); err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		want := jwt.MapClaims{
			"token_type": c.Type, "exp": num(c.Expires), "iat": num(c.IssuedAt), "jti": c.ID, "user_id": num(c.UserID),
		}
		if c.SessionID != "" {
			want["sid"] = c.SessionID
		}
		if c.Role != "" {
			want["role"] = c.Role
		}
		if c.HasGen {
			want["gen"] = num(c.Gen)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("(-minted +read):\n%s", d)
		}
	}
}

func num(n int64) json.Number { return json.Number(fmt.Sprint(n)) }

func TestWeReadTheOracles(t *testing.T) {
	r, keys := seeded(t), testKeys()
	for range 500 {
		c := randomClaims(r)
		m := jwt.MapClaims{
			"token_type": c.Type, "exp": c.Expires, "iat": c.IssuedAt, "jti": c.ID, "user_id": c.UserID, "extra": []int{1},
		}
		if c.SessionID != "" {
			m["sid"] = c.SessionID
		}
		if c.Role != "" {
			m["role"] = c.Role
		}
		if c.HasGen {
			m["gen"] = c.Gen
		}
		signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, m).SignedString(testSecret)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(signed, keys, testNow)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		if c.SessionID == "" {
			c.Role, c.Gen, c.HasGen = "", 0, false
		}
		if d := cmp.Diff(c, got); d != "" {
			t.Fatalf("(-minted +read):\n%s", d)
		}
	}
}

// The ways in which we are stricter than golang-jwt, told from the token.
const (
	classLineEnd   = "line end in the token"
	classHeader    = "header: duplicate name, invalid UTF-8, crit, zip, b64 or kid"
	classClaimType = "payload: duplicate name, invalid UTF-8 or a claim of an unusable type"
	classTimes     = "iat ahead (golang-jwt does not look), exp 0 (it takes that for none) or beyond the year 9999"
)

// TestMutations changes 10,000 tokens and compares verdicts: ours is
// golang-jwt's or stricter, and each stricter one falls in a known class. Half
// of the changes are signed again, or no change would get past the signature.
func TestMutations(t *testing.T) {
	r, keys, p := seeded(t), testKeys(), oracle()
	enc := base64.RawURLEncoding.EncodeToString
	agreed := map[bool]int{}
	stricter := map[string]int{}
	for range 10_000 {
		header := []string{plainHeader, `{"alg":"HS256","typ":"JWT"}`, `{"alg":"HS256","kid":"k1","crit":["b64"],"b64":true}`}[max(0, r.IntN(12)-9)]
		payload := string(appendClaims(nil, randomClaims(r)))
		var token string
		switch r.IntN(4) {
		case 0: // The text of a signed token.
			token = mutate(r, forge(testSecret, header, payload))
		case 1: // The header, signed again.
			token = forge(testSecret, mutate(r, header), payload)
		case 2: // The payload, signed again.
			token = forge(testSecret, header, mutate(r, payload))
		case 3: // The text before the signature, signed again.
			input := mutate(r, enc([]byte(header))+"."+enc([]byte(payload)))
			token = input + "." + enc(mac(testSecret, input))
		}
		_, ourErr := Parse(token, keys, testNow)
		_, theirErr := p.ParseWithClaims(token, jwt.MapClaims{}, oracleKey)
		if (ourErr == nil) == (theirErr == nil) {
			agreed[ourErr == nil]++
			continue
		}
		class := ""
		if ourErr != nil {
			class = classify(token)
		}
		if class == "" {
			t.Fatalf("token %q\nours: %v\ntheirs: %v", token, ourErr, theirErr)
		}
		stricter[class]++
	}
	t.Logf("both accept %d, both refuse %d; classed: %v", agreed[true], agreed[false], stricter)
	if agreed[true] < 500 || agreed[false] < 500 {
		t.Errorf("the mutations are lopsided: %v", agreed)
	}
}

// mutate makes one to three small changes.
func mutate(r *rand.Rand, s string) string {
	b := []byte(s)
	for range 1 + r.IntN(3) {
		i := r.IntN(len(b))
		switch r.IntN(8) {
		case 0:
			b[i] ^= 1 << r.IntN(8)
		case 1:
			b = append(b[:i], b[i+1:]...)
		case 2:
			b = append(b[:i], append([]byte{"\n\r .=?\"{}[],:0-e9\\\x00\xff"[r.IntN(20)]}, b[i:]...)...)
		case 3:
			j := min(len(b), i+r.IntN(20))
			b = append(b[:j], append([]byte(string(b[i:j])), b[j:]...)...)
		case 4:
			b = b[:max(1, i)]
		case 5: // A member again.
			if m := strings.IndexByte(string(b), ','); m > 0 && b[0] == '{' {
				b = append([]byte("{"+string(b[1:m])+","), b[1:]...)
			}
		case 6: // White space where JSON allows it.
			b = []byte(strings.Replace(string(b), ",", " ,\n ", 1+r.IntN(3)))
		case 7: // Another value.
			b = []byte(strings.Replace(string(b), `":`, `":`+[]string{"null,\"x\":", "1.5,\"y\":", "[],\"z\":", `"",` + `"w":`}[r.IntN(4)], 1+r.IntN(5)))
		}
		if len(b) == 0 {
			return "x"
		}
	}
	return string(b)
}

// classify says why we refuse what golang-jwt accepted, or "".
func classify(token string) string {
	if strings.ContainsAny(token, "\r\n") {
		return classLineEnd
	}
	part := strings.Split(token, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(part[0])
	if _, ok := parseHeader(raw); !ok {
		return classHeader
	}
	payload, _ := base64.RawURLEncoding.DecodeString(part[1])
	c, ok := general(string(payload), Names{}, testNow.Unix())
	switch {
	case !ok:
		return classClaimType
	case c.HasExpires && (c.Expires == 0 || c.Expires > maxExpiry), c.IssuedAt > testNow.Unix()+leeway:
		return classTimes
	}
	return ""
}
