package latchkey

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestVerifyErrors(t *testing.T) {
	k := hmacSigner(testSecret)
	now := time.Now().Unix()
	at := func(d int64) string { return strconv.FormatInt(now+d, 10) }
	good := k.token(payload())
	for _, tt := range []struct {
		name, token string
		want        error
	}{
		{"good", good, nil},
		{"empty", "", ErrMalformed},
		{"words", "not a token", ErrMalformed},
		{"JWE", strings.Repeat("e30.", 4) + "e30", ErrMalformed},
		{"a million dots", strings.Repeat(".", 1_000_000), ErrMalformed},
		{"crit", k.forge(`{"alg":"HS256","crit":["x"]}`, payload()), ErrMalformed},
		{"none", k.forge(`{"alg":"none"}`, payload()), ErrSignature},
		{"other key", hmacSigner([]byte("x")).token(payload()), ErrSignature},
		{"unknown kid", k.forge(`{"alg":"HS256","kid":"a"}`, payload()), ErrSignature},
		{"expired", k.token(payload("exp", at(-1))), ErrExpired},
		{"expired and signed by nobody", hmacSigner([]byte("x")).token(payload("exp", at(-1))), ErrSignature},
		{"from the future", k.token(payload("iat", at(120))), ErrNotYetValid},
		{"not before", k.token(payload("nbf", at(120))), ErrNotYetValid},
		{"within the leeway", k.token(payload("iat", at(50), "nbf", at(50))), nil},
		{"no exp", k.token(payload("exp", "")), ErrNoExpiry},
		{"no jti", k.token(payload("jti", "")), ErrNoID},
		{"no type", k.token(payload("token_type", "")), ErrNoType},
		{"no user", k.token(payload("user_id", "")), ErrNoUser},
		{"refresh", k.token(payload("token_type", `"refresh"`)), ErrWrongType},
		{"no sid", k.token(payload("sid", "")), ErrNoSession},
		{"role twice", k.token(payload("x", `0,"role":"admin"`)), ErrMalformed},
		{"user a float", k.token(payload("user_id", "65.0")), ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := verifier(t, Options{HS256Keys: [][]byte{testSecret}})
			c, err := v.Verify(t.Context(), tt.token)
			if !errors.Is(err, tt.want) || (err == nil) != (c != nil) {
				t.Errorf("Verify = %v, %v; want %v", c, err, tt.want)
			}
		})
	}
	for _, err := range []error{ErrNoExpiry, ErrNoID, ErrNoType, ErrNoUser, ErrNoSession} {
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%v is not ErrMalformed", err)
		}
	}
}

// ASVS 9.2.3, 10.3.1
// LESSON 27
func TestOptionsOfTokens(t *testing.T) {
	k := hmacSigner(testSecret)
	old := hmacSigner([]byte("a retired secret of more than thirty-two bytes"))
	at := func(d int64) string { return strconv.FormatInt(time.Now().Unix()+d, 10) }
	for _, tt := range []struct {
		name    string
		options Options
		payload string
		want    error
	}{
		{"issuer", Options{Issuer: "https://auth"}, payload("iss", `"https://auth"`), nil},
		{"other issuer", Options{Issuer: "https://auth"}, payload("iss", `"https://auth/"`), ErrIssuer},
		{"no issuer", Options{Issuer: "https://auth"}, payload(), ErrIssuer},
		{"issuer a list", Options{Issuer: "https://auth"}, payload("iss", `["https://auth"]`), ErrIssuer},
		{"issuer not asked for", Options{}, payload("iss", `7`), nil},
		{"audience", Options{Audience: "api"}, payload("aud", `"api"`), nil},
		{"one of the audiences", Options{Audience: "api"}, payload("aud", `["web","api"]`), nil},
		{"other audience", Options{Audience: "api"}, payload("aud", `"apis"`), ErrAudience},
		{"other audiences", Options{Audience: "api"}, payload("aud", `["web"]`), ErrAudience},
		{"no audience", Options{Audience: "api"}, payload(), ErrAudience},
		{"empty audience", Options{Audience: "api"}, payload("aud", `[]`), ErrAudience},
		{"audience an object", Options{Audience: "api"}, payload("aud", `{"api":1}`), ErrAudience},
		{"audiences of other types", Options{Audience: "api"}, payload("aud", `["api",1]`), ErrAudience},
		{"sessionless", Options{Sessionless: true}, payload("sid", ""), nil},
		{"more leeway", Options{Leeway: 5 * time.Minute}, payload("iat", at(200)), nil},
		{"no leeway", Options{Leeway: -1}, payload("iat", at(20)), ErrNotYetValid},
		{"exp has no leeway", Options{Leeway: time.Hour}, payload("exp", at(-1)), ErrExpired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := tt.options
			o.HS256Keys = [][]byte{testSecret, []byte("a retired secret of more than thirty-two bytes")}
			v := verifier(t, o)
			for _, s := range []signer{k, old} {
				if _, err := v.Verify(t.Context(), s.token(tt.payload)); !errors.Is(err, tt.want) {
					t.Errorf("Verify = %v, want %v", err, tt.want)
				}
			}
		})
	}
}

