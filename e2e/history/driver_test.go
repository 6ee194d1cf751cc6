package history

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/latchkey-auth/latchkey/e2e/faults"
	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/server"
	sessions "github.com/latchkey-auth/latchkey/internal/session"
)

const (
	clients = 16
	// cut is how many of a hundred requests are broken off after they were
	// sent, and faulty how many of a thousand calls of the store fail.
	cut, faulty = 12, 20
)

// pass is the password of a user after so many changes.
func pass(epoch int) string { return fmt.Sprintf("c0rrect-Horse-%d", epoch) }

// hash is made once: nobody's password is tried here.
var hash = sync.OnceValues(func() (string, error) {
	return password.NewHasher(password.Options{Cheap: true}).Hash(context.Background(), pass(1))
})

// stage is a server, and what its histories have in common.
type stage struct {
	*faults.Server
	t        *testing.T
	http     *http.Client
	accounts *account.Service
	hints    chan struct{}
	loads    atomic.Int64 // how often the feed has begun to read
	calm     atomic.Bool  // no more faults

	mu     sync.Mutex
	faults *rand.Rand
	failed int                      // calls of the store
	cut    int                      // requests
	ended  map[string]chan struct{} // by request id: closed when the server is done with it
	nextID int
	made   int // users
}

func newStage(t *testing.T, engine, setting string, seed uint64) *stage {
	s := &stage{
		t: t, hints: make(chan struct{}), faults: rand.New(rand.NewPCG(seed, 1)),
		ended: map[string]chan struct{}{},
		http:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}},
	}
	s.Server = faults.Serve(t, faults.Options{
		Engine: engine, Env: []string{"LATCHKEY_TOKENS_REUSE=" + setting, "LATCHKEY_PROXY_TRUSTED=127.0.0.1"},
		Decide: s.decide, Hints: s.hints, Frozen: true,
	})
	t.Cleanup(s.http.CloseIdleConnections)
	s.Log.Said = s.said
	var err error
	// The acts of the command line, as another process has them.
	if s.accounts, err = server.NewAccounts(t.Context(), s.Config, s.Store, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return s
}

// errFault is what a call of the store answers now and then, before it has
// begun or after its commit.
var errFault = errors.New("a fault of the test")

func (s *stage) decide(ctx context.Context, p faults.Point) error {
	if !faults.OfRequest(ctx) {
		if p.Call == "Revocations" {
			s.loads.Add(1)
		}
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calm.Load() || s.faults.IntN(1000) >= faulty {
		return nil
	}
	s.failed++
	return errFault
}

// said notes which requests the server is done with.
func (s *stage) said(lines []byte) {
	for line := range bytes.Lines(lines) {
		var told struct{ Msg, ID string }
		if json.Unmarshal(line, &told) != nil || told.Msg != "request" {
			continue
		}
		s.mu.Lock()
		if c, ok := s.ended[told.ID]; ok {
			close(c)
			delete(s.ended, told.ID)
		}
		s.mu.Unlock()
	}
}

// heard waits until the server has read all revocations that were committed
// before: the second reading that begins afterwards begins when the first has
// been taken in.
func (s *stage) heard() {
	for range 2 {
		before := s.loads.Load()
		for s.loads.Load() == before {
			select {
			case s.hints <- struct{}{}:
			case <-time.After(time.Millisecond):
			}
		}
	}
}

// login is a session as the clients know it.
type login struct {
	id      string
	who     *person
	refresh []string // raw tokens in the order in which they were heard of
	access  []string
	over    bool // somebody has ended it
}

// person is a user.
type person struct {
	auth.User
	part  string
	acts  sync.Mutex // one act of an operator at a time
	epoch int        // counts the passwords
}

// play is one history under way.
type play struct {
	*stage
	begun time.Time

	mu      sync.Mutex
	history []porcupine.Operation
	ids     map[string]int // of acts, by part
	logins  []*login
	deeds   []deed
	named   atomic.Int64
	people  []*person
	waiting []chan struct{} // of requests that were cut
}

func (p *play) now() int64 { return int64(time.Since(p.begun)) }

// forever is the end of what nobody saw end.
const forever = math.MaxInt64

// note writes an act down. One that can end a session, and has been answered,
// is followed by its settling.
func (p *play) note(client int, call, end int64, i in, o out) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noteLocked(client, call, end, i, o)
}

