// Package auth holds the words of Latchkey: user, role, session, revocation,
// event, error, and Store, the one interface to storage.
//
// It is the floor that everything else stands on: it imports no other package
// of the project, speaks no HTTP and no SQL. The acts (login, account,
// session) are written in these words; the engines under store implement
// Store; api turns them into the guide's bodies.
package auth
