// Package django reads the database of a Django project: a SQLite file,
// PostgreSQL, MySQL or MariaDB, or the JSON of `manage.py dumpdata`. A Source is
// never written to. A Target, which is a database, is: in short transactions that
// lock the rows which they change, so that a Django that runs beside waits for
// moments.
//
// The schema is somebody else's, so nothing of it is taken for granted: a Source
// tells which tables there are and gives rows in pages, and each value is read
// as what it is wanted as (Text, Int, Bool, Time) or refused. No value is longer
// than MaxValue however long the database has it, and no page has more than
// PageRows rows: whatever a database holds, memory stays bounded.
//
// PostgreSQL and MySQL are read in one snapshot, which keeps no writer waiting.
// SQLite would keep Django's writers waiting for as long as a snapshot is held,
// so there each page is a read of its own; what changes meanwhile is for the
// next run to bring.
package django
