package latchkey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// realServer is the built binary, named by LATCHKEY_BINARY.
type realServer struct {
	t      *testing.T
	binary string
	url    string
	env    []string
	cmd    *exec.Cmd
	log    *os.File
}

const password = "a quiet brass door 7"

// startReal starts the binary with a signing algorithm and one user of each
// of the roles; it skips where there is no binary.
func startReal(t *testing.T, algorithm string, roles ...Role) *realServer {
	t.Helper()
	binary := os.Getenv("LATCHKEY_BINARY")
	if binary == "" {
		skip(t, "NOT TESTED AGAINST THE SERVER: LATCHKEY_BINARY does not name one")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	s := &realServer{t: t, binary: binary, url: "http://" + addr, env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LATCHKEY_LISTEN=" + addr, "LATCHKEY_DATA=" + filepath.Join(dir, "data"),
		"LATCHKEY_THROTTLE_ENABLED=false", "LATCHKEY_LOG_LEVEL=warn",
	}}
	if algorithm == algHS256 {
		s.env = append(s.env, "LATCHKEY_SIGNING_KEY="+string(testSecret))
	} else {
		if !strings.Contains(s.run("", "config", "example"), algorithm) {
			skip(t, "NOT TESTED: this binary does not sign with "+algorithm)
		}
		s.env = append(s.env, "LATCHKEY_SIGNING_ALGORITHM="+algorithm)
	}
	if s.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	for _, role := range roles {
		s.run(password, "user", "create", string(role)+"@example.com", "--role", string(role), "--password-stdin")
	}
	s.start()
	t.Cleanup(func() {
		s.stop(syscall.SIGTERM)
		s.log.Close()
	})
	return s
}

// skip skips, but where everything is to be tested it fails.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("LATCHKEY_TEST_STRICT") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// run runs a command beside the server.
func (s *realServer) run(stdin string, args ...string) string {
	s.t.Helper()
	cmd := exec.Command(s.binary, args...)
	var stderr bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stderr = s.env, strings.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("latchkey %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

func (s *realServer) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.binary, "serve")
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = s.env, s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the server", func() bool {
		resp, err := http.Get(s.url + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

func (s *realServer) stop(signal os.Signal) {
	_ = s.cmd.Process.Signal(signal)
	_ = s.cmd.Wait()
}

type tokens struct{ Access, Refresh string }

// post sends JSON and reads JSON.
func (s *realServer) post(path, bearer string, body map[string]string, into any) int {
	s.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, s.url+path, bytes.NewReader(b))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			s.t.Fatalf("%s: %v: %s", path, err, raw)
		}
	}
	return resp.StatusCode
}

func (s *realServer) login(role Role) tokens {
	s.t.Helper()
	for range 30 {
		var answer struct{ Tokens tokens }
		status := s.post("/api/auth/login/", "", map[string]string{"email": string(role) + "@example.com", "password": password}, &answer)
		switch status {
		case http.StatusOK:
			return answer.Tokens
		case http.StatusServiceUnavailable: // It has other passwords to hash.
			time.Sleep(time.Second)
		default:
			s.t.Fatalf("login: %d", status)
		}
	}
	s.t.Fatal("login: the server has no time")
	return tokens{}
}

func (s *realServer) logout(k tokens) {
	s.t.Helper()
	if status := s.post("/api/auth/logout/", k.Access, map[string]string{"refresh_token": k.Refresh}, nil); status != 200 {
		s.t.Fatalf("logout: %d", status)
	}
}

func (s *realServer) options(algorithm string) Options {
	o := Options{Revocations: Feed{URL: s.url + "/api/auth/revocations/", ServiceKey: s.run("", "service-key", "create", "the SDK's tests")}}
	if algorithm == algHS256 {
		o.HS256Keys = [][]byte{testSecret}
	} else {
		o.JWKS = s.url + "/.well-known/jwks.json"
	}
	return o
}

