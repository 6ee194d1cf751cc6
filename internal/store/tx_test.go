package store_test

import (
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/store"
)

func TestMicros(t *testing.T) {
	at := time.Date(2026, 10, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600))
	got := store.Time(store.Micros(at))
	if want := at.Truncate(time.Microsecond); !got.Equal(want) || got.Location() != time.UTC {
		t.Errorf("Time(Micros(%v)) = %v, want %v in UTC", at, got, want)
	}
}
