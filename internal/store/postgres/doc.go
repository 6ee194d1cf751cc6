// Package postgres is the store on PostgreSQL, for several nodes on one
// database. It owns what differs from SQLite: connecting, migrating, retrying,
// the batched rotation, and the news of revocations that other nodes wrote.
// The statements that both engines share are in the package above.
//
// # Isolation
//
// Transactions are READ COMMITTED: each statement sees what was committed when
// it began, and one that waited for a row's lock checks its WHERE again on the
// row's newest version. So every rule is a WHERE on the row that is changed,
// and what a waiting statement did not see is read by a later statement.
//
// # When the database goes away
//
// A transaction whose connection is lost before COMMIT was sent has not
// happened: it is run again, for up to outage. One whose connection is lost
// during COMMIT may have happened: the error is returned and nothing may be
// answered from it. Only Rotate is run again even then, since it can tell.
package postgres
