package server

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"
)

func TestRequestContext(t *testing.T) {
	parent := context.WithValue(t.Context(), "k", "v") //nolint:staticcheck // A test's key.
	newContext := func(d time.Duration) *requestContext {
		return &requestContext{Context: parent, exchange: &exchange{id: "x"}, deadline: time.Now().Add(d)}
	}
	t.Run("values", func(t *testing.T) {
		c := newContext(time.Hour)
		for range 2 { // before and after it is armed
			if c.Value("k") != "v" || c.Value(exchangeKey{}).(*exchange).id != "x" {
				t.Error("values are lost")
			}
			c.Done()
		}
		c.release()
	})
	t.Run("deadline, asked without waiting", func(t *testing.T) {
		c := newContext(-time.Second)
		if err := c.Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Err = %v", err)
		}
		c.release()
	})
	t.Run("deadline, waited for", func(t *testing.T) {
		c := newContext(time.Millisecond)
		<-c.Done()
		if err := c.Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Err = %v", err)
		}
		c.release()
	})
	t.Run("a client that goes away", func(t *testing.T) {
		gone, cancel := context.WithCancel(parent)
		defer cancel()
		for _, armed := range []bool{false, true} {
			c := &requestContext{Context: gone, deadline: time.Now().Add(time.Hour)}
			if armed {
				c.Done()
			}
			cancel()
			if err := c.Err(); !errors.Is(err, context.Canceled) {
				t.Errorf("armed=%v: Err = %v", armed, err)
			}
			c.release()
		}
	})
	t.Run("release ends children, which have no goroutine", func(t *testing.T) {
		c := newContext(time.Hour)
		before := runtime.NumGoroutine()
		child, cancel := context.WithCancel(c)
		defer cancel()
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines more", n-before)
		}
		c.release()
		<-child.Done()
		if err := child.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("child: %v", err)
		}
	})
}
