package django_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/django"
)

// writeDump writes a list of records, each as it is given, for h to read.
func (h *house) writeDump(write func(put func(raw string))) {
	h.t.Helper()
	h.file = filepath.Join(h.t.TempDir(), "dump.json")
	f, err := os.Create(h.file)
	if err != nil {
		h.t.Fatal(err)
	}
	w, comma := bufio.NewWriter(f), "["
	write(func(raw string) {
		_, _ = w.WriteString(comma + raw)
		comma = ",\n"
	})
	_, _ = w.WriteString("]")
	if err := w.Flush(); err != nil {
		h.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// dumped is a user's record; more are further fields, with their comma.
func dumped(id any, email, more string) string {
	return fmt.Sprintf(`{"model": "accounts.user", "pk": %v, "fields": {"password": %q, "last_login": null, "email": %q,
		"first_name": "Ada", "last_name": "L", "phone": "", "role": "employee", "is_active": true,
		"created_at": "2025-01-02T03:04:05.678Z", "updated_at": "2025-01-02T03:04:05.678Z"%s}}`, id, hash1, email, more)
}

// TestHostileDump: whatever stands in a record of a dump, those after it come
// along, and it costs no more memory than a record may.
//
// ASVS 2.2.1
func TestHostileDump(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.writeDump(func(put func(string)) {
		put(dumped(1, "one@example.com", ""))
		put(dumped(2, "twice@example.com", `, "phone": "1"`))
		put(`{"model": "accounts.user", "model": "accounts.user", "pk": 3, "fields": {}}`)
		put(`{"model": "accounts.user", "pk": 4, "pk": 5, "fields": {"email": "four@example.com"}}`)
		put(dumped(6, "raw@example.com", ", \"kind\": \"\xff\xfe\""))
		put(dumped(7, "half@example.com", `, "kind": "\ud800"`))
		put(dumped(8, "nul@example.com", `, "kind": "a\u0000b"`)) // in a column that nobody asks for
		put(strings.Replace(dumped(9, "nul9@example.com", ""), "Ada", `A\u0000da`, 1))
		put(dumped("1e999", "number@example.com", ""))
		put(dumped(strings.Repeat("9", 400), "long@example.com", ""))
		put(dumped(`{"a": 1}`, "object@example.com", ""))
		put(dumped(10, "deep@example.com", `, "kind": `+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)))
		put(dumped(11, "groups@example.com", `, "groups": [`+strings.Repeat("1,", 200_000)+`1]`))
		put(dumped(12, "fields@example.com", fields(0, 3000)))
		put(dumped(13, "wide@example.com", fields(0, 2_000_000)))
		put(`{"model": "accounts.user"}`)
		put(`{"model": 7, "pk": {}, "fields": []}`)
		put(dumped(1, "again@example.com", "")) // the id of the first
		put(dumped(14, "last@example.com", ""))
	})
	r := h.run(nil)
	for _, p := range h.problems {
		t.Logf("%d, record %d: %s: %s", p.UserID, p.Row, p.Class, p.Text)
		if len(p.Text) > 2000 || strings.ContainsAny(p.Text, "{}") {
			t.Errorf("the problem quotes too much: %.100q", p.Text)
		}
	}
	for id, email := range map[int64]string{1: "one@example.com", 8: "nul@example.com", 11: "groups@example.com", 14: "last@example.com"} {
		if u := h.user(id); u.Email != email {
			t.Errorf("user %d is %s", id, u.Email)
		}
	}
	for _, id := range []int64{2, 3, 4, 5, 6, 7, 9, 12, 13} {
		h.absent(id)
	}
	if r.Inserted != 4 {
		t.Errorf("inserted %d", r.Inserted)
	}
}

// fields are JSON fields of these numbers, each after a comma.
func fields(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, `, "f%d": 1`, i)
	}
	return b.String()
}

// TestManyColumns: 200,000 columns, over 200 records, are not held in memory, and
// those that are asked for are found.
func TestManyColumns(t *testing.T) {
	h := newHouse(t)
	h.writeDump(func(put func(string)) {
		for i := range 200 {
			put(dumped(i+1, fmt.Sprintf("u%d@example.com", i), fields(i*1000, i*1000+1000)))
		}
	})
	stop, most := make(chan struct{}), make(chan uint64)
	go func() {
		var peak uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
			select {
			case <-stop:
				most <- peak
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	r := h.run(func(o *django.Options) { o.DryRun = true })
	close(stop)
	if r.Inserted != 200 || len(h.problems) > 0 {
		t.Errorf("inserted %d, problems %+v", r.Inserted, h.problems)
	}
	peak := <-most
	t.Logf("at most %d MiB in use", peak>>20)
	if peak > 256<<20 {
		t.Errorf("%d MiB of memory were in use", peak>>20)
	}
}

// TestWideTable: as many columns as SQLite has.
func TestWideTable(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var b strings.Builder
	for i := range 1986 {
		fmt.Fprintf(&b, "f%d text DEFAULT 'x', ", i)
	}
	h.exec(`DROP TABLE accounts_user`)
	h.exec(strings.Replace(strings.SplitAfter(schema, ";")[0], "password varchar", b.String()+"password varchar", 1))
	h.add(1, "one@example.com")
	if r := h.run(nil); r.Inserted != 1 || len(h.problems) > 0 {
		t.Errorf("inserted %d, problems %+v", r.Inserted, h.problems)
	}
	if u := h.user(1); u.Email != "one@example.com" || u.Password != hash1 {
		t.Errorf("user %+v", u)
	}
}
