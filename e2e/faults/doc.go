// Package faults runs the server in the test's own process over a store whose
// every call can be made to fail, and its tests let each call of each route
// fail in turn (security.md, figure 13).
//
// A call can fail before it does anything, at its commit, which is then rolled
// back, or after a commit that nobody was told of. The last is what a lost
// connection looks like: the answer must be an error although the act is done.
package faults
