package trace

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// turns lets two write to one.
type turns struct {
	mu sync.Mutex
	w  io.Writer
}

func (t *turns) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.Write(p)
}

// event is a line of go test -json.
type event struct {
	Time    time.Time
	Action  string
	Package string
	Test    string
	Output  string
}

// Record runs a go test command, prints what it would print, and keeps in dir
// how each test went. args are those after "go test". The error is the
// command's own.
func Record(ctx context.Context, dir string, args []string, out io.Writer) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	out = &turns{w: out} // The go command writes beside us.
	cmd.Stderr = out
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	results, err := follow(pipe, out)
	if err != nil {
		_ = cmd.Wait()
		return err
	}
	failed := cmd.Wait()
	return errors.Join(failed, keep(dir, results))
}

// follow prints like go test without -v: a line for each package, and of what
// failed all that it said.
func follow(in io.Reader, out io.Writer) (Results, error) {
	results := make(Results)
	said := make(map[string][]string) // by package and test, until its end
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(out, "%s", line) // The go command itself.
			} else {
				take(e, results, said, out)
			}
		}
		if errors.Is(err, io.EOF) {
			return results, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func take(e event, results Results, said map[string][]string, out io.Writer) {
	key := e.Package + "\x00" + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(out, e.Output)
	case "output":
		if e.Test != "" && strings.HasPrefix(e.Output, "=== ") {
			return // Said with -v alone.
		}
		said[key] = append(said[key], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			finish(e, said, out)
			return
		}
		if top, _, sub := strings.Cut(e.Test, "/"); !sub || e.Action != "pass" {
			// A skipped part makes a skipped test: what it did not look at is
			// not known.
			results.add(e.Package+"."+top, e.Action, e.Time)
		}
		if e.Action == "fail" {
			fmt.Fprint(out, strings.Join(said[key], ""))
		}
		delete(said, key)
	}
}

// finish prints what a package said at its end, and of one that failed all that
// is left: a panic's output belongs to the test that was running.
func finish(e event, said map[string][]string, out io.Writer) {
	own := e.Package + "\x00"
	if e.Action == "fail" {
		for _, key := range slices.Sorted(maps.Keys(said)) {
			if strings.HasPrefix(key, own) && key != own {
				fmt.Fprint(out, strings.Join(said[key], ""))
			}
		}
	}
	for _, line := range said[own] {
		if e.Action == "fail" || line != "PASS\n" {
			fmt.Fprint(out, line)
		}
	}
	for key := range said {
		if strings.HasPrefix(key, own) {
			delete(said, key)
		}
	}
}

// keep adds the results to those of the tests that were not run this time.
func keep(dir string, results Results) error {
	all := make(Results)
	file := filepath.Join(dir, goResults)
	if err := readJSON(file, &all); err != nil {
		return err
	}
	maps.Copy(all, results)
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("keep the results: %w", err)
	}
	return nil
}