// Each algorithm, each with the header and the signature of each other.
//
// ASVS 9.1.2
// LESSON 26
func TestAlgorithms(t *testing.T) {
	signers := []signer{hmacSigner(testSecret), edSigner("ed"), ecSigner(t, "ec"), rsaSigner(t, "rsa")}
	s := newServer(t, signers[1:]...)
	v := verifier(t, Options{JWKS: s.URL + "/.well-known/jwks.json", HS256Keys: [][]byte{testSecret}})
	for _, by := range signers {
		c, err := v.Verify(t.Context(), by.token(payload()))
		if err != nil || c.UserID != 65 || c.Role != Employee || c.SessionID != testSID || !c.Is(Manager, Employee) || c.Is(Admin) || c.Is() {
			t.Errorf("%s: %+v, %v", by.alg, c, err)
		}
		for _, as := range signers {
			if as.alg == by.alg {
				continue
			}
			for _, header := range []string{
				as.header(),
				`{"alg":"` + as.alg + `"}`,
				`{"alg":"` + as.alg + `","kid":"` + by.kid + `"}`,
				`{"alg":"` + by.alg + `","kid":"` + as.kid + `"}`,
			} {
				if header == `{"alg":"`+by.alg+`","kid":""}` {
					continue
				}
				if _, err := v.Verify(t.Context(), by.forge(header, payload())); err == nil {
					t.Errorf("a signature of %s is taken under %s", by.alg, header)
				}
			}
		}
		for _, alg := range []string{"none", "HS384", "HS512", "RS384", "RS512", "PS256", "PS384", "PS512", "ES384", "ES512", "ES256K", "Ed25519", "", strings.ToLower(by.alg), by.alg + " "} {
			if alg == by.alg {
				continue
			}
			for _, header := range []string{`{"alg":"` + alg + `","kid":"` + by.kid + `"}`, `{"alg":"` + alg + `"}`} {
				if _, err := v.Verify(t.Context(), by.forge(header, payload())); err == nil {
					t.Errorf("%s is taken for %s", header, by.alg)
				}
			}
		}
	}
}

// A public key is known to all. Whoever has it, in whatever spelling, must not
// be able to sign with it as a secret (CVE-2022-29217).
//
// LESSON 26
func TestPublicKeyIsNoSecret(t *testing.T) {
	signers := []signer{edSigner("ed"), ecSigner(t, "ec"), rsaSigner(t, "rsa")}
	s := newServer(t, signers...)
	v := verifier(t, Options{JWKS: s.URL + "/.well-known/jwks.json", HS256Keys: [][]byte{testSecret}})
	tried := 0
	for _, k := range signers {
		for name, secret := range spellings(t, k) {
			for _, header := range []string{
				plainHead,
				`{"alg":"HS256","kid":"` + k.kid + `"}`,
				k.header(),
				`{"alg":"` + k.alg + `"}`,
			} {
				tried++
				if _, err := v.Verify(t.Context(), hmacSigner(secret).forge(header, payload())); !errors.Is(err, ErrSignature) {
					t.Errorf("%s as %s under %s: %v", k.alg, name, header, err)
				}
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d were tried", tried)
	}
}

// spellings are the bytes that a public key could be taken for.
func spellings(t *testing.T, k signer) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	der, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil {
		t.Fatal(err)
	}
	all["DER"] = der
	all["PEM"] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	all["PEM without its last line end"] = []byte(strings.TrimSpace(string(all["PEM"])))
	all["PEM with CRLF"] = []byte(strings.ReplaceAll(string(all["PEM"]), "\n", "\r\n"))
	all["base64 of DER"] = []byte(b64(der))
	asJSON, err := json.Marshal(k.jwk)
	if err != nil {
		t.Fatal(err)
	}
	all["JWK"] = asJSON
	all["JWKS"] = []byte(jwks(k))
	for name, value := range k.jwk {
		all["JWK's "+name] = []byte(value)
		if raw, ok := decode(nil, value); ok && len(raw) > 8 {
			all["bytes of JWK's "+name] = raw
		}
	}
	switch p := k.public.(type) {
	case ed25519.PublicKey:
		all["SSH"] = ssh("ssh-ed25519", p)
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		all["point"] = point
		all["SSH"] = ssh("ecdsa-sha2-nistp256", []byte("nistp256"), point)
	case *rsa.PublicKey:
		pkcs1 := x509.MarshalPKCS1PublicKey(p)
		all["PKCS 1"] = pkcs1
		all["PKCS 1 as PEM"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1})
		all["SSH"] = ssh("ssh-rsa", big.NewInt(int64(p.E)).Bytes(), append([]byte{0}, p.N.Bytes()...))
	}
	return all
}