func (p *play) noteLocked(client int, call, end int64, i in, o out) {
	settles := false
	if !isUser(i.part) {
		switch i.act {
		case refresh:
			settles = o.verdict == refused
		case logout, ended, changed, disabled:
			settles = o.verdict == good
		default:
		}
		if settles || i.act == refresh && o.verdict == unknown {
			i.id = p.ids[i.part]
			if p.ids[i.part]++; i.id >= mostActs {
				p.t.Fatalf("more than %d acts in one session: fewer operations or more users", mostActs)
			}
		}
	}
	p.history = append(p.history, porcupine.Operation{ClientId: client, Input: i, Call: call, Output: o, Return: end})
	if settles {
		i.act = settled
		p.history = append(p.history, porcupine.Operation{ClientId: client, Input: i, Call: call, Output: out{verdict: good}, Return: end})
	}
}

// send makes a request. ok is false when nobody will ever know its answer.
func (p *play) send(r *rand.Rand, req faults.Request) (status int, body []byte, ok bool) {
	if !p.calm.Load() && r.IntN(100) < cut {
		p.sendAndLeave(r, req)
		return 0, nil, false
	}
	hr, err := req.HTTP(p.t.Context(), p.URL)
	if err != nil {
		p.t.Error(err)
		return 0, nil, false
	}
	resp, err := p.http.Do(hr)
	if err != nil {
		p.t.Errorf("%s %s: %v", req.Method, req.Path, err)
		return 0, nil, false
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		p.t.Errorf("%s %s: %v", req.Method, req.Path, err)
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusUnauthorized:
		return resp.StatusCode, body, true
	case http.StatusInternalServerError:
		return 0, nil, false // a fault of ours
	case http.StatusServiceUnavailable:
		// No place to hash in, on a machine that has much to do.
		if resp.Header.Get("Retry-After") == "" {
			p.t.Errorf("%s %s: 503 without Retry-After", req.Method, req.Path)
		}
		return 0, nil, false
	default:
		p.t.Errorf("%s %s: %d %s", req.Method, req.Path, resp.StatusCode, body)
		return 0, nil, false
	}
}

// sendAndLeave sends all of a request and goes away.
func (p *play) sendAndLeave(r *rand.Rand, req faults.Request) {
	p.stage.mu.Lock()
	p.nextID++
	req.ID = fmt.Sprintf("cut-%d", p.nextID)
	done := make(chan struct{})
	p.ended[req.ID] = done
	p.stage.cut++
	p.stage.mu.Unlock()
	p.mu.Lock()
	p.waiting = append(p.waiting, done)
	p.mu.Unlock()

	hr, err := req.HTTP(p.t.Context(), p.URL)
	if err != nil {
		p.t.Error(err)
		return
	}
	conn, err := new(net.Dialer).DialContext(p.t.Context(), "tcp", strings.TrimPrefix(p.URL, "http://"))
	if err != nil {
		p.t.Error(err)
		return
	}
	if err := hr.Write(conn); err != nil {
		p.t.Error(err)
	}
	if r.IntN(2) == 0 {
		time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
	}
	conn.Close()
}

func judge(status int) verdict {
	if status == http.StatusOK {
		return good
	}
	return refused
}

// payload reads a token without checking it.
func payload(raw string) (jti, sid string) {
	var c struct{ JTI, SID string }
	if parts := strings.Split(raw, "."); len(parts) == 3 {
		if b, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(b, &c)
		}
	}
	return c.JTI, c.SID
}

