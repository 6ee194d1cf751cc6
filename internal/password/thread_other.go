//go:build !linux

package password

const yields = false

// lowerPriority does nothing: elsewhere the nice value is the whole process's.
func lowerPriority() {}
