package history

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"github.com/anishathalye/porcupine"
)

// The acts of the model.
type act int

const (
	open          act = iota // a session was opened, or was refused
	refresh                  // a refresh token was presented
	logout                   // the session was to be ended
	ended                    // a logout from another session ended this one
	changed                  // the user's password was changed
	disabled                 // the user was deactivated
	enabled                  // the user was activated again
	verifyAccess             // an access token was looked at
	verifyRefresh            // a refresh token was looked at
	profile                  // the profile was asked for, or changed
	read                     // what the profile said
	write                    // the name was set
	settled                  // an act that ends sessions has been answered
	advanced                 // more than the leeway of 10 s has gone by
	synced                   // the node has read all revocations
)

var names = [...]string{
	"open", "refresh", "logout", "ended", "change password", "disable", "enable", "verify access", "verify refresh",
	"profile", "read name", "write name", "settled", "advance", "synced",
}

// verdict is the answer.
type verdict int

const (
	unknown verdict = iota // nobody knows: the connection was cut, or a 5xx
	good                   // 2xx
	refused                // 401
)

// in is what an act was asked to do. An act that concerns several sessions, or
// a session and its user, stands in the history of each.
type in struct {
	part  string // the session's id, or the user's
	act   act
	token string // the jti presented
	epoch int    // the password that was used
	name  string
	// id numbers the acts of this part that may end a session; settled has
	// that of its act.
	id int
}

// out is what it answered.
type out struct {
	verdict verdict
	token   string // the new jti
	name    string
}

// session is the state of one session as its tokens can tell it.
//
// An act that ends a session does so in two steps that others can see: the
// database, which refresh tokens are held against, and then the memory of the
// node, which access tokens are held against. Only when it is answered are both
// done (design.md: "memory is updated after the commit and before the answer").
// So it stands in the history twice, as itself and as settled.
type session struct {
	opened bool
	// inactive and epoch are the user's.
	inactive bool
	epoch    int
	// head and parent are the jti of the current refresh token and of the
	// previous one; head is "" when nobody has heard its successor's answer.
	head, parent string
	// aged says that the rotation is longer ago than the leeway.
	aged bool
	dead bool
	// killer is the refresh that ended the session, as reuse.
	killer int
	access access
	// pending are the acts that have been done but not settled, as bits.
	pending [2]uint64
}

// access is what becomes of access tokens.
type access int

const (
	alive access = iota
	dying        // revoked in the database: either answer is right
	gone
)

func (s session) does(id int) session {
	s.pending[id/64] |= 1 << (id % 64)
	return s
}

func (s session) has(id int) bool { return s.pending[id/64]&(1<<(id%64)) != 0 }

func (s session) ends() session {
	if s.opened && !s.dead {
		s.dead, s.access = true, dying
	}
	return s
}

// mostActs is how many acts that may end it a session's history can have.
const mostActs = 128

// fate is what the state machine of design.md says of a refresh token.
type fate int

const (
	refuse fate = iota
	rotate
	again // the same successor
	reuse
)

func (s session) fate(setting, jti string) fate {
	switch {
	case !s.opened || s.dead || s.inactive:
		return refuse
	case jti == s.head:
		return rotate
	case jti != s.parent:
		return reuse
	case setting == "tolerant" || setting == "grace" && !s.aged:
		return again
	case s.aged:
		return reuse
	default:
		return refuse
	}
}

