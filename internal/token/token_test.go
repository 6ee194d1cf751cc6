package token

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	testSecret = []byte("django-insecure-0123456789abcdefghijklmnopqrstuvwxyz")
	testNow    = time.Unix(1795410881, 500_000_000)
)

// ring is the simplest key ring: whatever the kid, these keys.
type ring []Key

func (r ring) Accepted(string, bool) ([]Key, error) { return r, nil }

func testKeys() ring { return ring{NewHS256("k1", testSecret)} }

// forge signs what it is given, with code of its own.
func forge(secret []byte, header, payload string) string {
	enc := base64.RawURLEncoding.EncodeToString
	input := enc([]byte(header)) + "." + enc([]byte(payload))
	return input + "." + enc(mac(secret, input))
}

func mac(secret []byte, input string) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(input))
	return m.Sum(nil)
}

const (
	plainHeader = `{"typ":"JWT","alg":"HS256"}`
	exampleJTI  = "81c94191ca5544fb93135b52e586bb64"
	exampleSID  = "019a0b1c2d3e7f00a1b2c3d4e5f60718"
)

func accessClaims() Claims {
	return Claims{
		Type: Access, HasType: true, Expires: 1795421681, HasExpires: true, IssuedAt: 1795410881, HasIssuedAt: true,
		ID: exampleJTI, HasID: true, IDIsString: true, UserID: 65, HasUserID: true, UserIDValid: true,
		SessionID: exampleSID, Role: "employee", Gen: 1795410000000000, HasGen: true,
	}
}

func refreshClaims() Claims {
	c := accessClaims()
	c.Type, c.Role, c.Gen, c.HasGen = Refresh, "", 0, false
	return c
}

