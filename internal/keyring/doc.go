// Package keyring owns the signing keys: which there are, where each one's
// secret is kept, which one signs and which are still accepted.
//
// A key is a row of the store. Its secret is in one of three places:
//
//   - outside, given by the operator as signing.key (Django's SECRET_KEY, so
//     that tokens are valid on both sides): the row has its fingerprint only;
//   - outside, in secret.key, a file that the first start on SQLite makes;
//   - in the row, sealed with keys.seal_key where that is set: the key that
//     the first start on PostgreSQL makes, since several nodes need it, and
//     keys that were in use before `latchkey key use`.
//
// The fingerprint in the row decides: a node that comes with another secret
// refuses to start rather than sign tokens that its siblings refuse.
//
//	published ──> signing ──> retired ──> removed
//	                 └── Use ──┘  accepted until AcceptUntil
//
// Only a signing or a retired key is accepted. The rotation by schedule, the
// published state and other algorithms than HS256 have their place in the
// rows and are not built yet.
//
// The package mints and parses no token (token does) and decides nothing about
// sessions.
package keyring
