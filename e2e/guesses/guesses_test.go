package guesses_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/faults"
	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/password"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

// How many there are of each; scripts/nightly has the figures of security.md.
var (
	guesses  = flag.Int("guesses.one", 120, "guesses at one account")
	accounts = flag.Int("guesses.accounts", 120, "accounts that are guessed at once each")
	forged   = flag.Int("guesses.forged", 100, "made-up values of X-Forwarded-For")
	days     = flag.Int("guesses.days", 10, "days that a patient attacker has")
)

func TestMain(m *testing.M) {
	flag.Parse()
	pgtest.Main(m)
	node.Clean()
}

const right = "c0rrect-Horse-42"

// hash is made once: what is tried here is the throttle.
var hash = sync.OnceValues(func() (string, error) {
	return password.NewHasher(password.Options{Cheap: true}).Hash(context.Background(), right)
})

// scene is a server behind a proxy that it trusts, whose clock the test moves,
// and an account.
type scene struct {
	*faults.Server
	t     *testing.T
	owner auth.User
}

func stage(t *testing.T, engine string, env ...string) *scene {
	s := &scene{t: t}
	s.Server = faults.Serve(t, faults.Options{Engine: engine, Frozen: true, Env: append([]string{
		"LATCHKEY_PROXY_TRUSTED=127.0.0.0/8", "LATCHKEY_THROTTLE_ACCOUNT=10", "LATCHKEY_LOG_LEVEL=error",
	}, env...)})
	s.owner = s.user("ada@example.com")
	return s
}

func (s *scene) user(email string) auth.User {
	s.t.Helper()
	encoded, err := hash()
	if err != nil {
		s.t.Fatal(err)
	}
	u, err := s.Insert(s.t.Context(), email, encoded, auth.RoleEmployee)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// answer is what came back.
type answer struct {
	status  int
	after   time.Duration // Retry-After
	cookies []*http.Cookie
	body    string
}

// client keeps connections: an attack is many requests.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute}

func (s *scene) ask(r faults.Request) answer {
	s.t.Helper()
	req, err := r.HTTP(context.WithoutCancel(s.t.Context()), s.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Error(err)
		return answer{}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Error(err)
	}
	after, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	a := answer{resp.StatusCode, time.Duration(after) * time.Second, resp.Cookies(), string(b)}
	switch a.status {
	case http.StatusOK, http.StatusUnauthorized, http.StatusServiceUnavailable:
	case http.StatusTooManyRequests:
		if after < 1 || !strings.HasPrefix(a.body, `{"detail":"Request was throttled. Expected available in `) {
			s.t.Errorf("429 with Retry-After %d: %s", after, a.body)
		}
	default:
		s.t.Errorf("%s %s: %d %s", r.Method, r.Path, a.status, a.body)
	}
	return a
}

func login(email, pw, from string, more ...string) faults.Request {
	header := map[string]string{"X-Forwarded-For": from}
	for i := 0; i+1 < len(more); i += 2 {
		header[more[i]] = more[i+1]
	}
	return faults.Request{
		Method: http.MethodPost, Path: "/api/auth/login/", Header: header,
		Body: map[string]string{"email": email, "password": pw},
	}
}

// deviceOf gives the cookie by which a browser is known after a sign-in.
func deviceOf(t *testing.T, a answer) string {
	t.Helper()
	for _, c := range a.cookies {
		if c.Name == "latchkey_device" {
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/api/auth/" || c.MaxAge < 180*24*3600 {
				t.Errorf("the device's cookie: %+v", c)
			}
			return c.Name + "=" + c.Value
		}
	}
	t.Errorf("no cookie of the device: %+v", a)
	return ""
}

