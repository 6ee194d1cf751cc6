package token

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
)

var asymmetric = []string{EdDSA, ES256, RS256}

// testPairs are made once: an RSA key takes a while.
var testPairs = sync.OnceValue(func() map[string]Key {
	pairs := map[string]Key{}
	for _, algorithm := range asymmetric {
		secret, err := Generate(algorithm)
		if err != nil {
			panic(err)
		}
		k, err := New(strings.ToLower(algorithm)+"-key", algorithm, secret)
		if err != nil {
			panic(err)
		}
		pairs[algorithm] = k
	}
	return pairs
})

func everyAlgorithm(t *testing.T, test func(*testing.T, Key)) {
	for _, algorithm := range asymmetric {
		t.Run(algorithm, func(t *testing.T) { test(t, testPairs()[algorithm]) })
	}
}

// publicOf is the public half as Go has it.
func publicOf(k Key) crypto.PublicKey {
	switch p := k.pair.private.(type) {
	case edPrivate:
		return ed25519.PrivateKey(p).Public()
	case *ecPrivate:
		return &(*ecdsa.PrivateKey)(p).PublicKey
	case *rsaPrivate:
		return &(*rsa.PrivateKey)(p).PublicKey
	default:
		return nil
	}
}

func privateOf(k Key) crypto.PrivateKey {
	switch p := k.pair.private.(type) {
	case edPrivate:
		return ed25519.PrivateKey(p)
	case *ecPrivate:
		return (*ecdsa.PrivateKey)(p)
	case *rsaPrivate:
		return (*rsa.PrivateKey)(p)
	default:
		return nil
	}
}

// forgePair signs any header and payload with k.
func forgePair(k Key, header, payload string) string {
	enc := base64.RawURLEncoding.EncodeToString
	input := enc([]byte(header)) + "." + enc([]byte(payload))
	return input + "." + enc(k.pair.private.sign([]byte(input)))
}

func TestPairSigns(t *testing.T) {
	everyAlgorithm(t, func(t *testing.T, k Key) {
		keys := byKid{k.ID(): k}
		for _, c := range []Claims{accessClaims(), refreshClaims()} {
			signed := k.Sign(c)
			part := strings.Split(signed, ".")
			header, _ := base64.RawURLEncoding.DecodeString(part[0])
			if want := fmt.Sprintf(`{"typ":"JWT","alg":%q,"kid":%q}`, k.Algorithm(), k.ID()); string(header) != want {
				t.Errorf("header = %s, want %s", header, want)
			}
			payload, _ := base64.RawURLEncoding.DecodeString(part[1])
			if want := string(appendClaims(nil, c)); string(payload) != want {
				t.Errorf("payload = %s, want %s", payload, want)
			}
			// The same successor again, after a restart too: equal claims give
			// equal tokens.
			again, err := New(k.ID(), k.Algorithm(), pkcs8(t, k))
			if err != nil {
				t.Fatal(err)
			}
			if k.Sign(c) != signed || again.Sign(c) != signed {
				t.Error("signed again, the token is another one")
			}
			got, err := Parse(signed, keys, testNow)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c, got); d != "" {
				t.Errorf("parsed (-want +got):\n%s", d)
			}
		}
		if size := map[string]int{EdDSA: 64, ES256: 64, RS256: 256}[k.Algorithm()]; len(k.pair.private.sign(nil)) != size {
			t.Errorf("a signature has %d bytes, want %d", len(k.pair.private.sign(nil)), size)
		}
	})
}

