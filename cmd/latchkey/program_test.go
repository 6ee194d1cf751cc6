package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/config"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"Ada Lovelace":    "Ada Lovelace",
		"Zoë 李":           "Zoë 李",
		"\x1b[31mred":     `\u001b[31mred`,
		"a\nb":            `a\u000ab`,
		"\u202eright":     `\u202eright`, // right-to-left override
		"bad \xff byte":   `bad \ufffd byte`,
		"C1 control \x9b": `C1 control \ufffd`,
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestOwnURL(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8000": "http://127.0.0.1:8000",
		":8000":          "http://127.0.0.1:8000",
		"0.0.0.0:80":     "http://127.0.0.1:80",
		"[::]:8000":      "http://[::1]:8000",
		"[::1]:8000":     "http://[::1]:8000",
		"10.0.0.7:8000":  "http://10.0.0.7:8000",
		"localhost:8000": "http://localhost:8000",
	} {
		c := config.Default()
		c.Listen = listen
		if got := ownURL(c); got != want {
			t.Errorf("listen %s is asked at %s, want %s", listen, got, want)
		}
		c.TLS.Cert = "cert.pem"
		if got := ownURL(c); got != strings.Replace(want, "http:", "https:", 1) {
			t.Errorf("listen %s with TLS is asked at %s", listen, got)
		}
	}
}

// TestInterrupted holds that a command that was told to stop changes nothing.
func TestInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	status := run(ctx, []string{"user", "create", "ada@example.com", "--password-stdin"}, nil, strings.NewReader("correct horse battery\n"), &out, &errs)
	if status != exitFailure {
		t.Errorf("exit status %d: %s%s", status, out.String(), errs.String())
	}
	if list := latchkey(t, "", "user", "list"); !strings.Contains(list, "No users.") {
		t.Error(list)
	}
}

func TestServerLog(t *testing.T) {
	for format, want := range map[string]string{"auto": `"msg":"hello"`, "json": `"msg":"hello"`, "text": "msg=hello"} {
		var b bytes.Buffer
		log, flush := serverLog(config.Log{Format: format, Level: "warn"}, &b)
		log.Info("quiet")
		log.Warn("hello")
		flush()
		if !strings.Contains(b.String(), want) || strings.Contains(b.String(), "quiet") {
			t.Errorf("%s: %s", format, b.String())
		}
	}
}
