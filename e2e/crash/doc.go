// Package crash kills the real binary under load, again and again, and then
// asks it about everything that it had acknowledged (security.md, figure 1).
//
// What was acknowledged stands in a ledger, a file of the driver's own that is
// synced before the driver's next step; after each restart the ledger is read
// back and each line of it is checked through the API. Beside that the
// database itself is checked. On PostgreSQL the database server is killed too,
// in every fifth cycle.
//
// Flags of the test: -crash.cycles, -crash.for, -crash.seed.
package crash
