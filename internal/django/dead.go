package django

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store/django"
)

// deleted shuts those out there who were deleted here: as an import does with
// those who are gone, it deletes nobody.
func (ex *exporter) deleted(ctx context.Context) error {
	for after := int64(0); ; {
		ids, err := ex.Store.Read().DeletedIDs(ctx, after, goneBatch)
		if err != nil {
			return fmt.Errorf("look for those who were deleted: %w", err)
		}
		if len(ids) == 0 {
			return nil
		}
		after = ids[len(ids)-1]
		if err := ex.shutOut(ctx, ids); err != nil {
			return fmt.Errorf("shut out those who were deleted: %w", err)
		}
	}
}

// active gives the rows of those who can sign in there.
func (ex *exporter) active(rows []django.Row) (all []Problem) {
	for _, row := range rows {
		id, err := ex.id(row)
		if err != nil {
			continue
		}
		if c := ex.mapping.Columns[FieldIsActive]; c != "" {
			if yes, ok := django.Bool(ex.column(row, c)); ok && !yes {
				continue
			}
		}
		email, _ := django.Text(ex.value(row, FieldEmail))
		all = append(all, Problem{Table: ex.mapping.Table.Name, Row: row.Place, UserID: id, Email: shorten(email), Class: classDeleted})
	}
	return all
}

func (ex *exporter) shutOut(ctx context.Context, ids []int64) error {
	rows, err := ex.Target.RowsByID(ctx, ex.q, ids)
	if err != nil {
		return err //nolint:wrapcheck // It says what it is.
	}
	due := ex.active(rows)
	column := ex.mapping.Columns[FieldIsActive]
	if column != "" && len(due) > 0 && !ex.DryRun {
		err := ex.Target.Write(ctx, func(w django.Writer) error {
			rows, err := w.RowsByID(ctx, ex.q, ids)
			if err != nil {
				return err //nolint:wrapcheck // It says what it is.
			}
			due = ex.active(rows)
			for _, p := range due {
				if err := w.Set(ctx, ex.mapping.Table, p.UserID, []django.Assignment{{Column: column, Value: false}}); err != nil {
					return err //nolint:wrapcheck // It says what it is.
				}
			}
			return nil
		})
		if err != nil {
			return err //nolint:wrapcheck // It says what it is.
		}
	}
	for _, p := range due {
		switch {
		case column == "":
			p.Text = "the user was deleted here, but there is no column there to shut them out by"
		case ex.DryRun:
			p.Text = "the user was deleted here and would be deactivated"
		default:
			p.Text = "the user was deleted here and was deactivated"
		}
		ex.problem(p)
	}
	if column == "" {
		return nil
	}
	ex.report.Deactivated += int64(len(due))
	if ex.DryRun {
		return nil
	}
	// Whoever is let in again there has been let in again there.
	notes := make([]auth.ImportBase, len(ids))
	for i, id := range ids {
		notes[i] = auth.ImportBase{UserID: id, Base: []byte(auth.ExportTombstone)}
	}
	return ex.note(ctx, func(tx auth.Tx) error { return tx.SetBases(ctx, notes) })
}

// tokens blacklists there what is dead here.
func (ex *exporter) tokens(ctx context.Context) error {
	if !ex.report.HasTokens {
		return nil
	}
	read := ex.Store.Read()
	now := ex.Now()
	// Within its leeway SimpleJWT takes tokens that have expired.
	live := now.Add(-ex.Leeway)
	// Each gives a page and where the next one begins, "" at the end.
	sources := []func(after string) ([]auth.KnownToken, string, error){
		func(after string) ([]auth.KnownToken, string, error) {
			return lastOf(read.SpentTokens(ctx, live, after, django.PageRows))
		},
		func(after string) ([]auth.KnownToken, string, error) {
			return lastOf(read.BlacklistedTokens(ctx, live, after, django.PageRows))
		},
		func(after string) ([]auth.KnownToken, string, error) {
			all, err := read.RevokedSessions(ctx, live, after, django.PageRows)
			dead, last := make([]auth.KnownToken, len(all)), ""
			for i, s := range all {
				dead[i], last = auth.KnownToken{JTI: s.JTI, UserID: s.UserID, Expires: s.Expires}, s.ID
			}
			return dead, last, err
		},
		func(after string) ([]auth.KnownToken, string, error) {
			all, last, err := lastOf(read.OutstandingTokens(ctx, live, after, django.PageRows))
			if err == nil {
				all, err = ex.ended(ctx, all)
			}
			return all, last, err
		},
	}
	for _, source := range sources {
		for after := ""; ; {
			page, last, err := source(after)
			if err != nil {
				return fmt.Errorf("read the tokens: %w", err)
			}
			if err := ex.blacklist(ctx, page, now); err != nil {
				return fmt.Errorf("blacklist tokens: %w", err)
			}
			if last == "" {
				break
			}
			after = last
			ex.progress("tokens", ex.report.Dead, 0)
		}
	}
	return nil
}

