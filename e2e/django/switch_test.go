package django

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

var (
	switchClients  = flag.Int("switch.clients", 6, "how many clients are at work while the servers change places")
	switchFor      = flag.Duration("switch.for", 2*time.Second, "how long they are, before and after")
	switchPostgres = flag.Bool("switch.postgres", false, "whether it is done on PostgreSQL too")
)

// client is somebody at work, and what the server must say to them.
type client struct {
	app             *App
	gate            *Gate
	rand            *rand.Rand
	n, accounts     int
	email, password string
	id              float64
	pair            node.Pair
	signedIn        bool
	// dead are refresh tokens that were traded or logged out at the Django, late
	// those of afterwards: to present one of these ends its session.
	dead, late []string
	done       *atomic.Int64
}

// ask sends one request and counts it.
func (c *client) ask(want int, method, path, bearer string, body any) (map[string]any, error) {
	status, answer, err := c.app.Do(method, path, bearer, body)
	if err == nil && status != want {
		err = fmt.Errorf("%s: %s %s: %d %v, want %d", c.email, method, path, status, answer, want)
	}
	c.done.Add(1)
	return answer, err
}

// buried notes a refresh token that must be refused from now on.
func (c *client) buried(token string) {
	if c.gate.Moved() {
		c.late = append(c.late, token)
	} else {
		c.dead = append(c.dead, token)
	}
}

// enter takes the pair of an answer of register or login.
func (c *client) enter(answer map[string]any) (err error) {
	u, _ := answer["user"].(map[string]any)
	id, _ := u["id"].(float64)
	if id == 0 || c.id != 0 && id != c.id {
		return fmt.Errorf("%s has the id %v and had %v", c.email, id, c.id)
	}
	c.id, c.signedIn = id, true
	c.pair, err = pairOf(answer)
	return err
}

// step does one thing that a client does.
func (c *client) step(ids *sync.Map) error {
	if c.email == "" {
		c.accounts++
		c.email, c.password, c.id = fmt.Sprintf("switch%d.%d@example.com", c.n, c.accounts), passwordOf(c.n), 0
		answer, err := c.ask(201, "POST", "/api/auth/register/", "", map[string]string{
			"email": c.email, "password": c.password, "password2": c.password, "first_name": "S", "last_name": "W", "role": "client",
		})
		if err != nil {
			return err
		}
		if err := c.enter(answer); err != nil {
			return err
		}
		if other, there := ids.LoadOrStore(c.id, c.email); there {
			return fmt.Errorf("%s and %v have the id %v", c.email, other, c.id)
		}
		return nil
	}
	if !c.signedIn {
		if c.rand.IntN(3) == 0 {
			_, err := c.ask(401, "POST", "/api/auth/login/", "", map[string]string{"email": c.email, "password": c.password + "?"})
			return err
		}
		answer, err := c.ask(200, "POST", "/api/auth/login/", "", map[string]string{"email": c.email, "password": c.password})
		if err != nil {
			return err
		}
		return c.enter(answer)
	}
	switch c.rand.IntN(10) {
	case 0:
		_, err := c.ask(200, "POST", "/api/auth/logout/", c.pair.Access, map[string]string{"refresh_token": c.pair.Refresh})
		c.buried(c.pair.Refresh)
		c.signedIn = false
		if c.rand.IntN(4) == 0 {
			c.email = "" // Somebody else sits down.
		}
		return err
	case 1, 2, 3:
		answer, err := c.ask(200, "POST", "/api/auth/token/refresh/", "", map[string]string{"refresh": c.pair.Refresh})
		if err != nil {
			return err
		}
		c.buried(c.pair.Refresh)
		c.pair, err = pairOf(answer)
		return err
	case 4:
		_, err := c.ask(200, "POST", "/api/auth/token/verify/", "", map[string]string{"token": c.pair.Access})
		return err
	case 5:
		if len(c.dead) > 0 {
			_, err := c.ask(401, "POST", "/api/auth/token/refresh/", "", map[string]string{"refresh": c.dead[c.rand.IntN(len(c.dead))]})
			return err
		}
		fallthrough
	case 6:
		name := fmt.Sprint("S", c.rand.IntN(1000))
		answer, err := c.ask(200, "PATCH", "/api/auth/profile/", c.pair.Access, map[string]string{"first_name": name})
		if err == nil && answer["first_name"] != name {
			err = fmt.Errorf("%s is called %v, not %s", c.email, answer["first_name"], name)
		}
		return err
	default:
		answer, err := c.ask(200, "GET", "/api/auth/profile/", c.pair.Access, nil)
		if err == nil && (answer["id"] != c.id || answer["email"] != c.email) {
			err = fmt.Errorf("%s gets the profile %v", c.email, answer)
		}
		return err
	}
}

