package outside

import (
	"bufio"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.M{M: m}.Run()
	node.Clean()
	os.Exit(code)
}

const password = "c0rrect-Horse-42"

// files is every file that a server on SQLite may make, all in its data folder:
// docs/audit.md and docs/data.md say what is in them.
var files = []string{"latchkey.db", "latchkey.db-wal", "latchkey.db-shm", "latchkey.db-journal", "latchkey.lock", "revocations.seq", "secret.key"}

// traced are the system calls by which a process writes files and reaches others.
const traced = "trace=open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2,link,linkat,symlink,symlinkat," +
	"truncate,unlink,unlinkat,socket,connect,bind,listen,sendto,sendmsg,execve,memfd_create,ptrace,io_uring_setup"

// TestNothingElse runs a server through everything that it does, and looks at
// every file that it wrote and every connection that it made: the log goes to
// standard error, the rest into the data folder or to PostgreSQL, and nobody is
// called but PostgreSQL and the range API where one is set.
//
// ASVS 13.2.4, 13.2.5, 16.2.3
func TestNothingElse(t *testing.T) {
	asked := make(chan string, 100)
	ranges := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		sum := sha1.Sum([]byte("not this one"))
		fmt.Fprintf(w, "%s:1\r\n", strings.ToUpper(hex.EncodeToString(sum[:]))[5:])
	}))
	defer ranges.Close()
	for name, tt := range map[string]struct {
		env    func(t *testing.T) []string
		called func(t *testing.T, env []string) []string
	}{
		"sqlite": {
			func(*testing.T) []string { return nil },
			func(*testing.T, []string) []string { return nil },
		},
		"sqlite, with a range API": {
			func(*testing.T) []string { return []string{"LATCHKEY_PASSWORD_RANGE_URL=" + ranges.URL + "/range/"} },
			func(*testing.T, []string) []string { return []string{ranges.Listener.Addr().String()} },
		},
		"postgres": {
			func(t *testing.T) []string { return []string{"LATCHKEY_DATABASE=" + pgtest.Database(t)} },
			func(t *testing.T, env []string) []string {
				return []string{peer(t, strings.TrimPrefix(env[0], "LATCHKEY_DATABASE="))}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			strace := node.Strace(t)
			env := tt.env(t)
			home, tmp := t.TempDir(), t.TempDir()
			n := node.New(t, append(env, node.OwnKey, "HOME="+home, "TMPDIR="+tmp, "LATCHKEY_THROTTLE_ACCOUNT=1")...)
			log := filepath.Join(t.TempDir(), "strace")
			script := filepath.Join(t.TempDir(), "traced")
			if err := os.WriteFile(script, []byte(fmt.Sprintf("#!/bin/sh\nexec %s -D -f -y -s 500 --seccomp-bpf -e signal=none -e %s -o %s -- %s \"$@\"\n",
				strace, traced, log, node.Build(t))), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := n.Run(script); err != nil {
				t.Fatalf("start: %v\n%s", err, n.Log())
			}
			work(t, n)
			n.Stop()
			calls := read(t, log, n.PID())

			listen := strings.TrimPrefix(n.URL, "http://")
			want, seen := tt.called(t, env), map[string]bool{}
			for _, c := range calls {
				if problem := judge(c, n.Data, listen, want, seen); problem != "" {
					t.Errorf("%s: %s", problem, c)
				}
			}
			for _, to := range want {
				if !seen[to] {
					t.Errorf("%s was not called: what is looked at here?", to)
				}
			}
			if len(calls) < 20 {
				t.Errorf("%d system calls", len(calls))
			}
			// And what is there afterwards.
			for _, dir := range []string{home, tmp} {
				if left := list(t, dir); len(left) > 0 {
					t.Errorf("in %s: %v", dir, left)
				}
			}
			left := list(t, filepath.Dir(n.Data))
			for _, name := range left {
				if name != "log" && name != "data" && !slices.Contains(files, strings.TrimPrefix(name, "data/")) {
					t.Errorf("%s was left behind", name)
				}
			}
			if strings.HasPrefix(name, "sqlite") && !slices.Contains(left, "data/latchkey.db") {
				t.Errorf("no database in %v", left)
			}
			if strings.Contains(name, "range") && len(asked) == 0 {
				t.Error("the range API was not asked")
			}
			for line := range strings.Lines(n.Log()) {
				if !json.Valid([]byte(line)) {
					t.Errorf("no JSON in the log: %q", line)
				}
			}
		})
	}
}

