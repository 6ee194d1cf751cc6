package django

import (
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver

	"github.com/latchkey-auth/latchkey/e2e/node"
)

// program finds a program that distributions keep out of users' PATH.
func program(names ...string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		for _, dir := range []string{"/usr/sbin", "/usr/bin", "/usr/libexec", "/usr/local/bin"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				return filepath.Join(dir, name)
			}
		}
	}
	return ""
}

// MariaDB starts a private server that ends with the test, and gives the URL of
// an empty database on it.
func MariaDB(t testing.TB) string {
	t.Helper()
	install, server := program("mariadb-install-db", "mysql_install_db"), program("mariadbd", "mysqld")
	if install == "" || server == "" {
		missing(t, "there is no MariaDB: scripts/need installs it")
	}
	// Not t.TempDir: the path of a socket has at most 107 bytes.
	dir, err := os.MkdirTemp("/tmp", "latchkey-maria-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	data := filepath.Join(dir, "data")
	who := "--user=" + currentUser()
	out, err := exec.Command(install, "--no-defaults", who, "--datadir="+data, "--auth-root-authentication-method=normal",
		"--skip-test-db", "--skip-name-resolve").CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", install, err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(server, "--no-defaults", who, "--datadir="+data, "--socket="+filepath.Join(dir, "socket"),
		"--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", port), "--pid-file="+filepath.Join(dir, "pid"),
		"--innodb-flush-log-at-trx-commit=0", "--character-set-server=utf8mb4")
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, node.Attr()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	db, err := sql.Open("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/", port))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	deadline := time.Now().Add(90 * time.Second)
	for {
		if _, err = db.ExecContext(t.Context(), `CREATE DATABASE guide CHARACTER SET utf8mb4`); err == nil {
			return fmt.Sprintf("mysql://root@127.0.0.1:%d/guide", port)
		}
		if time.Now().After(deadline) || strings.Contains(err.Error(), "exists") {
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("MariaDB does not answer: %v\n%s", err, said)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func currentUser() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return os.Getenv("USER")
}
