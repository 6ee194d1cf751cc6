// Package account is what happens to an account: it is registered, its profile,
// password and role change, it is deactivated, activated, deleted.
//
// What a change means for the sessions and tokens of the account is written in
// the same transaction: nobody is signed out by a second step that may fail.
package account