// work is a bit of everything: acts, refusals, exports, the doctor.
func work(t *testing.T, n *node.Node) {
	t.Helper()
	ctx := t.Context()
	do := func(want int, method, path, bearer string, body any) []byte {
		t.Helper()
		status, answer, err := n.Do(ctx, method, path, bearer, body)
		if err != nil || status != want {
			t.Fatalf("%s %s: %v %d %s", method, path, err, status, answer)
		}
		return answer
	}
	form := map[string]string{"email": "ada@example.com", "password": password, "password2": password, "first_name": "A", "last_name": "B"}
	do(201, "POST", "/api/auth/register/", "", form)
	if out, err := n.CLI(t, password, "user", "create", "root@example.com", "--role", "admin", "--password-stdin"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	user, err := n.Login(ctx, "ada@example.com", password)
	if err != nil || !user.OK() {
		t.Fatal(err, user.Body)
	}
	root, err := n.Login(ctx, "root@example.com", password)
	if err != nil || !root.OK() {
		t.Fatal(err, root.Body)
	}
	do(401, "POST", "/api/auth/login/", "", map[string]string{"email": "ada@example.com", "password": "wr0ng-Horse-41"})
	do(429, "POST", "/api/auth/login/", "", map[string]string{"email": "ada@example.com", "password": "wr0ng-Horse-41"})
	do(403, "GET", "/api/audit/", user.Tokens.Access, nil)
	do(200, "PATCH", "/api/auth/profile/", user.Tokens.Access, map[string]string{"role": "admin", "phone": "1"})
	do(401, "GET", "/api/auth/profile/", "a.b.c", nil)
	do(200, "POST", "/api/auth/token/refresh/", "", map[string]string{"refresh": user.Tokens.Refresh})
	do(200, "GET", "/api/audit/?format=csv", root.Tokens.Access, nil)
	do(200, "GET", "/api/doctor/", root.Tokens.Access, nil)
	do(200, "GET", "/api/system/", root.Tokens.Access, nil)
	do(201, "POST", fmt.Sprintf("/api/users/%d/reset-link/", user.User.ID), root.Tokens.Access, nil)
	do(200, "GET", "/.well-known/jwks.json", "", nil)
	do(404, "GET", "/api/../../etc/passwd", "", nil)
	do(200, "POST", fmt.Sprintf("/api/users/%d/logout/", user.User.ID), root.Tokens.Access, nil)
}

// peer is where PostgreSQL is, as a system call has it.
func peer(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	host, port := u.Hostname(), u.Port()
	if h := u.Query().Get("host"); h != "" {
		host = h
	}
	if strings.HasPrefix(host, "/") {
		return filepath.Join(host, ".s.PGSQL."+port)
	}
	return net.JoinHostPort(host, port)
}

// read gives the lines of a trace once the process has ended, without the
// threads' numbers.
func read(t *testing.T, log string, pid int) []string {
	t.Helper()
	last := regexp.MustCompile(fmt.Sprintf(`(?m)^%d +\+\+\+ exited`, pid))
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		b, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if !last.Match(b) {
			if time.Now().After(end) {
				t.Fatal("the trace has no end")
			}
			continue
		}
		var calls []string
		lines := bufio.NewScanner(strings.NewReader(string(b)))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			_, line, _ := strings.Cut(lines.Text(), " ")
			line = strings.TrimLeft(line, " ")
			if strings.HasPrefix(line, "<...") || strings.HasPrefix(line, "+++") || strings.HasPrefix(line, "---") {
				continue // what began is told in the line where it did
			}
			calls = append(calls, line)
		}
		return calls
	}
}

var (
	quoted = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)
	inet   = regexp.MustCompile(`sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"`)
)

// judge says what is wrong with a system call, "" for nothing. seen are the
// peers that were called.
func judge(c, data, listen string, called []string, seen map[string]bool) string {
	name, rest, _ := strings.Cut(c, "(")
	var path string
	if m := quoted.FindStringSubmatch(rest); m != nil {
		path = m[1]
	}
	own := func(path string) bool {
		base := filepath.Base(path)
		// Two take their names when they are whole.
		return path == data || filepath.Dir(path) == data &&
			(slices.Contains(files, base) || strings.HasPrefix(base, ".secret.key-") || strings.HasPrefix(base, "revocations.seq."))
	}
	switch name {
	case "open", "openat", "openat2", "creat":
		writes := name == "creat" || strings.Contains(rest, "O_WRONLY") || strings.Contains(rest, "O_RDWR") || strings.Contains(rest, "O_CREAT")
		if writes && !own(path) && path != "/dev/null" {
			return "a file is opened for writing"
		}
	case "mkdir", "mkdirat", "truncate", "unlink", "unlinkat":
		if !own(path) {
			return "a file is made or changed"
		}
	case "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat":
		for _, m := range quoted.FindAllStringSubmatch(rest, -1) {
			if !own(m[1]) {
				return "a file is renamed"
			}
		}
	case "bind":
		// Without listen, on no port, Go asks whether there is IPv6.
		if to := target(rest); to != listen && to != "[::1]:0" && to != "127.0.0.1:0" {
			return "another address is bound"
		}
	case "connect":
		to := target(rest)
		if !slices.Contains(called, to) {
			return "somebody is called"
		}
		seen[to] = true
	case "sendto", "sendmsg":
		if strings.Contains(rest, "sa_family=") {
			return "something is sent to somebody"
		}
	case "socket":
		if !strings.HasPrefix(rest, "AF_INET, SOCK_STREAM") && !strings.HasPrefix(rest, "AF_INET6, SOCK_STREAM") &&
			!strings.HasPrefix(rest, "AF_UNIX, SOCK_STREAM") {
			return "a socket of another kind"
		}
	case "listen":
		if seen[name] {
			return "a second listener"
		}
		seen[name] = true
	case "execve":
		if !strings.HasSuffix(path, "/latchkey") {
			return "a program is run"
		}
	default:
		return "why?"
	}
	return ""
}

// target is the address of a bind or connect.
func target(arguments string) string {
	if m := inet.FindStringSubmatch(arguments); m != nil {
		return net.JoinHostPort(strings.TrimPrefix(m[2], "::ffff:"), m[1])
	}
	if _, path, ok := strings.Cut(arguments, `sun_path="`); ok {
		path, _, _ = strings.Cut(path, `"`)
		return path
	}
	return arguments
}

// list gives the files under a folder.
func list(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	if err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		out = append(out, filepath.ToSlash(name))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}