// ssh spells a key as RFC 4253 does.
func ssh(kind string, parts ...[]byte) []byte {
	var b []byte
	for _, p := range append([][]byte{[]byte(kind)}, parts...) {
		b = append(append(b, byte(len(p)>>24), byte(len(p)>>16), byte(len(p)>>8), byte(len(p))), p...)
	}
	return b
}

// A key in the set that is symmetric, private or half described is not used.
func TestForeignKeysInTheSet(t *testing.T) {
	good := edSigner("good")
	with := func(s signer, changes ...string) signer {
		changed := map[string]string{}
		for k, v := range s.jwk {
			changed[k] = v
		}
		for i := 0; i < len(changes); i += 2 {
			if changes[i+1] == "" {
				delete(changed, changes[i])
			} else {
				changed[changes[i]] = changes[i+1]
			}
		}
		s.jwk = changed
		return s
	}
	secret := hmacSigner(testSecret)
	secret.kid = "bad"
	secret.jwk = map[string]string{"kty": "oct", "alg": "HS256", "use": "sig", "kid": "bad", "k": b64(testSecret)}
	ed, ec, rs := edSigner("bad"), ecSigner(t, "bad"), rsaSigner(t, "bad")
	x, _ := decode(nil, ec.jwk["x"])
	for _, tt := range []struct {
		name string
		bad  signer
	}{
		{"symmetric", secret},
		{"symmetric, called public", with(secret, "kty", "OKP", "crv", "Ed25519", "x", b64(testSecret[:32]))},
		{"no use", with(ed, "use", "")},
		{"for encryption", with(ed, "use", "enc")},
		{"no alg", with(ed, "alg", "")},
		{"another alg", with(ed, "alg", "ES256")},
		{"an alg of this curve that is not ours", with(ed, "alg", "Ed25519")},
		{"no kty", with(ed, "kty", "")},
		{"another kty", with(ed, "kty", "EC")},
		{"another curve", with(ed, "crv", "X25519")},
		{"short", with(ed, "x", b64(testSecret[:31]))},
		{"padded", with(ed, "x", ed.jwk["x"]+"=")},
		{"private", with(ed, "d", b64(testSecret[:32]))},
		{"a point off the curve", with(ec, "y", b64(x))},
		{"a long coordinate", with(ec, "x", b64(append([]byte{0}, x...)))},
		{"EC without y", with(ec, "y", "")},
		{"EC, RSA's alg", with(ec, "alg", "RS256")},
		{"RSA, another hash", with(rs, "alg", "RS512")},
		{"RSA, PSS", with(rs, "alg", "PS256")},
		{"RSA, exponent 1", with(rs, "e", b64([]byte{1}))},
		{"RSA, even exponent", with(rs, "e", b64([]byte{1, 0, 0}))},
		{"RSA, exponent beyond an int", with(rs, "e", b64(testSecret))},
		{"RSA, no exponent", with(rs, "e", "")},
		{"RSA, no modulus", with(rs, "n", "")},
		{"RSA of 1024 bits", with(rs, "n", b64(append(append([]byte{0x81}, make([]byte, 126)...), 1)))},
		{"RSA of 16384 bits", with(rs, "n", b64(append(append([]byte{0x81}, make([]byte, 2046)...), 1)))},
		{"RSA, an even modulus", with(rs, "n", b64(append([]byte{0x81}, make([]byte, 255)...)))},
		{"no kid", with(ed, "kid", "")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, tt.bad, good)
			v := verifier(t, Options{JWKS: s.URL + "/.well-known/jwks.json"})
			if _, err := v.Verify(t.Context(), good.token(payload())); err != nil {
				t.Errorf("the good key beside it: %v", err)
			}
			if n := len(v.keys.current.Load().keys); n != 1 {
				t.Errorf("%d keys are used", n)
			}
			for _, header := range []string{tt.bad.header(), `{"alg":"HS256","kid":"bad"}`, `{"alg":"` + tt.bad.alg + `","kid":""}`} {
				if _, err := v.Verify(t.Context(), tt.bad.forge(header, payload())); !errors.Is(err, ErrSignature) {
					t.Errorf("%s: %v", header, err)
				}
			}
		})
	}
}

