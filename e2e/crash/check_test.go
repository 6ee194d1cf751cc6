package crash

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
)

const (
	ok, unauthorized = http.StatusOK, http.StatusUnauthorized
	// race is within the 10 s in which a rotated token counts as a lost race.
	race = 8 * time.Second
)

// take reads what the ledger has had since the last time.
func (d *driver) take() {
	d.t.Helper()
	lines, at, err := d.ledger.read(d.at)
	if err != nil {
		d.t.Fatal(err)
	}
	d.at = at
	d.book.take(lines)
}

// check holds the server against the ledger: all accounts that the lines since
// the last check are about, or all there are. What was in doubt is settled by
// it, one way or the other.
func (d *driver) check(all bool) {
	d.t.Helper()
	d.take()
	work := make(chan *user)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for u := range work {
				c := &checker{driver: d, user: u, all: all}
				c.account()
				for i, s := range u.sessions {
					if s.touched || all {
						c.session(i, s)
					}
				}
			}
		})
	}
	for _, u := range d.book.order {
		work <- u
	}
	close(work)
	wg.Wait()
	d.take() // the checks' own
	for _, u := range d.book.order {
		u.fresh = false
		for _, s := range u.sessions {
			s.touched = false
		}
	}
}

// checker looks at one account.
type checker struct {
	*driver
	user *user
	all  bool
}

// ask makes a request that must be answered.
func (c *checker) ask(what string, a node.Answer, err error) int {
	c.t.Helper()
	if err != nil || a.Status >= 500 {
		c.t.Errorf("%s of %s: %v, %d %s", what, c.user.email, err, a.Status, a.Body)
	}
	return a.Status
}

// is holds that a token is good or dead.
func (c *checker) is(want int, what, raw string) {
	c.t.Helper()
	if got := c.status(raw); got != want {
		c.t.Errorf("%s of %s: %d, want %d", what, c.user.email, got, want)
	}
}

func (c *checker) status(raw string) int {
	c.t.Helper()
	c.tokens.Add(1)
	a, err := c.node.Verify(c.t.Context(), raw)
	return c.ask("verify", a, err)
}

// patiently asks what costs a hash, which the server puts off when it has too
// much to do.
func (c *checker) patiently(ask func() (node.Answer, error)) (node.Answer, error) {
	defer c.hash()()
	for range 20 {
		if a, err := ask(); err != nil || a.Status != http.StatusServiceUnavailable {
			return a, err
		}
		c.busy.Add(1)
	}
	return ask()
}

// signIn logs in and, where it works, adds the session to the ledger.
func (c *checker) signIn(password string) bool {
	c.t.Helper()
	u := c.user
	a, err := c.patiently(func() (node.Answer, error) { return c.node.Login(c.t.Context(), u.email, password) })
	if c.ask("login", a, err) != ok {
		return false
	}
	c.write(line{Act: login, User: u.email, Session: len(u.sessions), Access: a.Tokens.Access, Refresh: a.Tokens.Refresh})
	// For the names; what the ledger says of it is taken in afterwards.
	c.name(a.Tokens.Access)
	return true
}

func (c *checker) name(access string) {
	c.t.Helper()
	a, err := c.node.Profile(c.t.Context(), access)
	if c.ask("profile", a, err) != ok || !slices.Contains(c.user.names, a.User.FirstName) {
		c.t.Errorf("profile of %s: %d with the name %s, want one of %v", c.user.email, a.Status, a.User.FirstName, c.user.names)
		return
	}
	c.user.names = []string{a.User.FirstName}
}

// write writes an act of the check itself into the ledger.
func (c *checker) write(e line) {
	c.t.Helper()
	e, err := c.ledger.begin(e)
	if err == nil {
		err = c.ledger.done(e)
	}
	if err != nil {
		c.t.Error(err)
	}
}

