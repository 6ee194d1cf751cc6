package faults_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/faults"
	"github.com/latchkey-auth/latchkey/internal/auth"
)

// steps are what a clock does, one after the other.
var steps = []time.Duration{
	time.Hour, -time.Hour, -time.Hour, time.Hour, // and back where it was
	-365 * 24 * time.Hour, 365 * 24 * time.Hour,
	365 * 24 * time.Hour, -365 * 24 * time.Hour,
	time.Second, -time.Second, // a leap second, both ways
	10 * 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour,
}

// old are tokens of one session, the newest last.
type old struct {
	access, refresh []string
	ended           bool
}

// The clock steps by an hour, a year and more, forward and back, under a server
// that sweeps all the while. Nothing that was rotated or ended ever lives again,
// nothing is taken after its exp or long before its iat, who signs in can go on,
// and 20 rotations in one instant are 20 generations.
//
// ASVS 7.4.1, 9.2.1
// LESSON 14, 15
// ROW 26
func TestClockSteps(t *testing.T) {
	for _, engine := range faults.Engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			n := &node{t: t, Server: faults.Serve(t, faults.Options{Engine: engine, Frozen: true, Careful: true})}
			u := n.user(auth.RoleClient)
			var all []*old
			for i, step := range append([]time.Duration{0}, steps...) {
				if step != 0 {
					n.Advance(step)
					n.heard()
				}
				what := fmt.Sprintf("after step %d, by %v", i, step)
				for _, o := range all {
					n.judge(what, o)
				}
				// Somebody signs in, is refreshed 20 times in one instant, and
				// signs out again, or not.
				o := n.generations(u, 20)
				o.ended = i%2 == 0
				if o.ended {
					last := len(o.access) - 1
					if status, body := n.ask(logout(o.access[last], o.refresh[last])); status != http.StatusOK {
						t.Errorf("%s: logout: %d %s", what, status, body)
					}
				}
				n.judge(what, o)
				all = append(all, o)
			}
			// All that was rotated, replayed: it is refused, and ends its session.
			for i, o := range all {
				for j := len(o.refresh) - 3; j >= 0; j-- {
					if status, body := n.ask(refresh(o.refresh[j])); status != unauthorized {
						t.Errorf("generation %d of session %d: %d %s, want 401", j, i, status, body)
					}
				}
				o.ended = true
				n.judge("after a replay", o)
			}
			if strings.Contains(n.Log.String(), "panic") {
				t.Errorf("the log says:\n%s", n.Log)
			}
		})
	}
}

// heard waits until the feed has noticed a step, which takes it a second.
func (n *node) heard() {
	n.t.Helper()
	before := strings.Count(n.Log.String(), "the clock was put back")
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if strings.Count(n.Log.String(), "the clock was put back") > before {
			return
		}
	}
}

// generations opens a session and rotates it so often.
func (n *node) generations(u auth.User, count int) *old {
	n.t.Helper()
	pair := n.open(u)
	o := &old{access: []string{pair.Access}, refresh: []string{pair.Refresh}}
	for range count {
		status, body := n.ask(refresh(o.refresh[len(o.refresh)-1]))
		if status != http.StatusOK {
			n.t.Fatalf("refresh: %d %s", status, body)
		}
		var next struct{ Access, Refresh string }
		n.fatal(json.Unmarshal([]byte(body), &next))
		o.access, o.refresh = append(o.access, next.Access), append(o.refresh, next.Refresh)
	}
	return o
}

// judge asks about tokens of a session, and holds the answers against what the
// clock says now. Most are alike; a few stand for all.
func (n *node) judge(what string, o *old) {
	n.t.Helper()
	now := n.Now()
	last := len(o.refresh) - 1
	for i, raw := range o.access {
		if i != 0 && i != last {
			continue
		}
		n.verdict(what+", an access token", raw, !o.ended && n.inTime(raw, now))
	}
	for i, raw := range o.refresh {
		if i != 0 && i < last-1 {
			continue
		}
		want := !o.ended && i == last && n.inTime(raw, now)
		n.verdict(fmt.Sprintf("%s, generation %d of %d", what, i, last), raw, want)
	}
}

func (n *node) verdict(what, raw string, good bool) {
	n.t.Helper()
	want := unauthorized
	if good {
		want = http.StatusOK
	}
	if status, body := n.ask(verify(raw)); status != want {
		n.t.Errorf("%s: %d %s, want %d", what, status, body, want)
	}
}

// inTime: exp has no leeway, iat has a minute.
func (n *node) inTime(raw string, now time.Time) bool {
	c := n.unchecked(raw)
	return now.Unix() < c.Exp && c.Iat <= now.Unix()+60
}

// moment is what a token says of its times.
type moment struct{ Exp, Iat int64 }

func (n *node) unchecked(raw string) (m moment) {
	n.t.Helper()
	_, rest, _ := strings.Cut(raw, ".")
	claims, _, _ := strings.Cut(rest, ".")
	b, err := base64.RawURLEncoding.DecodeString(claims)
	n.fatal(err)
	n.fatal(json.Unmarshal(b, &m))
	return m
}
