// Package outside watches what the server does to the machine and the network
// around it: which files it writes and whom it calls, by its system calls and by
// its source.
package outside
