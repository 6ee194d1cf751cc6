package store

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

const chainColumns = `begun_at, events, head_seq, head_hash, sealed_at, anchor_seq, anchor_hash, anchored_at,
	accepted_seq, accepted_at, verified_at, verified_seq, problems, key_id, mac`

func chain(row Row) (auth.Chain, error) {
	var c auth.Chain
	var begun, sealed, anchored, accepted, verified int64
	err := row.Scan(&begun, &c.Events, &c.HeadSeq, &c.HeadHash, &sealed, &c.AnchorSeq, &c.AnchorHash, &anchored,
		&c.AcceptedSeq, &accepted, &verified, &c.VerifiedSeq, &c.Problems, &c.KeyID, &c.MAC)
	for at, to := range map[*int64]*time.Time{
		&begun: &c.BegunAt, &sealed: &c.SealedAt, &anchored: &c.AnchoredAt, &accepted: &c.AcceptedAt, &verified: &c.VerifiedAt,
	} {
		if *at != 0 {
			*to = Time(*at)
		}
	}
	return c, err
}

// microsOrZero is Micros with 0 for no time.
func microsOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return Micros(t)
}

const readChain = `SELECT ` + chainColumns + ` FROM audit_chain WHERE one = 1`

// Chain implements auth.ChainReader. Whoever has taken the row out has taken it
// back to its beginning.
func (t Tx) Chain(ctx context.Context) (auth.Chain, error) {
	c, err := chain(t.QueryRow(ctx, readChain))
	if errors.Is(err, ErrNoRows) {
		return auth.Chain{}, nil
	}
	return c, wrap(err, "read the chain")
}

const lockChain = `INSERT INTO audit_chain (one, ` + chainColumns + `)
	VALUES (1, 0, 0, 0, '', 0, 0, '', 0, 0, 0, 0, 0, 0, '', '')
	ON CONFLICT (one) DO UPDATE SET one = excluded.one RETURNING ` + chainColumns

// LockChain implements auth.ChainWriter.
func (t Tx) LockChain(ctx context.Context) (auth.Chain, error) {
	c, err := chain(t.QueryRow(ctx, lockChain))
	return c, wrap(err, "lock the chain")
}

const setChain = `UPDATE audit_chain SET begun_at = $1, events = $2, head_seq = $3, head_hash = $4, sealed_at = $5,
	anchor_seq = $6, anchor_hash = $7, anchored_at = $8, accepted_seq = $9, accepted_at = $10, verified_at = $11,
	verified_seq = $12, problems = $13, key_id = $14, mac = $15 WHERE one = 1`

// SetChain implements auth.ChainWriter.
func (t Tx) SetChain(ctx context.Context, c auth.Chain) error {
	_, err := t.Exec(ctx, setChain, microsOrZero(c.BegunAt), c.Events, c.HeadSeq, c.HeadHash, microsOrZero(c.SealedAt),
		c.AnchorSeq, c.AnchorHash, microsOrZero(c.AnchoredAt), c.AcceptedSeq, microsOrZero(c.AcceptedAt),
		microsOrZero(c.VerifiedAt), c.VerifiedSeq, c.Problems, c.KeyID, c.MAC)
	return wrap(err, "write the chain")
}

const chainLinkColumns = `seq, at, count, first_id, last_id, ids, last_at, batch, hash`

const chainLinks = `SELECT ` + chainLinkColumns + ` FROM audit_links WHERE seq > $1 ORDER BY seq LIMIT $2`

// ChainLinks implements auth.ChainReader.
func (t Tx) ChainLinks(ctx context.Context, after int64, limit int) ([]auth.ChainLink, error) {
	var all []auth.ChainLink
	err := t.each(ctx, chainLinks, []any{after, int64(limit)}, func(rows Rows) error {
		var l auth.ChainLink
		var at, lastAt int64
		if err := rows.Scan(&l.Seq, &at, &l.Count, &l.FirstID, &l.LastID, &l.IDs, &lastAt, &l.Batch, &l.Hash); err != nil {
			return err
		}
		l.At, l.LastAt = Time(at), Time(lastAt)
		all = append(all, l)
		return nil
	})
	return all, wrap(err, "read links of the chain")
}

const insertLinkOfChain = `INSERT INTO audit_links (` + chainLinkColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

// InsertChainLink implements auth.ChainWriter.
func (t Tx) InsertChainLink(ctx context.Context, l auth.ChainLink) error {
	_, err := t.Exec(ctx, insertLinkOfChain, l.Seq, Micros(l.At), l.Count, l.FirstID, l.LastID, l.IDs,
		Micros(l.LastAt), l.Batch, l.Hash)
	return wrap(err, "insert link %d of the chain", l.Seq)
}

const rowColumns = `id, at, kind, user_id, actor_id, session_id, address, user_agent, count, detail, changes, request, minute, COALESCE(link, 0)`

