package enumeration

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/bits"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

var part = flag.Int("enumeration.part", 10, "the hashes of the timed logins have this part of their rounds: less to wait for, and the same to tell apart")

var samples = flag.Int("enumeration.samples", 2, "logins of each state of account that are timed; from 500 on the times are judged")

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	node.Clean()
	os.Exit(code)
}

const right, wrong = "c0rrect-Horse-42", "inc0rrect-Horse-42"

var salt = []byte("saltsaltsaltsalt")

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func djangoPBKDF2(t *testing.T, rounds int) string {
	sum, err := pbkdf2.Key(sha256.New, right, salt, rounds, 32)
	fatal(t, err)
	return fmt.Sprintf("pbkdf2_sha256$%d$%s$%s", rounds, salt, b64(sum))
}

func djangoArgon2(memory, rounds uint32, threads uint8) string {
	sum := argon2.IDKey([]byte(right), salt, rounds, memory, threads, 32)
	raw := base64.RawStdEncoding
	return fmt.Sprintf("argon2$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", memory, rounds, threads, raw.EncodeToString(salt), raw.EncodeToString(sum))
}

func djangoScrypt(t *testing.T, n, r, p int) string {
	sum, err := scrypt.Key([]byte(right), salt, n, r, p, 64)
	fatal(t, err)
	return fmt.Sprintf("scrypt$%d$%s$%d$%d$%s", n, salt, r, p, b64(sum))
}

func djangoBcrypt(t *testing.T, cost int) string {
	digest := sha256.Sum256([]byte(right))
	made, err := bcrypt.GenerateFromPassword([]byte(hex.EncodeToString(digest[:])), cost)
	fatal(t, err)
	return "bcrypt_sha256$$2b$" + strings.TrimPrefix(string(made), "$2a$")
}

// beside runs a test beside the others, unless times are judged: they wait, most
// of the time.
func beside(t *testing.T) {
	if *samples < judged {
		t.Parallel()
	}
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// account is somebody who asks to be let in and is not.
type account struct {
	name, email, typed string
}

// house is a server and accounts of twelve states.
type house struct {
	*node.Node
	accounts []account
	// links are tokens of reset links that are not good, by why.
	links map[string]string
}

// cheap is the part of their rounds that hashes have where no time is taken:
// what is said does not hang on them, and refusals come at once.
const cheap = 100

// build makes it, with hashes of a part of their rounds.
func build(t *testing.T, part int, env ...string) house {
	t.Helper()
	h := house{Node: node.New(t, append(env, "LATCHKEY_LOG_LEVEL=error")...), links: map[string]string{"made up": strings.Repeat("x", 43), "short": "x"}}
	fatal(t, os.MkdirAll(h.Data, 0o700))
	ctx := t.Context()
	store, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(h.Data, sqlite.FileName), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	fatal(t, err)
	ours, err := password.NewHasher(password.Options{}).Hash(ctx, right)
	fatal(t, err)
	insert := func(name, encoded string, active bool) auth.User {
		e, ok := auth.ParseEmail(strings.ReplaceAll(name, " ", ".") + "@example.com")
		if !ok {
			t.Fatalf("e-mail of %q", name)
		}
		var u auth.User
		fatal(t, store.Update(ctx, func(tx auth.Tx) error {
			var err error
			u, err = tx.InsertUser(ctx, auth.NewUser{Email: e, FirstName: "Ada", LastName: "Lovelace", Role: auth.RoleClient, Password: encoded, IsActive: active}, time.Now())
			return err
		}))
		return u
	}
	state := func(name, encoded string) auth.User {
		u := insert(name, encoded, true)
		h.accounts = append(h.accounts, account{name, u.Email, wrong})
		return u
	}
	h.accounts = append(h.accounts, account{"unknown", "nobody.at.all@example.com", wrong})
	state("wrong password", ours)
	state("hashed anew", djangoPBKDF2(t, 300_000/part))
	state("argon2 of Django", djangoArgon2(65536/uint32(part), 2, 4))
	state("pbkdf2 260000", djangoPBKDF2(t, 260_000/part))
	state("pbkdf2 600000", djangoPBKDF2(t, 600_000/part))
	state("pbkdf2 1000000", djangoPBKDF2(t, 1_000_000/part))
	state("bcrypt_sha256 10", djangoBcrypt(t, max(4, 10-bits.Len(uint(part-1)))))
	state("scrypt", djangoScrypt(t, 1<<max(4, 14-bits.Len(uint(part-1))), 8, 1))
	state("unusable", password.MakeUnusable())
	state("too costly", "pbkdf2_sha256$2147483647$salt$"+b64(make([]byte, 32)))
	inactive := insert("inactive", ours, false)
	h.accounts = append(h.accounts, account{"inactive, right password", inactive.Email, right})

	link := func(why string, u auth.User, kind auth.LinkKind, made, expires time.Time) {
		token, hash := auth.NewSecret()
		fatal(t, store.Update(ctx, func(tx auth.Tx) error {
			return tx.InsertLink(ctx, auth.Link{Hash: hash, Kind: kind, UserID: u.ID, CreatedAt: made, Expires: expires})
		}))
		h.links[why] = token
	}
	now, hour := time.Now(), time.Hour
	somebody := insert("somebody", ours, true)
	link("expired", somebody, auth.LinkReset, now.Add(-2*hour), now.Add(-hour))
	link("of an inactive user", inactive, auth.LinkReset, now, now.Add(hour))
	link("of nobody", auth.User{ID: 4000000}, auth.LinkReset, now, now.Add(hour))
	link("for the set-up", auth.User{}, auth.LinkSetup, now, now.Add(hour))
	fatal(t, store.Close())
	fatal(t, h.Run(node.Build(t)))

	// Its owner signs in, and the hash is ours from then on.
	a, err := h.Login(ctx, "hashed.anew@example.com", right)
	if err != nil || !a.OK() {
		t.Fatalf("the login that hashes anew: %+v, %v", a, err)
	}
	return h
}

// said is all of an answer that may differ.
type said struct {
	status int
	header string
	body   string
}

func (h house) ask(ctx context.Context, path string, body any) (said, time.Duration, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return said{}, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL+path, bytes.NewReader(b))
	if err != nil {
		return said{}, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return said{}, 0, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	took := time.Since(began)
	// These are of each request.
	for _, name := range []string{"Date", "X-Request-Id"} {
		resp.Header.Del(name)
	}
	var header strings.Builder
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		fmt.Fprintf(&header, "%s: %q\n", name, resp.Header[name])
	}
	return said{resp.StatusCode, header.String(), string(got)}, took, err
}

