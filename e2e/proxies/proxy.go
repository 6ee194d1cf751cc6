package proxies

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// find gives the path of a proxy's program. scripts/need installs what is
// missing; under LATCHKEY_TEST_STRICT it must be there.
func find(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	if os.Getenv("LATCHKEY_TEST_STRICT") == "1" {
		t.Fatalf("%s is not here; scripts/need installs it", name)
	}
	t.Skipf("%s is not here; scripts/need installs it", name)
	return ""
}

// freePort is one on this machine that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// launch runs a program until the test ends, and waits until it listens.
func launch(t *testing.T, addr, program string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "proxy.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attr()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	said := func() string {
		b, _ := os.ReadFile(log.Name())
		return string(b)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
		log.Close()
		if t.Failed() {
			t.Logf("%s said: %.2000s", program, said())
		}
	})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		select {
		case <-done:
			t.Fatalf("%s ended: %s", program, said())
		default:
		}
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not listen after 30 s: %s", program, said())
		}
	}
}

// write makes a configuration file.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// nginx starts one with these directives in its http block and its one
// location; backend is host:port.
func nginx(t *testing.T, backend, http, location string) string {
	t.Helper()
	program, dir, addr := find(t, "nginx"), t.TempDir(), freePort(t)
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	config := write(t, dir, "nginx.conf", fmt.Sprintf(`
daemon off; master_process off; %s
pid %[2]s/pid; error_log %[2]s/error.log;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/fastcgi;
  uwsgi_temp_path %[2]s/uwsgi; scgi_temp_path %[2]s/scgi;
  %[3]s
  upstream backend { server %[4]s; keepalive 8; }
  server {
    listen %[5]s;
    location / {
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
      %[6]s
    }
  }
}
`, user, dir, strings.ReplaceAll(http, "DIR", dir), backend, addr, location))
	launch(t, addr, program, "-p", dir, "-c", config)
	return addr
}

// varnish starts one with this VCL behind the backend's declaration.
func varnish(t *testing.T, backend, vcl string) string {
	t.Helper()
	program, addr := find(t, "varnishd"), freePort(t)
	// Sockets have short names.
	dir, err := os.MkdirTemp("", "vcl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	host, port, _ := net.SplitHostPort(backend)
	config := write(t, dir, "default.vcl", fmt.Sprintf("vcl 4.1;\nbackend default { .host = %q; .port = %q; }\n%s", host, port, vcl))
	launch(t, addr, program, "-F", "-j", "none", "-a", addr, "-f", config, "-n", filepath.Join(dir, "n"), "-s", "malloc,16m", "-T", "127.0.0.1:0")
	return addr
}

// haproxy starts one that keeps connections to the backends and shares them;
// backend is the lines that say which they are.
func haproxy(t *testing.T, backend ...string) string {
	t.Helper()
	program, dir, addr := find(t, "haproxy"), t.TempDir(), freePort(t)
	config := write(t, dir, "haproxy.cfg", fmt.Sprintf(`
global
  maxconn 256
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
  http-reuse always
frontend f
  bind %s
  default_backend b
backend b
  %s
`, addr, strings.Join(backend, "\n  ")))
	launch(t, addr, program, "-db", "-f", config)
	return addr
}
