// Command planted brings each known defect of planted/ back, one at a time in a
// copy of the tree, and looks whether the tests find it. Arguments are parts of
// the names of those to plant; without any all are. It ends with status 1
// unless all are found.
//
// It is run from the root of the tree, under pgtest for those that need a
// PostgreSQL.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/trace"
)

func main() {
	atOnce := flag.Int("j", 2, "how many at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	defects, err := trace.Defects(".")
	if err != nil {
		fail(err)
	}
	defects = slices.DeleteFunc(defects, func(d trace.Defect) bool {
		return flag.NArg() > 0 && !slices.ContainsFunc(flag.Args(), func(part string) bool { return strings.Contains(d.File, part) })
	})
	found, err := trace.Replant(ctx, ".", defects, *atOnce, os.Stdout)
	fmt.Printf("found: %d/%d\n", found, len(defects))
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "planted:", err)
	os.Exit(1)
}
