package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

func TestRun_a_command(t *testing.T) {
	pgtest.Require(t)
	var stdout bytes.Buffer
	err := run(t.Context(), []string{"-set", "work_mem=7MB", "sh", "-c", `echo "$LATCHKEY_TEST_POSTGRES"; exit 3`},
		strings.NewReader(""), &stdout, t.Output())
	var failed *exec.ExitError
	if !errors.As(err, &failed) || failed.ExitCode() != 3 {
		t.Errorf("run = %v, want the command's status", err)
	}
	url := strings.TrimSpace(stdout.String())
	if !strings.HasPrefix(url, "postgres://") {
		t.Fatalf("the command was told %q", url)
	}
	if _, err := pgx.Connect(t.Context(), url); err == nil {
		t.Error("the server answers after the command has ended")
	}
}

func TestRun_until_stdin_ends(t *testing.T) {
	pgtest.Require(t)
	stdin, hold := io.Pipe()
	read, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(context.Background(), nil, stdin, stdout, t.Output()) }()

	line := make([]byte, 200)
	n, err := read.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(string(line[:n]))
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(t.Context())
	hold.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := pgx.Connect(t.Context(), url); err == nil {
		t.Error("the server answers after standard input has ended")
	}
}