func pkcs8(t *testing.T, k Key) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(privateOf(k))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// An asymmetric key is accepted by its kid and its own algorithm, and in no
// other way.
//
// ASVS 9.1.2
// LESSON 26
func TestPairNeedsItsKid(t *testing.T) {
	everyAlgorithm(t, func(t *testing.T, k Key) {
		others := ring{k, NewHS256("k1", testSecret)}
		for _, o := range testPairs() {
			others = append(others, o)
		}
		for _, tt := range []struct {
			header string
			ok     bool
		}{
			{`{"typ":"JWT","alg":"ALG","kid":"KID"}`, true},
			{`{"kid":"KID","alg":"ALG"}`, true},
			{`{"alg":"ALG"}`, false},
			{`{"alg":"ALG","kid":""}`, false},
			{`{"alg":"ALG","kid":"KID "}`, false},
			{`{"alg":"ALG","kid":"k1"}`, false},
			{`{"alg":"ALG","kid":"eddsa-KEY"}`, false},
			{`{"alg":"ALG","kid":["KID"]}`, false},
			{`{"alg":"ALG","kid":"KID","crit":["kid"]}`, false},
			{`{"alg":"HS256","kid":"KID"}`, false},
			{`{"alg":"none","kid":"KID"}`, false},
			{`{"alg":"lower","kid":"KID"}`, false},
			{`{"alg":"ALG\u0000","kid":"KID"}`, false},
			{`{"alg":"Ed25519","kid":"KID"}`, false},
			{`{"alg":"PS256","kid":"KID"}`, false},
			{`{"alg":"RS512","kid":"KID"}`, false},
			{`{"alg":"ES384","kid":"KID"}`, false},
			{`{"alg":"ES256K","kid":"KID"}`, false},
		} {
			header := strings.NewReplacer("ALG", k.Algorithm(), `"lower"`, `"`+strings.ToLower(k.Algorithm())+`"`, "KID", k.ID()).Replace(tt.header)
			_, err := Parse(forgePair(k, header, goodPayload), others, testNow)
			if (err == nil) != tt.ok {
				t.Errorf("header %s: %v", header, err)
			}
		}
		for _, o := range testPairs() {
			if o.ID() == k.ID() {
				continue
			}
			for _, header := range []string{
				fmt.Sprintf(`{"alg":%q,"kid":%q}`, k.Algorithm(), o.ID()), // The other key's name,
				fmt.Sprintf(`{"alg":%q,"kid":%q}`, o.Algorithm(), k.ID()), // its algorithm,
				fmt.Sprintf(`{"alg":%q,"kid":%q}`, o.Algorithm(), o.ID()), // or both.
			} {
				if _, err := Parse(forgePair(k, header, goodPayload), others, testNow); err == nil {
					t.Errorf("signed with %v, header %s: accepted", k, header)
				}
			}
		}
	})
}

// secretsOf are the HMAC secrets that a public key could be taken for, in each
// spelling that somebody could feed a verifier with.
func secretsOf(t *testing.T, k Key) map[string][]byte {
	t.Helper()
	public := publicOf(k)
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	sshKey, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{
		"DER, PKIX":    der,
		"PEM, PKIX":    pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"SSH line":     ssh.MarshalAuthorizedKey(sshKey),
		"SSH, decoded": sshKey.Marshal(),
		"JWK":          k.JWK(),
		"JWKS":         []byte(`{"keys":[` + string(k.JWK()) + `]}`),
		"the id":       []byte(k.ID()),
		"fingerprint":  []byte(k.Fingerprint()),
	}
	var members map[string]any
	if err := json.Unmarshal(k.JWK(), &members); err != nil {
		t.Fatal(err)
	}
	sorted, _ := json.Marshal(members)
	indented, _ := json.MarshalIndent(members, "", "  ")
	secrets["JWK, sorted"], secrets["JWK, indented"] = sorted, indented
	for _, name := range []string{"x", "y", "n", "e"} {
		if s, ok := members[name].(string); ok {
			secrets["JWK's "+name] = []byte(s)
			secrets["JWK's "+name+", decoded"] = unbase64(t, s)
		}
	}
	switch p := public.(type) {
	case ed25519.PublicKey:
		secrets["raw"] = p
	case *ecdsa.PublicKey:
		point, _ := p.Bytes()
		secrets["raw, uncompressed"], secrets["raw, x and y"] = point, point[1:]
		secrets["raw, compressed"] = append([]byte{2 + point[64]&1}, point[1:33]...)
	case *rsa.PublicKey:
		pkcs1 := x509.MarshalPKCS1PublicKey(p)
		secrets["DER, PKCS 1"] = pkcs1
		secrets["PEM, PKCS 1"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1})
		secrets["modulus"] = p.N.Bytes()
		secrets["modulus, decimal"] = []byte(p.N.String())
		secrets["modulus, hex"] = []byte(p.N.Text(16))
	}
	for name, s := range secrets {
		secrets[name+", without a line end"] = bytes.TrimRight(s, "\n")
		secrets[name+", with a line end"] = append(bytes.TrimRight(s, "\n"), '\n')
		secrets[name+", with CR LF"] = append(bytes.TrimRight(s, "\n"), "\r\n"...)
		secrets[name+", base64"] = []byte(base64.StdEncoding.EncodeToString(s))
		secrets[name+", base64url"] = []byte(base64.RawURLEncoding.EncodeToString(s))
		secrets[name+", hex"] = []byte(hex.EncodeToString(s))
	}
	secrets["nothing"] = nil
	return secrets
}