// opened takes a new session in.
func (p *play) opened(who *person, access, raw string) (jti string, l *login) {
	jti, sid := payload(raw)
	p.mu.Lock()
	defer p.mu.Unlock()
	l = &login{id: sid, who: who, refresh: []string{raw}, access: []string{access}}
	p.logins = append(p.logins, l)
	return jti, l
}

// signIn opens a session with the password that is right when it is read, as
// the login does but for the hash.
func (p *play) signIn(client int, r *rand.Rand, who *person) {
	call := p.now()
	u, err := p.Store.Read().UserByID(p.t.Context(), who.ID)
	if err != nil {
		p.t.Error(err)
		return
	}
	time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond) // here it hashes
	tokens, err := p.Open(p.t.Context(), u)
	end := p.now()
	i := in{act: open, part: who.part, epoch: int(u.CredentialVersion)}
	if auth.IsKind(err, auth.BadCredentials) {
		p.note(client, call, end, i, out{verdict: refused})
		return
	}
	if err != nil {
		p.t.Error(err)
		return
	}
	p.signedIn(client, call, end, i, who, tokens.Access, tokens.Refresh)
}

func (p *play) signedIn(client int, call, end int64, i in, who *person, access, raw string) {
	jti, l := p.opened(who, access, raw)
	p.note(client, call, end, i, out{verdict: good})
	i.part = l.id
	p.note(client, call, end, i, out{verdict: good, token: jti})
}

// logIn does it by the API, hash and all.
func (p *play) logIn(client int, r *rand.Rand, who *person) {
	who.acts.Lock()
	epoch := who.epoch
	who.acts.Unlock()
	if r.IntN(3) == 0 && epoch > 1 {
		epoch--
	}
	call := p.now()
	status, body, ok := p.send(r, faults.Request{
		Method: http.MethodPost, Path: "/api/auth/login/",
		Body: map[string]string{"email": who.Email, "password": pass(epoch)},
	})
	end := p.now()
	if !ok {
		return // a session that nobody knows
	}
	i := in{act: open, part: who.part, epoch: epoch}
	if status != http.StatusOK {
		p.note(client, call, end, i, out{verdict: refused})
		return
	}
	var answer struct {
		Tokens struct{ Access, Refresh string }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		p.t.Error(err)
		return
	}
	p.signedIn(client, call, end, i, who, answer.Tokens.Access, answer.Tokens.Refresh)
}

// pick gives tokens of some session: mostly a live one's, mostly the newest.
func (p *play) pick(r *rand.Rand) (l *login, access, raw string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range 4 {
		l = p.logins[r.IntN(len(p.logins))]
		if !l.over || r.IntN(5) == 0 {
			break
		}
	}
	back := 0
	switch n := r.IntN(100); {
	case n < 4:
		back = 2
	case n < 20:
		back = 1
	}
	raw = l.refresh[max(0, len(l.refresh)-1-back)]
	return l, l.access[r.IntN(len(l.access))], raw
}

func (p *play) trade(client int, r *rand.Rand, l *login, raw string) {
	jti, _ := payload(raw)
	i := in{part: l.id, act: refresh, token: jti}
	call := p.now()
	status, body, ok := p.send(r, faults.Request{
		Method: http.MethodPost, Path: "/api/auth/token/refresh/", Body: map[string]string{"refresh": raw},
	})
	end := p.now()
	if !ok {
		p.note(client, call, forever, i, out{})
		return
	}
	o := out{verdict: judge(status)}
	if o.verdict == good {
		var pair struct{ Access, Refresh string }
		if err := json.Unmarshal(body, &pair); err != nil {
			p.t.Error(err)
			return
		}
		o.token, _ = payload(pair.Refresh)
		p.mu.Lock()
		l.refresh, l.access = append(l.refresh, pair.Refresh), append(l.access, pair.Access)
		p.mu.Unlock()
	}
	p.note(client, call, end, i, o)
}

