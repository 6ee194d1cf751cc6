package pgtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNone says that no PostgreSQL is installed here.
var ErrNone = errors.New("no PostgreSQL found: neither is initdb on PATH nor is there a /usr/lib/postgresql/*/bin (on Debian: apt-get install postgresql)")

// startTimeout is how long a server may take to answer, crash recovery
// included.
const startTimeout = 60 * time.Second

// Options say how a private server runs.
type Options struct {
	// Durable has the server write to disk as it does in production. Without
	// it nothing is ever synced, which is a good deal faster.
	Durable bool
	// Settings are further settings of postgresql.conf, as "name=value".
	Settings []string
}

// Server is a private PostgreSQL.
type Server struct {
	bin      string // where initdb and postgres are
	dir      string // the socket and the password are here, the data in dir/data
	password string
	port     int
	settings []string

	shell *exec.Cmd      // nil while there is no server
	stdin io.WriteCloser // the server runs as long as this is open
	ended chan struct{}  // closed when its last process has ended
	log   *tail
}

// Start makes a cluster and starts a server on it. It answers ErrNone when
// PostgreSQL is not installed.
func Start(ctx context.Context, o Options) (*Server, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	// Not os.TempDir: the path of a socket has at most 107 bytes, and the user
	// that root steps down to must be able to get there.
	dir, err := os.MkdirTemp("/tmp", "latchkey-pg-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for PostgreSQL: %w", err)
	}
	s := &Server{bin: bin, dir: dir, password: rand.Text(), settings: o.Settings}
	if !o.Durable {
		s.settings = append([]string{"fsync=off", "full_page_writes=off", "synchronous_commit=off"}, s.settings...)
	}
	if err := s.initdb(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// findPostgres gives the folder with PostgreSQL's programs. An initdb on PATH
// counts only if postgres lies beside it once links are followed: it may be a
// distribution's wrapper.
func findPostgres() (string, error) {
	var folders []string
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, filepath.Dir(path))
		}
	}
	installed, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", fmt.Errorf("look for PostgreSQL: %w", err)
	}
	slices.SortFunc(installed, func(a, b string) int { return majorVersion(b) - majorVersion(a) })
	for _, folder := range append(folders, installed...) {
		_, errInit := exec.LookPath(filepath.Join(folder, "initdb"))
		_, errServer := exec.LookPath(filepath.Join(folder, "postgres"))
		if errInit == nil && errServer == nil {
			return folder, nil
		}
	}
	return "", ErrNone
}

// majorVersion reads the 15 of /usr/lib/postgresql/15/bin, 0 if there is none.
func majorVersion(folder string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
	if err != nil {
		return 0
	}
	return n
}

func (s *Server) initdb(ctx context.Context) error {
	attr, err := attributes(s.dir)
	if err != nil {
		return err
	}
	// The password keeps other users of this machine out of the port: a
	// superuser of PostgreSQL runs programs as its owner. The socket needs none,
	// its folder is shut.
	cmd := exec.CommandContext(ctx, "sh", "-c", `umask 077 && cat >password && "$@"`, "sh",
		filepath.Join(s.bin, "initdb"), "-D", "data", "-U", "postgres",
		"--auth-host=scram-sha-256", "--auth-local=trust", "--pwfile=password",
		"-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	cmd.Dir, cmd.SysProcAttr = s.dir, attr
	cmd.Stdin = strings.NewReader(s.password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run initdb: %w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
}

// supervise runs a command that must not outlive this process, in the shell:
// when standard input ends it sends SIGQUIT (PostgreSQL's immediate shutdown)
// and removes the folder $1, unless it was told to keep it. Standard output
// belongs to the command and its children alone, so its end is theirs.
const supervise = `
folder=$1; shift
"$@" </dev/null 2>&1 &
exec >/dev/null 2>&1
read -r word
kill -QUIT $!
wait
cd /
[ "$word" = keep ] || rm -rf "$folder"
`

// start runs the server and waits until it answers. The port stays the same
// for the life of the cluster.
func (s *Server) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	const attempts = 3 // somebody may take the port between freePort and postgres
	for attempt := 1; ; attempt++ {
		port := s.port
		if port == 0 {
			var err error
			if port, err = freePort(ctx); err != nil {
				return err
			}
		}
		err := s.run(ctx, port)
		if err == nil {
			s.port = port
			return nil
		}
		err = errors.Join(err, s.end(true))
		if attempt == attempts || ctx.Err() != nil {
			return fmt.Errorf("start PostgreSQL: %w\n%s", err, s.log)
		}
	}
}

func (s *Server) run(ctx context.Context, port int) error {
	attr, err := attributes(s.dir)
	if err != nil {
		return err
	}
	args := []string{
		"-c", supervise, "sh", s.dir, filepath.Join(s.bin, "postgres"),
		"-D", filepath.Join(s.dir, "data"), "-k", s.dir, "-h", "127.0.0.1", "-p", strconv.Itoa(port),
		"-c", "max_connections=200",
	}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	// Not CommandContext: the server outlives the context of its start.
	cmd := exec.Command("sh", args...)
	cmd.Dir, cmd.SysProcAttr = s.dir, attr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	log, ended := new(tail), make(chan struct{})
	go func() {
		defer close(ended)
		// An error is the end, too.
		_, _ = io.Copy(log, stdout)
	}()
	s.shell, s.stdin, s.ended, s.log = cmd, stdin, ended, log
	return s.waitUntilReady(ctx, port)
}

func (s *Server) waitUntilReady(ctx context.Context, port int) error {
	for {
		conn, err := pgx.Connect(ctx, s.url(port, "postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.ended:
			return errors.New("the server ended")
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// URL is the address of a database of this server, for its superuser, by TCP.
func (s *Server) URL(database string) string { return s.url(s.port, database) }

func (s *Server) url(port int, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword("postgres", s.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Ending is how a server is ended.
type Ending int

const (
	// Crash kills the postmaster; the others end when they notice.
	Crash Ending = iota
	// Immediate is pg_ctl's mode of that name: all quit at once, and the next
	// start recovers.
	Immediate
	// Fast is pg_ctl's usual mode: clients are thrown out, transactions are
	// rolled back, and all is written.
	Fast
)

// Kill ends the server as a crash would.
func (s *Server) Kill() error { return s.Down(Crash) }

// Down ends the server and returns when all its processes have ended. The data
// stays for Restart.
func (s *Server) Down(how Ending) error {
	pidFile, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		return fmt.Errorf("find the postmaster: %w", err)
	}
	line, _, _ := strings.Cut(string(pidFile), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		return fmt.Errorf("find the postmaster: %w", err)
	}
	if err := end(pid, how); err != nil {
		return fmt.Errorf("end the postmaster: %w", err)
	}
	<-s.ended
	return s.end(true)
}

// Restart starts the server again after Down, on the same port.
func (s *Server) Restart(ctx context.Context) error { return s.start(ctx) }

// Stop ends the server, breaking off whatever it is doing, and removes its
// data.
func (s *Server) Stop() error {
	// The shell has removed it, unless there is none: after Kill.
	return errors.Join(s.end(false), os.RemoveAll(s.dir))
}

// end ends the server, if there is one, and waits until it has gone.
func (s *Server) end(keepData bool) error {
	if s.shell == nil {
		return nil
	}
	var err error
	if keepData {
		_, err = io.WriteString(s.stdin, "keep\n")
	}
	err = errors.Join(err, s.stdin.Close())
	<-s.ended
	err = errors.Join(err, s.shell.Wait())
	s.shell = nil
	if err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	return nil
}

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-tailSize):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
