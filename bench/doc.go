// Command bench measures Latchkey beside what bounds it, in one run:
//
//   - a bare net/http server that reads the same bodies, checks one HS256 and
//     answers fixed JSON (the limit; for a refresh it signs two tokens, too);
//   - durable updates in a bare loop, singly and in groups, on the same disk
//     (the storage limit);
//   - argon2id alone on every processor (the hash limit).
//
// It builds cmd/latchkey, starts it on a SQLite and on a private PostgreSQL
// with fsync on, and drives all of them with the same client. The rounds of
// what is compared take turns, and each ratio is taken within a round: on a
// machine that others use, too, only those repeat. CPU is that of the server
// and, with PostgreSQL, of all its processes; it is read from /proc and so
// known on Linux alone.
//
// It writes to a temporary folder, listens on 127.0.0.1 only and ends what it
// started. docs/performance.md has what came out and what goals were set.
//
// Like internal/django it has SQL of its own: it fills the tables directly,
// since a million registrations would hash for hours.
package main
