// Package enumeration asks the real binary about accounts in every state and
// compares what it says: bodies and headers to the byte, and times by the method
// of security.md, section 5. With few samples times are printed and not judged:
//
//	go test ./e2e/enumeration -run TestTimes -enumeration.samples 2000 -timeout 4h -v
package enumeration
