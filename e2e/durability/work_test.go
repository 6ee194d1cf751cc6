package durability

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.M{M: m}.Run()
	node.Clean()
	os.Exit(code)
}

var rounds = flag.Int("durability.rounds", 6, "rounds of each client, each of six acknowledged writes")

const password = "c0rrect-Horse-42"

// effect is what an acknowledged request must have left in the database: a
// query that gives 1. It is known by the request's id.
type effect struct {
	id, what, query string
	args            []any
}

// worker is a client whose requests carry ids.
type worker struct {
	t       *testing.T
	n       *node.Node
	name    string
	turn    int
	mu      *sync.Mutex
	effects map[string]effect
}

// ask sends a request under an id of its own and gives the body of a 2xx. One
// that is put off for want of a place to hash in, beside much else and under
// strace, is sent again under another.
func (w *worker) ask(method, path, bearer string, body any) (id string, answer []byte) {
	const tries = 20
	for range tries - 1 {
		id, answer, later := w.once(method, path, bearer, body, true)
		if !later {
			return id, answer
		}
		time.Sleep(time.Second)
	}
	id, answer, _ = w.once(method, path, bearer, body, false)
	return id, answer
}

func (w *worker) once(method, path, bearer string, body any, again bool) (id string, answer []byte, later bool) {
	w.turn++
	id = fmt.Sprintf("w-%s-%d-end", w.name, w.turn)
	b, _ := json.Marshal(body)
	req, err := http.NewRequest(method, w.n.URL+path, bytes.NewReader(b))
	if err != nil {
		w.t.Error(err)
		return "", nil, false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Request-Id", id)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Error(err)
		return "", nil, false
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if again && err == nil && resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "" {
		return "", nil, true
	}
	if err != nil || resp.StatusCode/100 != 2 {
		w.t.Errorf("%s %s: %v %d %s", method, path, err, resp.StatusCode, answer)
		return "", nil, false
	}
	return id, answer, false
}

// left notes what a request must have left.
func (w *worker) left(id, what, query string, args ...any) {
	if id == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.effects[id] = effect{id, what, query, args}
}

// jti reads a token's id.
func jti(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	b, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct{ JTI string }
	_ = json.Unmarshal(b, &claims)
	return claims.JTI
}

// run does writes of every kind, one after the other.
func (w *worker) run(rounds int) {
	mail := w.name + "@example.com"
	id, body := w.ask("POST", "/api/auth/register/", "", map[string]string{
		"email": mail, "password": password, "password2": password, "first_name": "Ada", "last_name": "Lovelace",
	})
	w.left(id, "register", `SELECT count(*) FROM users WHERE email = $1`, mail)
	var pair struct {
		Tokens node.Pair
		node.Pair
	}
	_ = json.Unmarshal(body, &pair)
	first := pair.Tokens
	for i := range rounds {
		refresh := first.Refresh
		for range 3 {
			id, body := w.ask("POST", "/api/auth/token/refresh/", "", map[string]string{"refresh": refresh})
			pair.Pair = node.Pair{}
			_ = json.Unmarshal(body, &pair)
			if refresh = pair.Refresh; id != "" {
				w.left(id, "refresh", `SELECT count(*) FROM sessions WHERE jti = $1`, jti(refresh))
			}
		}
		first.Refresh = refresh
		name := fmt.Sprintf("Ada %d", i)
		id, _ := w.ask("PUT", "/api/auth/profile/", first.Access, map[string]string{"first_name": name})
		w.left(id, "profile", `SELECT count(*) FROM users WHERE email = $1 AND first_name = $2`, mail, name)
		id, body := w.ask("POST", "/api/auth/login/", "", map[string]string{"email": mail, "password": password})
		_ = json.Unmarshal(body, &pair)
		w.left(id, "login", `SELECT count(*) FROM sessions WHERE jti = $1`, jti(pair.Tokens.Refresh))
		id, _ = w.ask("POST", "/api/auth/logout/", pair.Tokens.Access, map[string]string{"refresh_token": pair.Tokens.Refresh})
		w.left(id, "logout", `SELECT count(*) FROM sessions WHERE jti = $1 AND revoked_at IS NOT NULL`, jti(pair.Tokens.Refresh))
	}
}

// work has clients write at the same time, so that commits are shared.
func work(t *testing.T, n *node.Node, clients, rounds int) map[string]effect {
	t.Helper()
	var (
		mu      sync.Mutex
		all     sync.WaitGroup
		effects = map[string]effect{}
	)
	for i := range clients {
		all.Go(func() {
			w := &worker{t: t, n: n, name: fmt.Sprintf("c%d", i), mu: &mu, effects: effects}
			w.run(rounds)
		})
	}
	all.Wait()
	http.DefaultClient.CloseIdleConnections()
	return effects
}

// acknowledged gives the request that an answer acknowledges, "" if it is none:
// the head has the id.
func acknowledged(c *call) string {
	if !strings.HasPrefix(c.data, "HTTP/1.1 2") {
		return ""
	}
	return requestID(c.data)
}

// requestID finds the id in a head.
func requestID(head string) string {
	const name = "X-Request-Id: w-"
	_, after, ok := strings.Cut(head, name)
	if !ok {
		return ""
	}
	id, _, ok := strings.Cut(after, "-end")
	if !ok {
		return ""
	}
	return "w-" + id + "-end"
}