// Every prefix and every flipped bit of a token is refused.
//
// LESSON 29
func TestDamagedTokens(t *testing.T) {
	s := newServer(t, edSigner("ed"))
	v := verifier(t, Options{JWKS: s.URL + "/.well-known/jwks.json", HS256Keys: [][]byte{testSecret}})
	for _, k := range []signer{hmacSigner(testSecret), edSigner("ed")} {
		token := k.token(payload())
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		for i := range len(token) {
			if _, err := v.Verify(t.Context(), token[:i]); err == nil {
				t.Fatalf("%s: the first %d bytes are taken", k.alg, i)
			}
			for bit := range 8 {
				b := []byte(token)
				b[i] ^= 1 << bit
				if _, err := v.Verify(t.Context(), string(b)); err == nil {
					t.Fatalf("%s: taken with bit %d of byte %d flipped", k.alg, bit, i)
				}
			}
		}
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	feed := func(f Feed) Options { return Options{HS256Keys: [][]byte{testSecret}, Revocations: f} }
	const url = "https://auth.example.com/api/auth/revocations/"
	for _, tt := range []struct {
		name string
		o    Options
		want string
	}{
		{"no key", Options{}, "neither JWKS nor HS256Keys"},
		{"empty secret", Options{HS256Keys: [][]byte{{}}}, "empty"},
		{"plain HTTP", Options{JWKS: "http://auth.example.com/jwks"}, "plain HTTP"},
		{"plain HTTP to a name like this machine's", Options{JWKS: "http://localhost.evil.example/jwks"}, "plain HTTP"},
		{"a file", Options{JWKS: "file:///etc/passwd"}, "not the URL of a server"},
		{"another scheme", Options{JWKS: "ftp://auth.example.com/jwks"}, "neither https nor http"},
		{"no host", Options{JWKS: "/.well-known/jwks.json"}, "not the URL of a server"},
		{"a password", Options{JWKS: "https://u:hunter2@auth.example.com/"}, "ends up in logs"},
		{"no URL", Options{JWKS: "https://[::1"}, "missing ']'"},
		{"short KeysMaxStale", Options{JWKS: "https://a/", KeysMaxStale: time.Minute}, "at least 10m"},
		{"no service key", feed(Feed{URL: url}), "service-key create"},
		{"no feed URL", feed(Feed{ServiceKey: serviceKey}), "Revocations.URL"},
		{"feed over plain HTTP", feed(Feed{URL: "http://auth.example.com/", ServiceKey: serviceKey}), "plain HTTP"},
		{"short MaxStale", feed(Feed{URL: url, ServiceKey: serviceKey, MaxStale: time.Second}), "at least 5s"},
		{"negative MaxStale", feed(Feed{URL: url, ServiceKey: serviceKey, MaxStale: -1}), "at least 5s"},
	} {
		v, err := NewVerifier(tt.o)
		if err == nil {
			v.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "latchkey: ") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the password is in the error: %v", tt.name, err)
		}
	}
	for _, o := range []Options{
		{JWKS: "http://localhost:1/"},
		{JWKS: "http://127.9.9.9:1/"},
		{JWKS: "http://[::1]:1/"},
		{JWKS: "http://127.0.0.1:1/", AllowHTTP: true},
	} {
		v, err := NewVerifier(o)
		if err != nil {
			t.Errorf("%s: %v", o.JWKS, err)
			continue
		}
		v.Close()
	}
}

func TestLimited(t *testing.T) {
	for role, want := range map[Role]bool{Admin: false, Manager: false, Employee: false, Client: true, "": true, "root": true, "Admin": true} {
		if role.Limited() != want {
			t.Errorf("%q limited: %v", role, !want)
		}
	}
}
