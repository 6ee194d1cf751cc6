package sqlite

import (
	"testing"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// TestUserCacheEpoch: what was read before a commit is not stored after that
// commit has dropped it.
//
// LESSON 30
func TestUserCacheEpoch(t *testing.T) {
	for name, drop := range map[string]func(*userCache){
		"this_user":  func(c *userCache) { c.drop(1) },
		"everybody":  func(c *userCache) { c.dropAll() },
		"other_user": func(c *userCache) { c.drop(2) }, // at the price of a read
	} {
		t.Run(name, func(t *testing.T) {
			var c userCache
			_, epoch, _ := c.user(1)
			drop(&c)
			c.store(auth.User{ID: 1}, epoch)
			if u, _, ok := c.user(1); ok {
				t.Errorf("held: %+v", u)
			}
			_, epoch, _ = c.user(1)
			c.store(auth.User{ID: 1}, epoch)
			if _, _, ok := c.user(1); !ok {
				t.Error("not held after a read that nothing crossed")
			}
			drop(&c)
			if _, _, ok := c.user(1); ok != (name == "other_user") {
				t.Errorf("held after the drop: %v", ok)
			}
		})
	}
}
