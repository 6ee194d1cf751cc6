package django

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

var usersFlag = flag.Int("django.users", 16, "how many users register at the application")

func TestMain(m *testing.M) {
	status := pgtest.M{M: m}.Run()
	node.Clean()
	os.Exit(status)
}

// person is somebody who has registered at the application.
type person struct {
	id              int64
	email, password string
	profile         map[string]any
	access, live    []string // tokens that are good there
	dead            []string // refresh tokens that are blacklisted there
	inactive        bool
}

// algorithms are Django's hashers, by which a quarter of the people each
// register.
var algorithms = []string{
	"PBKDF2PasswordHasher", "FewerPBKDF2PasswordHasher", "Argon2PasswordHasher", "BCryptSHA256PasswordHasher",
}

// passwords are easy to get wrong.
func passwordOf(n int) string {
	return fmt.Sprintf([]string{"c0rrect Horse %d!", " blanks around %d ", "Pässwörter-密码-%d 🔑", "long %d " + strings.Repeat("and longer ", 12)}[n%4], n)
}

// live is a day at the application: people register, sign in and out, and
// refresh.
func live(t *testing.T, app *App) []*person {
	people := make([]*person, *usersFlag)
	app.RunAny()
	atOnce(t, len(people), 4, func(n int) (err error) {
		people[n], err = newcomer(app.As(algorithms[n%len(algorithms)]), n)
		return err
	})
	app.Stop()
	out := app.Manage(`
from accounts.models import User
user = User.objects.get(email="Person0@example.com")
user.is_active = False
user.save()
user = User.objects.create_superuser("root@example.com", None, first_name="R", last_name="T")
user.password = "`+scryptHash(t)+`"
user.save()
print(user.id)
`, "shell")
	people[0].inactive = true
	var id int64
	if _, err := fmt.Sscan(out, &id); err != nil {
		t.Fatalf("shell says %q: %v", out, err)
	}
	return append(people, &person{id: id, email: "root@example.com", password: fixturePassword, profile: map[string]any{"role": "admin"}})
}

// newcomer registers and does one of four things.
func newcomer(app *App, n int) (*person, error) {
	p := &person{email: fmt.Sprintf("Person%d@example.com", n), password: passwordOf(n)}
	ask := func(want int, method, path, bearer string, body any) (map[string]any, error) {
		status, answer, err := app.Do(method, path, bearer, body)
		if err == nil && status != want {
			err = fmt.Errorf("%s %s of %s: %d %v", method, path, p.email, status, answer)
		}
		return answer, err
	}
	answer, err := ask(201, "POST", "/api/auth/register/", "", map[string]string{
		"email": p.email, "password": p.password, "password2": p.password,
		"first_name": fmt.Sprintf("Ada %d", n), "last_name": "Łovelace", "phone": fmt.Sprintf("+49%d", n),
		"role": []string{"employee", "client", "manager"}[n%3],
	})
	if err != nil {
		return p, err
	}
	first, err := pairOf(answer)
	if err != nil {
		return p, err
	}
	p.access = []string{first.Access}
	if p.profile, err = ask(200, "GET", "/api/auth/profile/", first.Access, nil); err != nil {
		return p, err
	}
	p.id = int64(p.profile["id"].(float64))
	switch n / len(algorithms) % 4 {
	case 0:
		p.live = []string{first.Refresh}
	case 1: // on another device, too
		if answer, err = ask(200, "POST", "/api/auth/login/", "", map[string]string{"email": p.email, "password": p.password}); err != nil {
			return p, err
		}
		second, err := pairOf(answer)
		if err != nil {
			return p, err
		}
		p.access = append(p.access, second.Access)
		p.live = []string{first.Refresh, second.Refresh}
	case 2: // goes on
		if answer, err = ask(200, "POST", "/api/auth/token/refresh/", "", map[string]string{"refresh": first.Refresh}); err != nil {
			return p, err
		}
		second, err := pairOf(answer)
		if err != nil {
			return p, err
		}
		p.access = append(p.access, second.Access)
		p.live, p.dead = []string{second.Refresh}, []string{first.Refresh}
	case 3: // signs out
		if _, err = ask(200, "POST", "/api/auth/logout/", first.Access, map[string]string{"refresh_token": first.Refresh}); err != nil {
			return p, err
		}
		p.dead = []string{first.Refresh}
	}
	return p, nil
}

