package django

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store/django"
)

// address is what is held of every user while it is looked for twins: 16 bytes.
type address struct {
	hash uint64
	id   int64
}

func hashKey(key string) uint64 {
	sum := sha256.Sum256([]byte(key))
	return binary.BigEndian.Uint64(sum[:])
}

func sortAddresses(all []address) {
	slices.SortFunc(all, func(a, b address) int {
		switch {
		case a.hash < b.hash:
			return -1
		case a.hash > b.hash:
			return 1
		default:
			return 0
		}
	})
}

// survey goes over ids and addresses once, before anything is taken over: who is
// a twin must be known before the first of them comes by.
func (im *importer) survey(ctx context.Context) error {
	addresses := make([]address, 0, min(im.report.Total, 50_000_000))
	q := im.query()
	q.Groups = ""
	read := int64(0)
	err := im.Source.Rows(ctx, q, func(page []django.Row) error {
		for _, row := range page {
			read++
			id, err := im.id(row)
			if row.Err != nil {
				im.blind = true
			}
			if err != nil {
				continue
			}
			im.ids = append(im.ids, id)
			if email, err := im.email(row); err == nil {
				addresses = append(addresses, address{hashKey(email.Key), id})
			}
		}
		im.progress("looking", read, im.report.Total)
		return nil
	})
	if err != nil {
		return fmt.Errorf("look at the users: %w", err)
	}
	slices.Sort(im.ids)
	for i := 1; i < len(im.ids); i++ {
		if im.ids[i] == im.ids[i-1] {
			im.double[im.ids[i]] = 0
		}
	}
	sortAddresses(addresses)
	im.suspects = map[uint64]bool{}
	for i := 1; i < len(addresses); i++ {
		if addresses[i].hash == addresses[i-1].hash && addresses[i].id != addresses[i-1].id {
			im.suspects[addresses[i].hash] = true
		}
	}
	return nil
}

// twin is one of several users with one address.
type twin struct {
	id        int64
	row       int64
	shown     string
	lastLogin time.Time
	created   time.Time
	imported  bool
}