// attack makes n requests, sixteen at a time, and counts their answers. What the
// hasher sheds is asked again: it was no verdict.
func (s *scene) attack(n int, request func(i int) faults.Request) map[int]int {
	s.t.Helper()
	count := map[int]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan int)
	for range 16 {
		wg.Go(func() {
			for i := range next {
				a := s.ask(request(i))
				for tries := 0; a.status == http.StatusServiceUnavailable && tries < 20; tries++ {
					a = s.ask(request(i))
				}
				mu.Lock()
				count[a.status]++
				mu.Unlock()
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return count
}

// rest goes on guessing, one at a time, until it is refused, and counts what
// came so far: an attack may end while places are held by what the hasher then
// sheds, and gets fewer verdicts than there are places.
func (s *scene) rest(request func(i int) faults.Request) (verdicts int) {
	s.t.Helper()
	s.Advance(2 * time.Second) // past what a node remembers of refusals
	for i := range 200 {
		switch s.ask(request(i)).status {
		case 401:
			verdicts++
		case 429:
			return verdicts
		}
	}
	s.t.Error("it is not refused")
	return verdicts
}

func address(i int) string { return fmt.Sprintf("198.18.%d.%d", i>>8&255, i&255) }

// spelling is one of the account's spellings.
func spelling(i int) string {
	return []string{"ada@example.com", "ADA@EXAMPLE.COM", "Ada@example.com", "ada@EXAMPLE.com", " ada@example.com "}[i%5]
}

func engines(t *testing.T, test func(t *testing.T, engine string)) {
	for _, engine := range faults.Engines {
		t.Run(engine, func(t *testing.T) { test(t, engine) })
	}
}

// TestOneAccount: however many guesses come at once, from however many places
// and in whatever spelling, ten reach a verdict; and its owner feels nothing of
// it where the account knows them.
// ASVS 6.3.1, 6.2.3
// LESSON 25
// ROW 16
func TestOneAccount(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		s := stage(t, engine)
		home := "203.0.113.5"
		first := s.ask(login("ada@example.com", right, home))
		browser := s.ask(login("ada@example.com", right, "203.0.113.77", "Auth-Mode", "cookie"))
		if first.status != 200 || browser.status != 200 || len(browser.cookies) != 3 {
			t.Fatalf("%+v %+v", first, browser)
		}
		device := deviceOf(t, browser)
		var tokens struct {
			Tokens struct{ Access, Refresh string }
		}
		if err := json.Unmarshal([]byte(first.body), &tokens); err != nil {
			t.Fatal(err)
		}

		guess := func(i int) faults.Request { return login(spelling(i), fmt.Sprint("guess ", i), address(i%100)) }
		count := s.attack(*guesses, guess)
		t.Logf("%d guesses: %v", *guesses, count)
		if all := count[401] + s.rest(guess); all != 10 {
			t.Errorf("%v, and %d verdicts in all, want 10", count, all)
		}
		if a := s.ask(login("ada@example.com", right, address(300))); a.status != 429 {
			t.Errorf("the right password from an unknown device: %d", a.status)
		}
		if a := s.ask(login("ada@example.com", right, home)); a.status != 200 {
			t.Errorf("the owner at home: %d %s", a.status, a.body)
		}
		if a := s.ask(login("ada@example.com", right, address(7), "Auth-Mode", "cookie", "Cookie", device)); a.status != 200 {
			t.Errorf("the owner's browser, among the attackers: %d %s", a.status, a.body)
		}
		if a := s.ask(faults.Request{Method: "POST", Path: "/api/auth/token/refresh/", Body: map[string]string{"refresh": tokens.Tokens.Refresh}}); a.status != 200 {
			t.Errorf("the session's refresh: %d", a.status)
		}
		if a := s.ask(faults.Request{Method: "GET", Path: "/api/auth/profile/", Bearer: tokens.Tokens.Access}); a.status != 200 {
			t.Errorf("the session's profile: %d", a.status)
		}
		change := faults.Request{Method: "POST", Path: "/api/auth/password/change/", Bearer: tokens.Tokens.Access, Body: map[string]string{
			"old_password": right, "password": "an0ther-Horse-43", "password2": "an0ther-Horse-43",
		}}
		if a := s.ask(change); a.status != 200 {
			t.Errorf("the session's change of the password: %d %s", a.status, a.body)
		}
	})
}

// TestNobodysAccount: an e-mail that nobody has is counted like one that
// somebody has, and answered to the byte alike.
// LESSON 1
func TestNobodysAccount(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		s := stage(t, engine)
		var got [2][]answer
		for i := range 12 {
			for k, email := range []string{"ada@example.com", "nobody@example.com"} {
				a := s.ask(login(email, "wrong", address(100*k+i)))
				got[k] = append(got[k], a)
			}
		}
		for i := range got[0] {
			if fmt.Sprint(got[0][i]) != fmt.Sprint(got[1][i]) {
				t.Errorf("attempt %d: %+v for an account, %+v for none", i+1, got[0][i], got[1][i])
			}
		}
		if got[0][9].status != 401 || got[0][10].status != 429 {
			t.Errorf("%+v", got[0])
		}
	})
}

