package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/latchkey-auth/latchkey/internal/config"
)

// simpleJWT loads a configuration with this SIMPLE_JWT.
func simpleJWT(t *testing.T, file string, env ...string) (*config.Config, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "simple_jwt.json")
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(config.Sources{Env: append(env, "LATCHKEY_DJANGO_SETTINGS="+name, "LATCHKEY_SIGNING_KEY="+strings.Repeat("k", 50))})
}

func TestSimpleJWT(t *testing.T) {
	t.Parallel()
	c, err := simpleJWT(t, `{
		"ACCESS_TOKEN_LIFETIME": "3:00:00", "REFRESH_TOKEN_LIFETIME": "3 days, 0:00:00",
		"ROTATE_REFRESH_TOKENS": true, "BLACKLIST_AFTER_ROTATION": true, "UPDATE_LAST_LOGIN": false,
		"ALGORITHM": "HS256", "VERIFYING_KEY": "", "AUDIENCE": null, "ISSUER": "https://auth.example.com", "JWK_URL": null,
		"LEEWAY": 10, "AUTH_HEADER_TYPES": ["Bearer", "JWT"], "AUTH_HEADER_NAME": "HTTP_AUTHORIZATION",
		"USER_ID_FIELD": "id", "USER_ID_CLAIM": "uid", "TOKEN_TYPE_CLAIM": "typ", "JTI_CLAIM": "id",
		"AUTH_TOKEN_CLASSES": ["rest_framework_simplejwt.tokens.AccessToken"], "SLIDING_TOKEN_LIFETIME": 300,
		"TOKEN_OBTAIN_SERIALIZER": "accounts.serializers.Mine"
	}`)
	if err != nil {
		t.Fatal(err)
	}
	want := &config.SimpleJWT{
		Access: 3 * time.Hour, Refresh: 72 * time.Hour, Leeway: 10 * time.Second, Issuer: "https://auth.example.com",
		HeaderTypes: []string{"Bearer", "JWT"}, UserClaim: "uid", TypeClaim: "typ", IDClaim: "id", Rotate: true,
	}
	if diff := cmp.Diff(want, c.SimpleJWT(), cmpopts.IgnoreUnexported(config.SimpleJWT{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c.Tokens.Issuer != want.Issuer || c.Tokens.Audience != "" {
		t.Errorf("our tokens get iss %q and aud %q", c.Tokens.Issuer, c.Tokens.Audience)
	}
	if w := strings.Join(c.DjangoWarnings(), "\n"); !strings.Contains(w, "accounts.serializers.Mine") {
		t.Errorf("warnings: %s", w)
	}
	if c := config.Default(); c.SimpleJWT() != nil {
		t.Error("there is a SIMPLE_JWT without a file")
	}
}

func TestSimpleJWTLifetimes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file string
		want time.Duration
	}{
		{`{}`, 5 * time.Minute},
		{`{"ACCESS_TOKEN_LIFETIME": 900}`, 15 * time.Minute},
		{`{"ACCESS_TOKEN_LIFETIME": 900.9}`, 15 * time.Minute},
		{`{"ACCESS_TOKEN_LIFETIME": "0:15:00"}`, 15 * time.Minute},
		{`{"ACCESS_TOKEN_LIFETIME": "1 day, 2:03:04.000005"}`, 26*time.Hour + 3*time.Minute + 4*time.Second},
		{`{"ACCESS_TOKEN_LIFETIME": "3 00:00:00"}`, 72 * time.Hour},
		{`{"ACCESS_TOKEN_LIFETIME": "3 days"}`, 72 * time.Hour},
		{`{"ACCESS_TOKEN_LIFETIME": "P3DT02H00M00S"}`, 74 * time.Hour},
	} {
		file, want := test.file, test.want
		c, err := simpleJWT(t, file, "LATCHKEY_TOKENS_REUSE=tolerant")
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if got := c.SimpleJWT().Access; got != want {
			t.Errorf("%s: %v, want %v", file, got, want)
		}
	}
}

// What would have tokens read otherwise than Django does is refused, with what
// was probably meant.
//
// ASVS 13.1.1
func TestSimpleJWTRefused(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		`{"ACCESS_TOKEN_LIFETIMES": 900}`:            "did you mean ACCESS_TOKEN_LIFETIME?",
		`{"rotate_refresh_token": true}`:             "did you mean ROTATE_REFRESH_TOKENS?",
		`{"SIGNING_KEY": "hunter2hunter2"}`:          "signing.key",
		`{"ALGORITHM": "HS512"}`:                     "HS256",
		`{"ALGORITHM": "none"}`:                      "HS256",
		`{"TOKEN_TYPE_CLAIM": null}`:                 "TOKEN_TYPE_CLAIM",
		`{"USER_ID_CLAIM": "sid"}`:                   "sid",
		`{"USER_ID_CLAIM": "jti"}`:                   "three names",
		`{"USER_ID_FIELD": "email"}`:                 "USER_ID_FIELD",
		`{"LEEWAY": 86400}`:                          "LEEWAY",
		`{"LEEWAY": -1}`:                             "LEEWAY",
		`{"AUTH_HEADER_TYPES": []}`:                  "AUTH_HEADER_TYPES",
		`{"AUTH_HEADER_TYPES": ["two words"]}`:       "AUTH_HEADER_TYPES",
		`{"AUTH_HEADER_NAME": "HTTP_X_TOKEN"}`:       "AUTH_HEADER_NAME",
		`{"CHECK_REVOKE_TOKEN": true}`:               "CHECK_REVOKE_TOKEN",
		`{"ROTATE_REFRESH_TOKENS": "yes"}`:           "ROTATE_REFRESH_TOKENS",
		`{"ACCESS_TOKEN_LIFETIME": "soon"}`:          "ACCESS_TOKEN_LIFETIME",
		`{"ACCESS_TOKEN_LIFETIME": 0}`:               "ACCESS_TOKEN_LIFETIME",
		`{"ACCESS_TOKEN_LIFETIME": 1e300}`:           "ACCESS_TOKEN_LIFETIME",
		`{"LEEWAY": 1, "LEEWAY": 2}`:                 "twice",
		`{"ISSUER": 7}`:                              "ISSUER",
		`{"AUTH_TOKEN_CLASSES": ["x.SlidingToken"]}`: "AUTH_TOKEN_CLASSES",
		`[]`:       "JSON object",
		`{"A":`:    "malformed",
		`{} {}`:    "goes on",
		`{"A\n`:    "malformed",
		"\xff\xfe": "JSON object",
	} {
		_, err := simpleJWT(t, file)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want something of %q", file, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
	_, err := config.Load(config.Sources{Env: []string{"LATCHKEY_DJANGO_SETTINGS=/nowhere/file.json"}})
	if err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("no file: %v", err)
	}
	name := filepath.Join(t.TempDir(), "s.json")
	if err := os.WriteFile(name, []byte(`{"ISSUER": "there"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = config.Load(config.Sources{Env: []string{"LATCHKEY_DJANGO_SETTINGS=" + name, "LATCHKEY_TOKENS_ISSUER=here"}})
	if err == nil || !strings.Contains(err.Error(), `"there"`) || !strings.Contains(err.Error(), "signing.key is not") {
		t.Errorf("another issuer, and no key: %v", err)
	}
}

// Clients of a Django that does not rotate present the same refresh token again
// and again.
func TestSimpleJWTWithoutRotation(t *testing.T) {
	t.Parallel()
	for reuse, want := range map[string]bool{"strict": true, "grace": true, "tolerant": false} {
		c, err := simpleJWT(t, `{"ROTATE_REFRESH_TOKENS": false}`, "LATCHKEY_TOKENS_REUSE="+reuse)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(c.DjangoWarnings(), "\n"), "ROTATE_REFRESH_TOKENS is off"); got != want {
			t.Errorf("%s: warned %v, want %v", reuse, got, want)
		}
	}
}
