package django

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

// exported is what export prints.
type exported struct {
	Inserted    int64            `json:"users_new"`
	Changed     int64            `json:"users_changed"`
	Unchanged   int64            `json:"users_unchanged"`
	Deactivated int64            `json:"users_deleted_here"`
	Theirs      int64            `json:"users_changed_there"`
	Dead        int64            `json:"tokens_dead"`
	Blacklisted int64            `json:"tokens_blacklisted"`
	Hashes      map[string]int64 `json:"hashes_written"`
	Problems    map[string]int64 `json:"problems"`
	Seconds     float64          `json:"seconds"`
}

func (e exported) wrote() int64 { return e.Inserted + e.Changed + e.Deactivated + e.Blacklisted }

func exportTo(t *testing.T, n *node.Node, target string, flags ...string) exported {
	t.Helper()
	cmd := exec.Command(node.Build(t), append([]string{"django", "export", "--json", "--to", target}, flags...)...)
	cmd.Env, cmd.Dir = n.Env(), filepath.Dir(n.Data)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("export: %v\n%s", err, complaints.String())
	}
	var r exported
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("export says %q: %v", out, err)
	}
	return r
}

// resident is somebody who has been at Latchkey for a day.
type resident struct {
	person
	// old are passwords that are good no more.
	old  []string
	gone bool // deleted, or deactivated
}

// spend says that a refresh token works no more.
func (r *resident) spend(token string) {
	r.live = slices.DeleteFunc(r.live, func(t string) bool { return t == token })
	r.dead = append(r.dead, token)
}

// day is what people do at Latchkey; each does one thing.
var day = []struct {
	name string
	do   func(t *testing.T, n *node.Node, r *resident) error
}{
	{"nothing", func(*testing.T, *node.Node, *resident) error { return nil }},
	{"signs in", func(t *testing.T, n *node.Node, r *resident) error {
		_, err := r.signIn(t, n)
		return err
	}},
	{"goes on", func(t *testing.T, n *node.Node, r *resident) error {
		for _, token := range slices.Clone(r.live) {
			next := token
			for range 2 {
				a, err := n.Refresh(t.Context(), next)
				if err != nil || !a.OK() {
					return fmt.Errorf("refresh: %d %s (%w)", a.Status, a.Body, err)
				}
				r.spend(next)
				next = a.Tokens.Refresh
				r.live, r.access = append(r.live, next), append(r.access, a.Tokens.Access)
			}
		}
		return nil
	}},
	{"has a new password", func(t *testing.T, n *node.Node, r *resident) error {
		a, err := r.signIn(t, n)
		if err != nil {
			return err
		}
		changed := "Another " + r.password
		body := map[string]string{"old_password": r.password, "password": changed, "password2": changed}
		if status, b, err := n.Do(t.Context(), "POST", "/api/auth/password/change/", a.Tokens.Access, body); err != nil || status != 200 {
			return fmt.Errorf("change the password: %d %s (%w)", status, b, err)
		}
		r.old, r.password = append(r.old, r.password), changed
		for _, token := range slices.Clone(r.live) {
			if token == a.Tokens.Refresh {
				continue
			}
			// A token that SimpleJWT made by rotation is in none of its tables, so
			// that nobody can name it who has not been shown it.
			if len(r.person.dead) > 0 {
				r.live = slices.DeleteFunc(r.live, func(t string) bool { return t == token })
			} else {
				r.spend(token)
			}
		}
		return nil
	}},
	{"signs out", func(t *testing.T, n *node.Node, r *resident) error {
		a, err := r.signIn(t, n)
		if err != nil {
			return err
		}
		for _, token := range slices.Clone(r.live) {
			access := a.Tokens.Access
			if token != a.Tokens.Refresh {
				access = r.access[0] // that Django minted
			}
			if a, err := n.Logout(t.Context(), access, token); err != nil || !a.OK() {
				return fmt.Errorf("logout: %d %s (%w)", a.Status, a.Body, err)
			}
			r.spend(token)
			if token != a.Tokens.Refresh {
				break
			}
		}
		return nil
	}},
	{"is shut out", func(t *testing.T, n *node.Node, r *resident) error {
		r.gone = true
		return command(t, n, "user", "deactivate", r.email)
	}},
	{"is deleted", func(t *testing.T, n *node.Node, r *resident) error {
		if _, err := r.signIn(t, n); err != nil {
			return err
		}
		r.gone = true
		return command(t, n, "user", "delete", "--yes", r.email)
	}},
	{"is somebody else", func(t *testing.T, n *node.Node, r *resident) error {
		body := map[string]string{"first_name": "Zoë 🔑", "phone": "+1 密码"}
		if status, b, err := n.Do(t.Context(), "PATCH", "/api/auth/profile/", r.access[0], body); err != nil || status != 200 {
			return fmt.Errorf("change the profile: %d %s (%w)", status, b, err)
		}
		r.profile["first_name"], r.profile["phone"], r.profile["role"] = "Zoë 🔑", "+1 密码", "admin"
		return command(t, n, "user", "set-role", r.email, "admin")
	}},
}

