// Command trace runs the Go tests and keeps how they went, and tells which
// requirements are met.
//
//	trace record ARGS…   go test ARGS…, with the results kept
//	trace                the requirements: met, failing, not run, untested
//
// It is run from the root of the tree, or from another module of it with
// TRACE_RESULTS as the folder of the results (.cache/results). trace ends with
// status 1 if a test that is named failed, or a tag means nothing.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/latchkey-auth/latchkey/internal/trace"
)

func main() {
	dir := os.Getenv("TRACE_RESULTS")
	if dir == "" {
		dir = ".cache/results"
	}
	var err error
	switch {
	case len(os.Args) > 1 && os.Args[1] == "record":
		err = trace.Record(context.Background(), dir, os.Args[2:], os.Stdout)
	case len(os.Args) == 1:
		err = report(dir)
	default:
		err = errors.New("usage: trace [record ARGS…]")
	}
	if err == nil {
		return
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	fmt.Fprintln(os.Stderr, "trace:", err)
	os.Exit(1)
}

func report(dir string) error {
	tags, problems, err := trace.Collect(os.DirFS("."))
	if err != nil {
		return err
	}
	results, err := trace.ReadResults(dir)
	if err != nil {
		return err
	}
	if len(results) == 0 {
		fmt.Println("No results are kept in " + dir + ": make test keeps them.")
	}
	r, err := trace.Judge(tags, results)
	if err != nil {
		return err
	}
	r.Print(os.Stdout)
	for _, p := range problems {
		fmt.Println(p)
	}
	if len(problems) > 0 || r.Failing() {
		return errors.New("not all is well")
	}
	return nil
}
