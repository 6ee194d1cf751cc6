package keyring

import (
	"errors"
	"slices"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// Carry gives a ring's rows as they are kept where there is no secret file: the
// secret that is in the file goes into its row, sealed if there is a seal key.
// It refuses a ring that could not be opened with these options.
func Carry(o Options, rows []auth.Key) ([]auth.Key, error) {
	if len(rows) == 0 {
		return nil, nil // Nobody has served from there yet.
	}
	o, err := o.check()
	if err != nil {
		return nil, err
	}
	signing, found := signingRow(rows)
	if !found {
		return nil, errors.New("no key is signing: run `latchkey key use`")
	}
	r := &Ring{options: o}
	if r.outside, err = o.fromOutside(signing, true); err != nil {
		return nil, err
	}
	if r.outside != nil && signing.Algorithm == token.HS256 && !is(signing, r.outside) {
		return nil, o.otherKey(r.outside, signing)
	}
	if _, err := r.read(rows); err != nil {
		return nil, err
	}
	if len(o.SigningKey) > 0 || r.outside == nil {
		return rows, nil
	}
	rows = slices.Clone(rows)
	for i, row := range rows {
		if len(row.Secret) > 0 || row.State == auth.KeyRemoved || !is(row, r.outside) {
			continue
		}
		if rows[i].Secret, rows[i].Sealed, err = o.stored(row.ID, r.outside); err != nil {
			return nil, err
		}
	}
	return rows, nil
}