// account checks that the account is there, and who may sign in.
func (c *checker) account() {
	c.t.Helper()
	u := c.user
	if !u.fresh && !c.all {
		return
	}
	if u.maybe {
		u.maybe = false
		if !c.signIn(u.last()) {
			// Not there at all: then it can be made.
			a, err := c.patiently(func() (node.Answer, error) { return c.node.Register(c.t.Context(), u.email, u.last()) })
			if c.ask("register", a, err) != http.StatusCreated {
				c.t.Errorf("%s can neither log in nor register: %d %s", u.email, a.Status, a.Body)
				return
			}
			c.write(line{Act: register, User: u.email, Value: u.last(), Access: a.Tokens.Access, Refresh: a.Tokens.Refresh})
		}
		return
	}
	in := c.signIn(u.last())
	switch {
	case u.off:
		if in {
			c.t.Errorf("%s is deactivated and logs in", u.email)
		}
	case u.perhapsOff:
		u.off, u.perhapsOff = !in, false
		c.settle(u.off)
	case len(u.passwords) == 2:
		// The new one or the old one, and never both.
		old := c.signIn(u.passwords[0])
		if old == in {
			c.t.Errorf("%s logs in with the old password: %v, with the new one: %v", u.email, old, in)
		}
		u.passwords = []string{u.passwords[map[bool]int{true: 1, false: 0}[in]]}
		c.settle(in)
	case !in:
		c.t.Errorf("%s cannot log in with the last password that was acknowledged", u.email)
	}
}

// settle says of the sessions whose end was in doubt that it has come or not.
func (c *checker) settle(ended bool) {
	for _, s := range c.user.sessions {
		if s.ending {
			s.ending, s.ended = false, ended
		}
	}
}

func (c *checker) session(i int, s *session) {
	c.t.Helper()
	if s.head == "" {
		return // nobody has heard of it
	}
	if c.all {
		s.checked = 0
	}
	rotated, opened := s.dead[s.checked:], s.access[s.checked:]
	s.checked = len(s.dead) // one less than there are access tokens
	for _, raw := range rotated {
		c.is(unauthorized, "a rotated refresh token", raw)
	}
	newest := s.access[len(s.access)-1]
	if s.ending {
		// All of it happened or none.
		s.ending, s.ended = false, c.status(newest) != ok
	}
	if s.ended {
		for _, raw := range s.access {
			c.is(unauthorized, "an access token of an ended session", raw)
		}
		c.is(unauthorized, "the refresh token of an ended session", s.head)
		c.refused("the refresh token of an ended session", s.head)
		return
	}
	for _, raw := range opened {
		c.is(ok, "an access token of a live session", raw)
	}
	if s.trading {
		s.trading = false
		if c.status(s.head) != ok {
			// It was traded, and nobody has the successor. The session can
			// still be ended with it, as the guide's client does.
			c.refused("a refresh token that was traded", s.head)
			if time.Since(c.killed) > race && c.status(newest) != ok {
				// That was no lost race any more, but reuse.
				c.late.Add(1)
				c.write(line{Act: logout, User: c.user.email, Session: i})
				return
			}
			c.end(i, s, newest, s.head)
			return
		}
	}
	c.is(ok, "the newest refresh token", s.head)
	if c.all {
		return
	}
	c.trade(i, s, newest)
}

func (c *checker) refused(what, raw string) {
	c.t.Helper()
	a, err := c.node.Refresh(c.t.Context(), raw)
	if c.ask("refresh", a, err) != unauthorized {
		c.t.Errorf("%s of %s is traded: %d", what, c.user.email, a.Status)
	}
}

func (c *checker) end(i int, s *session, access, raw string) {
	c.t.Helper()
	a, err := c.node.Logout(c.t.Context(), access, raw)
	if c.ask("logout", a, err) != ok {
		c.t.Errorf("logout of %s: %d %s", c.user.email, a.Status, a.Body)
		return
	}
	c.write(line{Act: logout, User: c.user.email, Session: i})
	c.is(unauthorized, "an access token after the logout", s.access[0])
}

// trade trades the newest refresh token, which must work once, and now and then
// presents one that is older still, which must end the session.
func (c *checker) trade(i int, s *session, access string) {
	c.t.Helper()
	begun := time.Now()
	a, err := c.node.Refresh(c.t.Context(), s.head)
	if c.ask("refresh", a, err) != ok {
		c.t.Errorf("the newest refresh token of %s: %d %s", c.user.email, a.Status, a.Body)
		return
	}
	c.write(line{Act: refresh, User: c.user.email, Session: i, Access: a.Tokens.Access, Refresh: a.Tokens.Refresh})
	c.refused("the refresh token before the newest", s.head)
	if time.Since(begun) > race {
		// That may have been reuse, and the session over.
		c.write(line{Act: logout, User: c.user.email, Session: i})
		return
	}
	c.is(ok, "the newest refresh token after a lost race", a.Tokens.Refresh)
	if len(s.dead) > 0 && len(s.dead)%4 == 0 {
		c.refused("an old refresh token", s.dead[0])
		c.is(unauthorized, "an access token after reuse", access)
		c.is(unauthorized, "the newest refresh token after reuse", a.Tokens.Refresh)
		c.write(line{Act: logout, User: c.user.email, Session: i})
	}
}
