package node

import "syscall"

// Attr keeps a Ctrl-C at the tests from reaching the server before they are done.
func Attr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
