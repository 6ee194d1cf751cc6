package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Defect is a patch of planted/ that brings a known defect back.
type Defect struct {
	// File is relative to the root of the tree.
	File string
	// What it does, and the go test arguments that must find it.
	What string
	Test []string
}

// Defects reads the heads of the patches: lines that begin with "# ", of which
// "# Defect: " and "# Found by: go test " are needed and the others are tags.
func Defects(root string) ([]Defect, error) {
	files, err := filepath.Glob(filepath.Join(root, "planted", "*.patch"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	all := make([]Defect, 0, len(files))
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		d := Defect{File: "planted/" + filepath.Base(file)}
		tagged := false
		for line := range strings.Lines(string(b)) {
			line = strings.TrimSuffix(line, "\n")
			if !strings.HasPrefix(line, "# ") {
				break
			}
			tagged = tagged || tagLine.MatchString(line)
			if what, ok := strings.CutPrefix(line, "# Defect: "); ok {
				d.What = what
			}
			if test, ok := strings.CutPrefix(line, "# Found by: go test "); ok {
				d.Test = strings.Fields(test)
			}
		}
		if d.What == "" || len(d.Test) == 0 || !tagged {
			return nil, fmt.Errorf("%s: its head lacks a tag, the defect or the test", d.File)
		}
		all = append(all, d)
	}
	return all, nil
}

// Applies reports whether the patch still fits the tree, by an error that says
// where not.
func (d Defect) Applies(ctx context.Context, root string) error {
	return d.apply(ctx, root, root, "--check")
}

func (d Defect) apply(ctx context.Context, root, dir string, args ...string) error {
	patch, err := filepath.Abs(filepath.Join(root, d.File))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "git", append(append([]string{"apply"}, args...), patch)...)
	cmd.Dir = dir
	// In a copy that is no repository, and not in the one around it.
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s does not fit the code any more: %s", d.File, bytes.TrimSpace(out))
	}
	return nil
}

// Replant plants each defect alone in a copy of the tree and runs the test that
// must find it, so many at once. First the test must pass without the defect. A
// defect is found when the test was built, ran and failed. It gives how many
// were found; the error tells of the others.
func Replant(ctx context.Context, root string, defects []Defect, atOnce int, out io.Writer) (found int, err error) {
	clean, remove, err := copyTree(root)
	if err != nil {
		return 0, err
	}
	defer remove()
	var (
		mu     sync.Mutex
		missed []error
		wg     sync.WaitGroup
		slots  = make(chan struct{}, max(1, atOnce))
	)
	for _, d := range defects {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			begun := time.Now()
			err := d.replant(ctx, root, clean)
			mu.Lock()
			defer mu.Unlock()
			verdict := "found "
			if err != nil {
				verdict = "MISSED"
				missed = append(missed, fmt.Errorf("%s: %w", d.File, err))
			} else {
				found++
			}
			fmt.Fprintf(out, "%s %4.0f s  %-50s %s\n", verdict, time.Since(begun).Seconds(), d.File, d.What)
		})
	}
	wg.Wait()
	return found, errors.Join(missed...)
}

func (d Defect) replant(ctx context.Context, root, clean string) error {
	if out, err := d.test(ctx, clean); err != nil {
		return fmt.Errorf("its test fails without it: %w\n%s", err, tail(out))
	}
	dir, remove, err := copyTree(clean)
	if err != nil {
		return err
	}
	defer remove()
	if err := d.apply(ctx, root, dir); err != nil {
		return err
	}
	out, err := d.test(ctx, dir)
	switch {
	case err == nil:
		return errors.New("the test passes")
	case bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("[setup failed]")):
		return fmt.Errorf("it is not built:\n%s", tail(out))
	case !bytes.Contains(out, []byte("--- FAIL: ")) && !bytes.Contains(out, []byte("panic: ")):
		return fmt.Errorf("no test failed, but:\n%s", tail(out))
	}
	return nil
}

func (d Defect) test(ctx context.Context, dir string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-count=1", "-timeout", "5m"}, d.Test...)...)
	cmd.Dir = dir
	return cmd.CombinedOutput()
}

func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

// copyTree copies what the Go tests need of a tree into a folder of its own.
func copyTree(root string) (dir string, remove func(), err error) {
	parent, err := os.MkdirTemp("", "planted-")
	if err != nil {
		return "", nil, err
	}
	dir, remove = filepath.Join(parent, "tree"), func() { _ = os.RemoveAll(parent) }
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		switch {
		case d.IsDir():
			if d.Name() == "node_modules" || d.Name() == "results" || rel != "." && strings.HasPrefix(d.Name(), ".") || rel == "bin" || rel == "data" {
				return fs.SkipDir
			}
			return os.MkdirAll(to, 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o600)
	})
	if err != nil {
		remove()
		return "", nil, fmt.Errorf("copy the tree: %w", err)
	}
	return dir, remove, nil
}
