package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of times in /proc: USER_HZ, 100 on every architecture that
// Go has for Linux.
const tick = 10 * time.Millisecond

// used is the CPU time, user's and system's, that processes have used so far.
// known is false on other systems.
func used(processes []process) (total time.Duration, known bool, err error) {
	for _, p := range processes {
		var ticks int64
		if p.tree {
			ticks, err = treeTicks(p.pid)
		} else {
			_, ticks, err = statOf(strconv.Itoa(p.pid))
		}
		if err != nil {
			return 0, false, err
		}
		total += time.Duration(ticks) * tick
	}
	return total, true, nil
}

// treeTicks is what a process and all its descendants have used, those that
// have ended and been waited for included.
func treeTicks(root int) (int64, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, fmt.Errorf("list processes: %w", err)
	}
	type node struct {
		parent int
		ticks  int64
	}
	all := make(map[int]node, len(entries))
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue // no process
		}
		parent, ticks, err := statOf(e.Name())
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended meanwhile; its parent has its time
		}
		if err != nil {
			return 0, err
		}
		all[pid] = node{parent, ticks}
	}
	var ticks int64
	for pid := range all {
		for p := pid; p != 0; p = all[p].parent {
			if p == root {
				ticks += all[pid].ticks
				break
			}
		}
	}
	return ticks, nil
}

// statOf reads the parent of a process and what it has used.
func statOf(pid string) (parent int, ticks int64, err error) {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, 0, fmt.Errorf("read the times of process %s: %w", pid, err)
	}
	parent, ticks, ok := readStat(string(b))
	if !ok {
		return 0, 0, fmt.Errorf("read the times of process %s: unknown form", pid)
	}
	return parent, ticks, nil
}

// readStat reads /proc/PID/stat (proc(5)): the parent, and the sum of utime,
// stime and those of the children that were waited for, in ticks. The program's
// name, second and in brackets, may have anything in it.
func readStat(s string) (parent int, ticks int64, ok bool) {
	end := strings.LastIndexByte(s, ')')
	if end < 0 {
		return 0, 0, false
	}
	fields := strings.Fields(s[end+1:]) // from the third on
	if len(fields) < 15 {
		return 0, 0, false
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0, 0, false
	}
	for _, f := range fields[11:15] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, 0, false
		}
		ticks += n
	}
	return parent, ticks, true
}

// peakOf is the most memory that an ended process has held, in bytes.
func peakOf(s *os.ProcessState) int64 {
	if usage, ok := s.SysUsage().(*syscall.Rusage); ok {
		return usage.Maxrss << 10
	}
	return 0
}

// parentOf is the process that started pid.
func parentOf(pid int) (int, error) {
	parent, _, err := statOf(strconv.Itoa(pid))
	return parent, err
}

// memoryOf is what a process holds in memory now and at most so far, in bytes.
func memoryOf(pid int) (now, peak int64, known bool, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, false, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		var dest *int64
		switch name {
		case "VmRSS":
			dest = &now
		case "VmHWM":
			dest = &peak
		default:
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, 0, false, fmt.Errorf("read the memory of process %d: %w", pid, err)
		}
		*dest = kib << 10
	}
	return now, peak, true, nil
}
