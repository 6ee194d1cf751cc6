// Package trace knows what Latchkey is held to (requirements.toml) and what
// shows that it is: the tests and the passages of the documentation that carry
// a number. docs/security.md is made from both; make asvs adds how the tests
// went. Nothing of it is in the binary.
//
// A tag is a line of its own, directly above what it is about, with nothing but
// numbers and commas behind the word:
//
//	// ASVS 7.4.1, 7.4.2        above a Go test or fuzz function, or a test( or it( in TypeScript
//	// LESSON 13
//	// ROW 8                    a figure
//	<!-- ASVS 6.1.1 -->         above a passage in Markdown
//	# ROW 29                    above a line of a script, the Makefile or a planted defect
//
// A tag says: this fails if the requirement is not met. What only looks like a
// tag (an unknown number, a function that is no test, an empty passage) is an
// error.
package trace
