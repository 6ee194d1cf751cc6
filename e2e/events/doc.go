// Package events holds the server to what docs/events.md says: a script asks
// every operation for every outcome, and for each request there must be exactly
// the events and the line of the log that belong to it.
package events
