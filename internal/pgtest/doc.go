// Package pgtest gives tests a PostgreSQL of their own.
//
// It runs the initdb and postgres that are installed on the machine, on a free
// loopback port, with its data in a folder under /tmp. Nothing is downloaded
// and no running cluster is touched. A package that needs it says
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// and each test that wants a database calls Database; the server is started by
// the first call and stopped when the package's tests are over. Start is for
// what is no test, and for a server that is to be killed (Durable).
//
// The server is a child of a small shell that waits for its standard input to
// end. That happens when Stop closes it and also when this process dies in any
// way, a SIGKILL included: the shell then ends the server and removes the
// folder. PostgreSQL refuses to run as root, so root runs both as the user
// postgres, or nobody.
//
// Environment:
//
//   - LATCHKEY_TEST_POSTGRES is the URL of a server to use instead, whose user
//     may create databases. Each test still gets a fresh one, dropped after it.
//   - LATCHKEY_TEST_STRICT=1, or CI=true, turns "there is no PostgreSQL here"
//     from a skip into a failure.
package pgtest
