package password

import (
	"runtime"
	"syscall"
)

// niceness is what is added to the thread's nice value: the system gives it a
// ninth of the processor time of a thread that it competes with (sched(7)).
const niceness = 10

// yields says that a thread of low priority gives way to the others.
const yields = true

// lowerPriority binds the goroutine to its thread for good, and makes the
// thread a nicer one. Where that is forbidden (seccomp), it hashes as it is.
func lowerPriority() {
	runtime.LockOSThread()
	// The system call answers 20 - nice, to be above zero (getpriority(2)).
	// On Linux, process 0 is the calling thread alone.
	if p, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err == nil {
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, 20-p+niceness)
	}
}
