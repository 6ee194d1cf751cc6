package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/latchkey-auth/latchkey/internal/token"
)

const (
	// signingKey is the servers' (tokens can be made here, too), as long as
	// Django's.
	signingKey = "bench-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFG"
	// userPassword is every user's.
	userPassword = "correct-horse-battery-7"
	// startTimeout is how long a server may take to be ready.
	startTimeout = 30 * time.Second
)

// target is a server under load, with the tokens of its users.
type target struct {
	name      string
	addr      string
	processes []process
	users     int
	sessions  int
	// fixed says that answers are always the same, as the limit server's are.
	fixed bool

	server *child
	key    token.Key
	seeded time.Time
	// owned are the access tokens of the users that clients have for their
	// own, some those of many users.
	owned, some []string
	// admin is the access token of the first user, who administers.
	admin string
	// refresh is the current refresh token of each session that was used.
	refresh []string
	// turn is where the next round's clients go on, so that none asks twice
	// for what can be had once.
	turn int
}

// manyTokens is of how many users access tokens are held.
const manyTokens = 20_000

// newTarget gives a target whose database has been filled as fill does.
func newTarget(name string, users int, seeded time.Time) *target {
	t := &target{
		name: name, users: users, sessions: sessionsOf(users), seeded: seeded,
		key: token.NewHS256("bench", []byte(signingKey)),
	}
	t.refresh = make([]string, t.sessions)
	for i := range maxClients {
		t.owned = append(t.owned, t.accessToken(i*(users/maxClients)))
	}
	t.admin = t.accessToken(0)
	for i := range min(manyTokens, users) {
		t.some = append(t.some, t.accessToken(walk(i, users)))
	}
	return t
}

// own is the access token of the client's own user.
func (t *target) own(c *client) string { return t.owned[c.number] }

// any is the access token of one user after another.
func (t *target) any(c *client) string { return t.some[(c.turn*c.of+c.number)%len(t.some)] }

func (t *target) accessToken(user int) string {
	now := time.Now()
	return t.key.Sign(token.Claims{
		Type: token.Access, Expires: now.Add(3 * time.Hour).Unix(), IssuedAt: now.Unix(),
		ID: token.NewID(), UserID: int64(user) + 1, SessionID: sessionID(user), Role: "employee",
		Gen: userGen, HasGen: true,
	})
}

// refreshToken is the current one of a session.
func (t *target) refreshToken(session int) string {
	if r := t.refresh[session]; r != "" {
		return r
	}
	issued := sessionStart(session, t.seeded)
	t.refresh[session] = t.key.Sign(token.Claims{
		Type: token.Refresh, Expires: issued.Add(refreshLifetime).Unix(), IssuedAt: issued.Unix(),
		ID: sessionJTI(session), UserID: int64(session%t.users) + 1, SessionID: sessionID(session),
	})
	return t.refresh[session]
}

// child is a process that was started here.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{} // closed when it has ended
}

// startChild starts a program. It is told to end by SIGTERM and by the end of
// its standard input.
func startChild(cmd *exec.Cmd) (*child, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, stdin: stdin, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended nobody asks
		close(c.ended)
	}()
	return c, nil
}

// stop ends the process and waits for it.
func (c *child) stop() error {
	if c == nil {
		return nil
	}
	_ = c.stdin.Close()
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-c.ended:
		return nil
	case <-time.After(20 * time.Second):
		err := c.cmd.Process.Kill()
		<-c.ended
		return errors.Join(fmt.Errorf("%s did not end when told to", filepath.Base(c.cmd.Path)), err)
	}
}

// startLimit starts this program as the limit server.
func startLimit(ctx context.Context) (*child, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(self, "-limit", "127.0.0.1:0")
	cmd.Stderr = os.Stderr
	read, write, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer read.Close()
	cmd.Stdout = write
	c, err := startChild(cmd)
	_ = write.Close()
	if err != nil {
		return nil, "", fmt.Errorf("start the limit server: %w", err)
	}
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("start the limit server: %w", err), c.stop())
	}
	addr := strings.TrimSpace(line)
	_, err = waitReady(ctx, c, addr)
	return c, addr, err
}

// installation is a latchkey with its database.
type installation struct {
	binary string
	data   string
	// database is the setting: "" or the URL of a PostgreSQL.
	database string
}

// start runs `latchkey serve` until it is ready, and says how long that took
// from exec on. Its log goes to a file in the data folder.
func (in installation) start(ctx context.Context) (c *child, addr string, took time.Duration, err error) {
	if addr, err = freeAddress(ctx); err != nil {
		return nil, "", 0, err
	}
	logName := filepath.Join(in.data, "log")
	logFile, err := os.OpenFile(logName, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, "", 0, err
	}
	defer logFile.Close()
	cmd := exec.Command(in.binary, "serve")
	cmd.Dir = in.data
	cmd.Stdout, cmd.Stderr = logFile, logFile
	// Nothing of the caller's settings gets in.
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"),
		"LATCHKEY_LISTEN=" + addr,
		"LATCHKEY_DATA=" + in.data,
		"LATCHKEY_DATABASE=" + in.database,
		"LATCHKEY_SIGNING_KEY=" + signingKey,
		"LATCHKEY_THROTTLE_ENABLED=false",
		"LATCHKEY_LOG_FORMAT=json",
	}
	begin := time.Now()
	if c, err = startChild(cmd); err != nil {
		return nil, "", 0, fmt.Errorf("start latchkey: %w", err)
	}
	ready, err := waitReady(ctx, c, addr)
	if err != nil {
		text, _ := os.ReadFile(logName) // what there is of it
		text = text[max(0, len(text)-2000):]
		return nil, "", 0, errors.Join(fmt.Errorf("start latchkey: %w\n%s", err, bytes.TrimSpace(text)), c.stop())
	}
	return c, addr, ready.Sub(begin), nil
}

// waitReady asks /readyz until it is 200 and says when it was.
func waitReady(ctx context.Context, c *child, addr string) (time.Time, error) {
	const every = 300 * time.Microsecond
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	request := []byte("GET /readyz HTTP/1.1\r\n" + commonHead + "\r\n")
	for {
		conn, err := dial(ctx, addr)
		for err == nil {
			var status int
			if status, _, err = conn.exchange(request); err == nil && status == http.StatusOK {
				return time.Now(), conn.close()
			}
			if err == nil {
				time.Sleep(every)
				err = ctx.Err()
			}
		}
		if conn != nil {
			_ = conn.close()
		}
		select {
		case <-c.ended:
			return time.Time{}, errors.New("it ended")
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("it was not ready: %w", ctx.Err())
		case <-time.After(every):
		}
	}
}

// freeAddress gives an address of this machine that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