func TestSign(t *testing.T) {
	django := refreshClaims()
	django.SessionID = ""
	odd := accessClaims()
	odd.Role, odd.Gen = `a"\<é`, -1
	for _, tt := range []struct {
		name   string
		claims Claims
		want   string
	}{
		{"access", accessClaims(), `{"token_type":"access","exp":1795421681,"iat":1795410881,"jti":"81c94191ca5544fb93135b52e586bb64","user_id":65,"sid":"019a0b1c2d3e7f00a1b2c3d4e5f60718","role":"employee","gen":1795410000000000}`},
		{"refresh", refreshClaims(), `{"token_type":"refresh","exp":1795421681,"iat":1795410881,"jti":"81c94191ca5544fb93135b52e586bb64","user_id":65,"sid":"019a0b1c2d3e7f00a1b2c3d4e5f60718"}`},
		{"without a session, byte for byte the recorded payload", django, `{"token_type":"refresh","exp":1795421681,"iat":1795410881,"jti":"81c94191ca5544fb93135b52e586bb64","user_id":65}`},
		{"a role that must be escaped", odd, `{"token_type":"access","exp":1795421681,"iat":1795410881,"jti":"81c94191ca5544fb93135b52e586bb64","user_id":65,"sid":"019a0b1c2d3e7f00a1b2c3d4e5f60718","role":"a\"\\<é","gen":-1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := NewHS256("k1", testSecret)
			got := k.Sign(tt.claims)
			if want := forge(testSecret, plainHeader, tt.want); got != want {
				t.Errorf("Sign = %s\nwant %s", got, want)
			}
			if again := k.Sign(tt.claims); again != got {
				t.Errorf("signed again = %s\nwant %s", again, got)
			}
			back, err := Parse(got, ring{k}, testNow)
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			if d := cmp.Diff(tt.claims, back); d != "" {
				t.Errorf("parsed (-want +got):\n%s", d)
			}
		})
	}
}

// The refresh claims of a token never carry what belongs to access tokens.
func TestSignRefreshHasNoRole(t *testing.T) {
	c := accessClaims()
	c.Type = Refresh
	got, err := Parse(testKeys()[0].Sign(c), testKeys(), testNow)
	if err != nil {
		t.Fatal(err)
	}
	if got.Role != "" || got.HasGen {
		t.Errorf("a refresh token has role %q and gen %v", got.Role, got.HasGen)
	}
}

// The guide's tokens begin with eyJ0eXAiOiJKV1Qi.
func TestSignHeaderIsTheGuides(t *testing.T) {
	if got := testKeys()[0].Sign(accessClaims()); !strings.HasPrefix(got, "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.") {
		t.Errorf("token = %s", got)
	}
}

func TestKey(t *testing.T) {
	k := NewHS256("k1", testSecret)
	if k.ID() != "k1" || k.Algorithm() != "HS256" {
		t.Errorf("key = %q %q", k.ID(), k.Algorithm())
	}
	sum := sha256.Sum256(append([]byte("latchkey key fingerprint\x00"), testSecret...))
	if want := hex.EncodeToString(sum[:16]); k.Fingerprint() != want {
		t.Errorf("Fingerprint = %s, want %s", k.Fingerprint(), want)
	}
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k), fmt.Sprintf("%q", k)} {
		if strings.Contains(s, "django") || strings.Contains(s, hex.EncodeToString(testSecret[:4])) {
			t.Errorf("printing the key shows its secret: %s", s)
		}
	}
	// The secret is copied: a caller that wipes its own changes nothing.
	mine := bytes.Clone(testSecret)
	k = NewHS256("k1", mine)
	clear(mine)
	if _, err := Parse(k.Sign(accessClaims()), testKeys(), testNow); err != nil {
		t.Errorf("after the caller cleared its secret: %v", err)
	}
}

// An empty secret is no key: everybody knows it.
func TestEmptySecret(t *testing.T) {
	for _, secret := range [][]byte{nil, {}} {
		k := NewHS256("k1", secret)
		if _, err := Parse(forge(nil, plainHeader, goodPayload), ring{k, {}}, testNow); !errors.Is(err, ErrInvalid) {
			t.Errorf("a token signed with the empty key: %v", err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the zero Key signed")
				}
			}()
			k.Sign(accessClaims())
		}()
	}
	if _, err := Parse(forge(nil, `{"alg":""}`, goodPayload), ring{{}}, testNow); !errors.Is(err, ErrInvalid) {
		t.Errorf("alg \"\" with the zero Key: %v", err)
	}
}

const goodPayload = `{"token_type":"access","exp":1795421681,"iat":1795410881,"jti":"81c94191ca5544fb93135b52e586bb64","user_id":65}`

// TestPayload is the claims' table: conformance/behaviours.md A3 and A6 with
// the deviations of design.md. Each payload is {…} with good members before
// it, unless it says otherwise.
//
// ASVS 9.2.1
// LESSON 27
func TestPayload(t *testing.T) {
	const head = `"token_type":"access","jti":"j"`
	base := Claims{Type: Access, HasType: true, ID: "j", HasID: true, IDIsString: true}
	with := func(change func(*Claims)) Claims { c := base; change(&c); return c }
	const ours = `,"sid":"019a0b1c2d3e7f00a1b2c3d4e5f60718"`
	session := func(change func(*Claims)) Claims {
		return with(func(c *Claims) { c.SessionID = exampleSID; change(c) })
	}
	iat := func(n int64) Claims { return with(func(c *Claims) { c.IssuedAt, c.HasIssuedAt = n, true }) }
	exp := func(n int64) Claims { return with(func(c *Claims) { c.Expires, c.HasExpires = n, true }) }
	user := func(n int64) Claims {
		return with(func(c *Claims) { c.UserID, c.HasUserID, c.UserIDValid = n, true, true })
	}
	badUser := with(func(c *Claims) { c.HasUserID = true })
	refused := Claims{Type: "refused"}

	for _, tt := range []struct {
		members string
		want    Claims
	}{
		{``, base},

		{`,"exp":1795410882`, exp(1795410882)},
		{`,"exp":1795410881`, refused}, // exp <= now.
		{`,"exp":1795410880`, refused},
		{`,"exp":0`, refused},
		{`,"exp":-1`, refused},
		{`,"exp":1795421681.0`, exp(1795421681)},
		{`,"exp":1795410882.9`, exp(1795410882)},
		{`,"exp":1795410881.9`, refused}, // int() cuts off.
		{`,"exp":1.795421681e9`, exp(1795421681)},
		{`,"exp":1795421681E0`, exp(1795421681)},
		{`,"exp":253402300799`, exp(253402300799)},
		{`,"exp":253402300800`, refused}, // The year 10000.
		{`,"exp":1e12`, refused},
		{`,"exp":9223372036854775807`, refused},
		{`,"exp":9223372036854775808`, refused},
		{`,"exp":1e400`, refused},
		{`,"exp":-1e400`, refused},
		{`,"exp":1e18`, refused},
		{`,"exp":1e19`, refused},
		{`,"exp":"1795421681"`, refused},
		{`,"exp":"soon"`, refused},
		{`,"exp":null`, refused},
		{`,"exp":true`, refused},
		{`,"exp":[1795421681]`, refused},
		{`,"exp":{}`, refused},
		{`,"exp":NaN`, refused},
		{`,"exp":Infinity`, refused},
		{`,"exp":01795421681`, refused},
		{`,"exp":+1795421681`, refused},

		{`,"iat":1795410881`, iat(1795410881)},
		{`,"iat":1795410941`, iat(1795410941)}, // 60 s ahead.
		{`,"iat":1795410942`, refused},
		{`,"iat":1795410941.9`, iat(1795410941)},
		{`,"iat":0`, iat(0)},
		{`,"iat":-5`, iat(-5)},
		{`,"iat":-5.9`, iat(-5)},
		{`,"iat":true`, iat(1)},
		{`,"iat":false`, iat(0)},
		{`,"iat":"1795410881"`, iat(1795410881)},
		{`,"iat":" \t\n\u00a0\u2028\u001c1_795_410_881\u3000"`, iat(1795410881)},
		{`,"iat":"+0012"`, iat(12)},
		{`,"iat":"-12"`, iat(-12)},
		{`,"iat":"1795410942"`, refused},
		{`,"iat":"_12"`, refused},
		{`,"iat":"12_"`, refused},
		{`,"iat":"1__2"`, refused},
		{`,"iat":"- 12"`, refused},
		{`,"iat":"+-12"`, refused},
		{`,"iat":"-_12"`, refused},
		{`,"iat":"0x12"`, refused},
		{`,"iat":"1.0"`, refused},
		{`,"iat":""`, refused},
		{`,"iat":" "`, refused},
		{`,"iat":"now"`, refused},
		{`,"iat":"99999999999999999999"`, refused},
		{`,"iat":"\u200b12"`, refused}, // Not white space for Python.
		{`,"iat":null`, refused},
		{`,"iat":[]`, refused},
		{`,"iat":{}`, refused},
		{`,"iat":1e400`, refused},
		{`,"iat":-1e400`, refused},

		{`,"nbf":1795410881`, base},
		{`,"nbf":1795410941`, base},
		{`,"nbf":1795410942`, refused},
		{`,"nbf":"1795410941"`, base},
		{`,"nbf":"1795410942"`, refused},
		{`,"nbf":true`, base},
		{`,"nbf":"x"`, refused},
		{`,"nbf":null`, refused},
		{`,"nbf":[1]`, refused},
		{`,"nbf":1e400`, refused},

		{`,"user_id":65`, user(65)},
		{`,"user_id":0`, user(0)},
		{`,"user_id":-1`, user(-1)}, // User not found, as recorded for any unknown one.
		{`,"user_id":"65"`, user(65)},
		{`,"user_id":"0"`, user(0)},
		{`,"user_id":9223372036854775807`, user(9223372036854775807)},
		{`,"user_id":"9223372036854775807"`, user(9223372036854775807)},
		{`,"user_id":9223372036854775808`, badUser},
		{`,"user_id":"9223372036854775808"`, badUser},
		{`,"user_id":340282366920938463463374607431768211456`, badUser},
		{`,"user_id":65.0`, badUser},
		{`,"user_id":3.5`, badUser},
		{`,"user_id":6e1`, badUser},
		{`,"user_id":true`, badUser},
		{`,"user_id":[65]`, badUser},
		{`,"user_id":{"id":65}`, badUser},
		{`,"user_id":""`, badUser},
		{`,"user_id":"065"`, badUser},
		{`,"user_id":"00"`, badUser},
		{`,"user_id":"+65"`, badUser},
		{`,"user_id":"-65"`, badUser},
		{`,"user_id":" 65"`, badUser},
		{`,"user_id":"6_5"`, badUser},
		{`,"user_id":"0x41"`, badUser},
		{`,"user_id":"٦٥"`, badUser},
		{`,"user_id":"word"`, badUser},
		{`,"user_id":null`, with(func(c *Claims) { c.HasUserID, c.UserIDNull = true, true })},

		{`,"sid":"019a0b1c2d3e7f00a1b2c3d4e5f60718"`, with(func(c *Claims) { c.SessionID = exampleSID })},
		{`,"sid":"019A0B1C2D3E7F00A1B2C3D4E5F60718"`, refused},
		{`,"sid":"019a0b1c2d3e7f00a1b2c3d4e5f6071"`, refused},
		{`,"sid":"019a0b1c2d3e7f00a1b2c3d4e5f607180"`, refused},
		{`,"sid":"019a0b1c-2d3e-7f00-a1b2-c3d4e5f607"`, refused},
		{`,"sid":""`, refused},
		{`,"sid":null`, refused},
		{`,"sid":1`, refused},

		{ours + `,"role":"admin"`, session(func(c *Claims) { c.Role = "admin" })},
		{ours + `,"role":"\u0061dmin"`, session(func(c *Claims) { c.Role = "admin" })},
		{ours + `,"role":null`, refused},
		{ours + `,"role":["admin"]`, refused},
		{ours + `,"role":1`, refused},

		{ours + `,"gen":7`, session(func(c *Claims) { c.Gen, c.HasGen = 7, true })},
		{ours + `,"gen":-7`, session(func(c *Claims) { c.Gen, c.HasGen = -7, true })},
		{ours + `,"gen":7.0`, refused},
		{ours + `,"gen":"7"`, refused},
		{ours + `,"gen":true`, refused},
		{ours + `,"gen":null`, refused},
		{ours + `,"gen":9223372036854775808`, refused},

		// Without a session they are some other program's claims.
		{`,"role":"admin","gen":7`, base},
		{`,"role":["admin"],"gen":"seven"`, base},

		// Unknown claims are ignored; so are aud and iss where none is demanded.
		{`,"aud":"x","iss":7,"extra":{"a":[1,{"b":null}]},"EXP":1,"Exp":"x"`, with(func(c *Claims) { c.Audience = "x" })},
		{`,"extra":{"a":1,"a":2}`, refused},
		{`,"extra":"\ud800"`, refused},
		{",\"extra\":\"\xff\"", refused},
		{",\"extra\":\"\x00\"", refused},
		{`,"extra":1,"extra":1`, refused},
		{`,"exp":1795421681,"exp":1795421681`, refused},
		{`,"exp":1795421681,"\u0065xp":1795421681`, refused},
		{`,"token_type":"refresh"`, refused},
	} {
		t.Run(tt.members, func(t *testing.T) {
			got, err := Parse(forge(testSecret, plainHeader, "{"+head+tt.members+"}"), testKeys(), testNow)
			if tt.want.Type == "refused" {
				if !errors.Is(err, ErrInvalid) {
					t.Errorf("Parse = %+v, %v; want ErrInvalid", got, err)
				}
				if got != (Claims{}) {
					t.Errorf("a refused token gave claims: %+v", got)
				}
				return
			}
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestWholePayload is about what a payload is as a whole.
func TestWholePayload(t *testing.T) {
	for _, tt := range []struct {
		payload string
		ok      bool
	}{
		{goodPayload, true},
		{" \t\r\n" + strings.ReplaceAll(goodPayload, ",", " ,\n ") + " ", true},
		{`{}`, true}, // Check refuses it.
		{``, false},
		{`[]`, false},
		{`[` + goodPayload + `]`, false},
		{`"x"`, false},
		{`1`, false},
		{`null`, false},
		{`not JSON`, false},
		{strings.Replace(goodPayload, "81c9", "é\x7f", 1), true},
		{strings.Replace(goodPayload, "81c9", "\xff", 1), false},
		{strings.Replace(goodPayload, "81c9", "\t", 1), false},
		{goodPayload + goodPayload, false},
		{goodPayload + `x`, false},
		{goodPayload + "\x00", false},
		{"\ufeff" + goodPayload, false},
		{goodPayload[:len(goodPayload)-1], false},
		{goodPayload[:len(goodPayload)-1] + `,}`, false},
		{strings.Repeat("[", 3000), false},
		{`{"a":` + strings.Repeat("[", 2500) + strings.Repeat("]", 2500) + `}`, true},
		{`{/**/}`, false},
		{`{'a':1}`, false},
	} {
		_, err := Parse(forge(testSecret, plainHeader, tt.payload), testKeys(), testNow)
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("Parse of payload %.80q: %v", tt.payload, err)
		}
	}
}

// ASVS 9.2.2
func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		payload string
		want    []string
		err     error
	}{
		{goodPayload, []string{Access}, nil},
		{goodPayload, []string{Access, Refresh}, nil},
		{goodPayload, []string{Refresh}, ErrWrongType},
		{goodPayload, nil, ErrWrongType},
		{`{}`, []string{Access}, ErrNoExpiry},
		{`{"jti":"j","token_type":"access"}`, []string{Access}, ErrNoExpiry},
		{`{"exp":1795421681}`, []string{Access}, ErrNoID},
		{`{"exp":1795421681,"token_type":"refresh"}`, []string{Access}, ErrNoID},
		{`{"exp":1795421681,"jti":"j"}`, []string{Access}, ErrNoType},
		{`{"exp":1795421681,"jti":"j","token_type":"sliding"}`, []string{Access, Refresh}, ErrWrongType},
		{`{"exp":1795421681,"jti":"j","token_type":"Access"}`, []string{Access}, ErrWrongType},
		{`{"exp":1795421681,"jti":"j","token_type":null}`, []string{Access}, ErrWrongType},
		{`{"exp":1795421681,"jti":"j","token_type":["access"]}`, []string{Access}, ErrWrongType},
		{`{"exp":1795421681,"jti":"j","token_type":""}`, []string{Access, ""}, ErrWrongType},
		{`{"exp":1795421681,"jti":7,"token_type":1}`, []string{""}, ErrWrongType},
	} {
		c, err := Parse(forge(testSecret, plainHeader, tt.payload), testKeys(), testNow)
		if err != nil {
			t.Errorf("Parse %s: %v", tt.payload, err)
			continue
		}
		if err := c.Check(tt.want...); !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
			t.Errorf("Check(%q) of %s = %v, want %v", tt.want, tt.payload, err, tt.err)
		}
	}
}

// A jti of any type is accepted (recorded), and keeps its spelling.
func TestID(t *testing.T) {
	for _, tt := range []struct {
		jti, want string
		isString  bool
	}{
		{`"81c94191ca5544fb93135b52e586bb64"`, exampleJTI, true},
		{`""`, "", true},
		{`"\u0061\n"`, "a\n", true},
		{`null`, "null", false},
		{`7`, "7", false},
		{`7.0`, "7.0", false},
		{`1e400`, "1e400", false},
		{`true`, "true", false},
		{`[1, 2]`, "[1, 2]", false},
		{`{"a": 1}`, `{"a": 1}`, false},
	} {
		c, err := Parse(forge(testSecret, plainHeader, `{"jti":`+tt.jti+`}`), testKeys(), testNow)
		if err != nil || !c.HasID || c.ID != tt.want || c.IDIsString != tt.isString {
			t.Errorf("jti %s = %q, string %v, %v", tt.jti, c.ID, c.IDIsString, err)
		}
	}
}

// TestHeader: what is accepted of a header, with a signature that is good.
//
// ASVS 9.1.2
// ASVS 9.1.3
// LESSON 27
func TestHeader(t *testing.T) {
	for _, tt := range []struct {
		header string
		ok     bool
	}{
		{`{"typ":"JWT","alg":"HS256"}`, true},
		{`{"alg":"HS256","typ":"JWT"}`, true},
		{` { "alg" : "HS256" } `, true},
		{`{"alg":"\u0048S256"}`, true},
		{`{"alg":"HS256","typ":"at+jwt"}`, true},
		{`{"alg":"HS256","typ":null}`, true},
		{`{"alg":"HS256","kid":"k1"}`, true},
		{`{"alg":"HS256","kid":""}`, true},
		{`{"alg":"HS256","kid":"../../dev/null"}`, true},                      // A name, never a path:
		{`{"alg":"HS256","kid":"' OR 1=1 --"}`, true},                         // this ring looks at none.
		{`{"alg":"HS256","jku":"https://evil/","x5u":"https://evil/"}`, true}, // Never fetched, never used.
		{`{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}`, true},
		{`{"alg":"HS256","cty":"JWT","x":[{"y":1}]}`, true},

		{`{}`, false},
		{`{"typ":"JWT"}`, false},
		{`{"alg":null}`, false},
		{`{"alg":["HS256"]}`, false},
		{`{"alg":256}`, false},
		{`{"alg":""}`, false},
		{`{"alg":"none"}`, false},
		{`{"alg":"None"}`, false},
		{`{"alg":"NONE"}`, false},
		{`{"alg":"nOnE"}`, false},
		{`{"alg":"hs256"}`, false},
		{`{"alg":"Hs256"}`, false},
		{`{"alg":" HS256"}`, false},
		{`{"alg":"HS256 "}`, false},
		{`{"alg":"HS256\u0000"}`, false},
		{`{"alg":"HS384"}`, false},
		{`{"alg":"HS512"}`, false},
		{`{"alg":"RS256"}`, false},
		{`{"alg":"RS384"}`, false},
		{`{"alg":"RS512"}`, false},
		{`{"alg":"PS256"}`, false},
		{`{"alg":"PS384"}`, false},
		{`{"alg":"PS512"}`, false},
		{`{"alg":"ES256"}`, false},
		{`{"alg":"ES384"}`, false},
		{`{"alg":"ES512"}`, false},
		{`{"alg":"EdDSA"}`, false},
		{`{"alg":"dir","enc":"A256GCM"}`, false},
		{`{"ALG":"HS256"}`, false},
		{`{"Alg":"HS256"}`, false},
		{`{"alg":"HS256","alg":"HS256"}`, false},
		{`{"alg":"HS256","alg":"none"}`, false},
		{`{"alg":"none","\u0061lg":"HS256"}`, false},
		{`{"alg":"HS256","typ":"JWT","typ":"JWT"}`, false},
		{`{"alg":"HS256","crit":["exp"],"exp":1}`, false},
		{`{"alg":"HS256","crit":[]}`, false},
		{`{"alg":"HS256","crit":null}`, false},
		{`{"alg":"HS256","zip":"DEF"}`, false},
		{`{"alg":"HS256","zip":null}`, false},
		{`{"alg":"HS256","b64":false}`, false},
		{`{"alg":"HS256","b64":true}`, false},
		{`{"alg":"HS256","kid":1}`, false},
		{`{"alg":"HS256","kid":null}`, false},
		{`{"alg":"HS256","kid":["k1"]}`, false},
		{`{"alg":"HS256","x":"` + "\xff" + `"}`, false},
		{`{"alg":"HS256"}{}`, false},
		{`{"alg":"HS256"}x`, false},
		{`{"alg":"HS256"`, false},
		{`{"alg":"HS256",}`, false},
		{"\ufeff" + `{"alg":"HS256"}`, false},
		{`[{"alg":"HS256"}]`, false},
		{`"HS256"`, false},
		{`null`, false},
		{``, false},
	} {
		_, err := Parse(forge(testSecret, tt.header, goodPayload), testKeys(), testNow)
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("header %s: %v", tt.header, err)
		}
	}
}

// The two headers that are known by heart are read like any other.
func TestKnownHeaders(t *testing.T) {
	for part, want := range map[string]string{
		mintedHeader: `{"typ":"JWT","alg":"HS256"}`,
		sortedHeader: `{"alg":"HS256","typ":"JWT"}`,
	} {
		raw, ok := decode(nil, part)
		if !ok || string(raw) != want {
			t.Errorf("%s is %s, want %s", part, raw, want)
		}
		known, _ := readHeader(part)
		parsed, ok := parseHeader(raw)
		if !ok || known != parsed {
			t.Errorf("%s: by heart %+v, parsed %+v", want, known, parsed)
		}
	}
}

// byKid is a ring that knows kids, as keyring's does, with a key of an
// algorithm that is not HS256.
type byKid map[string]Key

func (r byKid) Accepted(kid string, hasKID bool) ([]Key, error) {
	if k, ok := r[kid]; ok && hasKID {
		return []Key{k}, nil
	}
	return nil, nil
}

// ASVS 9.1.3
// LESSON 26
func TestKid(t *testing.T) {
	other := []byte("another secret of thirty-two bytes")
	foreign := NewHS256("rsa", testSecret)
	foreign.algorithm = "HS512" // The same bytes, but meant for another algorithm.
	keys := byKid{"a": NewHS256("a", testSecret), "b": NewHS256("b", other), "rsa": foreign}
	for _, tt := range []struct {
		name   string
		secret []byte
		header string
		ok     bool
	}{
		{"the key that it names", testSecret, `{"alg":"HS256","kid":"a"}`, true},
		{"another of our keys", testSecret, `{"alg":"HS256","kid":"b"}`, false},
		{"that other key", other, `{"alg":"HS256","kid":"b"}`, true},
		{"a key that we do not have", testSecret, `{"alg":"HS256","kid":"c"}`, false},
		{"no kid", testSecret, `{"alg":"HS256"}`, false},
		// RFC 8725, section 2.1: a public key is no HMAC secret.
		{"a key for another algorithm", testSecret, `{"alg":"HS256","kid":"rsa"}`, false},
		{"that algorithm's word", testSecret, `{"alg":"HS512","kid":"rsa"}`, true}, // This fake HS512 is HS256.
	} {
		_, err := Parse(forge(tt.secret, tt.header, goodPayload), keys, testNow)
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := Parse(forge(other, plainHeader, goodPayload), ring{keys["a"], keys["b"]}, testNow); err != nil {
		t.Errorf("without kid, every accepted key is tried: %v", err)
	}
	if _, err := Parse(forge(other, plainHeader, goodPayload), ring{}, testNow); !errors.Is(err, ErrInvalid) {
		t.Errorf("a ring without keys: %v", err)
	}
}

// unsure is a ring that knows of no more keys than its own, and says so.
type unsure struct{ ring }

var errUnsure = errors.New("there may be others")

func (r unsure) Accepted(string, bool) ([]Key, error) { return r.ring, errUnsure }

// Where there may be other keys, a token of none that is known is not called
// forged; what cannot be a token is.
func TestUnsureKeys(t *testing.T) {
	for _, tt := range []struct {
		name, token string
		want        error
	}{
		{"a key that is known", forge(testSecret, plainHeader, goodPayload), nil},
		{"another key", forge([]byte("x"), `{"alg":"HS256","kid":"a"}`, goodPayload), errUnsure},
		{"two parts", "a.b", ErrForged},
		{"no header", forge(testSecret, "[]", goodPayload), ErrForged},
		{"a signature with padding", forge(testSecret, plainHeader, goodPayload) + "=", ErrForged},
	} {
		if _, err := Parse(tt.token, unsure{testKeys()}, testNow); !errors.Is(err, tt.want) || errors.Is(err, ErrInvalid) != errors.Is(tt.want, ErrInvalid) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// TestForm: the token's text. Signatures are good where one can be made.
func TestForm(t *testing.T) {
	good := forge(testSecret, plainHeader, goodPayload)
	part := strings.Split(good, ".")
	if _, err := Parse(good, testKeys(), testNow); err != nil {
		t.Fatal(err)
	}
	resigned := func(input string) string {
		return input + "." + base64.RawURLEncoding.EncodeToString(mac(testSecret, input))
	}
	enc := base64.RawURLEncoding.EncodeToString
	// 110 bytes leave two unused bits in the last of their characters.
	loose := enc([]byte(strings.Replace(goodPayload, "65}", "6}", 1)))
	if _, err := Parse(resigned(part[0]+"."+loose), testKeys(), testNow); err != nil || len(loose)%4 != 3 {
		t.Fatalf("%d characters: %v", len(loose), err)
	}
	for name, bad := range map[string]string{
		"empty":                    "",
		"one dot":                  ".",
		"two dots":                 "..",
		"header alone":             part[0],
		"no signature":             part[0] + "." + part[1],
		"empty signature":          part[0] + "." + part[1] + ".",
		"empty payload":            resigned(part[0] + "."),
		"empty header":             resigned("." + part[1]),
		"four parts":               good + ".x",
		"four parts, empty":        good + ".",
		"leading dot":              "." + good,
		"five parts":               part[0] + ".." + part[1] + "." + part[1] + "." + part[2],
		"leading blank":            " " + good,
		"trailing blank":           good + " ",
		"line end in signature":    good[:len(good)-5] + "\n" + good[len(good)-5:],
		"carriage return":          good[:len(good)-5] + "\r" + good[len(good)-5:],
		"trailing line end":        good + "\n",
		"line end in payload":      resigned(part[0] + "." + part[1][:8] + "\n" + part[1][8:]),
		"line end in header":       resigned(part[0] + "\r\n." + part[1]),
		"padded signature":         good + "=",
		"padded payload":           resigned(part[0] + "." + loose + "="),
		"standard alphabet":        resigned(part[0] + "." + base64.RawStdEncoding.EncodeToString([]byte(`{"a":"???>>>~~~"}`))),
		"NUL":                      good[:len(good)-5] + "\x00" + good[len(good)-5:],
		"not ASCII":                good[:len(good)-5] + "é" + good[len(good)-5:],
		"unused bits in payload":   resigned(part[0] + "." + nextInAlphabet(loose)),
		"unused bits in signature": part[0] + "." + part[1] + "." + nextInAlphabet(part[2]),
		"part of one character":    resigned(part[0] + "." + part[1] + "AA"),
		"signature cut":            good[:len(good)-4],
		"signature longer":         good + "AAAA",
		"all-zero signature":       part[0] + "." + part[1] + "." + enc(make([]byte, 32)),
		"another key":              forge([]byte("x"), plainHeader, goodPayload),
		"HS512 with our secret":    part[0] + "." + part[1] + "." + enc(make([]byte, 64)),
		"a JSON serialisation":     `{"payload":"` + part[1] + `","protected":"` + part[0] + `","signature":"` + part[2] + `"}`,
		"a token in a token":       forge(testSecret, plainHeader, good),
		"with its scheme":          "Bearer " + good,
	} {
		if c, err := Parse(bad, testKeys(), testNow); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

// nextInAlphabet changes the lowest bit of the last character.
func nextInAlphabet(part string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := strings.IndexByte(alphabet, part[len(part)-1])
	return part[:len(part)-1] + alphabet[i^1:i^1+1]
}

// A token that is both expired and badly signed, or badly signed with claims
// that are no JSON, is refused for its signature: the claims are not reached.
//
// ASVS 9.1.1
func TestSignatureFirst(t *testing.T) {
	for _, payload := range []string{goodPayload, `{"exp":1}`, `[`, "\xff"} {
		if p, err := verify(forge([]byte("x"), plainHeader, payload), testKeys()); !errors.Is(err, ErrForged) || p != "" {
			t.Errorf("a payload came out of a token that nobody signed: %q, %v", p, err)
		}
	}
}

// LESSON 29
func TestEveryPrefixAndEveryBitFlip(t *testing.T) {
	keys := testKeys()
	for _, c := range []Claims{accessClaims(), refreshClaims()} {
		good := keys[0].Sign(c)
		for i := range len(good) {
			if _, err := Parse(good[:i], keys, testNow); !errors.Is(err, ErrInvalid) {
				t.Errorf("prefix of %d of %d bytes: %v", i, len(good), err)
			}
			for bit := range 8 {
				b := []byte(good)
				b[i] ^= 1 << bit
				if _, err := Parse(string(b), keys, testNow); !errors.Is(err, ErrInvalid) {
					t.Errorf("bit %d of byte %d of %d: %v", bit, i, len(good), err)
				}
			}
		}
	}
}

// LESSON 28
func TestLongTokensCostNothing(t *testing.T) {
	keys := testKeys()
	long := forge(testSecret, plainHeader, `{"x":"`+strings.Repeat("x", maxLength)+`"}`)
	for name, token := range map[string]string{
		"1 MiB of dots":       strings.Repeat(".", 1<<20),
		"1 MiB of letters":    strings.Repeat("A", 1<<20),
		"1 MiB with two dots": mintedHeader + "." + strings.Repeat("A", 1<<20) + "." + strings.Repeat("A", 43),
		"8 KiB of dots":       strings.Repeat(".", maxLength),
		"well signed":         long,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse(token, keys, testNow)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
	}
	// The bound itself: 8192 bytes pass, 8193 do not.
	fit := func(n int) string {
		for pad := n * 3 / 4; ; pad-- {
			s := forge(testSecret, plainHeader, `{"x":"`+strings.Repeat("x", pad)+`"}`)
			if len(s) <= n {
				return s
			}
		}
	}
	for n, ok := range map[int]bool{maxLength: true, maxLength + 1: false} {
		s := fit(n)
		if len(s) != n {
			t.Fatalf("made %d bytes, not %d", len(s), n)
		}
		if _, err := Parse(s, keys, testNow); (err == nil) != ok {
			t.Errorf("%d bytes: %v", len(s), err)
		}
	}
}

// RFC 7515, appendix A.1: an HS256 example with line ends in its header and
// its payload, and a key of 64 bytes.
func TestRFC7515A1(t *testing.T) {
	secret, err := base64.RawURLEncoding.DecodeString("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	if err != nil {
		t.Fatal(err)
	}
	const signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" +
		".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ" +
		".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	keys := ring{NewHS256("", secret)}
	c, err := Parse(signed, keys, time.Unix(1300819379, 0))
	if err != nil || c.Expires != 1300819380 {
		t.Errorf("Parse = %+v, %v", c, err)
	}
	if _, err := Parse(signed, keys, time.Unix(1300819380, 0)); !errors.Is(err, ErrInvalid) {
		t.Errorf("at its exp: %v", err)
	}
}

func TestIDs(t *testing.T) {
	v4 := regexp.MustCompile(`^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$`)
	v7 := regexp.MustCompile(`^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$`)
	seen := map[string]bool{}
	var sids []string
	for i := range 1000 {
		id, sid := NewID(), NewSessionID(testNow.Add(time.Duration(i)*time.Millisecond))
		if !v4.MatchString(id) {
			t.Fatalf("NewID = %s", id)
		}
		if !v7.MatchString(sid) || !isHex32(sid) {
			t.Fatalf("NewSessionID = %s", sid)
		}
		if seen[id] || seen[sid] {
			t.Fatalf("%s or %s came twice", id, sid)
		}
		seen[id], seen[sid] = true, true
		sids = append(sids, sid)
	}
	if !slices.IsSorted(sids) {
		t.Error("session ids do not sort by time")
	}
	// RFC 9562, appendix A.6: 2022-02-22 14:22:22 -05:00 is 017F22E2-79B0-7….
	at, _ := time.Parse(time.RFC3339, "2022-02-22T14:22:22-05:00")
	if sid := NewSessionID(at); !strings.HasPrefix(sid, "017f22e279b07") {
		t.Errorf("NewSessionID = %s", sid)
	}
}

// Many goroutines share a key's states.
func TestConcurrentUse(t *testing.T) {
	keys := testKeys()
	done := make(chan error)
	for g := range 8 {
		go func() {
			c := accessClaims()
			for i := range 200 {
				c.UserID = int64(g*1000 + i)
				got, err := Parse(keys[0].Sign(c), keys, testNow)
				if err != nil || got != c {
					done <- fmt.Errorf("%+v, %w", got, err)
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	k, c := testKeys()[0], accessClaims()
	b.ReportAllocs()
	for b.Loop() {
		k.Sign(c)
	}
}

func BenchmarkParse(b *testing.B) {
	k := testKeys()[0]
	var keys Keys = ring{k}
	spaced := strings.ReplaceAll(goodPayload, ",", ", ")
	for name, signed := range map[string]string{
		"ours":    k.Sign(accessClaims()),
		"django":  forge(testSecret, `{"alg":"HS256","typ":"JWT"}`, goodPayload),
		"general": forge(testSecret, `{"alg": "HS256", "typ": "JWT"}`, spaced),
		"forged":  forge([]byte("x"), plainHeader, goodPayload),
		"dots":    strings.Repeat(".", 1<<20),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Parse(signed, keys, testNow)
			}
		})
	}
}