func lastOf(page []auth.KnownToken, err error) ([]auth.KnownToken, string, error) {
	if len(page) == 0 {
		return page, "", err
	}
	return page, page[len(page)-1].JTI, err
}

// ended keeps those of Django's tokens that are dead here by their user: deleted,
// shut out, or with another password since the token was issued.
func (ex *exporter) ended(ctx context.Context, tokens []auth.KnownToken) ([]auth.KnownToken, error) {
	var ids []int64
	for _, k := range tokens {
		if k.UserID != 0 {
			ids = append(ids, k.UserID)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	users, err := ex.Store.Read().UsersByIDs(ctx, ids)
	if err != nil {
		return nil, err //nolint:wrapcheck // It says what it is.
	}
	byID := make(map[int64]auth.User, len(users))
	for _, u := range users {
		byID[u.ID] = u
	}
	noted, err := ex.Store.Read().ImportBases(ctx, ids)
	if err != nil {
		return nil, err //nolint:wrapcheck // It says what it is.
	}
	buried := make(map[int64]bool, len(noted))
	for _, b := range noted {
		buried[b.UserID] = b.Buried()
	}
	return slices.DeleteFunc(tokens, func(k auth.KnownToken) bool {
		u, here := byID[k.UserID]
		switch {
		case !here:
			// Somebody whom no import has brought is none of our business.
			return !buried[k.UserID]
		case !u.IsActive:
			return false
		case u.ValidAfter.IsZero():
			return true
		case ex.Refresh == 0:
			return false
		default:
			issued := time.Unix(k.Expires, 0).Add(-ex.Refresh)
			return issued.After(u.ValidAfter)
		}
	}), nil
}

func (ex *exporter) blacklist(ctx context.Context, tokens []auth.KnownToken, now time.Time) error {
	if len(tokens) == 0 {
		return nil
	}
	ex.report.Dead += int64(len(tokens))
	jtis := make([]string, len(tokens))
	for i, k := range tokens {
		jtis[i] = k.JTI
	}
	spent, err := ex.Target.Spent(ctx, jtis)
	if err != nil {
		return err //nolint:wrapcheck // It says what it is.
	}
	seen := map[string]bool{}
	var due []django.Token
	for _, k := range tokens {
		if spent[k.JTI] || seen[k.JTI] {
			continue
		}
		seen[k.JTI] = true
		t := django.Token{JTI: k.JTI, Expires: time.Unix(k.Expires, 0), UserID: k.UserID}
		if !ex.there(k.UserID) {
			t.UserID = 0
		}
		due = append(due, t)
	}
	if ex.DryRun {
		ex.report.Blacklisted += int64(len(due))
		return nil
	}
	for batch := range slices.Chunk(due, batchUsers) {
		if err := ex.writeTokens(ctx, batch, now); err != nil {
			return err
		}
	}
	return nil
}

func (ex *exporter) writeTokens(ctx context.Context, tokens []django.Token, now time.Time) error {
	var n int64
	write := func() error {
		return ex.Target.Write(ctx, func(w django.Writer) (err error) { //nolint:wrapcheck // It says what it is.
			n, err = w.Blacklist(ctx, tokens, now)
			return err //nolint:wrapcheck // It says what it is.
		})
	}
	err := write()
	if err != nil && ctx.Err() == nil && django.RowFault(ex.Target, err) {
		// Most likely a user has been deleted there meanwhile. A token is as dead
		// without one.
		for i := range tokens {
			tokens[i].UserID = 0
		}
		err = write()
	}
	if err == nil {
		ex.report.Blacklisted += n
	}
	return err
}