// A public key is no HMAC secret, however it is spelled and whatever the header
// says: with the ring's own key of the name, with a ring that has the lot, and
// with none but asymmetric keys.
//
// ASVS 9.1.2
// ASVS 9.1.3
// LESSON 26
func TestAlgorithmConfusion(t *testing.T) {
	everyAlgorithm(t, func(t *testing.T, k Key) {
		jwkHeader := string(k.JWK())
		headers := []string{
			`{"typ":"JWT","alg":"HS256"}`,
			`{"alg":"HS256","kid":"` + k.ID() + `"}`,
			`{"alg":"` + k.Algorithm() + `","kid":"` + k.ID() + `"}`,
			`{"alg":"HS256","kid":"` + k.ID() + `","jwk":` + jwkHeader + `}`,
			`{"alg":"HS256","jwk":` + jwkHeader + `}`,
			`{"alg":"` + k.Algorithm() + `","kid":"` + k.ID() + `","jwk":{"kty":"oct","k":"AAAA"}}`,
		}
		rings := map[string]Keys{"every key": everyKey(), "the key alone": ring{k}, "by kid": byKid{k.ID(): k, "k1": NewHS256("k1", testSecret)}}
		n := 0
		for spelling, secret := range secretsOf(t, k) {
			for _, header := range headers {
				forged := forge(secret, header, goodPayload)
				for name, keys := range rings {
					n++
					if _, err := Parse(forged, keys, testNow); !errors.Is(err, ErrInvalid) {
						t.Errorf("%s, header %s, %s: accepted", spelling, header, name)
					}
				}
			}
		}
		t.Logf("%d forgeries", n)
	})
}

func everyKey() ring {
	keys := ring{NewHS256("k1", testSecret)}
	for _, k := range testPairs() {
		keys = append(keys, k)
	}
	return keys
}

// A token that brings its own key, or says that it needs none.
//
// ASVS 9.1.3
// LESSON 26
func TestTokenBringsItsKey(t *testing.T) {
	everyAlgorithm(t, func(t *testing.T, k Key) {
		secret, err := Generate(k.Algorithm())
		if err != nil {
			t.Fatal(err)
		}
		evil, err := New(k.ID(), k.Algorithm(), secret) // Of the same name.
		if err != nil {
			t.Fatal(err)
		}
		der, _ := x509.MarshalPKIXPublicKey(publicOf(evil))
		base := `{"alg":"` + k.Algorithm() + `","kid":"` + k.ID() + `"`
		for _, header := range []string{
			base + `}`,
			base + `,"jwk":` + string(evil.JWK()) + `}`,
			base + `,"jku":"https://evil.example/jwks.json"}`,
			base + `,"x5u":"https://evil.example/cert.pem"}`,
			base + `,"x5c":["` + base64.StdEncoding.EncodeToString(der) + `"]}`,
			base + `,"x5t":"AAAA"}`,
		} {
			if _, err := Parse(forgePair(evil, header, goodPayload), everyKey(), testNow); err == nil {
				t.Errorf("header %s: accepted", header)
			}
			// The same words around a good signature are not looked at.
			if _, err := Parse(forgePair(k, header, goodPayload), everyKey(), testNow); err != nil {
				t.Errorf("header %s, our own signature: %v", header, err)
			}
		}
		enc := base64.RawURLEncoding.EncodeToString
		for _, alg := range []string{"none", "None", "NONE", "nOnE", "none ", "", "null", "HS256", k.Algorithm()} {
			for _, kid := range []string{"", `,"kid":"` + k.ID() + `"`, `,"kid":"k1"`} {
				input := enc([]byte(`{"alg":"`+alg+`"`+kid+`}`)) + "." + enc([]byte(goodPayload))
				for _, signature := range [][]byte{nil, {0}, make([]byte, 32), make([]byte, 64), make([]byte, 256)} {
					if _, err := Parse(input+"."+enc(signature), everyKey(), testNow); err == nil {
						t.Errorf("alg %q%s with %d zeros: accepted", alg, kid, len(signature))
					}
				}
			}
		}
	})
}

