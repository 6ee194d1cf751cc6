package crash

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
)

// clients is how many do things at once. Each has accounts of its own and one
// thing under way at a time, so that the ledger leaves one thing in doubt.
const clients = 16

// driver is one run against one database.
type driver struct {
	t      *testing.T
	node   *node.Node
	binary string
	ledger *ledger
	book   book
	at     int64 // how far the ledger has been read
	rand   *rand.Rand
	named  atomic.Int64

	// hashing has a place for each password under way: the server sheds
	// those that wait too long, and on a busy machine that is soon.
	hashing chan struct{}

	killing atomic.Bool
	killed  time.Time
	busy    atomic.Int64 // answers of 503
	tokens  atomic.Int64 // that were asked about
	late    atomic.Int64 // lost races that were looked at after the leeway of 10 s
}

// worker is one client during one cycle.
type worker struct {
	*driver
	ctx   context.Context
	n     int
	users []*user
	rand  *rand.Rand
}

// password is one that passes the validators, another each time.
func (d *driver) password() string { return fmt.Sprintf("c0rrect-Horse-%d", d.named.Add(1)) }

// hash takes a place to hash in, and gives how to give it back.
func (d *driver) hash() func() {
	d.hashing <- struct{}{}
	return func() { <-d.hashing }
}

// begin makes an account for each client, before the first kill.
func (d *driver) begin() {
	for n := range clients {
		w := &worker{driver: d, ctx: d.t.Context(), n: n}
		if !w.register() {
			d.t.Fatal("there is no account to begin with")
		}
	}
	d.take()
}

// load lets the clients do things until ctx ends.
func (d *driver) load(ctx context.Context) *sync.WaitGroup {
	wg := new(sync.WaitGroup)
	for n := range clients {
		w := &worker{driver: d, ctx: ctx, n: n, rand: rand.New(rand.NewPCG(d.rand.Uint64(), 0))}
		for i, u := range d.book.order {
			if i%clients == n && !u.off {
				w.users = append(w.users, u.copy())
			}
		}
		wg.Go(func() {
			for ctx.Err() == nil && w.step() {
			}
		})
	}
	return wg
}

// step does one thing and reports whether it was acknowledged.
func (w *worker) step() bool {
	if len(w.users) == 0 || len(w.users) < 3 && w.rand.IntN(100) == 0 {
		return w.register()
	}
	u := w.users[w.rand.IntN(len(w.users))]
	var live []int
	for i, s := range u.sessions {
		if !s.ended {
			live = append(live, i)
		}
	}
	if len(live) == 0 || len(live) < 3 && w.rand.IntN(100) == 0 {
		return w.login(u)
	}
	i := live[w.rand.IntN(len(live))]
	switch n := w.rand.IntN(1000); {
	case n < 700:
		return w.refresh(u, i)
	case n < 970:
		return w.rename(u, i)
	case n < 988:
		return w.logout(u, i)
	case n < 996:
		pw := w.password()
		e := line{Act: setPassword, User: u.email, Value: pw, Session: -1}
		if !w.command(e, pw+"\n", "user", "set-password", u.email, "--password-stdin") {
			return false
		}
		u.passwords = []string{pw}
		u.end()
	default:
		e := line{Act: deactivate, User: u.email, Session: -1}
		if !w.command(e, "", "user", "deactivate", u.email) {
			return false
		}
		u.off = true
		u.end()
		for j := range w.users {
			if w.users[j] == u {
				w.users = append(w.users[:j], w.users[j+1:]...)
				break
			}
		}
	}
	return true
}

// try begins an act, asks, and writes down that it was acknowledged. ok is
// false when it was not: then nobody knows whether it is done.
func (d *driver) try(e line, want int, ask func() (node.Answer, error)) (a node.Answer, ok bool) {
	d.t.Helper()
	e, err := d.ledger.begin(e)
	if err != nil {
		d.t.Error(err)
		return a, false
	}
	a, err = ask()
	switch {
	case d.killing.Load() && (err != nil || a.Status >= 500):
		return a, false
	case err != nil:
		d.t.Errorf("%s: %v", e.Act, err)
		return a, false
	case a.Status == http.StatusServiceUnavailable:
		d.busy.Add(1)
		return a, false
	case a.Status != want:
		d.t.Errorf("%s of %s: %d %s, want %d", e.Act, e.User, a.Status, a.Body, want)
		return a, false
	}
	e.Access, e.Refresh = a.Tokens.Access, a.Tokens.Refresh
	if err := d.ledger.done(e); err != nil {
		d.t.Error(err)
		return a, false
	}
	return a, true
}

func (w *worker) register() bool {
	defer w.hash()()
	if w.ctx.Err() != nil {
		return false
	}
	email, pw := fmt.Sprintf("user%d@example.com", w.named.Add(1)), w.password()
	a, ok := w.try(line{Act: register, User: email, Value: pw}, http.StatusCreated, func() (node.Answer, error) {
		return w.node.Register(w.ctx, email, pw)
	})
	if ok {
		w.users = append(w.users, &user{
			email: email, passwords: []string{pw},
			sessions: []*session{{head: a.Tokens.Refresh, access: []string{a.Tokens.Access}}},
		})
	}
	return ok
}

func (w *worker) login(u *user) bool {
	defer w.hash()()
	if w.ctx.Err() != nil {
		return false
	}
	a, ok := w.try(line{Act: login, User: u.email, Session: len(u.sessions)}, http.StatusOK, func() (node.Answer, error) {
		return w.node.Login(w.ctx, u.email, u.last())
	})
	if ok {
		u.sessions = append(u.sessions, &session{head: a.Tokens.Refresh, access: []string{a.Tokens.Access}})
	}
	return ok
}

func (w *worker) refresh(u *user, i int) bool {
	s := u.sessions[i]
	a, ok := w.try(line{Act: refresh, User: u.email, Session: i}, http.StatusOK, func() (node.Answer, error) {
		return w.node.Refresh(w.ctx, s.head)
	})
	if ok {
		s.head, s.access = a.Tokens.Refresh, append(s.access, a.Tokens.Access)
	}
	return ok
}

func (w *worker) rename(u *user, i int) bool {
	s, name := u.sessions[i], fmt.Sprintf("Ada%d", w.named.Add(1))
	_, ok := w.try(line{Act: rename, User: u.email, Session: i, Value: name}, http.StatusOK, func() (node.Answer, error) {
		return w.node.SetProfile(w.ctx, s.access[len(s.access)-1], name)
	})
	return ok
}

func (w *worker) logout(u *user, i int) bool {
	s := u.sessions[i]
	_, ok := w.try(line{Act: logout, User: u.email, Session: i}, http.StatusOK, func() (node.Answer, error) {
		return w.node.Logout(w.ctx, s.access[len(s.access)-1], s.head)
	})
	if ok {
		s.ended = true
	}
	return ok
}

// command runs the command line beside the server; it dies with it.
func (w *worker) command(e line, stdin string, args ...string) bool {
	_, ok := w.try(e, http.StatusOK, func() (node.Answer, error) {
		cmd := exec.CommandContext(w.ctx, w.binary, args...)
		cmd.Env, cmd.Dir, cmd.Stdin = w.node.Env(), filepath.Dir(w.node.Data), bytes.NewBufferString(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return node.Answer{}, fmt.Errorf("%v: %w\n%s", args, err, out)
		}
		return node.Answer{Status: http.StatusOK}, nil
	})
	return ok
}
