package chain

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/token"
)

// label is the purpose that the MAC's key is derived for.
const label = "audit chain"

// The forms of what is hashed. Whoever changes one gives it another name.
const (
	rowForm   = "latchkey event 1"
	linkForm  = "latchkey link 1"
	chainForm = "latchkey chain 1"
)

// writer spells values so that no two lists of them are spelled alike: a text
// is its length in bytes and itself, a number eight bytes, high ones first.
type writer struct{ b []byte }

func (w *writer) text(s string) *writer {
	w.b = binary.BigEndian.AppendUint64(w.b, uint64(len(s)))
	w.b = append(w.b, s...)
	return w
}

func (w *writer) number(n int64) *writer {
	w.b = binary.BigEndian.AppendUint64(w.b, uint64(n))
	return w
}

func (w *writer) time(t time.Time) *writer {
	if t.IsZero() {
		return w.number(0)
	}
	return w.number(t.UnixMicro())
}

// batch adds up the hash of a link's events, in the order of their ids.
type batch struct {
	sum hash.Hash
	w   writer
}

func newBatch() *batch { return &batch{sum: sha256.New()} }

// add takes every column of an event but the link that it is in: that is known
// by the link.
func (b *batch) add(r *auth.AuditRow) {
	b.w.b = b.w.b[:0]
	b.w.text(rowForm).number(r.ID).number(r.At).text(r.Kind).number(r.UserID).number(r.ActorID).text(r.SessionID).
		text(r.Address).text(r.UserAgent).number(r.Count).text(r.Detail).text(r.Changes)
	if r.Minute != nil {
		b.w.number(*r.Minute)
	}
	if r.Request != "" {
		// With its name, since what has none is hashed as it was before there
		// were any.
		b.w.text("request").text(r.Request)
	}
	// The length makes it one of a list.
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(b.w.b)))
	b.sum.Write(n[:])
	b.sum.Write(b.w.b)
}

func (b *batch) hash() string { return hex.EncodeToString(b.sum.Sum(nil)) }

// linkHash is the hash of a link that follows the one with the hash before.
func linkHash(before string, l auth.ChainLink) string {
	var w writer
	w.text(linkForm).text(before).number(l.Seq).time(l.At).number(l.Count).number(l.FirstID).number(l.LastID).
		text(l.IDs).time(l.LastAt).text(l.Batch)
	sum := sha256.Sum256(w.b)
	return hex.EncodeToString(sum[:])
}

// sign puts the chain under a key's MAC.
func sign(c auth.Chain, key token.Key) auth.Chain {
	c.KeyID = key.ID()
	c.MAC = hex.EncodeToString(key.MAC(label, spelled(c)))
	return c
}

// fits reports whether the chain's MAC is that key's.
func fits(c auth.Chain, key token.Key) bool {
	mac, err := hex.DecodeString(c.MAC)
	return err == nil && key.ID() == c.KeyID && hmac.Equal(mac, key.MAC(label, spelled(c)))
}

func spelled(c auth.Chain) []byte {
	var w writer
	w.text(chainForm).time(c.BegunAt).number(c.Events).number(c.HeadSeq).text(c.HeadHash).time(c.SealedAt).
		number(c.AnchorSeq).text(c.AnchorHash).time(c.AnchoredAt).number(c.AcceptedSeq).time(c.AcceptedAt).
		time(c.VerifiedAt).number(c.VerifiedSeq).number(c.Problems).text(c.KeyID)
	return w.b
}

// idRanges spells ids, which ascend, as "1-5,7".
func idRanges(rows []auth.AuditRow) string {
	var b strings.Builder
	for i := 0; i < len(rows); {
		j := i
		for j+1 < len(rows) && rows[j+1].ID == rows[j].ID+1 {
			j++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(rows[i].ID, 10))
		if j > i {
			b.WriteByte('-')
			b.WriteString(strconv.FormatInt(rows[j].ID, 10))
		}
		i = j + 1
	}
	return b.String()
}

// idRange are ids that follow one another.
type idRange struct{ first, last int64 }

func (r idRange) String() string {
	if r.first == r.last {
		return strconv.FormatInt(r.first, 10)
	}
	return strconv.FormatInt(r.first, 10) + "-" + strconv.FormatInt(r.last, 10)
}

// idSet goes through the ids of a link in order, range by range: whoever wrote
// them may have written large ones.
type idSet struct {
	rest string
	at   idRange // what is left of the range under way; empty if first > last
}

func idsOf(l *auth.ChainLink) *idSet { return &idSet{rest: l.IDs, at: idRange{1, 0}} }

// upTo takes the ids before id out of the set, calling missing for them, and
// reports whether id itself is in it.
func (s *idSet) upTo(id int64, missing func(idRange)) bool {
	for s.next() {
		switch {
		case s.at.first > id:
			return false
		case s.at.last < id:
			missing(s.at)
			s.at = idRange{1, 0}
		default:
			if s.at.first < id {
				missing(idRange{s.at.first, id - 1})
			}
			s.at.first = id + 1
			return true
		}
	}
	return false
}

// left calls missing for what has not been taken.
func (s *idSet) left(missing func(idRange)) {
	for s.next() {
		missing(s.at)
		s.at = idRange{1, 0}
	}
}

// next makes a range be under way; false after the last.
func (s *idSet) next() bool {
	for s.at.first > s.at.last {
		if s.rest == "" {
			return false
		}
		var part string
		part, s.rest, _ = strings.Cut(s.rest, ",")
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		var err1, err2 error
		s.at.first, err1 = strconv.ParseInt(first, 10, 64)
		s.at.last, err2 = strconv.ParseInt(last, 10, 64)
		if err1 != nil || err2 != nil {
			s.at, s.rest = idRange{1, 0}, "" // The link's hash tells of it.
		}
	}
	return true
}

// Mark is a place of the chain, as it is kept off the machine: "12:5f1c…".
type Mark struct {
	Seq  int64
	Hash string
}

func (m Mark) String() string { return strconv.FormatInt(m.Seq, 10) + ":" + m.Hash }

// ParseMark reads what Mark.String writes.
func ParseMark(s string) (Mark, bool) {
	seq, sum, ok := strings.Cut(s, ":")
	n, err := strconv.ParseInt(seq, 10, 64)
	if b, hexErr := hex.DecodeString(sum); !ok || err != nil || n < 1 || hexErr != nil || len(b) != sha256.Size {
		return Mark{}, false
	}
	return Mark{n, strings.ToLower(sum)}, true
}