// TestSwitch: clients are at work while a Latchkey takes the Django's place
// behind a proxy that holds their requests during the last import. No request is
// answered wrongly, and none is lost.
//
// ASVS 7.4.1
func TestSwitch(t *testing.T) {
	Python(t)
	t.Run("sqlite", func(t *testing.T) { switchOver(t, filepath.Join(t.TempDir(), "db.sqlite3")) })
	if *switchPostgres {
		t.Run("postgres", func(t *testing.T) { switchOver(t, pgtest.Database(t), "LATCHKEY_DATABASE="+pgtest.Database(t)) })
	}
}

func switchOver(t *testing.T, database string, env ...string) {
	app := New(t, database)
	app.Run("QuickPBKDF2PasswordHasher")
	n := successor(t, app, env...)
	to, err := url.Parse(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	gate := NewGate(to, func(err error) { t.Errorf("a request got no answer: %v", err) })
	front := httptest.NewServer(gate)
	defer front.Close()

	var done atomic.Int64
	var ids sync.Map
	clients := make([]*client, *switchClients)
	end := make(chan struct{})
	var work sync.WaitGroup
	for i := range clients {
		c := &client{app: behind(app, front.URL), gate: gate, rand: rand.New(rand.NewPCG(uint64(i), 7)), n: i, done: &done}
		clients[i] = c
		work.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				if err := c.step(&ids); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	stop := sync.OnceFunc(func() {
		close(end)
		work.Wait()
	})
	defer stop()

	time.Sleep(*switchFor) // The load is the time.
	first := importFrom(t, n, app.Database)
	time.Sleep(*switchFor)
	before := done.Load()
	var second report
	held, most := gate.Move(to, func() {
		app.Stop()
		second = importFrom(t, n, app.Database)
		if err := n.Run(node.Build(t)); err != nil {
			t.Fatalf("serve: %v\n%s", err, n.Log())
		}
	})
	time.Sleep(*switchFor)
	stop()
	t.Logf("%d requests before and %d after; %d were held at once, for %v; the last import brought %d new and %d changed users and found %d as before",
		before, done.Load()-before, most, held.Round(time.Millisecond), second.Inserted, second.Changed, second.Unchanged)
	if t.Failed() {
		return
	}
	if most == 0 || first.Inserted == 0 || len(second.Problems) > 0 || done.Load() == before {
		t.Errorf("there was no load: %d held, first %+v, then %+v", most, first, second)
	}

	// What every client holds is what the server knows.
	for _, c := range clients {
		for _, token := range append(c.dead, c.late...) {
			if _, err := c.ask(http.StatusUnauthorized, "POST", "/api/auth/token/refresh/", "", map[string]string{"refresh": token}); err != nil {
				t.Error(err)
			}
		}
		if c.email == "" {
			continue
		}
		answer, err := c.ask(200, "POST", "/api/auth/login/", "", map[string]string{"email": c.email, "password": c.password})
		if err == nil {
			err = c.enter(answer)
		}
		if err != nil {
			t.Error(err)
		}
	}
}