// TestManyAccounts: one guess at each of many accounts from one address.
// ASVS 6.3.1
// ROW 16
func TestManyAccounts(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		s := stage(t, engine)
		for i := range 5 {
			s.user(fmt.Sprintf("user%d@example.com", i))
		}
		count := s.attack(*accounts, func(i int) faults.Request {
			return login(fmt.Sprintf("user%d@example.com", i), "password1", "198.18.0.1")
		})
		t.Logf("%d accounts: %v", *accounts, count)
		// Those of 16 at once that were under way when it began get no verdict
		// either.
		if count[401] != 21 || count[401]+count[429] != *accounts {
			t.Errorf("%v, want 21 verdicts", count)
		}
		// Who neighbours on another address is not concerned; IPv6 is by /64.
		if a := s.ask(login("ada@example.com", right, "198.18.0.2")); a.status != 200 {
			t.Errorf("another address: %d", a.status)
		}
		events := func() int {
			all, err := s.Store.Read().Events(t.Context(), auth.EventFilter{Kind: auth.EventAddressBlocked})
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		if n := events(); n != 1 {
			t.Errorf("%d events of a block, want 1", n)
		}
		s.Advance(15*time.Minute + time.Second)
		again := s.attack(40, func(i int) faults.Request {
			return login(fmt.Sprintf("other%d@example.com", i), "password1", "198.18.0.1")
		})
		if again[401] > 17 || events() != 2 { // those of 16 at once that were under way
			t.Errorf("after the window, within the hour: %v and %d events", again, events())
		}
	})
}

// TestForged: what the client writes into the header is nobody's address.
// LESSON 23, 24
// ROW 16
func TestForged(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		for name, c := range map[string]struct {
			env     string
			request func(i int) faults.Request
			most    int
		}{
			"left of the proxy's own": {"", func(i int) faults.Request {
				return login(fmt.Sprintf("u%d@example.com", i%19), "wrong", address(i)+", "+address(i+1)+", 203.0.113.9")
			}, 30},
			"by other names": {"", func(i int) faults.Request {
				return login(fmt.Sprintf("u%d@example.com", i%19), "wrong", "203.0.113.9",
					"X-Real-Ip", address(i), "Forwarded", "for="+address(i), "X_Forwarded_For", address(i), "True-Client-Ip", address(i))
			}, 30},
			"one /64": {"", func(i int) faults.Request {
				return login(fmt.Sprintf("u%d@example.com", i%19), "wrong", fmt.Sprintf("2001:db8:1:2:%x::%x", i, i))
			}, 30},
			"from a peer that is no proxy": {"LATCHKEY_PROXY_TRUSTED=192.0.2.1", func(i int) faults.Request {
				return login("ada@example.com", "wrong", address(i))
			}, 10},
		} {
			t.Run(name, func(t *testing.T) {
				var env []string
				if c.env != "" {
					env = append(env, c.env)
				}
				s := stage(t, engine, env...)
				count := s.attack(*forged, c.request)
				if all := count[401] + s.rest(c.request); all != c.most {
					t.Errorf("%v, and %d verdicts in all, want %d", count, all, c.most)
				}
			})
		}
	})
}

