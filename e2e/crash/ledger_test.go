package crash

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// What is done.
type act string

const (
	register    act = "register"
	login       act = "login"
	refresh     act = "refresh"
	logout      act = "logout"
	rename      act = "rename"
	setPassword act = "set-password"
	deactivate  act = "deactivate"
)

// line is one line of the ledger: an act is begun, or it has been acknowledged.
type line struct {
	// N numbers the acts. The line of the beginning and that of the
	// acknowledgement have the same.
	N    int  `json:"n"`
	Done bool `json:"done,omitempty"`

	Act   act    `json:"act"`
	User  string `json:"user"` // the e-mail
	Value string `json:"value,omitempty"`
	// Session counts a user's sessions; -1 where the act is about none.
	Session int `json:"session"`
	// Access and Refresh are the tokens that the answer brought.
	Access  string `json:"access,omitempty"`
	Refresh string `json:"refresh,omitempty"`
}

// ledger is an append-only file. Only what is acknowledged is worth a sync: a
// beginning that is lost with this process is of no use to anybody.
type ledger struct {
	mu sync.Mutex
	f  *os.File
	n  int
}

func openLedger(path string) (*ledger, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &ledger{f: f}, nil
}

// begin writes that an act is under way and gives its line.
func (l *ledger) begin(e line) (line, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	e.N = l.n
	return e, l.write(e)
}

// done writes that it was acknowledged, to the disk.
func (l *ledger) done(e line) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Done = true
	if err := l.write(e); err != nil {
		return err
	}
	return l.f.Sync()
}

func (l *ledger) write(e line) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = l.f.Write(append(b, '\n'))
	return err
}

// read gives the lines from an offset on, and the offset of their end.
func (l *ledger) read(from int64) ([]line, int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := bufio.NewReader(io.NewSectionReader(l.f, from, 1<<62))
	var lines []line
	for {
		b, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(b) == 0 {
			return lines, from, nil
		}
		if err != nil {
			return nil, 0, err
		}
		from += int64(len(b))
		var e line
		if err := json.Unmarshal(b, &e); err != nil {
			return nil, 0, fmt.Errorf("line %q: %w", b, err)
		}
		lines = append(lines, e)
	}
}

// user is what the ledger says of one account.
type user struct {
	email string
	// maybe says that nobody knows whether the account is there.
	maybe bool
	// passwords, and names, are those that may be in force: the last that was
	// acknowledged, and one whose acknowledgement never came.
	passwords, names []string
	// off: deactivated; perhapsOff: it was under way.
	off, perhapsOff bool
	sessions        []*session
	// fresh says that the last cycle's lines are about more than sessions.
	fresh bool
}

// session is what the ledger says of one login.
type session struct {
	access []string
	head   string
	dead   []string // refresh tokens that were traded
	// checked is how many of them, and of access, have been checked before.
	checked int
	ended   bool
	// trading and ending are under way: nobody knows.
	trading, ending bool
	// touched: the last cycle's lines are about it.
	touched bool
}

// copy is what a client goes on with: the book itself moves only with the
// ledger.
func (u *user) copy() *user {
	c := *u
	c.passwords, c.names, c.sessions = slices.Clone(u.passwords), slices.Clone(u.names), nil
	for _, s := range u.sessions {
		t := *s
		t.access, t.dead = slices.Clone(s.access), nil
		c.sessions = append(c.sessions, &t)
	}
	return &c
}

func (u *user) last() string { return u.passwords[len(u.passwords)-1] }

// book is what all of the ledger says.
type book struct {
	users map[string]*user
	order []*user
	acked int // lines that are acknowledgements
}

// take takes lines in, in their order. Acts that were begun and not done are in
// doubt after the last line.
func (b *book) take(lines []line) {
	begun := map[int]line{}
	for _, e := range lines {
		if !e.Done {
			begun[e.N] = e
			continue
		}
		delete(begun, e.N)
		b.acked++
		b.apply(e)
	}
	for _, e := range begun {
		b.doubt(e)
	}
}

func (b *book) user(email string) *user {
	u, ok := b.users[email]
	if !ok {
		u = &user{email: email}
		b.users[email] = u
		b.order = append(b.order, u)
	}
	return u
}

// session gives a user's session; those that are skipped were asked for and
// nobody has heard of them.
func (u *user) session(n int) *session {
	for len(u.sessions) <= n {
		u.sessions = append(u.sessions, &session{ended: true})
	}
	u.sessions[n].touched = true
	return u.sessions[n]
}

func (b *book) apply(e line) {
	u := b.user(e.User)
	switch e.Act {
	case register:
		u.passwords, u.names, u.fresh = []string{e.Value}, []string{"Ada"}, true
		*u.session(e.Session) = session{access: []string{e.Access}, head: e.Refresh, touched: true}
	case login:
		*u.session(e.Session) = session{access: []string{e.Access}, head: e.Refresh, touched: true}
	case refresh:
		s := u.session(e.Session)
		s.dead, s.head, s.access = append(s.dead, s.head), e.Refresh, append(s.access, e.Access)
	case logout:
		u.session(e.Session).ended = true
	case rename:
		u.names, u.fresh = []string{e.Value}, true
	case setPassword:
		u.passwords, u.fresh = []string{e.Value}, true
		u.end()
	case deactivate:
		u.off, u.fresh = true, true
		u.end()
	}
}

func (u *user) end() {
	for i, s := range u.sessions {
		if !s.ended {
			u.session(i).ended = true
		}
	}
}

func (b *book) doubt(e line) {
	u := b.user(e.User)
	switch e.Act {
	case register:
		u.maybe, u.passwords, u.names = true, []string{e.Value}, []string{"Ada"}
	case login:
		// If there is a session, nobody has its tokens.
	case refresh:
		u.session(e.Session).trading = true
	case logout:
		u.session(e.Session).ending = true
	case rename:
		u.names = append(u.names, e.Value)
	case setPassword:
		u.passwords = append(u.passwords, e.Value)
	case deactivate:
		u.perhapsOff = true
	}
	switch e.Act {
	case setPassword, deactivate:
		for i, s := range u.sessions {
			if !s.ended {
				u.session(i).ending = true
			}
		}
		u.fresh = true
	case register, rename:
		u.fresh = true
	default:
	}
}
