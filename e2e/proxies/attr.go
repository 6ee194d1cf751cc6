package proxies

import "syscall"

// attr keeps a Ctrl-C at the tests from reaching the proxies before they are done.
func attr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
