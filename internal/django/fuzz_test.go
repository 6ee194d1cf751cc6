package django_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/django"
	source "github.com/latchkey-auth/latchkey/internal/store/django"
)

// FuzzDump reads any file as a dump: it ends with a report or an error, and
// tells no more users than there are records.
func FuzzDump(f *testing.F) {
	for _, s := range []string{
		`[{"model": "auth.user", "pk": 1, "fields": {"password": "!", "last_login": null, "email": "a@example.com", "is_active": true, "groups": [1]}}]`,
		`[{"model": "auth.user", "pk": 1, "fields": {"password": "!", "password": "x", "last_login": null, "email": "a@example.com"}}, {"model": "auth.user", "pk": 1, "fields": {"password": "pbkdf2_sha256$1$s$x", "last_login": "2025", "email": "A@example.com", "groups": [["x"]]}}]`,
		`[{"model": "token_blacklist.outstandingtoken", "pk": 1, "fields": {"jti": "x", "expires_at": "2999-01-01T00:00:00Z", "user": 1}}, {"model": "token_blacklist.blacklistedtoken", "pk": 1, "fields": {"token": 1}}]`,
		`[]`, `[`, `[{]}`, `[{"a`, "[\xff{}]", `[{"model":7,"pk":{},"fields":[]}]`, `[{}{}]`, `[{"model":"auth.user","fields":{"password":"\ud800","last_login":1e999}}]`,
	} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(dir, "dump.json")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		src, err := source.Open(context.Background(), name)
		if err != nil {
			return
		}
		defer src.Close()
		if src.Engine() != "dumpdata" {
			return
		}
		told := 0
		r, err := django.Inspect(context.Background(), django.Options{
			Source: src, Map: map[string]string{"table": "auth_user"}, Problem: func(django.Problem) { told++ },
		})
		if err == nil && (r.Read > int64(len(data)) || told > len(data)) {
			t.Errorf("read %d users and told %d problems of %d bytes", r.Read, told, len(data))
		}
	})
}