func command(t *testing.T, n *node.Node, args ...string) error {
	if out, err := n.CLI(t, "", args...); err != nil {
		return fmt.Errorf("%v: %w\n%s", args, err, out)
	}
	return nil
}

func (r *resident) signIn(t *testing.T, n *node.Node) (node.Answer, error) {
	a, err := login(t, n, r.email, r.password)
	if err != nil || !a.OK() {
		return a, fmt.Errorf("%s signs in: %d %s (%w)", r.email, a.Status, a.Body, err)
	}
	r.live, r.access = append(r.live, a.Tokens.Refresh), append(r.access, a.Tokens.Access)
	return a, nil
}

// TestWayBack is the move of a whole project and, after a day, back: Django
// accepts what it should and refuses what it should.
//
// ASVS 7.4.1, 7.4.2, 7.4.3
func TestWayBack(t *testing.T) {
	Python(t)
	t.Run("sqlite", func(t *testing.T) { wayBack(t, filepath.Join(t.TempDir(), "db.sqlite3"), "") })
	// And with names of the team's own in its tokens.
	names := simpleJWT(t, `, "USER_ID_CLAIM": "uid", "TOKEN_TYPE_CLAIM": "typ", "JTI_CLAIM": "tid", "ISSUER": "https://shop.example.com", "AUDIENCE": "shop"`)
	t.Run("postgres", func(t *testing.T) { wayBack(t, pgtest.Database(t), names, "LATCHKEY_DATABASE="+pgtest.Database(t)) })
}