// LESSON 29
func TestPairEveryBitFlip(t *testing.T) {
	everyAlgorithm(t, func(t *testing.T, k Key) {
		keys := everyKey()
		good := k.Sign(refreshClaims())
		for i := range len(good) {
			if _, err := Parse(good[:i], keys, testNow); !errors.Is(err, ErrInvalid) {
				t.Errorf("prefix of %d of %d bytes: %v", i, len(good), err)
			}
			b := []byte(good)
			b[i] ^= 1 << (i % 8)
			if _, err := Parse(string(b), keys, testNow); !errors.Is(err, ErrInvalid) {
				t.Errorf("bit %d of byte %d of %d: %v", i%8, i, len(good), err)
			}
		}
	})
}

// ES256 signatures are r and s of 32 bytes each, and nothing else.
func TestES256Form(t *testing.T) {
	k := testPairs()[ES256]
	keys := byKid{k.ID(): k}
	good := k.Sign(accessClaims())
	dot := strings.LastIndexByte(good, '.')
	input := good[:dot]
	sig := unbase64(t, good[dot+1:])
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	order := elliptic.P256().Params().N
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	over := new(big.Int).Add(r, order)
	for name, bad := range map[string][]byte{
		"ASN.1":              der,
		"zero before s":      join(sig[:32], []byte{0}, sig[32:]),
		"zero before r":      join([]byte{0}, sig),
		"zero after s":       join(sig, []byte{0}),
		"s before r":         join(sig[32:], sig[:32]),
		"r alone":            sig[:32],
		"zeros":              make([]byte, 64),
		"r and no s":         join(sig[:32], make([]byte, 32)),
		"no r and s":         join(make([]byte, 32), sig[32:]),
		"the order, twice":   join(order.Bytes(), order.Bytes()),
		"r beyond the order": join(over.Bytes(), sig[32:]),
		"one, one":           join(big.NewInt(1).FillBytes(make([]byte, 32)), big.NewInt(1).FillBytes(make([]byte, 32))),
		"nothing":            nil,
	} {
		if _, err := Parse(input+"."+base64.RawURLEncoding.EncodeToString(bad), keys, testNow); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// What we mint golang-jwt reads, and the other way round.
func TestPairAndTheOracle(t *testing.T) {
	everyAlgorithm(t, func(t *testing.T, k Key) {
		r := seeded(t)
		method := jwt.GetSigningMethod(k.Algorithm())
		p := jwt.NewParser(jwt.WithValidMethods([]string{k.Algorithm()}), jwt.WithTimeFunc(oracleNow), jwt.WithStrictDecoding(), jwt.WithJSONNumber())
		for range 60 {
			c := randomClaims(r)
			got := jwt.MapClaims{}
			back, err := p.ParseWithClaims(k.Sign(c), got, func(*jwt.Token) (any, error) { return publicOf(k), nil })
			if err != nil || back.Header["kid"] != k.ID() || got["jti"] != c.ID || got["user_id"] != num(c.UserID) {
				t.Fatalf("%+v: %v, read %v %v", c, err, back.Header, got)
			}
			theirs := jwt.NewWithClaims(method, jwt.MapClaims{"token_type": c.Type, "exp": c.Expires, "iat": c.IssuedAt, "jti": c.ID, "user_id": c.UserID})
			theirs.Header["kid"] = k.ID()
			signed, err := theirs.SignedString(privateOf(k))
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := Parse(signed, everyKey(), testNow)
			if err != nil || parsed.ID != c.ID || parsed.UserID != c.UserID {
				t.Fatalf("%+v: %+v, %v", c, parsed, err)
			}
		}
	})
}

// TestJWK: members, their order and spelling; the public half that comes out
// of it verifies, and nothing private is in it.
func TestJWK(t *testing.T) {
	if NewHS256("k", testSecret).JWK() != nil || (Key{}).JWK() != nil {
		t.Error("there is a JWK of what must not be shown")
	}
	want := map[string]string{
		EdDSA: `^\{"kty":"OKP","crv":"Ed25519","x":"[\w-]{43}","alg":"EdDSA","use":"sig","kid":"eddsa-key"\}$`,
		ES256: `^\{"kty":"EC","crv":"P-256","x":"[\w-]{43}","y":"[\w-]{43}","alg":"ES256","use":"sig","kid":"es256-key"\}$`,
		RS256: `^\{"kty":"RSA","n":"[\w-]{342}","e":"AQAB","alg":"RS256","use":"sig","kid":"rs256-key"\}$`,
	}
	everyAlgorithm(t, func(t *testing.T, k Key) {
		if got := string(k.JWK()); !regexp.MustCompile(want[k.Algorithm()]).MatchString(got) {
			t.Errorf("JWK = %s", got)
		}
		var read jwk
		if err := json.Unmarshal(k.JWK(), &read); err != nil {
			t.Fatal(err)
		}
		public, ok := read.key(t)
		if k.Algorithm() == EdDSA {
			var err error
			public, err = newPublic(read.Kid, read.Alg, ed25519.PublicKey(unbase64(t, read.X)))
			ok = err == nil
		}
		if !ok || public.Fingerprint() != k.Fingerprint() {
			t.Fatalf("the JWK is of another key: %v, %v", ok, public)
		}
		if _, err := Parse(k.Sign(accessClaims()), byKid{k.ID(): public}, testNow); err != nil {
			t.Error(err)
		}
		defer func() {
			if recover() == nil {
				t.Error("a public key signed")
			}
		}()
		public.Sign(accessClaims())
	})
}

// A coordinate that begins with zeros keeps them (RFC 7518, section 6.2.1.2).
func TestJWKKeepsZeros(t *testing.T) {
	for range 2000 {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if point, _ := private.PublicKey.Bytes(); point[1] != 0 {
			continue
		}
		k, err := newPublic("k", ES256, &private.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		var read jwk
		_ = json.Unmarshal(k.JWK(), &read)
		if len(unbase64(t, read.X)) != 32 {
			t.Errorf("x = %s", read.X)
		}
		return
	}
	t.Fatal("no such key in 2000")
}

func TestRefusedKeys(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	ed := privateOf(testPairs()[EdDSA])
	ec := privateOf(testPairs()[ES256])
	long := privateOf(testPairs()[RS256])
	der := func(private any) []byte {
		b, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	sec1, _ := x509.MarshalECPrivateKey(ec.(*ecdsa.PrivateKey))
	for name, tt := range map[string]struct {
		algorithm string
		secret    []byte
	}{
		"no bytes, HS256":         {HS256, nil},
		"no bytes":                {EdDSA, nil},
		"no PKCS 8":               {EdDSA, testSecret},
		"a raw seed":              {EdDSA, ed.(ed25519.PrivateKey).Seed()},
		"SEC 1":                   {ES256, sec1},
		"PKCS 1":                  {RS256, x509.MarshalPKCS1PrivateKey(long.(*rsa.PrivateKey))},
		"1024 bits":               {RS256, der(weak)},
		"P-384":                   {ES256, der(p384)},
		"EC for EdDSA":            {EdDSA, der(ec)},
		"RSA for EdDSA":           {EdDSA, der(long)},
		"Ed25519 for ES256":       {ES256, der(ed)},
		"RSA for ES256":           {ES256, der(long)},
		"EC for RS256":            {RS256, der(ec)},
		"Ed25519 for RS256":       {RS256, der(ed)},
		"an algorithm of no kind": {"none", der(ed)},
		"an algorithm not ours":   {"PS256", der(long)},
		"something after the end": {EdDSA, append(der(ed), 0)},
		"PEM":                     {EdDSA, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der(ed)})},
	} {
		k, err := New("k", tt.algorithm, tt.secret)
		if err == nil || k != (Key{}) {
			t.Errorf("%s: made %v", name, k)
		}
	}
	for _, algorithm := range []string{"", "none", "hs256", "PS256", "ES384"} {
		if secret, err := Generate(algorithm); err == nil || secret != nil {
			t.Errorf("Generate(%q) made something", algorithm)
		}
	}
	one, _ := Generate(HS256)
	two, _ := Generate(HS256)
	if len(one) != 32 || bytes.Equal(one, two) {
		t.Errorf("Generate(HS256) = %d bytes", len(one))
	}
}

func TestPairHidesItsSecret(t *testing.T) {
	everyAlgorithm(t, func(t *testing.T, k Key) {
		der := pkcs8(t, k)
		tail := hex.EncodeToString(der[len(der)-8:])
		for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k), fmt.Sprintf("%x", k), string(k.JWK())} {
			if strings.Contains(s, tail) || strings.Contains(s, string(der[len(der)-8:])) {
				t.Errorf("printing the key shows its secret: %s", s)
			}
		}
	})
}