// atOnce runs fn for 0 to n-1, some at a time.
func atOnce(t *testing.T, n, workers int, fn func(n int) error) {
	t.Helper()
	var wg sync.WaitGroup
	next := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range next {
				if err := fn(i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// simpleJWT writes the guide's SIMPLE_JWT into a file, and more.
func simpleJWT(t *testing.T, more string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "simple_jwt.json")
	if err := os.WriteFile(name, []byte(`{"ACCESS_TOKEN_LIFETIME": "3:00:00", "REFRESH_TOKEN_LIFETIME": "3 days, 0:00:00",
		"ROTATE_REFRESH_TOKENS": true, "BLACKLIST_AFTER_ROTATION": true`+more+`}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// successor is a Latchkey that takes the application's place, its address too.
func successor(t *testing.T, app *App, env ...string) *node.Node {
	t.Helper()
	settings := app.JWT
	if settings == "" {
		settings = simpleJWT(t, "")
	}
	n := node.New(t, append(env, "LATCHKEY_SIGNING_KEY="+Secret, "LATCHKEY_DJANGO_SETTINGS="+settings,
		"LATCHKEY_THROTTLE_ENABLED=false", "LATCHKEY_UI_ENABLED=false", "LATCHKEY_LISTEN="+app.addr)...)
	n.URL = app.URL
	return n
}

// report is what import prints.
type report struct {
	Inserted    int64            `json:"users_new"`
	Changed     int64            `json:"users_changed"`
	Unchanged   int64            `json:"users_unchanged"`
	Outstanding int64            `json:"tokens_outstanding"`
	Blacklisted int64            `json:"tokens_blacklisted"`
	Hashes      map[string]int64 `json:"hashes"`
	Problems    map[string]int64 `json:"problems"`
	Seconds     float64          `json:"seconds"`
}

func importFrom(t *testing.T, n *node.Node, source string, flags ...string) report {
	t.Helper()
	cmd := exec.Command(node.Build(t), append([]string{"django", "import", "--json", "--from", source}, flags...)...)
	cmd.Env, cmd.Dir = n.Env(), filepath.Dir(n.Data)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("import: %v\n%s", err, complaints.String())
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("import says %q: %v", out, err)
	}
	return r
}

// TestTakeover is the move of a whole project: nobody is logged out, nobody
// needs a new password, and nothing that was revoked comes back.
//
// ASVS 7.4.1, 7.4.2
func TestTakeover(t *testing.T) {
	Python(t)
	t.Run("sqlite", func(t *testing.T) { takeover(t, filepath.Join(t.TempDir(), "db.sqlite3")) })
	t.Run("postgres", func(t *testing.T) { takeover(t, pgtest.Database(t), "LATCHKEY_DATABASE="+pgtest.Database(t)) })
}

func takeover(t *testing.T, database string, env ...string) {
	app := New(t, database)
	people := live(t, app)

	n := successor(t, app, env...)
	dry := importFrom(t, n, app.Database, "--dry-run")
	r := importFrom(t, n, app.Database)
	if dry.Inserted != r.Inserted || r.Inserted != int64(len(people)) || len(r.Problems) > 0 {
		t.Fatalf("imported %+v, foretold %+v, of %d people", r, dry, len(people))
	}
	quarter := int64(*usersFlag / len(algorithms))
	if r.Hashes["pbkdf2_sha256"] != 2*quarter || r.Hashes["argon2"] != quarter || r.Hashes["bcrypt_sha256"] != quarter || r.Hashes["scrypt"] != 1 {
		t.Errorf("hashes %v", r.Hashes)
	}
	if again := importFrom(t, n, app.Database); again.Inserted+again.Changed > 0 || again.Unchanged != int64(len(people)) {
		t.Errorf("the second import: %+v", again)
	}
	if err := n.Run(node.Build(t)); err != nil {
		t.Fatalf("serve: %v\n%s", err, n.Log())
	}
	ctx := t.Context()

	for _, p := range people {
		for i, access := range p.access {
			a, err := n.Profile(ctx, access)
			switch {
			case err != nil:
				t.Fatal(err)
			case p.inactive:
				if a.Status != http.StatusUnauthorized {
					t.Errorf("the deactivated user's access token: %d %s", a.Status, a.Body)
				}
				continue
			case !a.OK():
				t.Errorf("access token %d of %s: %d %s", i, p.email, a.Status, a.Body)
				continue
			}
			var got map[string]any
			if err := json.Unmarshal([]byte(a.Body), &got); err != nil {
				t.Fatal(err)
			}
			for field, want := range p.profile {
				if got[field] != want {
					t.Errorf("%s of %s is %v, was %v", field, p.email, got[field], want)
				}
			}
		}
		for _, refresh := range p.dead {
			if a, err := n.Refresh(ctx, refresh); err != nil || a.Status != http.StatusUnauthorized || a.Detail != "Token is blacklisted" && !p.inactive {
				t.Errorf("a blacklisted token of %s: %d %s (%v)", p.email, a.Status, a.Body, err)
			}
			if a, err := n.Verify(ctx, refresh); err != nil || a.Status != http.StatusUnauthorized {
				t.Errorf("a blacklisted token of %s verifies: %d %s (%v)", p.email, a.Status, a.Body, err)
			}
		}
	}
	bothUserIDs(t, n, people[1])

	raced := false
	for _, p := range people {
		for _, refresh := range p.live {
			if p.inactive {
				if a, err := n.Refresh(ctx, refresh); err != nil || a.Status != http.StatusUnauthorized {
					t.Errorf("the deactivated user's refresh token: %d %s (%v)", a.Status, a.Body, err)
				}
				continue
			}
			if !raced {
				raced = true
				race(t, n, refresh)
				continue
			}
			a, err := n.Refresh(ctx, refresh)
			if err != nil || !a.OK() || a.User.ID != p.id {
				t.Errorf("a live refresh token of %s: %d %s (%v)", p.email, a.Status, a.Body, err)
				continue
			}
			if b, err := n.Refresh(ctx, refresh); err != nil || b.Status != http.StatusUnauthorized {
				t.Errorf("the same once more: %d %s (%v)", b.Status, b.Body, err)
			}
			if b, err := n.Profile(ctx, a.Tokens.Access); err != nil || !b.OK() {
				t.Errorf("the new access token of %s: %d %s (%v)", p.email, b.Status, b.Body, err)
			}
		}
	}

	atOnce(t, len(people), 2, func(i int) error {
		p := people[i]
		a, err := login(t, n, p.email, p.password)
		switch {
		case err != nil:
			return err
		case p.inactive:
			if a.Status != http.StatusUnauthorized {
				return fmt.Errorf("the deactivated user signs in: %d %s", a.Status, a.Body)
			}
		case !a.OK() || a.User.ID != p.id:
			return fmt.Errorf("%s cannot sign in: %d %s, want user %d", p.email, a.Status, a.Body, p.id)
		}
		if a, err := login(t, n, p.email, p.password+"x"); err != nil || a.Status != http.StatusUnauthorized {
			return fmt.Errorf("%s signs in with a wrong password: %d %s (%w)", p.email, a.Status, a.Body, err)
		}
		return nil
	})

	// New people get ids that nobody had.
	a, err := n.Register(ctx, "new@example.com", "c0rrect Horse 42!")
	if err != nil || !a.OK() || a.User.ID <= people[len(people)-1].id {
		t.Errorf("a new user: %d %s (%v)", a.Status, a.Body, err)
	}
	// What signed in here has a new hash by now; to the next import nothing has
	// changed.
	if again := importFrom(t, n, app.Database); again.Inserted+again.Changed > 0 || len(again.Problems) > 0 {
		t.Errorf("an import after the move: %+v", again)
	}
	if strings.Contains(n.Log(), `"status":500`) {
		t.Errorf("the server complains:\n%s", n.Log())
	}
}

// login signs in, again where the server is too busy with others' passwords.
func login(t *testing.T, n *node.Node, email, password string) (node.Answer, error) {
	for {
		a, err := n.Login(t.Context(), email, password)
		if err != nil || a.Status != http.StatusServiceUnavailable {
			return a, err
		}
		select {
		case <-t.Context().Done():
			return a, t.Context().Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// race presents one refresh token many times at once: one successor is made.
func race(t *testing.T, n *node.Node, refresh string) {
	t.Helper()
	var mu sync.Mutex
	won := 0
	atOnce(t, 16, 16, func(int) error {
		a, err := n.Refresh(t.Context(), refresh)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if a.OK() {
			won++
		} else if a.Status != http.StatusUnauthorized {
			return fmt.Errorf("in a race: %d %s", a.Status, a.Body)
		}
		return nil
	})
	if won != 1 {
		t.Errorf("%d successors of one token, want 1", won)
	}
}

// bothUserIDs: SimpleJWT writes user_id as an integer up to 5.5.0 and as text
// since.
func bothUserIDs(t *testing.T, n *node.Node, p *person) {
	t.Helper()
	now := time.Now()
	for i, id := range []any{p.id, fmt.Sprint(p.id)} {
		for typ, lifetime := range map[string]time.Duration{"access": 3 * time.Hour, "refresh": 72 * time.Hour} {
			raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
				"token_type": typ, "exp": now.Add(lifetime).Unix(), "iat": now.Unix(), "jti": fmt.Sprintf("%s%028d", "abcd", i), "user_id": id,
			}).SignedString([]byte(Secret))
			if err != nil {
				t.Fatal(err)
			}
			a, err := n.Profile(t.Context(), raw)
			if typ == "refresh" {
				a, err = n.Refresh(t.Context(), raw)
			}
			if err != nil || !a.OK() || a.User.ID != p.id {
				t.Errorf("%s token with user_id %#v: %d %s (%v)", typ, id, a.Status, a.Body, err)
			}
		}
	}
}
