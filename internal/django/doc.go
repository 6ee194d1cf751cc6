// Package django takes over the users of a running Django, and the tokens that
// it has issued: it looks (Inspect) and it brings (Import); and it gives them
// back (Export). What a Django database is, internal/store/django knows; what
// Latchkey keeps, auth.Store.
//
// An import goes over every row of the source, each time:
//
//	row ──▶ cannot be taken ─────────────────────────────▶ error
//	  │
//	  ├─ nothing noted of its id ──▶ inserted, or conflict (id or e-mail taken)
//	  ├─ deleted here since ───────▶ stays deleted
//	  ├─ as the last import saw it ▶ nothing to do
//	  └─ changed there ──▶ field by field: here as the last import left it? taken
//	                                       changed here, too?              conflict
//
// What the last import saw is kept as short digests, one for each field (base),
// so that a run that was broken off is simply run again: what it brought is as
// it was seen, and passed over. Never is anything overwritten that was changed
// here.
//
// An export goes over every user here, and merges the other way by the same base:
//
//	user ──▶ not there, nothing noted ───▶ inserted with the same id
//	  │
//	  ├─ deleted here ──▶ deactivated there, once
//	  └─ there ──▶ field by field: changed here only?  written
//	                               changed there only? left for the next import
//	                               changed on both?    left, and told
//
// A transaction there is committed before its base is noted here, and what is
// alike on both sides is noted without more: so an export that was broken off is
// run again, too. Refresh tokens that are dead here are blacklisted there.
//
// It never hashes a password: hashes come as they are if they can be verified
// within bounds, or not at all.
package django
