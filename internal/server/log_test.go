package server_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/server"
)

func TestLogWriter(t *testing.T) {
	newLog := func() (*lines, *server.LogWriter, *slog.Logger) {
		to := new(lines)
		w := server.NewLogWriter(to)
		return to, w, slog.New(server.LogHandler{Handler: slog.NewJSONHandler(w, nil), Writer: w}).With("k", 1)
	}
	t.Run("a warning does not wait, and brings what came before it", func(t *testing.T) {
		to, _, log := newLog()
		log.Info("first")
		if to.String() != "" {
			t.Errorf("an info line was written at once")
		}
		log.Warn("second")
		if got := to.String(); strings.Index(got, "first") > strings.Index(got, "second") || strings.Count(got, "\n") != 2 {
			t.Errorf("got %q", got)
		}
	})
	t.Run("flush", func(t *testing.T) {
		to, w, log := newLog()
		log.Info("last")
		w.Flush()
		w.Flush()
		if strings.Count(to.String(), "\n") != 1 {
			t.Errorf("got %q", to.String())
		}
	})
	t.Run("after a while", func(t *testing.T) {
		to, _, log := newLog()
		for _, line := range []string{"one", "two"} {
			log.Info(line)
			deadline := time.Now().Add(5 * time.Second)
			for !strings.Contains(to.String(), line) {
				if time.Now().After(deadline) {
					t.Fatalf("%q is not written", line)
				}
				time.Sleep(time.Millisecond)
			}
		}
	})
	t.Run("whole lines from many at once", func(t *testing.T) {
		to, w, log := newLog()
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				for j := range 200 {
					log.Info(fmt.Sprintf("line %d-%d", i, j))
				}
			})
		}
		wg.Wait()
		w.Flush()
		got := strings.Split(strings.TrimSpace(to.String()), "\n")
		if len(got) != 50*200 {
			t.Fatalf("%d lines, want %d", len(got), 50*200)
		}
		for _, line := range got {
			if !strings.HasPrefix(line, `{"time":`) || !strings.HasSuffix(line, "}") {
				t.Fatalf("broken line %q", line)
			}
		}
	})
}
