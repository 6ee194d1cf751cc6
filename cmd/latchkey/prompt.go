package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// maxPassword is the most bytes read for a password: a request's body could
// not carry more.
const maxPassword = 64 << 10

// newPassword gives the password for an account: one line of standard input,
// or what is typed twice at a terminal. It is never an argument, which every
// user of the machine can read.
func (p *program) newPassword(stdin bool) (string, error) {
	password, err := p.readPassword(stdin)
	switch {
	case err != nil:
		return "", err
	case password == "":
		return "", failed("", "the password is empty")
	case len(password) > maxPassword:
		return "", failed("", "the password is longer than 64 KiB")
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		// No sign-in could send it: JSON is UTF-8, and the API takes no NUL.
		return "", failed("", "the password is not text in UTF-8")
	}
	return password, nil
}

func (p *program) readPassword(stdin bool) (string, error) {
	if stdin {
		data, err := io.ReadAll(io.LimitReader(p.stdin, maxPassword+3))
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		line := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
		if strings.ContainsAny(line, "\r\n") {
			return "", failed("give the password as one line", "standard input has more than one line")
		}
		return line, nil
	}
	f, ok := p.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", misused("pipe it in and say --password-stdin", "there is no terminal to ask for the password at")
	}
	first, err := p.askHidden(f, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := p.askHidden(f, "Password again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", failed("", "the two passwords are not the same")
	}
	return first, nil
}

// askHidden reads a line that is not shown. A signal ends it with the terminal
// as it was: the echo would stay off in the shell.
func (p *program) askHidden(f *os.File, prompt string) (string, error) {
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("ask for the password: %w", err)
	}
	fmt.Fprint(p.stderr, prompt)
	defer fmt.Fprintln(p.stderr)
	type answer struct {
		line []byte
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		done <- answer{line, err}
	}()
	select {
	case a := <-done:
		if errors.Is(a.err, io.EOF) {
			return "", failed("", "no password was typed")
		}
		if a.err != nil {
			return "", fmt.Errorf("ask for the password: %w", a.err)
		}
		return string(a.line), nil
	case <-p.ctx.Done():
		return "", errors.Join(failed("", "interrupted"), term.Restore(fd, before))
	}
}

// confirm asks for what cannot be undone: the thing's own name is to be typed.
func (p *program) confirm(question, want string) error {
	fmt.Fprint(p.stderr, question)
	type answer struct {
		line string
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(p.stdin, 4096)).ReadString('\n')
		done <- answer{line, err}
	}()
	select {
	case a := <-done:
		if a.err != nil && !errors.Is(a.err, io.EOF) {
			return fmt.Errorf("read the answer: %w", a.err)
		}
		if strings.TrimSpace(a.line) != want {
			if a.line == "" || !strings.HasSuffix(a.line, "\n") {
				fmt.Fprintln(p.stderr)
			}
			return failed("--yes does it without asking", "nothing was done")
		}
		return nil
	case <-p.ctx.Done():
		return failed("", "interrupted; nothing was done")
	}
}

// printable shows a text that somebody else chose: control characters could
// drive the terminal.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) || r == utf8.RuneError }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) && r != utf8.RuneError {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}
