// Package keyring owns the signing keys: which there are, where each one's
// secret is kept, which one signs and which are still accepted.
//
// A key is a row of the store. Its secret is in one of three places:
//
//   - outside, given by the operator as signing.key (Django's SECRET_KEY, so
//     that tokens are valid on both sides): the row has its fingerprint only;
//   - outside, in secret.key, a file that the first start on SQLite makes for
//     HS256;
//   - in the row, sealed with keys.seal_key where that is set: every asymmetric
//     key, the key that the first start on PostgreSQL makes, since several
//     nodes need it, what rotation makes, and keys that were in use before.
//
// The fingerprint in the row decides: a node that comes with another secret
// refuses to start rather than sign tokens that its siblings refuse.
//
//	published ──> signing ──> retired ──> removed
//	           SignsAt     promotion   AcceptUntil
//
// A key is published one cache time of the JWKS before it signs (SignsAt), so
// that whoever verifies with a copy has it by then. When it begins to sign, the
// one before it is retired, and removed when the last token that it may have
// signed has expired (AcceptUntil), by a clock that can be trusted. A published
// asymmetric key that is not needed after all is removed.
//
// # Nodes
//
// Rows change under LockKeys: whoever comes first does what is due, and each
// change is an event in its transaction. Nobody waits for that, though. A row
// says beforehand when its key will sign and until when it is accepted, so that
// every node that has read it turns at that time by its own clock; a key that
// is about to sign is accepted a little sooner, and a retired one a little
// longer, than clocks may differ. Rows are read again each second, and at once
// (but not more often than that) when a token names a key that nobody here has
// heard of: an operator may let a key sign without having published it. Where
// they cannot be read, such a token is neither taken nor refused.
//
// An HS256 key is accepted for tokens without kid, or with a kid that is none
// of ours; an asymmetric one by its kid alone.
//
// The package mints and parses no token (token does) and decides nothing about
// sessions.
package keyring
