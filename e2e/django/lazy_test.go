package django

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

// TestLazy: people of the real Django who were never imported sign in at two
// nodes at once and are kept, once; what the Django refuses is refused; and when
// it is gone, who was taken over stays.
func TestLazy(t *testing.T) {
	Python(t)
	app := New(t, filepath.Join(t.TempDir(), "db.sqlite3"))
	app.Run("QuickPBKDF2PasswordHasher")
	people := make([]*person, 8)
	atOnce(t, len(people), 4, func(i int) (err error) {
		people[i], err = newcomer(app, i)
		return err
	})
	app.Manage(`
from accounts.models import User
User.objects.filter(email="Person0@example.com").update(is_active=False)
`, "shell")

	database := pgtest.Database(t)
	nodes := make([]*node.Node, 2)
	for i := range nodes {
		nodes[i] = node.New(t, "LATCHKEY_SIGNING_KEY="+Secret, "LATCHKEY_DATABASE="+database,
			"LATCHKEY_THROTTLE_ENABLED=false", "LATCHKEY_UI_ENABLED=false", "LATCHKEY_DJANGO_UPSTREAM="+app.URL)
		if err := nodes[i].Run(node.Build(t)); err != nil {
			t.Fatalf("serve: %v\n%s", err, nodes[i].Log())
		}
	}
	ctx := t.Context()
	login := func(i, n int, password string) error {
		a, err := nodes[n].Login(ctx, people[i].email, password)
		want := http.StatusOK
		if i == 0 || password != people[i].password {
			want = http.StatusUnauthorized
		}
		if err == nil && a.Status != want {
			err = fmt.Errorf("%s at node %d: %d %s", people[i].email, n, a.Status, a.Body)
		}
		if err != nil || want != http.StatusOK {
			return err
		}
		profile, err := nodes[n].Profile(ctx, a.Tokens.Access)
		if err != nil {
			return err
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(profile.Body), &got); err != nil {
			return fmt.Errorf("%w: %d %s", err, profile.Status, profile.Body)
		}
		for field, want := range people[i].profile {
			if field != "updated_at" && got[field] != want {
				return fmt.Errorf("%s of %s is %v, was %v", field, people[i].email, got[field], want)
			}
		}
		return nil
	}
	atOnce(t, len(people), 4, func(i int) error { return login(i, i%2, people[i].password+"x") })
	// Each at both nodes, at the same time.
	atOnce(t, 2*len(people), 4, func(i int) error { return login(i/2, i%2, people[i/2].password) })
	app.Stop()
	atOnce(t, len(people)-1, 4, func(i int) error { return login(i+1, i%2, people[i+1].password) })

	// Nobody is told whether they are wrong while half of them may not be.
	for _, email := range []string{"stranger@example.com", people[0].email} {
		a, err := nodes[0].Login(ctx, email, "s0me password")
		if err != nil || a.Status != http.StatusServiceUnavailable {
			t.Errorf("%s without the Django: %d %s, %v", email, a.Status, a.Body, err)
		}
	}
	if a, err := nodes[0].Login(ctx, people[1].email, "s0me password"); err != nil || a.Status != http.StatusServiceUnavailable {
		t.Errorf("a wrong password without the Django: %d %s, %v", a.Status, a.Body, err)
	}
	list, err := nodes[0].CLI(t, "", "user", "list", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var kept []struct{ ID int64 }
	list = list[max(strings.IndexByte(list, '['), 0):] // after warnings
	if err := json.Unmarshal([]byte(list), &kept); err != nil || len(kept) != len(people)-1 {
		t.Errorf("%d users are kept, %v: %s", len(kept), err, list)
	}
}
