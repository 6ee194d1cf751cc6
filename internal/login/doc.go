// Package login answers who are you, prove it, and then opens a session. The
// next step of a login is decided here and nowhere else.
package login