func (h house) login(ctx context.Context, email, typed string) (said, time.Duration, error) {
	return h.ask(ctx, "/api/auth/login/", map[string]string{"email": email, "password": typed})
}

// Twelve states of account, and one answer to whatever is typed: byte for byte,
// and header for header.
//
// ASVS 6.3.8
// LESSON 1, 2, 3, 4, 5
func TestLoginTellsNothing(t *testing.T) {
	beside(t)
	h := build(t, cheap, "LATCHKEY_THROTTLE_ENABLED=false")
	if len(h.accounts) != 12 {
		t.Fatalf("%d states of account", len(h.accounts))
	}
	for _, typed := range []string{"", "x", wrong, " " + wrong + "\n", strings.Repeat("x", 60<<10), strings.Repeat("x", 1<<20)} {
		var first said
		for i, a := range h.accounts {
			sent := typed
			if typed == wrong {
				sent = a.typed
			}
			got, _, err := h.login(t.Context(), a.email, sent)
			fatal(t, err)
			if i == 0 {
				first = got
				if got.status == http.StatusOK || got.status >= 500 {
					t.Errorf("%.20q: %+v", typed, got)
				}
			}
			if got != first {
				t.Errorf("%.20q: %s is answered\n%+v, %s\n%+v", typed, a.name, got, h.accounts[0].name, first)
			}
		}
	}
	// One e-mail in spellings, and what is none.
	for _, email := range []string{"WRONG.PASSWORD@example.com", "wrong.password@EXAMPLE.com", "NOBODY.AT.ALL@example.com"} {
		want, _, err := h.login(t.Context(), h.accounts[0].email, wrong)
		fatal(t, err)
		if got, _, err := h.login(t.Context(), email, wrong); err != nil || got != want {
			t.Errorf("%s: %+v (%v), want %+v", email, got, err, want)
		}
	}
}

// Who is throttled hears the same whether there is such an account.
//
// ASVS 6.3.8
// LESSON 1
func TestThrottleTellsNothing(t *testing.T) {
	beside(t)
	h := build(t, cheap)
	var all [][]int
	for _, a := range h.accounts {
		if a.name == "hashed anew" {
			continue // It has signed in from here, which may count for it.
		}
		var statuses []int
		for range 12 {
			got, _, err := h.login(t.Context(), a.email, a.typed)
			fatal(t, err)
			statuses = append(statuses, got.status)
		}
		all = append(all, statuses)
		if !slices.Equal(statuses, all[0]) {
			t.Errorf("%s is answered %v, %s %v", a.name, statuses, h.accounts[0].name, all[0])
		}
	}
	if !slices.Contains(all[0], http.StatusTooManyRequests) {
		t.Errorf("nobody was throttled: %v", all[0])
	}
}

// A reset link that is not good does not tell why, and a token that is none does
// not tell whose it would be.
//
// ASVS 6.3.8
func TestLinksAndTokensTellNothing(t *testing.T) {
	beside(t)
	h := build(t, cheap, "LATCHKEY_THROTTLE_ENABLED=false")
	for path, fill := range map[string]func(token string) any{
		"/api/auth/password/reset/check/": func(token string) any { return map[string]string{"token": token} },
		"/api/auth/password/reset/confirm/": func(token string) any {
			return map[string]string{"token": token, "password": "an0ther-Horse-43", "password2": "an0ther-Horse-43"}
		},
	} {
		want, _, err := h.ask(t.Context(), path, fill(h.links["made up"]))
		fatal(t, err)
		if want.status != http.StatusBadRequest {
			t.Errorf("%s: %+v", path, want)
		}
		for why, token := range h.links {
			if got, _, err := h.ask(t.Context(), path, fill(token)); err != nil || got != want {
				t.Errorf("%s, %s: %+v (%v), want %+v", path, why, got, err, want)
			}
		}
	}
	var first said
	for i, id := range []int{1, 2, 12, 4000000} {
		payload := fmt.Sprintf(`{"token_type":"access","exp":4000000000,"iat":1700000000,"jti":"%032x","user_id":%d}`, i, id)
		raw := base64.RawURLEncoding
		token := raw.EncodeToString([]byte(`{"typ":"JWT","alg":"HS256"}`)) + "." + raw.EncodeToString([]byte(payload)) + "." + raw.EncodeToString(make([]byte, 32))
		got, _, err := h.ask(t.Context(), "/api/auth/token/verify/", map[string]string{"token": token})
		fatal(t, err)
		if i == 0 {
			first = got
		}
		if got != first || got.status != http.StatusUnauthorized {
			t.Errorf("a forged token of user %d: %+v, want %+v", id, got, first)
		}
	}
}