func TestMAC(t *testing.T) {
	keys := everyKey()
	other := NewHS256("k1", []byte("another secret of thirty-two bytes"))
	seen := map[string]string{}
	for _, k := range append(keys, other) {
		for _, label := range []string{"cursor", "curso", "", "cursor\x00"} {
			for _, data := range []string{"", "r", "x"} {
				mac := k.MAC(label, []byte(data))
				name := fmt.Sprintf("%v %q %q", k, label, data)
				if before, twice := seen[string(mac)]; twice || len(mac) != 32 {
					t.Errorf("%s is %s, %d bytes", name, before, len(mac))
				}
				seen[string(mac)] = name
				if !k.CheckMAC(label, []byte(data), mac) {
					t.Errorf("%s does not check", name)
				}
				if k.CheckMAC(label+"s", []byte(data), mac) || k.CheckMAC(label, []byte(data+"."), mac) || k.CheckMAC(label, []byte(data), mac[:31]) || k.CheckMAC(label, []byte(data), nil) {
					t.Errorf("%s checks for something else", name)
				}
			}
		}
	}
	// No MAC is a signature, nor is a token's signature the key of one.
	own := NewHS256("k1", testSecret)
	if bytes.Equal(own.MAC("a.b", []byte("x")), mac(mac(testSecret, "a.b"), "x")) {
		t.Error("a token's signature is the key of a MAC")
	}
	if s := NewHS256("k1", testSecret).MAC("x", []byte("a.b")); bytes.Equal(s, mac(testSecret, "a.b")) {
		t.Error("a MAC is a token's signature")
	}
	public, err := newPublic("k", EdDSA, publicOf(testPairs()[EdDSA]))
	if err != nil || public.CheckMAC("x", nil, nil) || (Key{}).CheckMAC("x", nil, nil) {
		t.Errorf("a key without a secret checks MACs: %v", err)
	}
	for _, k := range []Key{public, {}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a key without a secret made a MAC")
				}
			}()
			k.MAC("x", nil)
		}()
	}
}

