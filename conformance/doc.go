// Package conformance holds Latchkey to the contract that it promises to keep:
// the guide (guide.txt) and what the real stack answers (recorded.json).
//
// It has tests only, and they see the server as a client does, over TCP, on
// both engines:
//
//   - TestReplay sends the recorded exchanges of the real stack in their order
//     and compares status, body, headers and tokens. Where we answer otherwise
//     on purpose, deviations.toml says so, and names the row of
//     docs/deviations.md that allows it.
//   - TestKinds tries exchanges of the same kinds that were not recorded, by a
//     small model of the stack's rules.
//   - TestGuide keeps a transcript of every example of the guide under
//     testdata/guide, and TestCurl runs the guide's own commands, cut out of
//     its text, against the built binary.
//
// A test that fails here is a bug in the server or a row that is missing; it
// is never mended by copying what the server answered.
package conformance
