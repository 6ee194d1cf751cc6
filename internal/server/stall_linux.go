package server

import (
	"fmt"
	"net"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT (tcp(7)).
const tcpUserTimeout = 18

// giveUpAfter has the system end a connection whose peer has taken nothing of
// what was sent to it for so long. That is about answers which fit the socket's
// buffer: their handler has ended, and no deadline of ours is in force.
func giveUpAfter(tcp *net.TCPConn, d time.Duration) error {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return fmt.Errorf("reach the socket: %w", err)
	}
	var set error
	if err := raw.Control(func(fd uintptr) {
		set = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(d.Milliseconds()))
	}); err != nil {
		return fmt.Errorf("reach the socket: %w", err)
	}
	return set
}
