// Package store holds the SQL that both engines share: every statement once,
// beside the function that scans its rows.
//
// The statements are written in the dialect that SQLite and PostgreSQL have in
// common ($1, $2; ON CONFLICT … DO UPDATE; RETURNING; CTEs), with time as a
// parameter. What differs (opening, committing, errors, batching, news from
// other processes) lives in the packages sqlite and postgres, which bring a
// Conn each.
package store
