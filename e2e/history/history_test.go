package history

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/latchkey-auth/latchkey/e2e/faults"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var (
	count = flag.Int("history.count", 100, "histories on each engine")
	ops   = flag.Int("history.ops", 48, "operations of a history")
	seed  = flag.Uint64("history.seed", 0, "seed of the first history; 0 takes one by chance")
)

// checkTime is how long porcupine may look at a history. Not to know is to
// fail.
const checkTime = time.Minute

// Histories of 16 clients, a part of whose requests are cut off after they were
// sent and a part of whose store calls fail before they begin or after their
// commit: none may be illegal, and none may stay undecided.
//
// LESSON 16
// ROW 6
func TestHistories(t *testing.T) {
	first := *seed
	if first == 0 {
		first = rand.Uint64N(1 << 32)
	}
	settings := []string{"strict", "grace", "tolerant"}
	for _, engine := range faults.Engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			for n, setting := range settings {
				t.Run(setting, func(t *testing.T) {
					s := newStage(t, engine, setting, first)
					histories, operations := 0, 0
					for i := n; i < *count && !t.Failed(); i += len(settings) {
						seed := first + uint64(i)
						history := s.perform(seed, *ops)
						check(t, setting, seed, history)
						histories++
						operations += len(history)
					}
					t.Logf("%d histories from seed %d, %d operations, %d requests cut off, %d store calls failed",
						histories, first, operations, s.cut, s.failed)
				})
			}
		})
	}
}

// check holds a history against the model. What it does not explain is drawn
// into a file.
func check(t *testing.T, setting string, seed uint64, history []porcupine.Operation) {
	t.Helper()
	m := model(setting)
	if porcupine.CheckOperationsTimeout(m, history, checkTime) == porcupine.Ok {
		return
	}
	result, info := porcupine.CheckOperationsVerbose(m, history, checkTime)
	f, err := os.CreateTemp("", fmt.Sprintf("latchkey-history-%s-%d-*.html", setting, seed))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := porcupine.Visualize(m, info, f); err != nil {
		t.Error(err)
	}
	t.Errorf("the history of seed %d is %s: see %s", seed, result, f.Name())
}
