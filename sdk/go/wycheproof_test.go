package latchkey

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The test vectors of Project Wycheproof (Apache-2.0) come from the Go module
// proxy, pinned by version and hash, and are not copied into this repository.
const (
	wycheproof    = "github.com/c2sp/wycheproof@v0.0.0-20260902155932-3fa63dd0344a"
	wycheproofSum = "h1:pNbL2nztRsWfW/ispAwsvcDFxs9Id38uIsR2/Up5G2c="
)

// vectors reads one file of Wycheproof. Offline and without a cached copy it
// skips, but where LATCHKEY_TEST_STRICT=1 or CI=true it fails.
func vectors(t *testing.T, file string, into any) {
	t.Helper()
	out, err := exec.Command("go", "mod", "download", "-json", wycheproof).Output()
	var module struct{ Dir, Sum, Error string }
	if jsonErr := json.Unmarshal(out, &module); err == nil {
		err = jsonErr
	}
	if module.Error != "" {
		err = errors.New(module.Error)
	}
	if err != nil {
		if os.Getenv("LATCHKEY_TEST_STRICT") == "1" || os.Getenv("CI") == "true" {
			t.Fatalf("Wycheproof's vectors are not to be had: %v", err)
		}
		t.Skipf("NOT TESTED AGAINST WYCHEPROOF: its vectors are not to be had: %v", err)
	}
	if module.Sum != wycheproofSum {
		t.Fatalf("Wycheproof is %s, want %s", module.Sum, wycheproofSum)
	}
	raw, err := os.ReadFile(filepath.Join(module.Dir, "testvectors_v1", file))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// Where we differ from a label, and why. Anything else that differs fails.
var wycheproofExceptions = map[string]map[int]string{
	"json_web_signature_test.json": {
		367: "labelled invalid padding, but the padding is lost in the file: the token is plain and good",
		370: "the same token as 367",
		372: "labelled valid with a ? inside base64",
		373: "labelled valid with a ? inside base64",
	},
	"json_web_key_test.json": {
		7:  "an RSA key of a weak generator (ROCA): which key signs is the server's to choose",
		10: "an HS256 key of 31 bytes: it works, and is warned of",
	},
	"json_web_crypto_test.json": {
		46: "an RSA key of a weak generator (ROCA)",
	},
}

// Every JOSE case, under the verifier that a group's keys make. A case that is
// labelled valid but is signed in a way that is not ours (HS512, PS256, ES384 …)
// must be refused; each of those is counted.
//
// ROW 10
func TestWycheproofJOSE(t *testing.T) {
	for _, tt := range []struct {
		file                 string
		cases, jwe           int
		accepted, exceptions int
	}{
		{"json_web_signature_test.json", 401, 0, 18, 4},
		{"json_web_key_test.json", 26, 0, 3, 2},
		{"json_web_crypto_test.json", 49, 34, 4, 1},
		{"json_web_encryption_test.json", 0, 139, 0, 0},
	} {
		t.Run(tt.file, func(t *testing.T) {
			var f struct {
				NumberOfTests int
				TestGroups    []struct {
					Public, Private json.RawMessage
					Tests           []struct {
						TcID            int
						Comment, Result string
						JWS, JWE        json.RawMessage
					}
				}
			}
			vectors(t, tt.file, &f)
			var cases, jwe, accepted, refused, excepted, notOurs int
			for _, g := range f.TestGroups {
				raw := g.Public
				if raw == nil {
					raw = g.Private
				}
				v, foreign := verifierOf(t, raw)
				for _, tc := range g.Tests {
					if tc.JWE != nil {
						jwe++
						if v.takes(tc.JWE) {
							t.Errorf("case %d (%s): an encrypted token is taken", tc.TcID, tc.Comment)
						}
						continue
					}
					cases++
					got := v.takes(tc.JWS)
					reason, isExcepted := wycheproofExceptions[tt.file][tc.TcID]
					switch {
					case got == (tc.Result == "valid"):
						if isExcepted {
							t.Errorf("case %d is no exception any more", tc.TcID)
						}
						if got {
							accepted++
						} else {
							refused++
						}
					case isExcepted:
						t.Logf("case %d: %s", tc.TcID, reason)
						excepted++
					case !got && (foreign || !ourAlgorithm(tc.JWS)):
						notOurs++
					default:
						t.Errorf("case %d (%s), %s: taken: %v", tc.TcID, tc.Comment, tc.Result, got)
					}
				}
				v.Close()
			}
			t.Logf("accepted %d, refused %d, exceptions %d, valid but not ours %d, encrypted %d", accepted, refused, excepted, notOurs, jwe)
			if cases != tt.cases || jwe != tt.jwe || cases+jwe != f.NumberOfTests || accepted != tt.accepted || excepted != tt.exceptions {
				t.Errorf("want %+v", tt)
			}
		})
	}
}

type wycheproofVerifier struct {
	*Verifier
	secrets map[string]bool // by kid
}

// takes reports whether the signature is taken. The payloads are no claims. Here
// secrets have a kid, as Latchkey's have not.
func (v wycheproofVerifier) takes(raw json.RawMessage) bool {
	var token string
	if json.Unmarshal(raw, &token) != nil {
		token = string(raw) // JSON serialisation
	}
	p, ok := split(token)
	p.header.hasKID = p.header.hasKID && !v.secrets[p.header.kid]
	if !ok || v.signed(context.Background(), p) != nil {
		return false
	}
	_, ok = decode(nil, p.payload)
	return ok
}

// ourAlgorithm reports whether a token's header names an algorithm of ours.
func ourAlgorithm(raw json.RawMessage) bool {
	var token string
	_ = json.Unmarshal(raw, &token)
	head, _, _ := strings.Cut(token, ".")
	h, ok := readHeader(head)
	return ok && (h.algorithm == algEdDSA || h.algorithm == algES256 || h.algorithm == algRS256 || h.algorithm == algHS256)
}

// verifierOf makes the verifier of a group's JWK or JWK set. foreign is true if
// none of the keys is one that a Latchkey could have.
func verifierOf(t *testing.T, raw json.RawMessage) (v wycheproofVerifier, foreign bool) {
	t.Helper()
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(raw, &set); err != nil {
		t.Fatal(err)
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{raw}
	}
	o := Options{JWKS: "http://127.0.0.1:1/", Log: slog.New(slog.DiscardHandler)}
	var public []json.RawMessage
	secrets, symmetric := map[string]bool{}, 0
	for _, one := range set.Keys {
		var k struct{ Kty, Alg, Use, K, Kid string }
		if err := json.Unmarshal(one, &k); err != nil {
			t.Fatal(err)
		}
		if k.Kty == "oct" && k.Alg == algHS256 && k.Use == "sig" {
			symmetric++
			if secret, ok := decode(nil, k.K); ok && len(secret) > 0 {
				o.HS256Keys = append(o.HS256Keys, secret)
				secrets[k.Kid] = true
			}
			continue
		}
		if k.Use == "" {
			// Latchkey says use, and a key without is passed over; here it shall
			// count.
			one = bytes.Replace(one, []byte("{"), []byte(`{"use":"sig",`), 1)
		}
		public = append(public, one)
	}
	if symmetric > 0 && (len(secrets) != symmetric || len(public) > 0) {
		// A secret in a set that is published, or two of one name: Latchkey has
		// no such ring, and a JWKS's secrets are passed over.
		o.HS256Keys, public = nil, set.Keys
	}
	body, err := json.Marshal(map[string]any{"keys": public})
	if err != nil {
		t.Fatal(err)
	}
	o.HTTPClient = &http.Client{Transport: fixed(body)}
	verifier, err := NewVerifier(o)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "an answer", func() bool { return verifier.Healthy() == nil || verifier.keys.failure.Load() != nil })
	usable, err := parseKeySet(string(body))
	return wycheproofVerifier{verifier, secrets}, len(o.HS256Keys) == 0 && (err != nil || len(usable) == 0)
}

