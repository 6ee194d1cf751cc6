package outage

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/node"
)

// Backups are made while clients are at work, and each is put back in another
// place: every account is in it as it was acknowledged before the backup began,
// or as it became while it was made; whoever knows a password signs in; and of
// all tokens that were ever given, before and after, none is good there.
//
// LESSON 14
// ROW 25
func TestBackupUnderLoad(t *testing.T) {
	from := first()
	n := node.Start(t, settings()...)
	c := gather(t, n, from, clients)
	tokens := 0
	for range *backups {
		// What was acknowledged before: from here on it must be in the copy.
		for _, w := range c.clients {
			w.history = slices.Clone(w.names)
		}
		c.begin()
		c.back()
		file := filepath.Join(t.TempDir(), "kept.tar")
		if out, err := n.CLI(t, "", "backup", file); err != nil {
			t.Fatalf("backup: %v\n%s", err, out)
		}
		c.back()
		c.end()
		if t.Failed() {
			return
		}

		other := node.New(t, settings()...)
		restore := exec.Command(node.Build(t), "restore", file)
		restore.Env, restore.Dir = other.Env(), filepath.Dir(other.Data)
		if out, err := restore.CombinedOutput(); err != nil {
			t.Fatalf("restore: %v\n%s", err, out)
		}
		if err := other.Run(node.Build(t)); err != nil {
			t.Fatalf("start on the copy: %v\n%s", err, other.Log())
		}
		for _, w := range c.clients {
			for _, token := range append([]string{w.access, w.fresh, w.kept}, w.dead...) {
				tokens++
				if a, err := other.Verify(t.Context(), token); err != nil || a.Status != unauthorized {
					t.Errorf("a token of before the restore: %v %d, want 401", err, a.Status)
				}
			}
			if a, err := other.Refresh(t.Context(), w.fresh); err != nil || a.Status != unauthorized {
				t.Errorf("a refresh token of before the restore: %v %d, want 401", err, a.Status)
			}
			a, err := other.Login(t.Context(), w.email, password)
			if err != nil || !a.OK() {
				t.Errorf("login on the copy: %v %d %s", err, a.Status, a.Body)
			} else if !slices.Contains(w.history, a.User.FirstName) {
				t.Errorf("the copy says %s; acknowledged before the backup or since: %v", a.User.FirstName, w.history)
			}
		}
		other.Stop()
	}
	c.check()
	t.Logf("seed %d: %d backups put back; %d writes acknowledged, %d tokens tried there", from, *backups, c.acked.Load(), tokens)
}
