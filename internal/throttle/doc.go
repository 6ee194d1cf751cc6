// Package throttle limits attempts, and says who the client is. It knows no
// user, no database and no HTTP.
//
//	what                    counter            limit
//	login                   client address     30 in 15 minutes; more than 20
//	                                           different e-mails in an hour block it
//	  an unknown device     account            10 in 15 minutes, in tiers, 100 in a row
//	  a known device        both               the same, for that device alone
//	password change         session            the same, for that session alone
//	registration            client address     100 at once, then one in 30 s
//
// An attempt takes its place before the password is hashed, in every counter
// that it concerns at once, and gives it back when it succeeds, so that guesses
// made in parallel cannot exceed the limit, on however many nodes:
//
//	Attempt ──full──> wait: refused, nothing taken, nothing written
//	   │
//	   ▼
//	 Place ──Success──> given back; failures in a row begin at 0
//	   │ │ └─GiveBack──> as if it had never been: nothing was decided
//	   │ └──Failed────> the address has failed with one more e-mail
//	   ▼ 15 minutes
//	  free; the failure is kept
//
// The window slides exactly: in no stretch of 15 minutes are there more than
// 10 places. That is why attempts are not metered by GCRA, as packages like
// throttled/v2 do it: GCRA refills while it is being spent, so that nearly
// twice the limit passes in one window, and it keeps one time stamp, from which
// no single place can be taken back. For registrations, where neither matters,
// GCRA it is.
//
// Failures in a row slow down what the window would let through (Tiers), up to
// Ceiling (NIST SP 800-63B-4, section 3.2.2). A counter is forgotten after as
// many days without an attempt as it has failures: in the long run a patient
// attacker has one guess a day.
//
// A device is known to an account by what its browser keeps of an earlier
// sign-in (Remember), or by a client address from which the account has signed
// in during the last 30 days. Its counter is its own, so that strangers who fill
// the account's do not shut its owner out. One that has reached the ceiling is
// known no more. A browser that is known is not counted by its address either,
// which it may share with strangers.
//
// A client address is one IPv4 address or one /64 of IPv6, which is what a
// single subscriber has. A loopback client, and one whose address is unknown,
// has no address counter and is no known device: it is a developer, or a proxy
// that nobody told us of, and one counter for everybody would shut everybody
// out. The account counter holds for them too.
//
// An account that does not exist is counted like one that does, by the same
// statements.
//
// Counts are kept in Counters, an interface of primitive types, so that a store
// can keep them for several nodes without importing this package. Their keys are
// keyed hashes.
package throttle
