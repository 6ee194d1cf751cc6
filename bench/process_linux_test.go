package main

import (
	"os"
	"testing"
)

func TestReadStat(t *testing.T) {
	const stat = "7 (a) b (c) S 3 7 7 0 -1 4194304 100 0 0 0 10 20 30 40 20 0 1 0 225391 3133440 359"
	parent, ticks, ok := readStat(stat)
	if parent != 3 || ticks != 100 || !ok {
		t.Errorf("got parent %d, %d ticks, %v, want 3, 100", parent, ticks, ok)
	}
	for _, bad := range []string{"", "7 (a) S 3", "7 a S 3 7 7 0 -1 0 1 0 0 0 1 2 3 4 5"} {
		if _, _, ok := readStat(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestOwnProcess(t *testing.T) {
	parent, err := parentOf(os.Getpid())
	if err != nil || parent != os.Getppid() {
		t.Errorf("parent %d, %v, want %d", parent, err, os.Getppid())
	}
	now, peak, known, err := memoryOf(os.Getpid())
	if err != nil || !known || now < 1<<20 || peak < now/2 {
		t.Errorf("memory %d, at most %d, %v, %v", now, peak, known, err)
	}
	alone, _, err := used([]process{{pid: os.Getpid()}})
	if err != nil {
		t.Fatal(err)
	}
	tree, _, err := used([]process{{pid: os.Getpid(), tree: true}})
	if err != nil || tree < alone {
		t.Errorf("the tree has used %v, %v, the process alone %v", tree, err, alone)
	}
}
