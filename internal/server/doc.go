// Package server puts Latchkey together: storage, keys, acts and API behind a
// listener with its timeouts, CORS, request ids, log lines and health, and the
// work that goes on beside the requests (following revocations, writing failed
// logins, sweeping old rows). It stops by finishing what is in flight.
//
// It owns no rule of its own. Which engine there is, only it and cmd know.
package server
