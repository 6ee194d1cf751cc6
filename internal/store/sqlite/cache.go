package sqlite

import (
	"sync"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// cachedUsers is how many users are kept; at some 500 bytes each, 4 MiB.
const cachedUsers = 8192

// userCache holds users that were read by id. Whoever changes one in this
// process drops it after the commit and before the answer; a commit of another
// process drops them all.
type userCache struct {
	mu    sync.RWMutex
	users map[int64]auth.User
	// epoch moves with every drop. A reader takes it before it reads and may
	// only store if it has not moved: else it could store what it read before
	// a commit after that commit's drop.
	epoch uint64
}

// user gives a user that is held, and the epoch to store one with if not.
func (c *userCache) user(id int64) (u auth.User, epoch uint64, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	u, ok = c.users[id]
	return u, c.epoch, ok
}

func (c *userCache) store(u auth.User, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return
	}
	if len(c.users) >= cachedUsers {
		for id := range c.users { // any one: the order of a map is random
			delete(c.users, id)
			break
		}
	}
	if c.users == nil {
		c.users = map[int64]auth.User{}
	}
	c.users[u.ID] = u
}

func (c *userCache) drop(ids ...int64) {
	if len(ids) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	for _, id := range ids {
		delete(c.users, id)
	}
}

func (c *userCache) dropAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	clear(c.users)
}
