package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/latchkey-auth/latchkey/internal/server"
)

type publicKey struct{ Kty, Crv, Alg, Use, Kid, X, K, D string }

func keySet(t *testing.T, body string) []publicKey {
	t.Helper()
	var set struct{ Keys []publicKey }
	if err := json.Unmarshal([]byte(body), &set); err != nil || set.Keys == nil {
		t.Fatalf("%s: %v", body, err)
	}
	return set.Keys
}

const jwksPath = "/.well-known/jwks.json"

// The public keys, with the UI and without, under every method.
func TestJWKS(t *testing.T) {
	for _, ui := range []string{"true", "false"} {
		t.Run("ui "+ui, func(t *testing.T) {
			r := start(t, settings(t, "LATCHKEY_SIGNING_ALGORITHM=EdDSA", "LATCHKEY_UI_ENABLED="+ui), server.RunOptions{})
			resp, body := r.do(http.MethodGet, jwksPath, "", "Origin", "http://localhost:3000", "Auth-Mode", "cookie")
			for name, want := range map[string]string{
				"Content-Type": "application/json", "Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff",
				"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "", "Vary": "", "Set-Cookie": "",
			} {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			keys := keySet(t, body)
			if resp.StatusCode != http.StatusOK || len(keys) != 1 || keys[0].Kty != "OKP" || keys[0].Crv != "Ed25519" || keys[0].Alg != "EdDSA" ||
				keys[0].Use != "sig" || keys[0].Kid == "" || len(keys[0].X) != 43 || keys[0].D != "" {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			etag := resp.Header.Get("Etag")
			for sent, want := range map[string]int{etag: 304, "W/" + etag: 304, `"x", ` + etag: 304, "*": 304, `"x"`: 200, "": 200} {
				resp, body := r.do(http.MethodGet, jwksPath, "", "If-None-Match", sent)
				if resp.StatusCode != want || (body == "") != (want == 304) || resp.Header.Get("Etag") != etag || resp.Header.Get("Cache-Control") == "" {
					t.Errorf("If-None-Match %s: %d %q", sent, resp.StatusCode, body)
				}
			}
			if resp, b := r.do(http.MethodHead, jwksPath, ""); resp.StatusCode != 200 || b != "" || resp.ContentLength != int64(len(body)) {
				t.Errorf("HEAD: %d, %d bytes", resp.StatusCode, resp.ContentLength)
			}
			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
				if resp, body := r.do(method, jwksPath, ""); resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" || strings.Contains(body, "OKP") {
					t.Errorf("%s: %d %s", method, resp.StatusCode, body)
				}
			}
			for _, path := range []string{jwksPath + "/", "/.well-known/jwks", "/.well-known/", "/.well-known/jwks%2Ejson", "/api" + jwksPath, "//.well-known/jwks.json"} {
				if resp, body := r.do(http.MethodGet, path, ""); resp.StatusCode != http.StatusNotFound {
					t.Errorf("%s: %d %s", path, resp.StatusCode, body)
				}
			}
		})
	}
}

// With HS256 there is nothing to publish.
func TestJWKSHasNoSecret(t *testing.T) {
	r := start(t, settings(t), server.RunOptions{})
	if _, body := r.do(http.MethodGet, jwksPath, ""); strings.TrimSpace(body) != `{"keys":[]}` {
		t.Errorf("JWKS = %s", body)
	}
}

// Somebody else's program verifies our tokens with the document alone; a switch
// to an asymmetric key and its schedule happen while the server runs.
func TestSwitchWhileRunning(t *testing.T) {
	const cache = 500 * time.Millisecond
	cfg := settings(t, "LATCHKEY_TOKENS_ISSUER=https://auth.example.com", "LATCHKEY_TOKENS_AUDIENCE=shop")
	r := start(t, cfg, server.RunOptions{KeyCache: cache})
	_, body := r.do(http.MethodPost, "/api/auth/register/", form)
	type tokens struct{ Access, Refresh string }
	var pair struct{ Tokens tokens }
	if err := json.Unmarshal([]byte(body), &pair); err != nil || pair.Tokens.Access == "" {
		t.Fatalf("%s: %v", body, err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	cfg.Signing.Algorithm = "ES256"
	began := time.Now()
	r = start(t, cfg, server.RunOptions{KeyCache: cache})
	alg := func(token string) string {
		parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
		if err != nil {
			t.Fatal(err)
		}
		return parsed.Method.Alg()
	}
	first := pair.Tokens.Access
	refreshed := pair.Tokens
	for alg(refreshed.Access) != "ES256" {
		if time.Since(began) > 20*time.Second {
			t.Fatal("no token is signed with the new key")
		}
		resp, body := r.do(http.MethodPost, "/api/auth/token/refresh/", `{"refresh":"`+refreshed.Refresh+`"}`)
		if err := json.Unmarshal([]byte(body), &refreshed); err != nil || resp.StatusCode != 200 {
			t.Fatalf("refresh: %d %s", resp.StatusCode, body)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if since := time.Since(began); since < cache {
		t.Errorf("the new key signs after %v, before the cache time %v", since, cache)
	}
	for _, access := range []string{first, refreshed.Access} {
		if resp, body := r.do(http.MethodGet, "/api/auth/profile/", "", "Authorization", "Bearer "+access); resp.StatusCode != 200 {
			t.Errorf("a token of %s: %d %s", alg(access), resp.StatusCode, body)
		}
	}
	parsed, _, _ := jwt.NewParser().ParseUnverified(refreshed.Access, jwt.MapClaims{})
	claims := parsed.Claims.(jwt.MapClaims)
	if claims["iss"] != "https://auth.example.com" || claims["aud"] != "shop" {
		t.Errorf("claims = %v", claims)
	}
	_, body = r.do(http.MethodGet, jwksPath, "")
	if keys := keySet(t, body); len(keys) != 1 || keys[0].Kid != parsed.Header["kid"] || keys[0].Alg != "ES256" {
		t.Errorf("kid %v, JWKS %s", parsed.Header["kid"], body)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	// Another name is another's token.
	cfg.Tokens.Audience = "warehouse"
	r = start(t, cfg, server.RunOptions{})
	if resp, _ := r.do(http.MethodGet, "/api/auth/profile/", "", "Authorization", "Bearer "+refreshed.Access); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token for another audience: %d", resp.StatusCode)
	}
}