func (p *play) look(client int, r *rand.Rand, l *login, kind act, raw string) {
	i := in{part: l.id, act: kind}
	if kind == verifyRefresh {
		i.token, _ = payload(raw)
	}
	call := p.now()
	status, _, ok := p.send(r, faults.Request{
		Method: http.MethodPost, Path: "/api/auth/token/verify/", Body: map[string]string{"token": raw},
	})
	if ok {
		p.note(client, call, p.now(), i, out{verdict: judge(status)})
	}
}

// profile reads the profile, or sets the name if there is one.
func (p *play) profile(client int, r *rand.Rand, l *login, access, name string) {
	req := faults.Request{Method: http.MethodGet, Path: "/api/auth/profile/", Bearer: access}
	if name != "" {
		req.Method, req.Body = http.MethodPut, map[string]string{"first_name": name}
	}
	call := p.now()
	status, body, ok := p.send(r, req)
	end := p.now()
	i := in{part: l.who.part, act: read}
	if name != "" {
		i.act, i.name = write, name
	}
	if !ok {
		if name != "" {
			p.note(client, call, forever, i, out{})
		}
		return
	}
	p.note(client, call, end, in{part: l.id, act: profile}, out{verdict: judge(status)})
	if status != http.StatusOK {
		return
	}
	var answer struct {
		FirstName string `json:"first_name"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		p.t.Error(err)
		return
	}
	if name != "" && answer.FirstName != name {
		p.t.Errorf("the name was set to %s and the answer says %s", name, answer.FirstName)
	}
	p.note(client, call, end, i, out{verdict: good, name: answer.FirstName})
}

func (p *play) logOut(client int, r *rand.Rand, l *login, access, raw string) {
	other := l
	if r.IntN(4) == 0 { // with the refresh token of another session of the user
		p.mu.Lock()
		if o := p.logins[r.IntN(len(p.logins))]; o.who == l.who {
			other, raw = o, o.refresh[len(o.refresh)-1]
		}
		p.mu.Unlock()
	}
	call := p.now()
	status, _, ok := p.send(r, faults.Request{
		Method: http.MethodPost, Path: "/api/auth/logout/", Bearer: access, Body: map[string]string{"refresh_token": raw},
	})
	end := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	i, o := in{part: l.id, act: logout}, out{verdict: judge(status)}
	if !ok {
		o.verdict, end = unknown, forever
	}
	if o.verdict != refused {
		l.over, other.over = true, true
	}
	p.noteLocked(client, call, end, i, o)
	if other != l && o.verdict != refused {
		i.part, i.act = other.id, ended
		p.noteLocked(client, call, end, i, o)
	}
}

// deed is an act on an account, or on all of them. It stands in the history of
// its user and of each of the user's sessions, also of those opened later.
type deed struct {
	client    int
	call, end int64
	act       act
	who       *person // nil for all
}

// operate is an operator's act, which is over when this node knows of it.
func (p *play) operate(client int, kind act, who *person) {
	who.acts.Lock()
	defer who.acts.Unlock()
	ctx := p.t.Context()
	var err error
	call := p.now()
	switch kind {
	case changed:
		who.epoch++
		err = p.accounts.SetPassword(ctx, who.ID, pass(who.epoch))
	case disabled:
		err = p.accounts.Deactivate(ctx, nil, who.ID)
	case enabled:
		err = p.accounts.Activate(ctx, nil, who.ID)
	default:
		p.t.Fatalf("%s is no operator's act", names[kind])
	}
	if err != nil {
		p.t.Error(err)
	}
	p.heard()
	p.did(deed{client, call, p.now(), kind, who})
}

func (p *play) did(d deed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deeds = append(p.deeds, d)
}

// step is one act of a client.
func (p *play) step(client int, r *rand.Rand) {
	l, access, raw := p.pick(r)
	who := p.people[r.IntN(len(p.people))]
	switch n := r.IntN(1000); {
	case n < 460:
		p.trade(client, r, l, raw)
	case n < 600:
		p.look(client, r, l, verifyAccess, access)
	case n < 690:
		p.look(client, r, l, verifyRefresh, raw)
	case n < 790:
		p.profile(client, r, l, access, "")
	case n < 850:
		p.profile(client, r, l, access, fmt.Sprintf("Ada%d", p.named.Add(1)))
	case n < 910:
		p.logOut(client, r, l, access, raw)
	case n < 965:
		p.signIn(client, r, who)
	case n < 973:
		p.logIn(client, r, who)
	case n < 985:
		p.operate(client, disabled, who)
	case n < 995:
		p.operate(client, enabled, who)
	default:
		p.operate(client, changed, who)
	}
}

// rest waits until the server is done with every request, those included whose
// clients have gone.
func (p *play) rest() {
	for _, done := range p.waiting {
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			p.t.Error("a request that was cut off never came to its end")
			return
		}
	}
	p.waiting = nil
	for _, l := range p.logins {
		// A rotation may go on without its request, and none of a session
		// overtakes another: this one, of a token that there is not, is last.
		_, err := p.Store.Rotate(p.t.Context(), auth.Rotation{
			SessionID: l.id, UserID: l.who.ID, JTI: "none", NewJTI: "never", Now: p.Now(), SessionMax: time.Hour,
		})
		if err != nil {
			p.t.Error(err)
		}
	}
}

// perform plays one history of so many operations.
func (s *stage) perform(seed uint64, ops int) []porcupine.Operation {
	r := rand.New(rand.NewPCG(seed, 0))
	p := &play{stage: s, begun: time.Now(), ids: map[string]int{}}
	encoded, err := hash()
	if err != nil {
		s.t.Fatal(err)
	}
	for range max(2, ops/64) {
		s.made++
		u, err := s.Insert(s.t.Context(), fmt.Sprintf("user%d@example.com", s.made), encoded, auth.RoleClient)
		if err != nil {
			s.t.Fatal(err)
		}
		who := &person{User: u, part: fmt.Sprintf("user %d", u.ID), epoch: 1}
		p.people = append(p.people, who)
		for range 2 {
			p.signIn(0, r, who)
		}
	}

	phases := 1 + r.IntN(3)
	for phase := range phases {
		var wg sync.WaitGroup
		for client := range clients {
			r := rand.New(rand.NewPCG(seed, uint64(100*phase+client+1)))
			wg.Go(func() {
				for range max(1, ops/phases/clients) {
					p.step(client, r)
				}
			})
		}
		wg.Wait()
		p.rest()
		if phase < phases-1 && r.IntN(3) > 0 {
			now := p.now()
			s.Advance(sessions.Leeway + time.Second)
			p.did(deed{0, now, now, advanced, nil})
		}
	}

	// What is left is looked at by one client, without faults.
	s.calm.Store(true)
	defer s.calm.Store(false)
	now := p.now()
	s.heard()
	p.did(deed{0, now, p.now(), synced, nil})
	for _, l := range p.logins {
		p.look(0, r, l, verifyAccess, l.access[0])
		for _, raw := range l.refresh[max(0, len(l.refresh)-3):] {
			p.look(0, r, l, verifyRefresh, raw)
		}
		p.profile(0, r, l, l.access[len(l.access)-1], "")
		p.trade(0, r, l, l.refresh[len(l.refresh)-1])
	}
	p.spread()
	return p.history
}

// spread writes the deeds into the histories of all whom they concern.
func (p *play) spread() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.deeds {
		if d.who != nil {
			p.noteLocked(d.client, d.call, d.end, in{part: d.who.part, act: d.act}, out{verdict: good})
		}
		for _, l := range p.logins {
			if d.who == nil || d.who == l.who {
				p.noteLocked(d.client, d.call, d.end, in{part: l.id, act: d.act}, out{verdict: good})
			}
		}
	}
}
