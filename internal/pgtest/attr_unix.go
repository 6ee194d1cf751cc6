//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// attributes puts the server into a process group of its own, so that an
// interrupt typed at the terminal ends the tests first, and makes root step
// down to a user who may run PostgreSQL and who is given dir.
func attributes(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return attr, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("read the uid of %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("read the gid of %s: %w", name, err)
		}
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			return nil, fmt.Errorf("give the folder to %s: %w", name, err)
		}
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return attr, nil
	}
	return nil, errors.New("root may not run PostgreSQL, and there is neither a user postgres nor nobody")
}

// signals are what the postmaster is ended by.
var signals = map[Ending]syscall.Signal{Crash: syscall.SIGKILL, Immediate: syscall.SIGQUIT, Fast: syscall.SIGINT}

// end sends the process with this id the signal of an ending.
func end(pid int, how Ending) error { return syscall.Kill(pid, signals[how]) }
