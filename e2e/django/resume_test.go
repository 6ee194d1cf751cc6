package django

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

var rowsFlag = flag.Int("django.rows", 5_000, "how many users the import has that is killed")

// TestKilledHalfWay: an import that is killed at any time and run again ends
// where one does that nobody disturbed.
func TestKilledHalfWay(t *testing.T) {
	source := filepath.Join(t.TempDir(), "django.sqlite3")
	if err := Generate(t.Context(), source, *rowsFlag); err != nil {
		t.Fatal(err)
	}
	t.Run("sqlite", func(t *testing.T) {
		killed(t, source, func(t *testing.T, n *node.Node) auth.Store {
			s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(n.Data, sqlite.FileName)})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}, func(*testing.T) []string { return nil })
	})
	t.Run("postgres", func(t *testing.T) {
		url := map[*node.Node]string{}
		last := ""
		killed(t, source, func(t *testing.T, n *node.Node) auth.Store {
			if url[n] == "" {
				url[n] = last
			}
			s, err := postgres.Open(t.Context(), postgres.Options{URL: url[n]})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}, func(t *testing.T) []string {
			last = pgtest.Database(t)
			return []string{"LATCHKEY_DATABASE=" + last}
		})
	})
}

func killed(t *testing.T, source string, open func(*testing.T, *node.Node) auth.Store, env func(*testing.T) []string) {
	undisturbed := node.New(t, env(t)...)
	first := importFrom(t, undisturbed, source)
	took := time.Duration(first.Seconds * float64(time.Second))
	if first.Inserted != int64(*rowsFlag) || first.Blacklisted == 0 || first.Outstanding == 0 {
		t.Fatalf("undisturbed: %+v", first)
	}
	want := digest(t, open(t, undisturbed))

	n := node.New(t, env(t)...)
	kills := 0
	for range 3 {
		cmd := exec.Command(node.Build(t), "django", "import", "--json", "--from", source)
		cmd.Env, cmd.Dir = n.Env(), filepath.Dir(n.Data)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(time.Duration(float64(took) * (0.2 + 0.6*rand.Float64()))):
			_ = cmd.Process.Signal(syscall.SIGKILL)
			<-ended
			kills++
		}
	}
	last := importFrom(t, n, source)
	if last.Inserted+last.Unchanged != int64(*rowsFlag) || last.Changed != 0 || len(last.Problems) > 0 {
		t.Errorf("resumed: %+v", last)
	}
	if got := digest(t, open(t, n)); got != want {
		t.Errorf("the result differs: %s, undisturbed %s", got, want)
	}
	t.Logf("%d rows, undisturbed in %v; killed %d times, the last run inserted %d", *rowsFlag, took.Round(time.Millisecond), kills, last.Inserted)
}

// digest is a hash over all that an import brings, but for the times at which it
// was brought.
func digest(t *testing.T, s auth.Store) string {
	t.Helper()
	defer s.Close()
	ctx := context.Background()
	h := sha256.New()
	for after := int64(0); ; {
		page, err := s.Read().Users(ctx, auth.UserFilter{After: after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page {
			after = u.ID
			if u.IsActive != u.ValidAfter.IsZero() {
				t.Errorf("user %d: active %v, valid after %v", u.ID, u.IsActive, u.ValidAfter)
			}
			u.Gen, u.ValidAfter = 0, time.Time{}
			fmt.Fprintf(h, "%+v\n", u)
		}
		var ids []int64
		for _, u := range page {
			ids = append(ids, u.ID)
		}
		bases, err := s.Read().ImportBases(ctx, ids)
		if err != nil || len(bases) != len(ids) {
			t.Fatalf("%d bases of %d users (%v)", len(bases), len(ids), err)
		}
		if len(page) < 1000 {
			break
		}
	}
	now := time.Now()
	dead := 0
	for after := ""; ; {
		page, err := s.Read().OutstandingTokens(ctx, now, after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range page {
			after = k.JTI
			fmt.Fprintf(h, "%+v\n", k)
		}
		if len(page) < 1000 {
			break
		}
	}
	for id := 1; id <= *rowsFlag/3; id++ {
		is, err := s.Read().TokenImported(ctx, fmt.Sprintf("%032x", id))
		if err != nil {
			t.Fatal(err)
		}
		if is {
			dead++
		}
	}
	fmt.Fprintf(h, "blacklisted %d\n", dead)
	if _, err := s.Read().LastImport(ctx, "nobody"); !errors.Is(err, auth.ErrNotFound) {
		t.Error(err)
	}
	return strings.ToLower(hex.EncodeToString(h.Sum(nil)[:8]))
}
