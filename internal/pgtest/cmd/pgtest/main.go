// Command pgtest runs a private PostgreSQL for as long as something needs it.
//
//	pgtest [-durable] [-set name=value] command [argument…]
//
// runs the command with LATCHKEY_TEST_POSTGRES set to the server's URL and
// ends with the command's status.
//
//	pgtest [-durable] [-set name=value]
//
// prints the URL and waits until its standard input ends or it is told to stop
// by SIGINT or SIGTERM.
//
// The data is removed at the end. -durable has the server write to disk as in
// production, which is what a benchmark wants.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		os.Exit(max(failed.ExitCode(), 1))
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	var options pgtest.Options
	flags := flag.NewFlagSet("pgtest", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&options.Durable, "durable", false, "write to disk as in production")
	flags.Func("set", "a `name=value` of postgresql.conf (repeatable)", func(s string) error {
		options.Settings = append(options.Settings, s)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}

	server, err := pgtest.Start(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	url := server.URL("postgres")

	if flags.NArg() > 0 {
		cmd := exec.CommandContext(ctx, flags.Arg(0), flags.Args()[1:]...)
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.Env = append(os.Environ(), pgtest.EnvURL+"="+url)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
		return cmd.Run()
	}

	if _, err := fmt.Fprintln(stdout, url); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, stdin) // an error is the end, too
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return nil
}
