//go:build !linux

package server

import (
	"net"
	"time"
)

// giveUpAfter does nothing: the idle time-out is what ends such a connection.
func giveUpAfter(*net.TCPConn, time.Duration) error { return nil }
