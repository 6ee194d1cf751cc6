package django

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/node"
)

// behind gives the application as clients reach it at another address.
func behind(app *App, url string) *App {
	return &App{t: app.t, URL: url, Database: app.Database, http: &http.Client{Timeout: time.Minute}}
}

// freeAddress is an address that nobody listens on now.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

var summaryLine = regexp.MustCompile(`(?m)^ *all +([0-9]+) +([0-9]+) +([0-9]+) +([0-9]+) *$`)

// TestShadow: in front of the real Django nothing is different that docs/deviations.md
// does not name; clients notice nothing; and nothing of the data is changed.
func TestShadow(t *testing.T) {
	Python(t)
	app := New(t, filepath.Join(t.TempDir(), "db.sqlite3"))
	app.Run("FewerPBKDF2PasswordHasher")
	people := make([]*person, *usersFlag)
	atOnce(t, len(people), 4, func(i int) (err error) {
		people[i], err = newcomer(app, i)
		return err
	})
	n := successor(t, app, "LATCHKEY_REGISTRATION_ROLES=employee,client,manager")
	if r := importFrom(t, n, app.Database); r.Inserted != int64(len(people)) {
		t.Fatalf("imported %+v", r)
	}
	before, err := os.ReadFile(filepath.Join(n.Data, "latchkey.db"))
	if err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	out := filepath.Join(t.TempDir(), "differences.jsonl")
	cmd := exec.Command(node.Build(t), "django", "shadow", "--upstream", app.URL, "--out", out, "--scratch", scratch, "--every", "1s", "--listen", freeAddress(t))
	cmd.Env, cmd.Dir, cmd.SysProcAttr = n.Env(), filepath.Dir(n.Data), node.Attr()
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	t.Cleanup(func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	lines := bufio.NewReader(stdout)
	first, err := lines.ReadString('\n')
	match := regexp.MustCompile(`^Standing at (\S+) for`).FindStringSubmatch(first)
	if match == nil {
		t.Fatalf("shadow says %q (%v): %s", first, err, complaints.String())
	}
	rest := make(chan string, 1)
	go func() {
		var b strings.Builder
		_, _ = lines.WriteTo(&b)
		rest <- b.String()
	}()
	front := behind(app, "http://"+match[1])

	// A day behind the shadow: new people, and those of before.
	more := len(people)
	fresh := make([]*person, 8)
	atOnce(t, len(fresh), 4, func(i int) error {
		p, err := newcomer(front, more+i)
		fresh[i] = p
		return err
	})
	atOnce(t, len(people), 4, func(i int) error { return meet(front, people[i]) })
	atOnce(t, len(fresh), 4, func(i int) error { return meet(front, fresh[i]) })

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	text := <-rest
	err = cmd.Wait()
	ended = true
	if err != nil {
		t.Fatalf("shadow: %v\n%s\n%s", err, text, complaints.String())
	}
	t.Log(text)
	all := summaryLine.FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		t.Fatalf("there is no summary in %q", text)
	}
	var counts [4]int // same, known, different, skipped
	for i, v := range all[len(all)-1][1:] {
		counts[i], _ = strconv.Atoi(v)
	}
	if counts[0] < 2*len(people) || counts[1] == 0 || counts[2] > 0 || counts[3] > 0 {
		t.Errorf("same, known, different, skipped: %v", counts)
	}
	written, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(written)) {
		var d struct{ Known bool }
		if err := json.Unmarshal([]byte(line), &d); err != nil || !d.Known {
			t.Errorf("%v: %s", err, line)
		}
	}
	for _, p := range append(people, fresh...) {
		for _, secret := range append(append([]string{p.email, p.password}, p.access...), p.live...) {
			if strings.Contains(string(written)+text+complaints.String(), secret) {
				t.Errorf("%s is in what was written", secret)
			}
		}
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("of the copy is left %v (%v)", left, err)
	}
	if after, err := os.ReadFile(filepath.Join(n.Data, "latchkey.db")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the data is not what it was (%v)", err)
	}
}

// meet is what somebody's client does on another day, right and wrong.
func meet(app *App, p *person) error {
	ask := func(method, path, bearer string, body any, want ...int) (map[string]any, error) {
		status, answer, err := app.Do(method, path, bearer, body)
		if err != nil {
			return nil, err
		}
		for _, w := range want {
			if status == w {
				return answer, nil
			}
		}
		return nil, fmt.Errorf("%s %s of %s: %d %v", method, path, p.email, status, answer)
	}
	credentials := map[string]string{"email": p.email, "password": p.password}
	for _, refresh := range p.dead {
		if _, err := ask("POST", "/api/auth/token/refresh/", "", map[string]string{"refresh": refresh}, 401); err != nil {
			return err
		}
	}
	for _, access := range p.access {
		if _, err := ask("GET", "/api/auth/profile/", access, nil, 200); err != nil {
			return err
		}
	}
	if _, err := ask("POST", "/api/auth/login/", "", map[string]string{"email": p.email, "password": p.password + "x"}, 401); err != nil {
		return err
	}
	answer, err := ask("POST", "/api/auth/login/", "", credentials, 200)
	if err != nil {
		return err
	}
	pair, err := pairOf(answer)
	if err != nil {
		return err
	}
	if _, err := ask("PATCH", "/api/auth/profile/", pair.Access, map[string]string{"phone": "+1"}, 200); err != nil {
		return err
	}
	if _, err := ask("POST", "/api/auth/token/verify/", "", map[string]string{"token": pair.Access}, 200); err != nil {
		return err
	}
	if answer, err = ask("POST", "/api/auth/token/refresh/", "", map[string]string{"refresh": pair.Refresh}, 200); err != nil {
		return err
	}
	if _, err := ask("POST", "/api/auth/token/refresh/", "", map[string]string{"refresh": pair.Refresh}, 401); err != nil {
		return err
	}
	if pair, err = pairOf(answer); err != nil {
		return err
	}
	if _, err := ask("POST", "/api/auth/logout/", pair.Access, map[string]string{"refresh_token": pair.Refresh}, 200); err != nil {
		return err
	}
	if _, err := ask("GET", "/api/auth/profile/", pair.Access, nil, 200); err != nil { // It lives on, there.
		return err
	}
	_, err = ask("GET", "/api/auth/profile/", "", nil, 401)
	return err
}
