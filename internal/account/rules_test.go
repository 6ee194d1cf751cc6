package account_test

import (
	"crypto/sha1"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/breach"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/throttle"
)

// ways are all by which a password is set. Each gives what was answered, and
// how many turns among the hashes it costs to be refused: a change looks at the
// old password first.
func (o office) ways() []way {
	n := 0
	mail := func() auth.Email {
		n++
		return email(o.t, fmt.Sprintf("user%d@example.com", n))
	}
	ada := func() auth.User {
		u, err := o.Create(o.t.Context(), account.NewAccount{
			Email: mail(), Password: "c0rrect-Horse-42", FirstName: "Ada", LastName: "Lovelace", Phone: "+49 170 1234567", Role: auth.RoleClient,
		})
		if err != nil {
			o.t.Fatal(err)
		}
		return u
	}
	form := func(pw string) account.Registration {
		return account.Registration{
			Email: mail(), Password: pw, Password2: pw, FirstName: "Ada", LastName: "Lovelace", Phone: "+49 170 1234567", Role: auth.RoleEmployee,
		}
	}
	// Made before the Checker is in place, so that what is asked is the way's.
	changer, resetter, other := ada(), ada(), ada()
	tokens, _, err := o.logins.Password(o.t.Context(), email(o.t, changer.Email), "c0rrect-Horse-42", auth.Client{}, "")
	if err != nil {
		o.t.Fatal(err)
	}
	access := o.access(tokens.Access)
	link, _, err := o.MakeResetLink(o.t.Context(), nil, resetter.ID)
	if err != nil {
		o.t.Fatal(err)
	}
	setup, hash := auth.NewSecret()
	if err := o.Store.Update(o.t.Context(), func(tx auth.Tx) error {
		return tx.InsertLink(o.t.Context(), auth.Link{
			Hash: hash, Kind: auth.LinkSetup, CreatedAt: time.Now(), Expires: time.Now().Add(time.Hour),
		})
	}); err != nil {
		o.t.Fatal(err)
	}
	return []way{
		{"register", 0, func(pw string) error {
			_, _, err := o.Register(o.t.Context(), form(pw), auth.Client{})
			return err
		}},
		{"set up", 0, func(pw string) error {
			_, _, err := o.SetUp(o.t.Context(), setup, form(pw), auth.Client{})
			return err
		}},
		{"reset", 0, func(pw string) error {
			return o.ResetPassword(o.t.Context(), account.Reset{Token: link, Password: pw, Password2: pw}, auth.Client{})
		}},
		{"create", 0, func(pw string) error {
			f := form(pw)
			_, err := o.Create(o.t.Context(), account.NewAccount{
				Email: f.Email, Password: pw, FirstName: f.FirstName, LastName: f.LastName, Phone: f.Phone, Role: auth.RoleClient,
			})
			return err
		}},
		{"set", 0, func(pw string) error { return o.SetPassword(o.t.Context(), other.ID, pw) }},
		{"change", 1, func(pw string) error {
			_, err := o.ChangePassword(o.t.Context(), access, account.PasswordChange{Old: "c0rrect-Horse-42", New: pw, New2: pw}, auth.Client{})
			return err
		}},
	}
}

type way struct {
	name  string
	turns uint64
	set   func(pw string) error
}

// service is a range API that lists some passwords. While it is asked, nobody
// holds a transaction or a place among the hashes.
type service struct {
	*httptest.Server
	asked  atomic.Int64
	broken atomic.Bool
}

func newService(o office, passwords ...string) *service {
	s := new(service)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if err := o.Store.Update(r.Context(), func(auth.Tx) error { return nil }); err != nil {
			o.t.Errorf("while the range API is asked nobody else can write: %v", err)
		}
		if busy := o.Hasher.Stats(); busy.Running+busy.Waiting > 0 {
			o.t.Errorf("while the range API is asked the hasher is at %+v", busy)
		}
		if s.broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "%035X:0\r\n", 1)
		for _, pw := range passwords {
			if sum := fmt.Sprintf("%X", sha1.Sum([]byte(pw))); strings.HasSuffix(r.URL.Path, "/"+sum[:5]) {
				fmt.Fprintf(w, "%s:3\r\n", sum[5:])
			}
		}
	}))
	o.t.Cleanup(s.Close)
	return s
}