// fixed answers every request with these bytes.
type fixed []byte

func (f fixed) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Request: r, Header: http.Header{"Date": {time.Now().Format(http.TimeFormat)}},
		Body: io.NopCloser(bytes.NewReader(f)),
	}, nil
}

// The signatures themselves, with the encodings that JWS uses.
func TestWycheproofSignatures(t *testing.T) {
	for _, tt := range []struct {
		file  string
		cases int
	}{
		{"ecdsa_secp256r1_sha256_p1363_test.json", 262},
		{"ed25519_test.json", 151},
		{"rsa_signature_2048_sha256_test.json", 259},
	} {
		t.Run(tt.file, func(t *testing.T) {
			var f struct {
				TestGroups []struct {
					PublicKeyDer string
					Tests        []struct {
						TcID                      int
						Comment, Msg, Sig, Result string
					}
				}
			}
			vectors(t, tt.file, &f)
			cases := 0
			for _, g := range f.TestGroups {
				der, err := hex.DecodeString(g.PublicKeyDer)
				if err != nil {
					t.Fatal(err)
				}
				public, err := x509.ParsePKIXPublicKey(der)
				if err != nil {
					t.Fatal(err)
				}
				var k key
				switch p := public.(type) {
				case ed25519.PublicKey:
					k = eddsa(p)
				case *ecdsa.PublicKey:
					k = (*es256)(p)
				case *rsa.PublicKey:
					k = newRS256(p.N, big.NewInt(int64(p.E)))
				}
				for _, tc := range g.Tests {
					cases++
					msg, _ := hex.DecodeString(tc.Msg)
					sig, _ := hex.DecodeString(tc.Sig)
					if got := k.verify(string(msg), sig); got != (tc.Result == "valid") {
						t.Errorf("case %d (%s), %s: %v", tc.TcID, tc.Comment, tc.Result, got)
					}
				}
			}
			if cases != tt.cases {
				t.Errorf("%d cases, want %d", cases, tt.cases)
			}
		})
	}
}
