//go:build !linux

package password

// isNice: the system knows no priority of threads.
func isNice() bool { return false }
