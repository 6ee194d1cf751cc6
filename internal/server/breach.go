package server

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/latchkey-auth/latchkey/internal/breach"
	"github.com/latchkey-auth/latchkey/internal/config"
)

// openBreach gives what knows breached passwords, nil where nothing is set. The
// filter file stays open as long as the process: a new one of the same name is
// taken at the next start.
func openBreach(cfg *config.Config, log *slog.Logger, now func() time.Time) (*breach.Checker, error) {
	o := breach.Options{
		RangeURL: cfg.Password.RangeURL, Timeout: cfg.Password.RangeTimeout.Std(), Private: cfg.Password.RangePrivate,
		Closed: cfg.Password.Unknown == config.UnknownRefuse, Log: log, Now: now,
	}
	if cfg.Password.Filter != "" {
		f, err := breach.Open(cfg.Password.Filter)
		if err != nil {
			return nil, fmt.Errorf("open password.filter: %w", err)
		}
		o.Filter = f
	}
	return breach.New(o), nil
}