func wayBack(t *testing.T, database, settings string, env ...string) {
	app := New(t, database)
	app.JWT = settings
	app.Run("QuickPBKDF2PasswordHasher")
	all := make([]*resident, *usersFlag)
	atOnce(t, len(all), 4, func(i int) error {
		p, err := newcomer(app, i)
		all[i] = &resident{person: *p}
		return err
	})
	app.Stop()

	n := successor(t, app, env...)
	if r := importFrom(t, n, app.Database); r.Inserted != int64(len(all)) || len(r.Problems) > 0 {
		t.Fatalf("imported %+v", r)
	}
	if r := exportTo(t, n, app.Database); r.wrote() > 0 || r.Unchanged != int64(len(all)) || len(r.Problems) > 0 {
		t.Errorf("an export at once writes %+v", r)
	}
	if err := n.Run(node.Build(t)); err != nil {
		t.Fatalf("serve: %v\n%s", err, n.Log())
	}
	atOnce(t, len(all), 2, func(i int) error {
		act := day[i%len(day)]
		if err := act.do(t, n, all[i]); err != nil {
			return fmt.Errorf("%s %s: %w", all[i].email, act.name, err)
		}
		return nil
	})
	for i := range 4 {
		r := &resident{person: person{email: fmt.Sprintf("New%d@example.com", i), password: passwordOf(i)}}
		a, err := n.Register(t.Context(), r.email, r.password)
		if err != nil || !a.OK() {
			t.Fatalf("register: %d %s (%v)", a.Status, a.Body, err)
		}
		r.id, r.live, r.access = a.User.ID, []string{a.Tokens.Refresh}, []string{a.Tokens.Access}
		r.profile = map[string]any{"id": float64(r.id), "email": r.email, "first_name": "Ada", "last_name": "Lovelace", "phone": "", "role": "employee"}
		// Who comes and goes within the day was never there.
		for _, name := range [][]string{{"nothing"}, {"goes on"}, {"signs out"}, {"is deleted"}}[i] {
			for _, act := range day {
				if act.name == name {
					if err := act.do(t, n, r); err != nil {
						t.Fatalf("%s %s: %v", r.email, name, err)
					}
				}
			}
		}
		all = append(all, r)
	}
	last := all[len(all)-1].id

	// While it still runs; and the rest.
	dry := exportTo(t, n, app.Database, "--dry-run")
	first := exportTo(t, n, app.Database)
	n.Stop()
	r := exportTo(t, n, app.Database)
	if r.wrote() > 0 || len(r.Problems) > 0 {
		t.Errorf("the second export writes %+v", r)
	}
	deleted := int64(0)
	for i := range *usersFlag {
		if day[i%len(day)].name == "is deleted" {
			deleted++
		}
	}
	if first.Inserted != 3 || first.Deactivated != deleted || first.Problems["deleted"] != deleted || len(first.Problems) > 1 || first.Hashes["argon2"] == 0 ||
		dry.Inserted != first.Inserted || dry.Changed != first.Changed || dry.Blacklisted != first.Blacklisted {
		t.Errorf("exported %+v, foretold %+v", first, dry)
	}

	app.Run("QuickPBKDF2PasswordHasher")
	for _, p := range all {
		for i, access := range p.access {
			status, got, err := app.Do("GET", "/api/auth/profile/", access, nil)
			switch {
			case err != nil:
				t.Fatal(err)
			case p.gone:
				if status != http.StatusUnauthorized {
					t.Errorf("access token %d of %s, who is shut out: %d %v", i, p.email, status, got)
				}
				continue
			case status != http.StatusOK:
				t.Errorf("access token %d of %s: %d %v", i, p.email, status, got)
				continue
			}
			for field, want := range p.profile {
				if got[field] != want && field != "updated_at" {
					t.Errorf("%s of %s is %v, want %v", field, p.email, got[field], want)
				}
			}
		}
		for i, refresh := range p.dead {
			if status, got, err := app.Do("POST", "/api/auth/token/refresh/", "", map[string]string{"refresh": refresh}); err != nil || status != http.StatusUnauthorized {
				t.Errorf("dead refresh token %d of %s: %d %v (%v)", i, p.email, status, got, err)
			}
			if status, got, err := app.Do("POST", "/api/auth/token/verify/", "", map[string]string{"token": refresh}); err != nil || status == http.StatusOK {
				t.Errorf("dead refresh token %d of %s verifies: %d %v (%v)", i, p.email, status, got, err)
			}
		}
	}
	var spentThere string
	for _, p := range all {
		for i, refresh := range p.live {
			body := map[string]string{"refresh": refresh}
			status, got, err := app.Do("POST", "/api/auth/token/refresh/", "", body)
			switch {
			case err != nil:
				t.Fatal(err)
			case p.gone:
				if status != http.StatusUnauthorized {
					t.Errorf("refresh token %d of %s, who is shut out: %d %v", i, p.email, status, got)
				}
				continue
			case status != http.StatusOK:
				t.Errorf("live refresh token %d of %s: %d %v", i, p.email, status, got)
				continue
			}
			if status, got, err := app.Do("POST", "/api/auth/token/refresh/", "", body); err != nil || status != http.StatusUnauthorized {
				t.Errorf("the same of %s once more: %d %v (%v)", p.email, status, got, err)
			}
			spentThere = refresh
			pair, err := pairOf(got)
			if err != nil {
				t.Fatal(err)
			}
			app.Must(http.StatusOK, "GET", "/api/auth/profile/", pair.Access, nil)
		}
	}
	atOnce(t, len(all), 2, func(i int) error {
		p := all[i]
		want := http.StatusOK
		if p.gone {
			want = http.StatusUnauthorized
		}
		status, got, err := app.Do("POST", "/api/auth/login/", "", map[string]string{"email": p.email, "password": p.password})
		if err != nil || status != want {
			return fmt.Errorf("%s signs in: %d %v, want %d (%w)", p.email, status, got, want, err)
		}
		if user, _ := got["user"].(map[string]any); want == http.StatusOK && user["id"] != float64(p.id) {
			return fmt.Errorf("%s is user %v, was %d", p.email, user["id"], p.id)
		}
		if i%4 == 0 {
			p.old = append(p.old, p.password+"x")
		}
		for _, old := range p.old {
			if status, got, err := app.Do("POST", "/api/auth/login/", "", map[string]string{"email": p.email, "password": old}); err != nil || status != http.StatusUnauthorized {
				return fmt.Errorf("%s signs in with another password: %d %v (%w)", p.email, status, got, err)
			}
		}
		return nil
	})
	next, err := newcomer(app, 1000)
	if err != nil || next.id <= last {
		t.Errorf("who registers there next is user %d, after %d (%v)", next.id, last, err)
	}
	app.Stop()

	// And forth again: what was spent there does not work here once more.
	if r := importFrom(t, n, app.Database); r.Inserted != 1 || r.Problems["changed"] > 0 {
		t.Errorf("imported again: %+v", r)
	}
	if err := n.Run(node.Build(t)); err != nil {
		t.Fatalf("serve: %v\n%s", err, n.Log())
	}
	if a, err := n.Refresh(context.Background(), spentThere); err != nil || a.Status != http.StatusUnauthorized {
		t.Errorf("a token that was spent there: %d %s (%v)", a.Status, a.Body, err)
	}
	for _, refresh := range next.live {
		if a, err := n.Refresh(context.Background(), refresh); err != nil || !a.OK() {
			t.Errorf("a token that was made there since: %d %s (%v)", a.Status, a.Body, err)
		}
	}
	if strings.Contains(n.Log(), `"status":500`) {
		t.Errorf("the server complains:\n%s", n.Log())
	}
}
