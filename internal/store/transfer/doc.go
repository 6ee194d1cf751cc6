// Package transfer copies everything that one database holds into an empty one
// of the other engine or of the same, and holds that it arrived.
//
// Tables and columns are read from the schemas and not listed here: a table that
// a migration adds is copied without anybody thinking of it, and two schemas
// that differ are refused.
package transfer
