// Package outage takes the database away from the real binary, under load:
// PostgreSQL is restarted, and its processes are ended in the middle of a
// commit (security.md, figures 18 and 20); the disk under SQLite is filled
// (figure 19); backups are made meanwhile and put back (figure 25).
//
// The clients hold everything that was acknowledged against what they are
// answered later. Nothing but 2xx and 503 with Retry-After is an answer, and a
// token that is good is never refused.
//
// Flags of the tests: -outage.restarts, -outage.commits, -outage.rounds,
// -outage.backups, -outage.back, -outage.seed.
package outage