// twins decides between users whose addresses differ only in case.
func (im *importer) twins(ctx context.Context) error {
	if len(im.suspects) == 0 {
		return nil
	}
	groups := map[string][]twin{}
	q := im.query()
	q.Groups = ""
	err := im.Source.Rows(ctx, q, func(page []django.Row) error {
		for _, row := range page {
			id, err := im.id(row)
			if err != nil {
				continue
			}
			email, err := im.email(row)
			if err != nil || !im.suspects[hashKey(email.Key)] {
				continue
			}
			t := twin{id: id, row: row.Place, shown: email.Shown}
			t.lastLogin, _ = django.Time(im.value(row, FieldLastLogin), im.zone)
			t.created, _ = django.Time(im.value(row, FieldCreatedAt), im.zone)
			if !slices.ContainsFunc(groups[email.Key], func(o twin) bool { return o.id == id }) {
				groups[email.Key] = append(groups[email.Key], t)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look at the users: %w", err)
	}
	for _, group := range groups {
		if len(group) < 2 {
			continue
		}
		if err := im.decide(ctx, group); err != nil {
			return err
		}
	}
	return nil
}

// decide makes losers of all of a group but the one who is taken over.
func (im *importer) decide(ctx context.Context, group []twin) error {
	im.report.Twins++
	slices.SortFunc(group, func(a, b twin) int { return int(min(max(a.id-b.id, -1), 1)) })
	if im.Store != nil {
		ids := make([]int64, len(group))
		for i, t := range group {
			ids[i] = t.id
		}
		noted, err := im.Store.Read().ImportBases(ctx, ids)
		if err != nil {
			return fmt.Errorf("look at who was imported: %w", err)
		}
		for _, b := range noted {
			i := slices.IndexFunc(group, func(t twin) bool { return t.id == b.UserID })
			group[i].imported = !b.Buried()
		}
	}
	winner := slices.IndexFunc(group, func(t twin) bool { return t.imported })
	if winner < 0 {
		switch im.Conflict {
		case ConflictOldest:
			winner = 0
		case ConflictNewest:
			winner = 0
			for i, t := range group {
				w := group[winner]
				if c := t.lastLogin.Compare(w.lastLogin); c > 0 || c == 0 && t.created.After(w.created) {
					winner = i
				}
			}
		default:
		}
	}
	for i, t := range group {
		if i == winner {
			continue
		}
		var others []string
		for j, o := range group {
			if j != i {
				others = append(others, fmt.Sprintf("%s (id %d)", o.shown, o.id))
			}
		}
		const most = 5
		if n := len(others); n > most {
			others = append(others[:most], fmt.Sprintf("%d more", n-most))
		}
		why := fmt.Sprintf("%s is here the same address as %s", t.shown, strings.Join(others, ", "))
		if winner >= 0 {
			why += fmt.Sprintf("; %s (id %d) is taken over", group[winner].shown, group[winner].id)
		} else {
			why += "; none of them is taken over: --conflict newest or oldest would decide"
		}
		im.losers[t.id] = why
	}
	return nil
}

// goneBatch is how many who are gone are dealt with in one transaction.
const goneBatch = 200

// gone deals with users who were taken over and are not in the source any more:
// who was removed there must not get in here.
func (im *importer) gone(ctx context.Context) error {
	if im.Gone == GoneKeep {
		return nil
	}
	var gone []int64
	all := int64(0)
	for after := int64(0); ; {
		ids, err := im.Store.Read().ImportedIDs(ctx, after, django.PageRows)
		if err != nil {
			return fmt.Errorf("look for those who are gone: %w", err)
		}
		for _, id := range ids {
			all++
			after = id
			if _, there := slices.BinarySearch(im.ids, id); !there {
				gone = append(gone, id)
			}
		}
		if len(ids) < django.PageRows {
			break
		}
	}
	im.report.Gone = int64(len(gone))
	if len(gone) == 0 {
		return nil
	}
	switch {
	case im.blind:
		im.report.GoneUnknown = true
		return nil
	case im.Gone == GoneCautious && len(gone) > 20 && int64(len(gone)) > all/20:
		return fmt.Errorf("%w: %d of %d", ErrManyGone, len(gone), all)
	}
	for batch := range slices.Chunk(gone, goneBatch) {
		if err := im.shutOut(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

func (im *importer) shutOut(ctx context.Context, ids []int64) error {
	noted, err := im.Store.Read().ImportBases(ctx, ids)
	if err != nil {
		return fmt.Errorf("look at those who are gone: %w", err)
	}
	bases := map[int64]base{}
	for _, b := range noted {
		bases[b.UserID], _ = parseBase(b.Base)
	}
	here, err := im.Store.Read().UsersByIDs(ctx, ids)
	if err != nil {
		return fmt.Errorf("look at those who are gone: %w", err)
	}
	inactive := digestOf(mergeActive, "false")
	due := here[:0]
	for _, u := range here {
		// One who is active here although the last import shut them out was let
		// in again by somebody.
		if u.IsActive && bases[u.ID].digests[mergeActive] != inactive {
			due = append(due, u)
		}
	}
	slices.SortFunc(due, func(a, b auth.User) int { return int(min(max(a.ID-b.ID, -1), 1)) })
	if len(due) == 0 {
		return nil
	}
	now := im.Now()
	var out outcome
	if im.DryRun {
		for _, u := range due {
			out.problem(im, user{ImportedUser: auth.ImportedUser{ID: u.ID, Email: auth.Email{Shown: u.Email}}}, classGone, nil,
				"the user is not in the source any more and would be deactivated")
		}
	} else {
		err = im.Store.Update(ctx, func(tx auth.Tx) error {
			out = outcome{}
			m := merger{im: im, tx: tx, now: now, out: &out}
			if err := tx.LockAdmins(ctx); err != nil {
				return err
			}
			for _, u := range due {
				if err := m.shut(ctx, u.ID, bases[u.ID]); err != nil {
					return err
				}
			}
			_, err := tx.Revoke(ctx, m.revocations...)
			return err
		})
		if err != nil {
			return fmt.Errorf("shut out those who are gone: %w", err)
		}
	}
	for _, p := range out.problems {
		im.problem(p)
	}
	return nil
}

// shut deactivates a user who is gone.
func (m *merger) shut(ctx context.Context, id int64, b base) error {
	here, err := m.tx.UpdateUser(ctx, id, auth.UserChange{}, m.now)
	if err != nil {
		return err //nolint:wrapcheck // It says what it is.
	}
	u := user{ImportedUser: auth.ImportedUser{ID: id, Email: auth.Email{Shown: here.Email}}}
	if !here.IsActive {
		return nil
	}
	if here.Role == auth.RoleAdmin {
		n, err := m.tx.CountAdmins(ctx, 2)
		if err != nil {
			return err //nolint:wrapcheck // It says what it is.
		}
		if n < 2 {
			m.out.problem(m.im, u, classAdmin, nil, "the user is not in the source any more, but this is the last active administrator here")
			return nil
		}
	}
	if _, err := m.change(ctx, here, u, []int{mergeActive}); err != nil {
		return err
	}
	m.out.problem(m.im, u, classGone, nil, "the user is not in the source any more and was deactivated")
	b.digests[mergeActive] = digestOf(mergeActive, "false")
	return m.tx.SetImported(ctx, auth.ImportBase{UserID: id, Base: b.bytes()}, here.UpdatedAt, here.LastLogin) //nolint:wrapcheck // It says what it is.
}
