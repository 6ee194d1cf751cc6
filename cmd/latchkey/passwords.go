package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/latchkey-auth/latchkey/internal/breach"
)

type passwordsCommands struct {
	Build passwordsBuildCommand `cmd:"" help:"Make the file of breached passwords that password.filter names, of a list."`
	Check passwordsCheckCommand `cmd:"" help:"Read all of such a file, and say whether it is whole."`
}

type passwordsBuildCommand struct {
	List     string `arg:"" placeholder:"LIST" help:"The list, plain or gzipped; - is standard input. A line is a password, or the SHA-1 of one as in the lists of Have I Been Pwned (HASH:COUNT)."`
	Out      string `default:"breached.filter" placeholder:"FILE" help:"The file to make. One of that name is replaced when the new one is whole. [breached.filter]"`
	Bits     int    `default:"16" enum:"8,16" help:"16: one good password in 65,536 is refused by mistake, and each of the list takes some 19 bits. 8: one in 256, and half the size."`
	MinCount int64  `default:"1" placeholder:"N" help:"Leave out hashes that were seen less often."`
	Lines    string `default:"auto" enum:"auto,passwords,sha1" help:"What the lines are; auto goes by the first one. [auto]"`
}

// Run makes the file.
func (c *passwordsBuildCommand) Run(p *program) error {
	list, size := p.stdin, int64(0)
	if c.List != "-" {
		f, err := os.Open(c.List)
		if err != nil {
			return failed("", "%w", err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			size = info.Size()
		}
		list = f
	}
	o := breach.BuildOptions{Bits: c.Bits, MinCount: c.MinCount, Lines: breach.Lines(c.Lines)}
	if c.Lines == "auto" {
		o.Lines = breach.Auto
	}
	s, err := breach.Build(p.ctx, &progress{Reader: list, p: p, size: size, next: time.Now().Add(tellAfter)}, c.Out, o)
	switch {
	case errors.Is(err, context.Canceled):
		return failed("", "interrupted; nothing was made")
	case errors.Is(err, breach.ErrLine):
		return failed("--lines=passwords takes each line as a password", "%s: %w", c.List, err)
	case err != nil:
		return failed("", "%s: %w", c.List, err)
	}
	p.say("%s", summary(c.Out, s))
	p.say("Set password.filter to it; a server that runs takes it at its next start.")
	return nil
}

func summary(name string, s breach.Summary) string {
	return fmt.Sprintf("%s: %d passwords, %s. Another password is taken for one of them by a chance of 1 in %d.",
		name, s.Passwords, bytesText(s.Size), 1<<s.Bits)
}

func bytesText(n int64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	default:
		return fmt.Sprintf("%d MiB", n>>20)
	}
}

// tellAfter is how long a list is read before a person is told how far.
const tellAfter = 5 * time.Second

// progress tells how far a list has been read.
type progress struct {
	io.Reader
	p          *program
	read, size int64
	next       time.Time
}

func (r *progress) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.read += int64(n)
	if now := time.Now(); now.After(r.next) {
		r.next = now.Add(tellAfter)
		if r.size > 0 {
			fmt.Fprintf(r.p.stderr, "read %s of %s\n", bytesText(r.read), bytesText(r.size))
		} else {
			fmt.Fprintf(r.p.stderr, "read %s\n", bytesText(r.read))
		}
	}
	return n, err
}

type passwordsCheckCommand struct {
	File          string `arg:"" optional:"" placeholder:"FILE" help:"The file. [that of password.filter]"`
	PasswordStdin bool   `help:"Also read a password from standard input, one line, and fail if it is in the file."`
}

// Run reads the file.
func (c *passwordsCheckCommand) Run(p *program) error {
	name := c.File
	if name == "" {
		cfg, err := p.config()
		if err != nil {
			return err
		}
		if name = cfg.Password.Filter; name == "" {
			return misused("name a file, or set password.filter", "there is no file to check")
		}
	}
	f, err := breach.Open(name)
	if err != nil {
		return failed("", "%w", err)
	}
	defer func() { _ = f.Close() }()
	if err := f.Check(); err != nil {
		return failed("`latchkey passwords build` makes it anew", "%s: %w", name, err)
	}
	p.say("%s", summary(name, f.Summary()))
	if !c.PasswordStdin {
		return nil
	}
	pw, err := p.newPassword(true)
	if err != nil {
		return err
	}
	has, err := f.Has(pw)
	switch {
	case err != nil:
		return failed("", "%s: %w", name, err)
	case has:
		return failed("", "the password is in it")
	}
	p.say("The password is not in it.")
	return nil
}