// TestPatience: an attacker with a hundred addresses who waits as long as he is
// told to gets a hundred guesses, and then the right password does not open
// either. The owner's browser does, and for 30 days their address.
// ASVS 6.3.1
// ROW 16
func TestPatience(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		s := stage(t, engine)
		home := "203.0.113.5"
		if a := s.ask(login("ada@example.com", right, home)); a.status != 200 {
			t.Fatal(a)
		}
		device := deviceOf(t, s.ask(login("ada@example.com", right, home, "Auth-Mode", "cookie")))
		begin, verdicts := s.Now(), 0
		for i := 0; s.Now().Sub(begin) < time.Duration(*days)*24*time.Hour; i++ {
			a := s.ask(login(spelling(i), "wrong", address(i%100)))
			switch a.status {
			case 401:
				verdicts++
			case 429:
				s.Advance(min(a.after, 24*time.Hour))
			}
		}
		t.Logf("%d guesses in %d days", verdicts, *days)
		if verdicts != 100 {
			t.Errorf("%d guesses, want 100", verdicts)
		}
		if a := s.ask(login("ada@example.com", right, address(500))); a.status != 429 {
			t.Errorf("guess 101, which is right: %d %s", a.status, a.body)
		}
		events, err := s.Store.Read().Events(t.Context(), auth.EventFilter{UserID: s.owner.ID, Kind: auth.EventGuessesEnded})
		if err != nil || len(events) != 1 {
			t.Errorf("events %+v, %v", events, err)
		}
		known := 200
		if *days > 30 {
			known = 429
		}
		if a := s.ask(login("ada@example.com", right, home)); a.status != known {
			t.Errorf("the owner at home: %d %s, want %d", a.status, a.body, known)
		}
		if a := s.ask(login("ada@example.com", right, home, "Auth-Mode", "cookie", "Cookie", device)); a.status != 200 {
			t.Errorf("the owner's browser: %d %s", a.status, a.body)
		}
		s.Advance(16 * time.Minute)
		if a := s.ask(login("ada@example.com", right, address(500))); a.status != 200 {
			t.Errorf("after the owner's success: %d %s", a.status, a.body)
		}
	})
}

// TestNodes: nodes count together, and what was counted outlives them all.
// ROW 16
func TestNodes(t *testing.T) {
	const n = 40
	for _, c := range []struct {
		name  string
		nodes int
		env   func() []string
	}{
		{"sqlite", 1, func() []string { return nil }},
		{"postgres", 2, func() []string { return []string{"LATCHKEY_DATABASE=" + pgtest.Database(t)} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := append(c.env(), "LATCHKEY_LOG_LEVEL=error")
			var nodes []*node.Node
			for range c.nodes {
				nodes = append(nodes, node.Start(t, env...))
			}
			ctx := t.Context()
			if a, err := nodes[0].Register(ctx, "ada@example.com", right); err != nil || !a.OK() {
				t.Fatal(a, err)
			}
			guess := func() (verdicts int) {
				var mu sync.Mutex
				var wg sync.WaitGroup
				for i := range n {
					wg.Go(func() {
						a, err := nodes[i%c.nodes].Login(ctx, "ada@example.com", "wrong")
						if err != nil || a.Status != 401 && a.Status != 429 && a.Status != 503 {
							t.Errorf("%d %v", a.Status, err)
						}
						mu.Lock()
						defer mu.Unlock()
						if a.Status == 401 {
							verdicts++
						}
					})
				}
				wg.Wait()
				return verdicts
			}
			if got := guess(); got > 10 || got == 0 {
				t.Errorf("%d verdicts of %d guesses on %d nodes, want 10 at most", got, n, c.nodes)
			}
			for guess() > 0 { // what the hasher has shed was no verdict
			}
			for _, node := range nodes {
				node.Kill()
			}
			for _, x := range nodes {
				if err := x.Run(node.Build(t)); err != nil {
					t.Fatal(err)
				}
			}
			if got := guess(); got != 0 {
				t.Errorf("%d verdicts after a restart", got)
			}
		})
	}
}
