package transfer

import (
	"context"
	"fmt"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// keysTable is the key ring's.
const keysTable = "keys"

// Keys reads the key ring's rows, as far as it takes to open it: a secret may be
// kept in another place where they come from than where they go.
func Keys(ctx context.Context, from Reader) ([]auth.Key, error) {
	tables, err := from.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the tables: %w", err)
	}
	var keys []auth.Key
	for _, t := range tables {
		if t.Name != keysTable {
			continue
		}
		for row, err := range from.Rows(ctx, t) {
			if err != nil {
				return nil, fmt.Errorf("read the key ring: %w", err)
			}
			keys = append(keys, key(t, row))
		}
	}
	return keys, nil
}

func key(t Table, row []any) (k auth.Key) {
	for i, c := range t.Columns {
		switch v := row[i].(type) {
		case string:
			switch c.Name {
			case "id":
				k.ID = v
			case "algorithm":
				k.Algorithm = v
			case "state":
				k.State = auth.KeyState(v)
			case "fingerprint":
				k.Fingerprint = v
			}
		case []byte:
			k.Secret = v
		case bool:
			k.Sealed = v
		case int64:
			if c.Name == "accept_until" {
				k.AcceptUntil = time.UnixMicro(v)
			}
		}
	}
	return k
}

// WithKeys is the Edit that puts the secrets of these rows into those with their
// ids.
func WithKeys(keys []auth.Key) Edit {
	return func(t Table, row []any) error {
		if t.Name != keysTable {
			return nil
		}
		id := key(t, row).ID
		for _, k := range keys {
			if k.ID != id || len(k.Secret) == 0 {
				continue
			}
			for i, c := range t.Columns {
				switch c.Name {
				case "secret":
					row[i] = k.Secret
				case "sealed":
					row[i] = k.Sealed
				}
			}
		}
		return nil
	}
}
