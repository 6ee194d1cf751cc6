package latchkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var testSecret = []byte("a secret of the tests that has more than thirty-two bytes")

const (
	testSID   = "019a0b1c2d3e7f00a1b2c3d4e5f60718"
	otherSID  = "019a0b1c2d3e7f00a1b2c3d4e5f60719"
	testJTI   = "81c94191ca5544fb93135b52e586bb64"
	plainHead = `{"typ":"JWT","alg":"HS256"}`
)

// verifier makes a Verifier that is closed with the test.
func verifier(t testing.TB, o Options) *Verifier {
	t.Helper()
	v, err := NewVerifier(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// signer makes signatures with code of its own.
type signer struct {
	alg, kid string
	sign     func(input []byte) []byte
	jwk      map[string]string
	public   any
}

func hmacSigner(secret []byte) signer {
	return signer{alg: "HS256", sign: func(input []byte) []byte {
		m := hmac.New(sha256.New, secret)
		m.Write(input)
		return m.Sum(nil)
	}}
}

func edSigner(kid string) signer {
	seed := sha256.Sum256([]byte(kid))
	private := ed25519.NewKeyFromSeed(seed[:])
	public := private.Public().(ed25519.PublicKey)
	return signer{
		alg: "EdDSA", kid: kid, public: public,
		sign: func(input []byte) []byte { return ed25519.Sign(private, input) },
		jwk:  map[string]string{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": b64(public)},
	}
}

func ecSigner(t testing.TB, kid string) signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return signer{
		alg: "ES256", kid: kid, public: &private.PublicKey,
		sign: func(input []byte) []byte {
			digest := sha256.Sum256(input)
			r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
			if err != nil {
				panic(err)
			}
			return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		},
		jwk: map[string]string{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid, "x": b64(point[1:33]), "y": b64(point[33:])},
	}
}

var rsaOnce = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func rsaSigner(t testing.TB, kid string) signer {
	t.Helper()
	private, err := rsaOnce()
	if err != nil {
		t.Fatal(err)
	}
	return signer{
		alg: "RS256", kid: kid, public: &private.PublicKey,
		sign: func(input []byte) []byte {
			digest := sha256.Sum256(input)
			sig, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
			if err != nil {
				panic(err)
			}
			return sig
		},
		jwk: map[string]string{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": b64(private.N.Bytes()), "e": b64(big.NewInt(int64(private.E)).Bytes())},
	}
}

// header is what the server writes for this key.
func (s signer) header() string {
	if s.kid == "" {
		return `{"typ":"JWT","alg":"` + s.alg + `"}`
	}
	return `{"typ":"JWT","alg":"` + s.alg + `","kid":"` + s.kid + `"}`
}

// token signs a payload under this key's own header.
func (s signer) token(payload string) string { return s.forge(s.header(), payload) }

// forge signs whatever it is given.
func (s signer) forge(header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	return input + "." + b64(s.sign([]byte(input)))
}

// payload is that of a good access token; change replaces claims, and "" takes
// one away.
func payload(change ...string) string {
	now := time.Now().Unix()
	claims := [][2]string{
		{"token_type", `"access"`},
		{"exp", strconv.FormatInt(now+3600, 10)},
		{"iat", strconv.FormatInt(now, 10)},
		{"jti", `"` + testJTI + `"`},
		{"user_id", "65"},
		{"sid", `"` + testSID + `"`},
		{"role", `"employee"`},
		{"gen", "1795410000000000"},
	}
change:
	for i := 0; i+1 < len(change); i += 2 {
		for j := range claims {
			if claims[j][0] == change[i] {
				claims[j][1] = change[i+1]
				continue change
			}
		}
		claims = append(claims, [2]string{change[i], change[i+1]})
	}
	var b strings.Builder
	for _, c := range claims {
		if c[1] != "" {
			fmt.Fprintf(&b, `,"%s":%s`, c[0], c[1])
		}
	}
	return "{" + b.String()[1:] + "}"
}

// jwks spells a key set.
func jwks(signers ...signer) string {
	keys := []map[string]string{}
	for _, s := range signers {
		keys = append(keys, s.jwk)
	}
	b, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// clock is a time that stands until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// server is a fake of the two endpoints, after the contract.
type server struct {
	*httptest.Server
	mu        sync.Mutex
	changed   chan struct{} // closed and made anew by each change
	keys      string
	keyHits   int
	keyFail   int // a status
	seq       int64
	rows      []revocation
	feedHits  int
	feedFail  int           // a status
	hang      bool          // the feed answers nothing
	hangAfter int           // nor does it after so many requests, if not 0
	answer    func() string // in place of the feed's pages
	maxAge    string
}

const serviceKey = "lks_0123456789abcdef"

func newServer(t testing.TB, signers ...signer) *server {
	s := &server{changed: make(chan struct{}), keys: jwks(signers...), maxAge: "public, max-age=300"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/jwks.json", s.serveKeys)
	mux.HandleFunc("GET /api/auth/revocations/", s.serveFeed)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.set(func() { s.hang, s.hangAfter = false, 0 })
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// set changes the server and wakes who waits.
func (s *server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *server) revoke(rows ...revocation) {
	s.set(func() {
		for _, r := range rows {
			s.seq++
			r.seq = s.seq
			if r.until == 0 {
				r.until = time.Now().Unix() + 4*3600
			}
			s.rows = append(s.rows, r)
		}
	})
}

func (s *server) hits() (keys, feed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keyHits, s.feedHits
}

func (s *server) serveKeys(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keyHits++
	if s.keyFail != 0 {
		w.WriteHeader(s.keyFail)
		return
	}
	w.Header().Set("Cache-Control", s.maxAge)
	_, _ = w.Write([]byte(s.keys))
}

func (s *server) serveFeed(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+serviceKey {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	after, err := strconv.ParseInt(r.FormValue("after"), 10, 64)
	wait, err2 := strconv.Atoi(r.FormValue("wait"))
	if err != nil || err2 != nil || wait < 0 || wait > 30 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.feedHits++
	s.mu.Unlock()
	end := time.After(time.Duration(wait) * time.Second)
	for {
		s.mu.Lock()
		changed, end := s.changed, end
		if s.hang || s.hangAfter > 0 && s.feedHits > s.hangAfter {
			end = nil
		} else if s.page(w, after) {
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-end:
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
}

// page answers, unless there is nothing to say yet.
func (s *server) page(w http.ResponseWriter, after int64) bool {
	if s.feedFail != 0 {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(s.feedFail)
		return true
	}
	if s.answer != nil {
		_, _ = w.Write([]byte(s.answer()))
		return true
	}
	reset := after > s.seq
	if reset {
		after = 0
	}
	type row struct {
		Seq       int64  `json:"seq"`
		Kind      string `json:"kind"`
		Key       string `json:"key"`
		Gen       int64  `json:"gen"`
		IATBefore int64  `json:"iat_before"`
		Until     int64  `json:"until"`
	}
	rows, seq := []row{}, s.seq
	for _, r := range s.rows {
		if r.seq > after {
			if len(rows) == 1000 {
				seq = rows[999].Seq
				break
			}
			rows = append(rows, row{r.seq, r.kind, r.key, r.gen, r.iatBefore, r.until})
		}
	}
	if len(rows) == 0 && !reset {
		return false
	}
	w.Header().Set("ETag", `"`+strconv.FormatInt(seq, 10)+`"`)
	_ = json.NewEncoder(w).Encode(map[string]any{"seq": seq, "reset": reset, "max_access": 10800, "revocations": rows})
	return true
}

func (s *server) options() Options {
	return Options{
		JWKS:        s.URL + "/.well-known/jwks.json",
		Revocations: Feed{URL: s.URL + "/api/auth/revocations/", ServiceKey: serviceKey},
	}
}

// eventually waits for something that goroutines bring about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