// rows gives what a query of rowColumns finds.
func (t Tx) rows(ctx context.Context, query string, args ...any) ([]auth.AuditRow, error) {
	var all []auth.AuditRow
	err := t.each(ctx, query, args, func(rows Rows) error {
		var r auth.AuditRow
		if err := rows.Scan(&r.ID, &r.At, &r.Kind, &r.UserID, &r.ActorID, &r.SessionID, &r.Address, &r.UserAgent,
			&r.Count, &r.Detail, &r.Changes, &r.Request, &r.Minute, &r.Link); err != nil {
			return err
		}
		all = append(all, r)
		return nil
	})
	return all, err
}

// sealRows is one statement, so that what it gives is what stays: under READ
// COMMITTED a row that was counted up meanwhile is given as it is now. Without
// its minute a row of failed logins is not found again by addLoginFailures.
const sealRows = `UPDATE events SET link = $1, minute = NULL WHERE id IN
		(SELECT id FROM events WHERE link IS NULL AND (minute IS NULL OR minute < $2) ORDER BY id LIMIT $3)
	RETURNING ` + rowColumns

// SealRows implements auth.ChainWriter.
func (t Tx) SealRows(ctx context.Context, link int64, foldedBefore time.Time, limit int) ([]auth.AuditRow, error) {
	all, err := t.rows(ctx, sealRows, link, Micros(foldedBefore), int64(limit))
	slices.SortFunc(all, func(a, b auth.AuditRow) int { return cmp.Compare(a.ID, b.ID) })
	return all, wrap(err, "seal events")
}

const sealedRows = `SELECT ` + rowColumns + ` FROM events
	WHERE id >= $1 AND id <= $2 AND link >= $3 AND link <= $4 ORDER BY id LIMIT $5`

// SealedRows implements auth.ChainReader.
func (t Tx) SealedRows(ctx context.Context, r auth.SealedRange) ([]auth.AuditRow, error) {
	all, err := t.rows(ctx, sealedRows, r.FirstID, r.LastID, r.FirstLink, r.LastLink, int64(r.Limit))
	return all, wrap(err, "read sealed events")
}

const strayRows = `SELECT e.id, e.at, e.kind, e.user_id, e.actor_id, e.session_id, e.address, e.user_agent, e.count, e.detail,
		e.changes, e.request, e.minute, e.link
	FROM events e LEFT JOIN audit_links l ON l.seq = e.link
	WHERE e.id > $1 AND e.id <= $2 AND e.link > $3 AND (l.seq IS NULL OR e.id < l.first_id OR e.id > l.last_id)
	ORDER BY e.id LIMIT $4`

// StrayRows implements auth.ChainReader.
func (t Tx) StrayRows(ctx context.Context, after, upTo, accepted int64, limit int) ([]auth.AuditRow, error) {
	all, err := t.rows(ctx, strayRows, after, upTo, accepted, int64(limit))
	return all, wrap(err, "look for events without a link")
}

const unsealedRows = `SELECT COUNT(*), COUNT(*) FILTER (WHERE minute IS NULL OR minute < $1), COALESCE(MIN(at), 0)
	FROM events WHERE link IS NULL`

// UnsealedRows implements auth.ChainReader.
func (t Tx) UnsealedRows(ctx context.Context, foldedBefore time.Time) (all, sealable int64, first time.Time, err error) {
	var at int64
	err = t.QueryRow(ctx, unsealedRows, Micros(foldedBefore)).Scan(&all, &sealable, &at)
	if at != 0 {
		first = Time(at)
	}
	return all, sealable, first, wrap(err, "count events that are not sealed")
}

const acceptedRows = `SELECT COUNT(*) FROM events WHERE link <= $1`

// AcceptedRows implements auth.ChainReader.
func (t Tx) AcceptedRows(ctx context.Context, accepted int64) (n int64, err error) {
	if accepted == 0 {
		return 0, nil
	}
	err = t.QueryRow(ctx, acceptedRows, accepted).Scan(&n)
	return n, wrap(err, "count events that were accepted")
}

const eventIDs = `SELECT COALESCE((SELECT MIN(id) FROM events), 0), COALESCE((SELECT MAX(id) FROM events), 0)`

// EventIDs implements auth.ChainReader.
func (t Tx) EventIDs(ctx context.Context) (first, last int64, err error) {
	err = t.QueryRow(ctx, eventIDs).Scan(&first, &last)
	return first, last, wrap(err, "read the ids of events")
}

const (
	pruneEvents = `DELETE FROM events WHERE link = $1 AND id >= $2 AND id <= $3`
	pruneLinks  = `DELETE FROM audit_links WHERE seq > $1 AND seq <= $2`
)

// PruneChainLink implements auth.ChainWriter.
func (t Tx) PruneChainLink(ctx context.Context, l auth.ChainLink) (int64, error) {
	n, err := t.Exec(ctx, pruneEvents, l.Seq, l.FirstID, l.LastID)
	if err == nil {
		_, err = t.Exec(ctx, pruneLinks, l.Seq-1, l.Seq)
	}
	return n, wrap(err, "prune link %d of the chain", l.Seq)
}

// DropChainLinks implements auth.ChainWriter.
func (t Tx) DropChainLinks(ctx context.Context, upTo int64) error {
	_, err := t.Exec(ctx, pruneLinks, int64(math.MinInt64), upTo)
	return wrap(err, "drop links of the chain")
}
