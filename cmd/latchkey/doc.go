// Command latchkey is the authentication server and what its operator needs
// beside it: one file per command.
//
// main makes a context of the signals and calls run, which is the whole
// program as a function of its arguments, environment and streams; tests call
// it too. Exit statuses: 0 is success, 1 a failure, 2 a mistake in the command
// line or the configuration. An error says what was wrong and then, on a line
// of its own, what to do about it.
package main
