package doctor

import (
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
)

// account is a user of this machine, by number; uid is "" if it is not known.
type account struct {
	uid, name string
	groups    []string
}

// whoServes gives the user that runs the server. Beside a server that is the
// owner of the database; where the database is elsewhere and root asks, it is not
// known.
func whoServes(running bool, owner string) account {
	if running || owner == "" && os.Geteuid() > 0 {
		a := account{uid: strconv.Itoa(os.Geteuid()), groups: []string{strconv.Itoa(os.Getegid())}}
		// Those of the process, which may have been given more than its user.
		if more, err := os.Getgroups(); err == nil {
			for _, gid := range more {
				a.groups = append(a.groups, strconv.Itoa(gid))
			}
		}
		return a.named(user.LookupId(a.uid))
	}
	if owner != "" {
		return account{uid: owner}.named(user.LookupId(owner))
	}
	a := account{name: "latchkey"} // that of docs/operations.md
	if u, err := user.Lookup(a.name); err == nil {
		a.uid = u.Uid
		return a.named(u, nil)
	}
	return a
}

// named adds what the machine's list of users has of an account.
func (a account) named(u *user.User, err error) account {
	if err != nil {
		a.name = a.uid
		return a
	}
	a.name = u.Username
	if groups, err := u.GroupIds(); err == nil && a.groups == nil {
		a.groups = groups
	}
	return a
}

// secret gives a file that the account must be able to read; nil if there is
// none, or if modes say nothing on this system.
func (a account) secret(path string) *File {
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" {
		return nil
	}
	return &File{Path: path, Mode: info.Mode().Perm(), Stranger: a.stranger(owners(info)), Given: given(path)}
}

// stranger reports whether a file is neither the account's nor its groups'.
func (a account) stranger(uid, gid string) bool {
	switch {
	case uid == "" || a.uid == "0":
		return false
	case a.uid == "":
		// It should not be root; a file that is not root's is likely its own.
		return uid == "0" && gid == "0"
	}
	return uid != a.uid && !slices.Contains(a.groups, gid)
}
