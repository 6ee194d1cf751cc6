// Package chain lays a hash chain over the audit trail, so that what was
// changed in it, taken out or put in afterwards is found.
//
// An act writes its event as a row, in its own transaction, and knows nothing
// of this. Some seconds later a sealer takes the events that no link holds,
// whatever order they were committed in, and makes a link of them: the hash of
// all columns of all of them, and the hash of that with the link before. The
// chain's two ends are one row under one MAC, which is made anew with each
// link. One MAC is enough, for the last hash stands for all before it, and it is
// better than one for each link: there is none that would be good for a chain
// that somebody has cut short.
//
//	events   1 2 3 │ 4 5 6 7 │ 8 9        (10 is not sealed yet)
//	links    1 ────── 2 ─────── 3
//	chain    anchor 0 ········· head 3, MAC
//
// Events that grow old go with their link, whole links at a time and from the
// beginning; the anchor is moved to the last that went. What goes is verified
// before: the MAC over the new anchor would make anything good.
//
// # Keys
//
// The MAC's key is derived from the key that signs tokens, for this purpose
// alone. When another one signs, the next round makes the MAC anew, which a
// retired key's week is long enough for; whoever removes a key at once turns
// the chain to the next in the same transaction (Turn).
//
// # Nodes
//
// The row of the chain is locked by whoever seals. What a node has seen of the
// head it remembers: a head that is earlier than that is told of.
//
// docs/audit.md says what all of this proves and what it does not.
package chain
