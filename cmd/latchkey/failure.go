package main

import (
	"fmt"
	"sort"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/config"
)

// failure is an error with what to do about it and the exit status.
type failure struct {
	err    error // nil where all has been said, and only the status is left
	hint   string
	status int // 0 means exitFailure
}

func (f *failure) Error() string {
	if f.err == nil {
		return ""
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// failed makes an error with a hint.
func failed(hint, format string, args ...any) error {
	return &failure{err: fmt.Errorf(format, args...), hint: hint}
}

// misused makes an error of a command line that cannot be meant.
func misused(hint, format string, args ...any) error {
	return &failure{err: fmt.Errorf(format, args...), hint: hint, status: exitUsage}
}

// usage makes an error of what kong says about the command line. Kong quotes
// flags that it does not know; one that would have been a secret is told
// without its value.
func usage(err error, args []string) error {
	secrets := config.Secrets()
	keys := make([]string, 0, len(secrets))
	for key := range secrets {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		for _, a := range args {
			if name, _, _ := strings.Cut(a, "="); name == "--"+key {
				return misused("set "+secrets[key]+", or "+key+" in the TOML file", "%s is a secret and has no flag: every user of the machine can read a command line", key)
			}
		}
	}
	return misused("latchkey --help lists the commands, latchkey COMMAND --help what one takes", "%w", err)
}
