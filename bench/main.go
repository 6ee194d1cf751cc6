package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command line sets.
type options struct {
	engines []string
	// only names the operations that are run; empty runs all.
	only    []string
	clients int
	rounds  int
	// roundTime is how long each round of each target takes.
	roundTime time.Duration
	// users are the sizes of the databases. The first is the one that all
	// figures are of; the others are compared with it.
	users []int
	// imports is how many users the Django has that is taken over.
	imports int
	// binary is a latchkey built before; "" builds one.
	binary string
	// folder is where the databases go; "" is the system's temporary one.
	folder string
}

// Bounds of what may be asked for: a run ends, and fits a laptop.
const (
	maxRounds    = 100
	maxRoundTime = time.Minute
	maxClients   = 256
	maxUsers     = 5_000_000
)

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	o, limit, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if limit != "" {
		return serveLimit(ctx, limit, stdin, stdout)
	}
	b, err := newBench(ctx, o, stdout, stderr)
	if err != nil {
		return errors.Join(err, b.close())
	}
	return errors.Join(b.run(ctx), b.close())
}

// parse reads the command line. limit is an address if this process is to be
// the limit server.
func parse(args []string, stderr io.Writer) (o options, limit string, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var engines, only, users string
	short := flags.Bool("short", false, "2 rounds of 0.5 s instead of 5 of 1.5 s")
	flags.StringVar(&engines, "engines", "sqlite,postgres", "engines to measure")
	flags.StringVar(&only, "only", "", "operations to measure: verify,profile,refresh,login,register,storm,users,start,import (all if empty)")
	flags.StringVar(&users, "users", "10000", "users in the database; further numbers are compared with the first")
	flags.IntVar(&o.imports, "import", 100_000, "users of a Django that are imported")
	flags.IntVar(&o.clients, "clients", 16, "connections at once")
	flags.IntVar(&o.rounds, "rounds", 0, "rounds (5, or 2 with -short)")
	flags.DurationVar(&o.roundTime, "time", 0, "length of a round (1.5s, or 0.5s with -short)")
	flags.StringVar(&o.binary, "binary", "", "measure this latchkey instead of building one")
	flags.StringVar(&o.folder, "dir", "", "folder for the databases, on the disk to measure")
	flags.StringVar(&limit, "limit", "", "serve as the limit server on this address (used by bench itself)")
	if err := flags.Parse(args); err != nil {
		return o, "", err
	}
	if flags.NArg() > 0 {
		return o, "", fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	rounds, roundTime := 5, 1500*time.Millisecond
	if *short {
		rounds, roundTime = 2, 500*time.Millisecond
	}
	if o.rounds == 0 {
		o.rounds = rounds
	}
	if o.roundTime == 0 {
		o.roundTime = roundTime
	}
	if o.rounds < 1 || o.rounds > maxRounds || o.roundTime < 10*time.Millisecond || o.roundTime > maxRoundTime {
		return o, "", fmt.Errorf("-rounds is 1 to %d, -time 10ms to %v", maxRounds, maxRoundTime)
	}
	if o.clients < 1 || o.clients > maxClients {
		return o, "", fmt.Errorf("-clients is 1 to %d", maxClients)
	}
	if o.imports < 1000 || o.imports > maxUsers {
		return o, "", fmt.Errorf("-import is 1000 to %d", maxUsers)
	}
	if o.engines, err = words(engines, "sqlite", "postgres"); err != nil {
		return o, "", fmt.Errorf("-engines: %w", err)
	}
	if o.only, err = words(only, "verify", "profile", "refresh", "login", "register", "storm", "users", "start", "import"); err != nil {
		return o, "", fmt.Errorf("-only: %w", err)
	}
	for field := range strings.SplitSeq(users, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1000 || n > maxUsers {
			return o, "", fmt.Errorf("-users: %q is no number from 1000 to %d", field, maxUsers)
		}
		o.users = append(o.users, n)
	}
	return o, limit, nil
}

// words splits a list by commas and checks its members.
func words(list string, known ...string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	all := strings.Split(list, ",")
	for _, w := range all {
		if !slices.Contains(known, w) {
			return nil, fmt.Errorf("%q is none of %s", w, strings.Join(known, ", "))
		}
	}
	return all, nil
}

// wants reports whether an operation is to be run.
func (o *options) wants(name string) bool {
	return len(o.only) == 0 || slices.Contains(o.only, name)
}