// By whatever way a password is set, it is held against all rules, in order, and
// one that breaks a rule costs no hash.
//
// ASVS 6.1.2, 6.2.1, 6.2.4, 6.2.11, 6.2.12
// LESSON 10
func TestRulesEverywhere(t *testing.T) {
	o := newOffice(t)
	o.Throttle = throttle.New(throttle.Options{})
	ways := o.ways()
	policy, err := password.NewPolicy(password.PolicyOptions{Words: []string{"Latchkey", "Acme Corp"}})
	if err != nil {
		t.Fatal(err)
	}
	o.Policy = policy
	var breached []string
	for i := range 50 {
		breached = append(breached, fmt.Sprintf("a breached one, %d", i))
	}
	name := filepath.Join(t.TempDir(), "filter")
	if _, err := breach.Build(t.Context(), strings.NewReader(strings.Join(breached, "\n")), name, breach.BuildOptions{}); err != nil {
		t.Fatal(err)
	}
	filter, err := breach.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer filter.Close()
	service := newService(o, "a reported one, too")
	o.Breach = breach.New(breach.Options{
		Filter: filter, RangeURL: service.URL, Timeout: time.Minute, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})

	bad := map[string]string{
		"":                                     "password:password_too_short",
		"7 chars":                              "password:password_too_short",
		"password1":                            "password:password_too_common",
		"12345678":                             "password:password_too_common password:password_entirely_numeric",
		"lovelace1":                            "password:password_too_similar",
		"...lovelace1815":                      "password:password_too_similar",
		"+49-170-1234567":                      "password:password_too_similar",
		"latchkey2026!":                        "password:password_context_word",
		"4cme-Ada-2026":                        "password:password_context_word",
		strings.Repeat("x", 1<<20):             "password:password_too_long",
		strings.Repeat("é", 32<<10+1):          "password:password_too_long",
		strings.Repeat("Lovelace", 8192) + " ": "password:password_too_long",
	}
	for _, pw := range breached {
		bad[pw] = "password:password_breached"
	}
	for _, w := range ways {
		for pw, want := range bad {
			before := o.Hasher.Done()
			if got := fields(w.set(pw)); got != want {
				t.Errorf("%s, %.30q: %q, want %q", w.name, pw, got, want)
			}
			if n := o.Hasher.Done() - before; n != w.turns {
				t.Errorf("%s, %.30q: %d turns among the hashes, want %d", w.name, pw, n, w.turns)
			}
		}
	}
	if n := service.asked.Load(); n != 0 {
		t.Errorf("the range API was asked %d times about passwords that were refused anyway", n)
	}
	for _, w := range ways {
		before := service.asked.Load()
		if got := fields(w.set("a reported one, too")); got != "password:password_breached" || service.asked.Load() != before+1 {
			t.Errorf("%s, reported: %q after %d questions", w.name, got, service.asked.Load()-before)
		}
	}

	// The service fails: as is set.
	service.broken.Store(true)
	o.Breach = breach.New(breach.Options{
		RangeURL: service.URL, Timeout: time.Minute, Closed: true, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	for _, w := range ways {
		if err := w.set("an0ther-Horse-43"); !auth.IsKind(err, auth.Unavailable) {
			t.Errorf("%s, closed: %v", w.name, err)
		}
	}
	o.Breach = breach.New(breach.Options{RangeURL: service.URL, Timeout: time.Minute, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	for _, w := range ways {
		if err := w.set("an0ther-Horse-43"); err != nil {
			t.Errorf("%s, open: %v", w.name, err)
		}
	}
	if n := o.Breach.Failed(); n != uint64(len(ways)) {
		t.Errorf("%d failures counted, want %d", n, len(ways))
	}
}

// The range API is asked no more often for a session than it may try passwords,
// though its own is right each time.
func TestReportedAgainAndAgain(t *testing.T) {
	o := newOffice(t)
	tokens, _ := o.register("ada@example.com")
	me := o.access(tokens.Access)
	service := newService(o, "a reported one, too")
	o.Breach = breach.New(breach.Options{RangeURL: service.URL, Timeout: time.Minute, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	for i := range 12 {
		_, err := o.ChangePassword(t.Context(), me, to("a reported one, too"), laptop)
		if throttled := auth.IsKind(err, auth.TooMany); throttled != (i >= 10) || !throttled && fields(err) != "password:password_breached" {
			t.Errorf("change %d: %v", i+1, err)
		}
	}
	if n := service.asked.Load(); n != 10 {
		t.Errorf("asked %d times", n)
	}
}
