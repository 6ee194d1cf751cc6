package login_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/counters"
	"github.com/latchkey-auth/latchkey/internal/login"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/session"
	"github.com/latchkey-auth/latchkey/internal/throttle"
)

// before is an upstream: people by their address, all with one password.
type before struct {
	people map[string]auth.ImportedUser
	asked  atomic.Int64
	paused atomic.Int64
	down   atomic.Bool
}

func (b *before) Ask(_ context.Context, email auth.Email, pw, address string) (auth.ImportedUser, error) {
	b.asked.Add(1)
	if b.down.Load() {
		return auth.ImportedUser{}, &auth.Error{Kind: auth.Unavailable, Code: auth.CodeBusy, RetryAfter: 3 * time.Second}
	}
	u, ok := b.people[email.Key]
	if !ok || pw != right || address == "" {
		return auth.ImportedUser{}, &auth.Error{Kind: auth.BadCredentials, Code: auth.CodeBadCredentials}
	}
	return u, nil
}

func (b *before) Pause(context.Context) { b.paused.Add(1) }

func (b *before) Down(address string) (time.Duration, bool) {
	return 3 * time.Second, b.down.Load() && address != ""
}

func newcomer(id int64, address string) auth.ImportedUser {
	email, _ := auth.ParseEmail(address)
	at := time.Now().Add(-time.Hour).Truncate(time.Microsecond)
	return auth.ImportedUser{
		ID: id, Email: email, FirstName: "Ada", LastName: "L", Phone: "+1", Role: auth.RoleManager, IsActive: true,
		CreatedAt: at, UpdatedAt: at, Base: []byte("base"),
	}
}

func withUpstream(t *testing.T, people ...auth.ImportedUser) (door, *before) {
	d := newDoor(t, "")
	b := &before{people: map[string]auth.ImportedUser{}}
	for _, p := range people {
		b.people[p.Email.Key] = p
	}
	d.Upstream = b
	return d, b
}

func (d door) signIn(address, pw string) (session.Tokens, auth.User, error) {
	email, _ := auth.ParseEmail(address)
	return d.Password(d.t.Context(), email, pw, auth.Client{Address: "203.0.113.9"}, "")
}

// TestTakeOver: who is not known here is asked about once and kept, with the id
// and the profile of there and the password that was proved.
func TestTakeOver(t *testing.T) {
	d, b := withUpstream(t, newcomer(4711, "Eva@example.com"))
	for range 2 {
		tokens, u, err := d.signIn("eva@example.com", right)
		if err != nil || tokens.Access == "" || u.ID != 4711 || u.Email != "Eva@example.com" || u.Role != auth.RoleManager || u.Phone != "+1" {
			t.Fatalf("%+v, %v", u, err)
		}
	}
	if n := b.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if _, _, err := d.signIn("eva@example.com", "wrong-Horse-42"); !auth.IsKind(err, auth.BadCredentials) || b.asked.Load() != 1 {
		t.Errorf("%v, asked %d times", err, b.asked.Load())
	}
	u, err := d.Store.Read().UserByID(t.Context(), 4711)
	if err != nil || !strings.HasPrefix(u.Password, "argon2$") || u.CredentialVersion != 1 {
		t.Errorf("%+v, %v", u, err)
	}
	if bases, err := d.Store.Read().ImportBases(t.Context(), []int64{4711}); err != nil || len(bases) != 1 {
		t.Errorf("%v, %v", bases, err)
	}
	events, err := d.Store.Read().Audit(t.Context(), auth.AuditFilter{UserID: 4711, Limit: 10})
	kinds := map[auth.EventKind]int{}
	for _, e := range events {
		kinds[e.Kind]++
	}
	if err != nil || kinds[auth.EventTakenOver] != 1 || kinds[auth.EventLoggedIn] != 2 {
		t.Errorf("%v, %v", kinds, err)
	}
	// The next who registers is somebody else.
	email, _ := auth.ParseEmail("next@example.com")
	d.update(func(tx auth.Tx) error {
		next, err := tx.InsertUser(t.Context(), auth.NewUser{Email: email, Role: auth.RoleClient, Password: "!", IsActive: true}, time.Now())
		if next.ID <= 4711 {
			t.Errorf("the next id is %d", next.ID)
		}
		return err
	})
}

