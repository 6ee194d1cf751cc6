// Package history records what many clients do to sessions at once and holds
// every history against the model of a session, with porcupine (security.md,
// section 5): some order of the acts, each at one moment between its beginning
// and its end, must explain every answer.
//
// The model is in model_test.go. Flags of the test: -history.count,
// -history.ops, -history.seed.
package history
