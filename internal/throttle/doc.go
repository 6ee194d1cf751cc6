// Package throttle limits attempts, and says who the client is. It knows no
// user, no database and no HTTP.
//
//	what           counted by              limit
//	login,         account                 10 in 15 minutes
//	password       client address          30 in 15 minutes
//	registration   client address          100 at once, then one in 30 s
//
// An attempt takes its place before the password is hashed, and gives it back
// when it succeeds, so that guesses made in parallel cannot exceed the limit:
//
//	Attempt ──full──> wait: refused, nothing taken
//	   │
//	   ▼
//	 Place ──GiveBack──> as if it had never been
//	   │
//	   ▼ 15 minutes
//	  free
//
// The window slides exactly: in no stretch of 15 minutes are there more than
// 10 places. That is why attempts are not metered by GCRA, as packages like
// throttled/v2 do it: GCRA refills while it is being spent, so that nearly
// twice the limit passes in one window, and it keeps one time stamp, from which
// no single place can be taken back. For registrations, where neither matters,
// GCRA it is.
//
// A client address is one IPv4 address or one /64 of IPv6, which is what a
// single subscriber has. A loopback client, and one whose address is unknown,
// has no address counter: it is a developer, or a proxy that nobody told us of,
// and one counter for everybody would shut everybody out. The account counter
// holds for them too.
//
// Counts are kept in Counters, an interface of primitive types, so that a store
// can keep them for several nodes without importing this package. Memory keeps
// them here.
package throttle