// ASVS 9.2.3, 9.2.4, 10.3.1
// LESSON 27
func TestNames(t *testing.T) {
	base := strings.TrimSuffix(goodPayload, "}")
	issuer := Names{Issuer: "https://auth.example.com"}
	audience := Names{Audience: "shop"}
	both := Names{Issuer: "https://auth.example.com", Audience: "shop"}
	for _, tt := range []struct {
		members                      string
		none, issuer, audience, both bool
	}{
		{``, true, false, false, false},
		{`,"iss":"https://auth.example.com"`, true, true, false, false},
		{`,"iss":"https:\/\/auth.example.com"`, true, true, false, false},
		{`,"iss":"https://auth.example.com/"`, true, false, false, false},
		{`,"iss":"https://AUTH.example.com"`, true, false, false, false},
		{`,"iss":""`, true, false, false, false},
		{`,"iss":null`, true, false, false, false},
		{`,"iss":["https://auth.example.com"]`, true, false, false, false},
		{`,"iss":{"https://auth.example.com":1}`, true, false, false, false},
		{`,"iss":1`, true, false, false, false},
		{`,"aud":"shop"`, true, false, true, false},
		{`,"aud":"Shop"`, true, false, false, false},
		{`,"aud":"shop "`, true, false, false, false},
		{`,"aud":"shopping"`, true, false, false, false},
		{`,"aud":""`, true, false, false, false},
		{`,"aud":null`, true, false, false, false},
		{`,"aud":true`, true, false, false, false},
		{`,"aud":[]`, true, false, false, false},
		{`,"aud":[""]`, true, false, false, false},
		{`,"aud":["shop"]`, true, false, true, false},
		{`,"aud":["other","sh\u006fp"]`, true, false, true, false},
		{`,"aud":["shop","other"]`, true, false, true, false},
		{`,"aud":["other","shopping"]`, true, false, false, false},
		{`,"aud":["shop",1]`, true, false, false, false},
		{`,"aud":[1,"shop"]`, true, false, false, false},
		{`,"aud":[["shop"]]`, true, false, false, false},
		{`,"aud":{"shop":"shop"}`, true, false, false, false},
		{`,"iss":"https://auth.example.com","aud":"shop"`, true, true, true, true},
		{`,"aud":["x","shop"],"iss":"https://auth.example.com"`, true, true, true, true},
		{`,"iss":"https://evil.example","aud":"shop"`, true, false, true, false},
	} {
		signed := forge(testSecret, plainHeader, base+tt.members+"}")
		for _, one := range []struct {
			names Names
			want  bool
		}{{Names{}, tt.none}, {issuer, tt.issuer}, {audience, tt.audience}, {both, tt.both}} {
			if _, err := one.names.Parse(signed, testKeys(), testNow); (err == nil) != one.want {
				t.Errorf("%s, wanted %+v: %v", tt.members, one.names, err)
			}
		}
	}
	// What is minted with names has them last, and both readers take it.
	for _, c := range []Claims{accessClaims(), refreshClaims()} {
		plain := string(appendClaims(nil, c))
		c.Issuer, c.Audience = both.Issuer, both.Audience
		payload := string(appendClaims(nil, c))
		if want := strings.TrimSuffix(plain, "}") + `,"iss":"https://auth.example.com","aud":"shop"}`; payload != want {
			t.Errorf("payload = %s", payload)
		}
		sameOnBothPaths(t, payload)
		if _, ok := quick(payload); !ok {
			t.Errorf("quick does not take %s", payload)
		}
		got, err := both.Parse(testKeys()[0].Sign(c), testKeys(), testNow)
		if d := cmp.Diff(c, got); err != nil || d != "" {
			t.Errorf("%v\n%s", err, d)
		}
	}
}

func BenchmarkPairs(b *testing.B) {
	c := accessClaims()
	for _, algorithm := range asymmetric {
		k := testPairs()[algorithm]
		signed := k.Sign(c)
		var keys Keys = ring{k}
		b.Run("sign "+algorithm, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.Sign(c)
			}
		})
		b.Run("parse "+algorithm, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Parse(signed, keys, testNow)
			}
		})
	}
}
