package django

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store/django"
)

// tokens takes over the jtis of SimpleJWT's refresh tokens: those that are
// blacklisted stay dead here.
func (im *importer) tokens(ctx context.Context) error {
	if !im.report.HasTokens {
		return nil
	}
	now := im.Now()
	err := im.Source.Tokens(ctx, now, func(page []django.Token) error {
		known := make([]auth.KnownToken, 0, len(page))
		for _, t := range page {
			if t.Err != nil {
				im.problem(Problem{Table: django.OutstandingTokens, Row: t.Place, Class: classToken, Text: t.Err.Error()})
				continue
			}
			k := auth.KnownToken{JTI: t.JTI, UserID: t.UserID, Expires: t.Expires.Unix(), Kind: auth.TokenOutstanding}
			if t.Blacklisted {
				k.Kind = auth.TokenBlacklisted
				im.report.Blacklisted++
			} else {
				im.report.Outstanding++
			}
			known = append(known, k)
		}
		im.progress("tokens", im.report.Blacklisted+im.report.Outstanding, 0)
		if im.DryRun || len(known) == 0 {
			return nil
		}
		return im.Store.Update(ctx, func(tx auth.Tx) error {
			dead, err := tx.PutTokens(ctx, known)
			if err != nil || len(dead) == 0 {
				return err
			}
			ended, err := tx.RevokeAdopted(ctx, dead, now)
			if err != nil {
				return err
			}
			return revoke(ctx, tx, ended)
		})
	})
	if err != nil {
		return fmt.Errorf("take over the tokens: %w", err)
	}
	return im.handedBack(ctx)
}

// revoke lets the access tokens of sessions that have just been ended die.
func revoke(ctx context.Context, tx auth.Tx, sessions []string) error {
	rows := make([]auth.Revocation, len(sessions))
	for i, id := range sessions {
		rows[i] = auth.Revocation{Kind: auth.RevokedSession, Key: id}
	}
	_, err := tx.Revoke(ctx, rows...)
	return err
}

// sessionsAtOnce is how many sessions are looked at in one transaction.
const sessionsAtOnce = 5_000

// handedBack ends sessions that Django went on with after an export: their
// refresh token was spent or signed out there, and must not work here again.
func (im *importer) handedBack(ctx context.Context) error {
	if im.DryRun || im.report.Blacklisted == 0 {
		return nil
	}
	now := im.Now()
	for after := ""; ; {
		next := ""
		err := im.Store.Update(ctx, func(tx auth.Tx) error {
			ended, last, err := tx.RevokeBlacklisted(ctx, after, sessionsAtOnce, now)
			next = last
			if err != nil || len(ended) == 0 {
				return err
			}
			return revoke(ctx, tx, ended)
		})
		if err != nil {
			return fmt.Errorf("end sessions that were ended there: %w", err)
		}
		if next == "" {
			return nil
		}
		after = next
	}
}

// factor is a table of second factors.
type factor struct {
	table string
	// columns are kept, as JSON. The first is the id; user names the one with
	// the user's id, which devices of other tables may have.
	columns []string
	user    string
	// if is the column that must be true, "" for none.
	confirmed string
	kind      func(values map[string]any) string
}

// The tables of django-otp and of django-allauth's mfa.
const (
	totpDevices   = "otp_totp_totpdevice"
	staticDevices = "otp_static_staticdevice"
	staticTokens  = "otp_static_statictoken"
	allauthMFA    = "mfa_authenticator"
)

var factors = []factor{
	{
		table: totpDevices, user: "user_id", confirmed: "confirmed",
		columns: []string{"id", "user_id", "confirmed", "name", "key", "step", "t0", "digits", "tolerance", "drift", "last_t"},
		kind:    func(map[string]any) string { return "otp_totp" },
	},
	{
		table: staticTokens, user: "device_id",
		columns: []string{"id", "device_id", "token"},
		kind:    func(map[string]any) string { return "otp_static" },
	},
	{
		table: allauthMFA, user: "user_id",
		columns: []string{"id", "user_id", "type", "data"},
		kind:    func(v map[string]any) string { return "allauth_" + fmt.Sprint(v["type"]) },
	},
}