// sessionStep is the session's state machine.
func sessionStep(setting string, s session, i in, o out) (bool, session) {
	switch i.act {
	case open:
		may := !s.inactive && i.epoch == s.epoch
		if o.verdict == refused {
			return !may, s // as if it had been another session
		}
		if !may || s.opened {
			return false, s
		}
		s.opened, s.head = true, o.token
		return true, s

	case refresh:
		fate := s.fate(setting, i.token)
		if o.verdict == good && fate != rotate && fate != again || o.verdict == refused && (fate == rotate || fate == again) {
			return false, s
		}
		switch fate {
		case rotate:
			s.parent, s.head, s.aged = s.head, o.token, false
		case again:
			if o.verdict == good {
				if s.head != "" && s.head != o.token {
					return false, s // a second successor
				}
				s.head = o.token
			}
		case reuse:
			s = s.ends()
			s.killer = i.id
		case refuse:
		}
		if o.verdict == refused {
			s = s.does(i.id)
		}
		return true, s

	case verifyRefresh:
		fate := s.fate(setting, i.token)
		return (o.verdict == good) == (fate == rotate || fate == again), s

	case verifyAccess, profile:
		return s.access == dying || (o.verdict == good) == (s.access == alive), s

	case logout:
		if o.verdict == refused {
			return s.access != alive, s
		}
		if o.verdict == good && s.access == gone {
			return false, s
		}
		s = s.ends()
		if o.verdict == good {
			s = s.does(i.id)
		}
		return true, s

	case ended:
		s = s.ends()
		if o.verdict == good {
			s = s.does(i.id)
		}
		return true, s

	case changed, disabled:
		s = s.ends().does(i.id)
		if i.act == disabled {
			s.inactive = true
		} else {
			s.epoch++
		}
		return true, s

	case enabled:
		s.inactive = false
		return true, s

	case settled:
		if !s.has(i.id) {
			return false, s // it comes after its act
		}
		s.pending[i.id/64] &^= 1 << (i.id % 64)
		// A refresh answers for the session that it has ended itself.
		if s.dead && (i.token == "" || s.killer == i.id) {
			s.access = gone
		}
		return true, s

	case advanced:
		s.aged = s.parent != "" || s.aged
		return true, s

	case synced:
		if s.dead {
			s.access = gone
		}
		return true, s

	default:
		return false, s
	}
}

// user is the state of an account.
type user struct {
	inactive bool
	epoch    int
	name     string
}

// userStep is who may open sessions, and the profile as a register.
func userStep(u user, i in, o out) (bool, user) {
	switch i.act {
	case open:
		may := !u.inactive && i.epoch == u.epoch
		return may == (o.verdict == good), u
	case changed:
		u.epoch++
	case disabled:
		u.inactive = true
	case enabled:
		u.inactive = false
	case write:
		u.name = i.name
	case read:
		return o.name == u.name, u
	default:
		return false, u
	}
	return true, u
}

// firstName is what every user is called at first.
const firstName = "Ada"

// model is both state machines, for one setting of tokens.reuse.
func model(setting string) porcupine.Model {
	type state struct {
		begun   bool
		isUser  bool
		session session
		user    user
	}
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			parts := map[string][]porcupine.Operation{}
			for _, op := range history {
				part := op.Input.(in).part
				parts[part] = append(parts[part], op)
			}
			var all [][]porcupine.Operation
			for _, part := range slices.Sorted(maps.Keys(parts)) {
				all = append(all, parts[part])
			}
			return all
		},
		Init: func() any { return state{} },
		Step: func(before, input, output any) (bool, any) {
			s, i, o := before.(state), input.(in), output.(out)
			if !s.begun {
				s = state{begun: true, isUser: isUser(i.part), session: session{epoch: 1, killer: -1}, user: user{epoch: 1, name: firstName}}
			}
			var ok bool
			if s.isUser {
				ok, s.user = userStep(s.user, i, o)
			} else {
				ok, s.session = sessionStep(setting, s.session, i, o)
			}
			return ok, s
		},
		DescribeOperation: func(input, output any) string {
			i, o := input.(in), output.(out)
			answer := [...]string{"?", "200", "401"}[o.verdict]
			if o.name != "" {
				answer += " " + o.name
			}
			if o.token != "" {
				answer += " " + short(o.token)
			}
			return fmt.Sprintf("%s %s%s -> %s", names[i.act], short(i.token), i.name, answer)
		},
		DescribeState: func(any any) string {
			s := any.(state)
			if s.isUser {
				return fmt.Sprintf("inactive=%v password=%d name=%s", s.user.inactive, s.user.epoch, s.user.name)
			}
			c := s.session
			return fmt.Sprintf("head=%s parent=%s aged=%v dead=%v access=%s inactive=%v password=%d pending=%d",
				short(c.head), short(c.parent), c.aged, c.dead, [...]string{"alive", "dying", "gone"}[c.access],
				c.inactive, c.epoch, bits.OnesCount64(c.pending[0])+bits.OnesCount64(c.pending[1]))
		},
	}
}

// isUser tells the parts apart: a session's id has 32 hex digits.
func isUser(part string) bool { return len(part) < 32 }

func short(jti string) string { return jti[:min(4, len(jti))] }
