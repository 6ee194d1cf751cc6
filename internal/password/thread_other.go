//go:build !linux

package password

// lowerPriority does nothing: elsewhere the nice value is the whole process's.
func lowerPriority() {}