// factors keeps second factors, sealed, until somebody can use them here.
func (im *importer) factors(ctx context.Context) error {
	dropped := im.DryRun || im.Seal == nil
	for _, f := range factors {
		t, ok := im.report.tables[f.table]
		if !ok {
			continue
		}
		var owners map[int64]int64
		if f.table == staticTokens {
			var err error
			if owners, err = im.staticOwners(ctx); err != nil {
				return err
			}
		}
		q := django.Query{Table: t, Columns: slices.DeleteFunc(slices.Clone(f.columns), func(c string) bool {
			return !t.Has(c) && !t.Has(strings.TrimSuffix(c, "_id"))
		})}
		err := im.Source.Rows(ctx, q, func(page []django.Row) error {
			secrets := im.secrets(f, q, page, owners)
			if im.DryRun || im.Seal == nil || len(secrets) == 0 {
				return nil
			}
			sealed := make([]auth.ImportedSecret, 0, len(secrets))
			for _, s := range secrets {
				var err error
				if s.Sealed, err = im.Seal(SecretLabel(s), s.Sealed); err != nil {
					return fmt.Errorf("seal a second factor: %w", err)
				}
				sealed = append(sealed, s)
			}
			err := im.Store.Update(ctx, func(tx auth.Tx) error {
				if !dropped {
					if err := tx.DropImportedSecrets(ctx); err != nil {
						return err
					}
				}
				return tx.PutImportedSecrets(ctx, sealed)
			})
			dropped = dropped || err == nil
			return err
		})
		if err != nil {
			return fmt.Errorf("take over second factors: %w", err)
		}
	}
	im.report.FactorsSealed = im.Seal != nil
	return nil
}

// SecretLabel is what a second factor is sealed under: one that is moved to
// another user does not open.
func SecretLabel(s auth.ImportedSecret) string {
	return fmt.Sprintf("django %s %d of user %d", s.Kind, s.SourceID, s.UserID)
}

// secrets reads a page; Sealed is not sealed yet.
func (im *importer) secrets(f factor, q django.Query, page []django.Row, owners map[int64]int64) []auth.ImportedSecret {
	var all []auth.ImportedSecret
	for _, row := range page {
		bad := func(format string, args ...any) {
			im.problem(Problem{Table: f.table, Row: row.Place, Class: classFactor, Text: fmt.Sprintf(format, args...)})
		}
		if row.Err != nil {
			bad("%v", row.Err)
			continue
		}
		values := map[string]any{}
		for i, c := range q.Columns {
			if text, ok := django.Text(row.Values[i]); ok {
				values[c] = text
			} else if row.Values[i] != nil {
				values[c] = row.Values[i]
			}
		}
		if f.confirmed != "" {
			if i := slices.Index(q.Columns, f.confirmed); i >= 0 {
				if yes, ok := django.Bool(row.Values[i]); !ok || !yes {
					continue
				}
			}
		}
		id, okID := django.Int(row.Values[0])
		userID, okUser := django.Int(row.Values[max(0, slices.Index(q.Columns, f.user))])
		if owners != nil {
			userID, okUser = owners[userID], owners[userID] != 0
		}
		if !okID || !okUser || userID < 1 {
			bad("it belongs to nobody who can be found")
			continue
		}
		kind := f.kind(values)
		if len(kind) > 40 || strings.ContainsRune(kind, 0) {
			bad("its type is none")
			continue
		}
		plain, err := json.Marshal(values)
		if err != nil {
			bad("it cannot be kept: %v", err)
			continue
		}
		im.report.Factors[kind]++
		all = append(all, auth.ImportedSecret{UserID: userID, Kind: kind, SourceID: id, Sealed: plain})
	}
	return all
}

// staticOwners gives whose the confirmed devices of recovery codes are.
func (im *importer) staticOwners(ctx context.Context) (map[int64]int64, error) {
	owners := map[int64]int64{}
	t, ok := im.report.tables[staticDevices]
	if !ok {
		return owners, nil
	}
	q := django.Query{Table: t, Columns: []string{"id", "user_id", "confirmed"}}
	err := im.Source.Rows(ctx, q, func(page []django.Row) error {
		for _, row := range page {
			if row.Err != nil {
				continue
			}
			id, okID := django.Int(row.Values[0])
			userID, okUser := django.Int(row.Values[1])
			confirmed, _ := django.Bool(row.Values[2])
			if okID && okUser && confirmed {
				owners[id] = userID
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at the devices of recovery codes: %w", err)
	}
	return owners, nil
}
