package faults_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/faults"
	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Of two logouts of one session the second finds nothing left to end. When it
// is answered the access token is dead all the same, though the first, which has
// ended it, has not got to telling the node.
func TestSecondOfTwoLogouts(t *testing.T) {
	for _, engine := range faults.Engines {
		t.Run(engine, func(t *testing.T) {
			n := &node{t: t}
			var late atomic.Bool
			committed, goOn := make(chan struct{}), make(chan struct{})
			n.Server = faults.Serve(t, faults.Options{
				// No hints: the feed would bring it sooner or later.
				Engine: engine, Hints: make(chan struct{}),
				Decide: func(_ context.Context, p faults.Point) error {
					if p == (faults.Point{Call: "RevokeSession", When: faults.AfterCommit}) && late.CompareAndSwap(false, true) {
						close(committed)
						<-goOn
					}
					return nil
				},
			})
			pair := n.open(n.user(auth.RoleClient))
			answered := make(chan int)
			go func() {
				status, _ := n.ask(logout(pair.Access, pair.Refresh))
				answered <- status
			}()
			<-committed
			if status, body := n.ask(logout(pair.Access, pair.Refresh)); status != ok && status != unauthorized {
				t.Errorf("the second: %d %s", status, body)
			}
			n.dead("the second is answered", []string{pair.Access, pair.Refresh}, 0)
			close(goOn)
			if status := <-answered; status != ok {
				t.Errorf("the first: %d", status)
			}
		})
	}
}
