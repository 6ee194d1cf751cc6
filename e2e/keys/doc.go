// Package keys turns signing keys under load, on two real nodes on one
// PostgreSQL: no valid token is refused meanwhile, and none is accepted whose
// key has gone.
//
// The nodes are processes of this test binary, which serves with a cache time of
// the JWKS and a schedule that are shorter than what can be configured.
package keys
