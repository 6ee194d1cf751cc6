//go:build unix && !linux

package password

// largePages: there is no asking for them here.
func largePages([]byte) {}
