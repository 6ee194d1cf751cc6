// Package takeover stands between a live Django and Latchkey's acts while one
// takes the place of the other.
//
// Shadow is a proxy in front of the Django: it passes every request and every
// answer through, asks a Latchkey of its own the same question afterwards, and
// counts and writes down where the two differ. The live answer never waits for
// it:
//
//	client ── request ──▶ Shadow ── request ──▶ Django
//	       ◀── answer ───        ◀── answer ───
//	                        │ a copy of both, before the answer's last byte
//	                        ▼
//	                      line: bounded; what concerns one user in order
//	                        │
//	                        ▼ asked of the Latchkey, compared, counted
//
// Upstream is the other half, for after the change: a login with an e-mail
// address that is not known here is asked of the Django once, and the user is
// kept.
//
// It knows the words (auth) and HTTP, and no engine.
package takeover
