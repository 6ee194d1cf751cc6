package django

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/latchkey-auth/latchkey/e2e/node"
)

// TestTrust: a Django that keeps its API, its views and its users opens them with
// tokens that Latchkey mints, by settings alone (docs/django-api.md): by the key
// that both have, or by Latchkey's public keys.
func TestTrust(t *testing.T) {
	Python(t)
	app := New(t, filepath.Join(t.TempDir(), "db.sqlite3"))
	dir := t.TempDir()
	for _, c := range []struct {
		algorithm string
		env       []string
	}{
		{"HS256", []string{"LATCHKEY_SIGNING_KEY=" + Secret}},
		{"ES256", []string{"LATCHKEY_SIGNING_ALGORITHM=ES256", "LATCHKEY_TOKENS_ISSUER=https://auth.example.com", "LATCHKEY_TOKENS_AUDIENCE=shop"}},
		{"RS256", []string{"LATCHKEY_SIGNING_ALGORITHM=RS256"}},
	} {
		algorithm := c.algorithm
		t.Run(algorithm, func(t *testing.T) {
			n := node.New(t, append(c.env, "LATCHKEY_UI_ENABLED=false")...)
			if err := n.Run(node.Build(t)); err != nil {
				t.Fatalf("serve: %v\n%s", err, n.Log())
			}
			email := strings.ToLower(algorithm) + "@example.com"
			a, err := n.Register(t.Context(), email, "c0rrect Horse 42!")
			if err != nil || !a.OK() {
				t.Fatalf("register: %d %s (%v)", a.Status, a.Body, err)
			}
			// The users of each part have ids from one on.
			app.Manage(fmt.Sprintf("from accounts.models import User; User.objects.all().delete(); User.objects.create(pk=%d, email=%q)", a.User.ID, email), "shell")
			settings := map[string]any{"ALGORITHM": algorithm}
			if algorithm != "HS256" {
				settings["JWK_URL"] = n.URL + "/.well-known/jwks.json"
			}
			if algorithm == "ES256" {
				settings["ISSUER"], settings["AUDIENCE"] = "https://auth.example.com", "shop"
			}
			content, err := json.Marshal(settings)
			if err != nil {
				t.Fatal(err)
			}
			app.JWT = filepath.Join(dir, algorithm+".json")
			if err := os.WriteFile(app.JWT, content, 0o600); err != nil {
				t.Fatal(err)
			}
			app.Run("")
			defer app.Stop()

			got := app.Must(http.StatusOK, "GET", "/api/auth/profile/", a.Tokens.Access, nil)
			if got["email"] != email {
				t.Errorf("the view is of %v, want %s", got["email"], email)
			}
			for what, token := range map[string]string{
				"a refresh token":       a.Tokens.Refresh,
				"a changed token":       a.Tokens.Access[:len(a.Tokens.Access)-4] + "AAAA",
				"another's key":         forged(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 40)), a.User.ID),
				"no key":                forged(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, a.User.ID),
				"the key of once":       forged(t, jwt.SigningMethodHS256, []byte(Secret), a.User.ID),
				"the public key as one": forged(t, jwt.SigningMethodHS256, publicKeys(t, n), a.User.ID),
			} {
				if what == "the key of once" && algorithm == "HS256" {
					continue
				}
				if status, got, err := app.Do("GET", "/api/auth/profile/", token, nil); err != nil || status != http.StatusUnauthorized {
					t.Errorf("%s: %d %v (%v)", what, status, got, err)
				}
			}
			// Who is shut out in Django is shut out of its views.
			app.Manage("from accounts.models import User; User.objects.update(is_active=False)", "shell")
			if status, got, err := app.Do("GET", "/api/auth/profile/", a.Tokens.Access, nil); err != nil || status != http.StatusUnauthorized {
				t.Errorf("a user who is inactive there: %d %v (%v)", status, got, err)
			}
		})
	}
}

func forged(t *testing.T, method jwt.SigningMethod, key any, user int64) string {
	t.Helper()
	now := time.Now()
	token := jwt.NewWithClaims(method, jwt.MapClaims{
		"token_type": "access", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "jti": strings.Repeat("ab", 16), "user_id": user,
		"iss": "https://auth.example.com", "aud": "shop",
	})
	raw, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func publicKeys(t *testing.T, n *node.Node) []byte {
	t.Helper()
	status, b, err := n.Do(t.Context(), "GET", "/.well-known/jwks.json", "", nil)
	if err != nil || status != http.StatusOK && status != http.StatusNotFound {
		t.Fatalf("jwks: %d %s (%v)", status, b, err)
	}
	return b
}
