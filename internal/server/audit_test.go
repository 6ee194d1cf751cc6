package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/server"
)

// turned is a store that does something after the first batch of an export, once.
type turned struct {
	auth.Store
	read *func()
}

type turnedReader struct {
	auth.Reader
	read *func()
}

func (t turned) Read() auth.Reader { return turnedReader{t.Store.Read(), t.read} }

func (t turnedReader) Audit(ctx context.Context, f auth.AuditFilter) ([]auth.AuditEvent, error) {
	all, err := t.Reader.Audit(ctx, f)
	if f.Limit > 100 && f.After == nil { // no page, and not the doctor's look
		if read := *t.read; read != nil {
			*t.read = nil
			read()
		}
	}
	return all, err
}

// An export takes minutes; it goes on for no longer than the caller may have it:
// whoever is shut out, loses the role or the session meanwhile gets the batch
// that was under way and a broken connection.
func TestExportEndsWithItsCaller(t *testing.T) {
	const (
		events  = 1300
		aborted = `"aborted":true`
	)
	cfg := settings(t, "LATCHKEY_REGISTRATION_ROLES=admin", "LATCHKEY_SESSIONS_CONFIRM_FOR=0s")
	store, err := server.OpenStore(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if err := store.Update(t.Context(), func(tx auth.Tx) error {
		for i := range events {
			if err := tx.InsertEvent(t.Context(), auth.Event{At: time.Now(), Kind: auth.EventImported, Count: 1, Detail: fmt.Sprint(i)}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var read func()
	r := start(t, cfg, server.RunOptions{Store: turned{store, &read}})
	admin := func(mail string) (id int64, refresh string, bearer []string) {
		t.Helper()
		_, body := r.do("POST", "/api/auth/register/", strings.NewReplacer("canary.mail@example.com", mail, `"phone"`, `"role":"admin","phone"`).Replace(form))
		var a struct {
			User   struct{ ID int64 }
			Tokens struct{ Access, Refresh string }
		}
		if err := json.Unmarshal([]byte(body), &a); err != nil || a.User.ID == 0 {
			t.Fatal(body, err)
		}
		return a.User.ID, a.Tokens.Refresh, []string{"Authorization", "Bearer " + a.Tokens.Access}
	}
	_, _, root := admin("root@example.com")
	for i, c := range []struct {
		what, method, path, body string // path has the id
		own                      bool
		whole                    bool
	}{
		{what: "nothing", method: "GET", path: "/api/users/%d/", whole: true},
		{what: "a session that ends", method: "POST", path: "/api/auth/logout/?%d", body: `{"refresh":"REFRESH"}`, own: true},
		{what: "a user who is signed out", method: "POST", path: "/api/users/%d/logout/"},
		{what: "another role", method: "PATCH", path: "/api/users/%d/", body: `{"role":"client"}`},
		{what: "an account that is shut", method: "POST", path: "/api/users/%d/deactivate/"},
		{what: "an account that is deleted", method: "DELETE", path: "/api/users/%d/"},
	} {
		for _, format := range []string{"jsonl", "csv"} {
			id, refresh, bearer := admin(fmt.Sprintf("a%d.%s@example.com", i, format))
			as := root
			if c.own {
				as = bearer
			}
			read = func() {
				if resp, body := r.do(c.method, fmt.Sprintf(c.path, id), strings.Replace(c.body, "REFRESH", refresh, 1), as...); resp.StatusCode/100 != 2 {
					t.Errorf("%s: %d %s", c.what, resp.StatusCode, body)
				}
			}
			before := strings.Count(r.log.String(), aborted)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/api/audit/?format="+format, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set(bearer[0], bearer[1])
			resp, err := r.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			n := strings.Count(string(b), "\n")
			if whole := err == nil && n >= events; whole != c.whole || !c.whole && (n < 100 || n > 501) {
				t.Errorf("%s, %s: %d lines, %v", c.what, format, n, err)
			}
			if told := strings.Count(r.log.String(), aborted) > before; told == c.whole {
				t.Errorf("%s, %s: the log tells of it: %v", c.what, format, told)
			}
		}
	}
}