// felt is how long after now the token is refused as revoked.
func felt(t *testing.T, v *Verifier, token string) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		_, err := v.Verify(t.Context(), token)
		if errors.Is(err, ErrRevoked) {
			return time.Since(began)
		}
		if err != nil || time.Since(began) > 10*time.Second {
			t.Fatalf("after %v the token is not revoked: %v", time.Since(began), err)
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// The tokens of the real server, under each algorithm.
func TestRealServer(t *testing.T) {
	for _, algorithm := range []string{algHS256, algEdDSA, algES256, algRS256} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			s := startReal(t, algorithm, Admin, Manager, Employee, Client)
			v := verifier(t, s.options(algorithm))
			for _, role := range []Role{Admin, Manager, Employee, Client} {
				k := s.login(role)
				c, err := v.Verify(t.Context(), k.Access)
				if err != nil || c.Role != role || c.SessionID == "" || !c.HasGen || c.IssuedAt.IsZero() {
					t.Fatalf("%s: %+v, %v", role, c, err)
				}
				if _, err := v.Verify(t.Context(), k.Refresh); !errors.Is(err, ErrWrongType) {
					t.Errorf("a refresh token: %v", err)
				}
				s.logout(k)
				t.Logf("a logout is felt after %v", felt(t, v, k.Access))
			}
			// A command beside the server, and what concerns a whole user.
			k := s.login(Client)
			mustVerify(t, v, k.Access)
			s.run("", "user", "set-role", "client@example.com", "employee")
			felt(t, v, k.Access)
			k = s.login(Client)
			if c, err := v.Verify(t.Context(), k.Access); err != nil || c.Role != Employee {
				t.Errorf("after the change of role: %+v, %v", c, err)
			}
			s.run("", "user", "deactivate", "client@example.com")
			felt(t, v, k.Access)
			if err := v.Healthy(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A hundred logouts, of which the 99th is felt within a second; the server is
// killed and started again, and what was revoked meanwhile is known; then more
// logouts.
func TestRealServerLogouts(t *testing.T) {
	s := startReal(t, algHS256, Admin, Manager, Employee)
	v := verifier(t, s.options(algHS256))
	measure := func(what string, n int) {
		t.Helper()
		var all []time.Duration
		for range n {
			k := s.login(Employee)
			mustVerify(t, v, k.Access)
			s.logout(k)
			all = append(all, felt(t, v, k.Access))
		}
		slices.Sort(all)
		p99 := all[(len(all)*99+99)/100-1]
		t.Logf("%s: of %d logouts the median is felt after %v, p99 after %v", what, n, all[n/2], p99)
		if p99 > time.Second {
			t.Errorf("p99 is %v", p99)
		}
	}
	measure("at rest", 100)

	missed, kept := s.login(Manager), s.login(Admin)
	mustVerify(t, v, missed.Access)
	s.stop(syscall.SIGKILL)
	eventually(t, "the outage noticed", func() bool { return v.Healthy() != nil })
	s.run("", "user", "deactivate", "manager@example.com") // while nobody serves
	time.Sleep(2 * time.Second)
	mustVerify(t, v, missed.Access) // It is not known here, as the README says.
	s.start()
	took := felt(t, v, missed.Access)
	t.Logf("what was revoked during the outage is felt %v after it", took)
	if took > 1500*time.Millisecond {
		t.Errorf("what was revoked during the outage is felt only %v after it", took)
	}
	mustVerify(t, v, kept.Access)
	measure("after an outage", 30)
}

// A service key that is revoked opens nothing, and a verifier says so.
func TestRealServerServiceKey(t *testing.T) {
	s := startReal(t, algHS256, Employee)
	o := s.options(algHS256)
	var keys []struct{ ID string }
	if err := json.Unmarshal([]byte(s.run("", "service-key", "list", "--json")), &keys); err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	s.run("", "service-key", "revoke", keys[0].ID)
	v := verifier(t, o)
	if _, err := v.Verify(t.Context(), s.login(Employee).Access); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Verify = %v", err)
	}
	if err := v.Healthy(); err == nil || !strings.Contains(err.Error(), "is the service key right") {
		t.Errorf("Healthy = %v", err)
	}
	if text := fmt.Sprint(v.Healthy()); strings.Contains(text, o.Revocations.ServiceKey) {
		t.Errorf("the key is in %q", text)
	}
}