// TestTakeOverAtOnce: of many requests one inserts, and all are signed in.
func TestTakeOverAtOnce(t *testing.T) {
	d, _ := withUpstream(t, newcomer(7, "eva@example.com"))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, u, err := d.signIn("eva@example.com", right); err != nil || u.ID != 7 {
				t.Errorf("%d, %v", u.ID, err)
			}
		})
	}
	all.Wait()
	events, err := d.Store.Read().Audit(t.Context(), auth.AuditFilter{Kind: auth.EventTakenOver, Limit: 10})
	if err != nil || len(events) != 1 {
		t.Errorf("%d times taken over, %v", len(events), err)
	}
}

// TestTakeOverNobodyBack: who was shut out or deleted here, or has another
// address here, does not come in by the upstream, nor does somebody under an id
// that is another's.
//
// LESSON 18
func TestTakeOverNobodyBack(t *testing.T) {
	d, b := withUpstream(t, newcomer(7, "eva@example.com"), newcomer(8, "bob@example.com"), newcomer(9, "cyd@example.com"))
	b.people["dan@example.com"] = newcomer(d.user.ID, "dan@example.com")
	for _, address := range []string{"eva@example.com", "bob@example.com", "cyd@example.com"} {
		if _, _, err := d.signIn(address, right); err != nil {
			t.Fatal(err)
		}
	}
	no, moved := false, auth.Email{Shown: "moved@example.com", Key: "moved@example.com"}
	d.update(func(tx auth.Tx) error {
		_, err := tx.UpdateUser(t.Context(), 7, auth.UserChange{IsActive: &no}, time.Now())
		_, err2 := tx.DeleteUser(t.Context(), 8)
		_, err3 := tx.UpdateUser(t.Context(), 9, auth.UserChange{Email: &moved}, time.Now())
		return errors.Join(err, err2, err3)
	})
	asked := b.asked.Load()
	for address, again := range map[string]int64{"eva@example.com": 0, "bob@example.com": 1, "cyd@example.com": 1, "dan@example.com": 1} {
		if _, u, err := d.signIn(address, right); !auth.IsKind(err, auth.BadCredentials) || u.ID != 0 && u.IsActive {
			t.Errorf("%s: %+v, %v", address, u, err)
		}
		if n := b.asked.Load() - asked; n != again {
			t.Errorf("%s was asked about %d times", address, n)
		}
		asked = b.asked.Load()
	}
	if u, err := d.Store.Read().UserByID(t.Context(), d.user.ID); err != nil || u.Email != d.user.Email {
		t.Errorf("%+v, %v", u, err)
	}
}

// TestTakeOverAlike: who is known and who is not get the same answer, while the
// upstream answers and while it does not, and wait for it alike.
//
// ASVS 6.3.8
// ROW 8
func TestTakeOverAlike(t *testing.T) {
	d, b := withUpstream(t)
	for _, down := range []bool{false, true} {
		b.down.Store(down)
		var answers []string
		for _, address := range []string{d.user.Email, "nobody@example.com"} {
			asked, paused := b.asked.Load(), b.paused.Load()
			_, _, err := d.signIn(address, "wrong-Horse-42")
			e := new(auth.Error)
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			answers = append(answers, e.Error()+e.RetryAfter.String())
			if want := map[bool]auth.Kind{false: auth.BadCredentials, true: auth.Unavailable}[down]; e.Kind != want {
				t.Errorf("%s, down %v: %v", address, down, err)
			}
			// One of the two, and the upstream's Ask takes as long as its Pause.
			if waits := b.asked.Load() - asked + b.paused.Load() - paused; waits != 1 {
				t.Errorf("%s waits %d times", address, waits)
			}
		}
		if answers[0] != answers[1] {
			t.Errorf("down %v: %q", down, answers)
		}
	}
	// The right password of who is known opens all the same.
	if _, u, err := d.signIn(d.user.Email, right); err != nil || u.ID != d.user.ID {
		t.Errorf("%v", err)
	}
}

