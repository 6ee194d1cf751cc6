// The functions without a body in blocks.go are elsewhere; this file has the
// compiler believe it.
