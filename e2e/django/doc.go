// Package django takes over the real thing: the guide's application of
// conformance/django under gunicorn, on SQLite, on PostgreSQL and, for the import
// alone, on MariaDB. Users register there, sign in and out, are imported, and go
// on at Latchkey.
//
// The flags -django.users, -django.passwords and -django.rows say how many there
// are; their defaults are for every run of the tests, scripts/nightly has the
// full figures.
package django