// blocked is a store in which the address is blocked while a password is looked
// at.
type blocked struct{ auth.Store }

func (blocked) OpenSession(context.Context, auth.Opening) (auth.Opened, error) {
	return auth.Opened{}, counters.TooMany(time.Minute)
}

// TestBlockedMeanwhileAlike: the right password of who is known waits as a wrong
// one does where neither is let in, or the time would tell which it was.
//
// ASVS 6.3.8
// ROW 8
func TestBlockedMeanwhileAlike(t *testing.T) {
	d, b := withUpstream(t)
	d.Sessions.Store = blocked{d.Sessions.Store}
	for pw, want := range map[string]auth.Kind{right: auth.TooMany, "wrong-Horse-42": auth.BadCredentials} {
		paused := b.paused.Load()
		if _, _, err := d.signIn(d.user.Email, pw); !auth.IsKind(err, want) || b.paused.Load() != paused+1 {
			t.Errorf("kind %d: %v, waited %d times", want, err, b.paused.Load()-paused)
		}
	}
}

// TestUnsaidIsCountedAlike: while the upstream cannot say, wrong passwords for many
// addresses from one client get as far where everybody is known as where nobody is.
//
// ASVS 6.3.8
func TestUnsaidIsCountedAlike(t *testing.T) {
	const most = throttle.DefaultEmails + 5
	var answers [2][]auth.Kind
	for i, known := range []bool{false, true} {
		d, b := withUpstream(t)
		b.down.Store(true)
		for n := range most {
			address := fmt.Sprintf("p%d@example.com", n)
			if known {
				d.update(func(tx auth.Tx) error {
					_, err := tx.InsertUser(t.Context(), auth.NewUser{Email: email(t, address), Role: auth.RoleClient, Password: d.user.Password, IsActive: true}, time.Now())
					return err
				})
			}
			_, _, err := d.signIn(address, "wrong-Horse-42")
			e := new(auth.Error)
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			answers[i] = append(answers[i], e.Kind)
		}
	}
	if !slices.Equal(answers[0], answers[1]) || answers[0][0] != auth.Unavailable || answers[0][most-1] != auth.TooMany {
		t.Errorf("nobody is known: %v\neverybody is: %v", answers[0], answers[1])
	}
}

// TestTakeOverThrottled: guesses at who is not known are counted like others,
// those too that the upstream could not judge, and what is over the limit is not
// asked there.
//
// ASVS 6.3.1
func TestTakeOverThrottled(t *testing.T) {
	d, b := withUpstream(t, newcomer(7, "eva@example.com"))
	var last error
	for range 15 {
		_, _, last = d.signIn("eva@example.com", "wrong-Horse-42")
	}
	if n := b.asked.Load(); !auth.IsKind(last, auth.TooMany) || n < 3 || n > 10 {
		t.Errorf("asked %d times, at last %v", n, last)
	}
	if _, _, err := d.signIn("bob@example.com", strings.Repeat("x", password.MaxLength+1)); !auth.IsKind(err, auth.BadCredentials) || b.paused.Load() != 1 {
		t.Errorf("an overlong password: %v", err)
	}
}

// TestTakeOverKnown: the account knows the address that its owner was taken over
// from, and strangers do not shut them out of it.
func TestTakeOverKnown(t *testing.T) {
	d, _ := withUpstream(t, newcomer(7, "eva@example.com"))
	if _, _, err := d.signIn("eva@example.com", right); err != nil {
		t.Fatal(err)
	}
	email, _ := auth.ParseEmail("eva@example.com")
	var last error
	for range 11 {
		_, _, last = d.Password(t.Context(), email, "wrong-Horse-42", auth.Client{Address: "198.51.100.7"}, "")
	}
	if !auth.IsKind(last, auth.TooMany) {
		t.Fatal(last)
	}
	if _, _, err := d.signIn("eva@example.com", right); err != nil {
		t.Errorf("the owner: %v", err)
	}
}

var _ login.Upstream = (*before)(nil)
