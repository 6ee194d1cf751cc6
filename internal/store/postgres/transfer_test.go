package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
)

// PostgreSQL may be at the end of a connection still when whoever had it has gone:
// a copy waits for that, and for nothing that stays.
func TestIncomingWaitsForWhatIsClosed(t *testing.T) {
	url := pgtest.Database(t)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["application_name"] = "latchkey"
	for _, stays := range []bool{false, true} {
		other, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		if !stays {
			time.AfterFunc(300*time.Millisecond, func() { other.Close(t.Context()) })
		}
		to, err := postgres.Incoming(t.Context(), postgres.Options{URL: url})
		if used := new(postgres.InUseError); errors.As(err, &used) != stays || !stays && err != nil {
			t.Errorf("one that stays, %v: %v", stays, err)
		}
		if err == nil {
			to.Close(t.Context())
		}
		if stays {
			other.Close(t.Context())
		}
	}
}
