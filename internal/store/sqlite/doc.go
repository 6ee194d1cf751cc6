// Package sqlite is the embedded engine of the store: one writer, many
// readers, nothing to install.
//
//	Rotate, OpenSession, RevokeSession, Update ──► queue ──► one goroutine ──► one connection
//	                                                         BEGIN IMMEDIATE
//	                                                           act   act   act …   what was waiting
//	                                                         COMMIT                one fsync for all
//	                                                         answers
//
// Group commit: the writer takes what is waiting into one transaction, each act
// of several statements under a SAVEPOINT, so that one act's error leaves the
// others alone. Nobody is answered before COMMIT has returned with
// synchronous=FULL. When a group fails as a whole, its acts run again singly.
//
// Readers have connections of their own that cannot write. Users that were read
// by id are kept in memory until this process or another one changes them.
package sqlite
