package node

import (
	"os"
	"path/filepath"
	"testing"
)

// Strace finds strace. scripts/need installs it; under LATCHKEY_TEST_STRICT it
// must be there.
func Strace(t testing.TB) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/bin") {
		path := filepath.Join(dir, "strace")
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	if os.Getenv("LATCHKEY_TEST_STRICT") == "1" {
		t.Fatal("strace is not here; scripts/need installs it")
	}
	t.Skip("strace is not here; scripts/need installs it")
	return ""
}
