// Package guesses attacks the server's logins and counts what gets through
// (security.md, figure 16): one account and many passwords, many accounts and
// one password, many addresses, made-up addresses, weeks of patience. Meanwhile
// the owner signs in on a known device, and the sessions that there are go on.
package guesses
