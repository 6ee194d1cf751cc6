package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"iter"
	"slices"
)

// Kind is what a column holds, on either engine.
type Kind int

// The kinds, with the Go type of their values; NULL is nil.
const (
	Integer Kind = iota // int64
	Text                // string
	Boolean             // bool
	Bytes               // []byte
)

func (k Kind) String() string { return [...]string{"integer", "text", "boolean", "bytes"}[k] }

// Column is a column of a table.
type Column struct {
	Name string
	Kind Kind
}

// Table is a table, its columns in the order of their names.
type Table struct {
	Name    string
	Columns []Column
	// Key are the columns of the primary key, in its order.
	Key []string
	// Counted: the engine numbers its rows and never gives a number again.
	Counted bool
}

func (t Table) equal(o Table) bool {
	return t.Name == o.Name && slices.Equal(t.Columns, o.Columns) && slices.Equal(t.Key, o.Key) && t.Counted == o.Counted
}

// ErrNotEmpty says that there is something in the target already.
var ErrNotEmpty = errors.New("the database is not empty")

// SchemaError says that the database is of another version than the program.
type SchemaError struct{ Have, Want int64 }

func (e *SchemaError) Error() string {
	return fmt.Sprintf("the schema is of version %d, this program's is %d", e.Have, e.Want)
}

// Reader is a database as it is at one moment.
type Reader interface {
	// Tables gives the tables in the order of their names.
	Tables(ctx context.Context) ([]Table, error)
	// Rows gives a table's rows in the order of its key, text by its bytes, each
	// with the values of Columns. The slice is the next row's afterwards.
	Rows(ctx context.Context, t Table) iter.Seq2[[]any, error]
	// LastNumber is the highest number ever given to a row of a counted table.
	LastNumber(ctx context.Context, t Table) (int64, error)
	// Close ends the reading.
	Close(ctx context.Context) error
}

// Writer is an empty database. Nothing has happened to it until Commit.
type Writer interface {
	Reader
	// Load writes rows into a table and gives their number.
	Load(ctx context.Context, t Table, rows iter.Seq2[[]any, error]) (int64, error)
	// SetLastNumber makes the table's next number a higher one than last.
	SetLastNumber(ctx context.Context, t Table, last int64) error
	// Commit makes what was loaded the database's content, durably.
	Commit(ctx context.Context) error
}

// Edit changes a row on its way; it may be nil. The row's values are those of
// t.Columns.
type Edit func(t Table, row []any) error

// Copied says what became of a table.
type Copied struct {
	Table string
	Rows  int64
	// Hash is the SHA-256 of the rows in the order of the key, which the target
	// was read again for.
	Hash [sha256.Size]byte
}

// Copy copies every row and number, reads the target again and compares, and
// commits. tell, if it is not nil, hears now and then of the rows written so far.
// Without a nil error nothing has happened to the target.
func Copy(ctx context.Context, from Reader, to Writer, edit Edit, tell func(table string, rows int64)) ([]Copied, error) {
	tables, err := sameTables(ctx, from, to)
	if err != nil {
		return nil, err
	}
	var done []Copied
	for _, t := range tables {
		digest := newDigest(t)
		n, err := to.Load(ctx, t, passing(t, from.Rows(ctx, t), edit, digest, tell))
		if err != nil {
			return nil, fmt.Errorf("copy %s: %w", t.Name, err)
		}
		if err := copyNumber(ctx, from, to, t); err != nil {
			return nil, fmt.Errorf("copy the last number of %s: %w", t.Name, err)
		}
		done = append(done, Copied{t.Name, n, digest.sum()})
	}
	for i, t := range tables {
		if err := verify(ctx, to, t, done[i]); err != nil {
			return nil, err
		}
	}
	if err := to.Commit(ctx); err != nil {
		return nil, fmt.Errorf("commit the copy: %w", err)
	}
	return done, nil
}

// sameTables gives the tables if both databases have them, and refuses a target
// that is of another schema.
func sameTables(ctx context.Context, from Reader, to Writer) ([]Table, error) {
	have, err := from.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the tables to copy: %w", err)
	}
	want, err := to.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the tables to copy to: %w", err)
	}
	for _, t := range have {
		i := slices.IndexFunc(want, func(o Table) bool { return o.Name == t.Name })
		if i < 0 || !t.equal(want[i]) {
			return nil, fmt.Errorf("the databases do not have the same table %s", t.Name)
		}
	}
	if len(have) != len(want) {
		return nil, errors.New("the databases do not have the same tables")
	}
	return have, nil
}

func copyNumber(ctx context.Context, from Reader, to Writer, t Table) error {
	if !t.Counted {
		return nil
	}
	last, err := from.LastNumber(ctx, t)
	if err != nil || last == 0 {
		return err
	}
	if err := to.SetLastNumber(ctx, t, last); err != nil {
		return err
	}
	if got, err := to.LastNumber(ctx, t); err != nil || got != last {
		return errors.Join(err, fmt.Errorf("it is %d afterwards, want %d", got, last))
	}
	return nil
}

// tellEvery is how many rows tell hears of at once.
const tellEvery = 1000

// passing is rows on their way, edited and digested.
func passing(t Table, rows iter.Seq2[[]any, error], edit Edit, d *digest, tell func(string, int64)) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		var n int64
		for row, err := range rows {
			if err == nil && edit != nil {
				err = edit(t, row)
			}
			if err == nil {
				err = d.add(row)
			}
			if !yield(row, err) || err != nil {
				return
			}
			if n++; tell != nil && n%tellEvery == 0 {
				tell(t.Name, n)
			}
		}
		if tell != nil {
			tell(t.Name, n)
		}
	}
}

func verify(ctx context.Context, to Reader, t Table, want Copied) error {
	d := newDigest(t)
	var n int64
	for row, err := range to.Rows(ctx, t) {
		if err == nil {
			err = d.add(row)
		}
		if err != nil {
			return fmt.Errorf("read %s again: %w", t.Name, err)
		}
		n++
	}
	if n != want.Rows || d.sum() != want.Hash {
		return fmt.Errorf("%s is not the same afterwards: %d rows of %d, or other ones", t.Name, n, want.Rows)
	}
	return nil
}

// digest hashes rows so that no two lists of rows are the same bytes: each value
// has its kind and its length before it.
type digest struct {
	table Table
	hash  hash.Hash
	buf   []byte
}

func newDigest(t Table) *digest { return &digest{table: t, hash: sha256.New()} }

func (d *digest) add(row []any) error {
	if len(row) != len(d.table.Columns) {
		return fmt.Errorf("a row has %d values, want %d", len(row), len(d.table.Columns))
	}
	d.buf = d.buf[:0]
	for i, v := range row {
		c := d.table.Columns[i]
		ok := true
		switch v := v.(type) {
		case nil:
			d.buf = append(d.buf, 'n')
		case int64:
			ok = c.Kind == Integer
			d.buf = binary.BigEndian.AppendUint64(append(d.buf, 'i'), uint64(v))
		case bool:
			ok = c.Kind == Boolean
			b := byte('f')
			if v {
				b = 't'
			}
			d.buf = append(d.buf, b)
		case string:
			ok = c.Kind == Text
			d.buf = append(binary.BigEndian.AppendUint64(append(d.buf, 's'), uint64(len(v))), v...)
		case []byte:
			ok = c.Kind == Bytes
			d.buf = append(binary.BigEndian.AppendUint64(append(d.buf, 'b'), uint64(len(v))), v...)
		default:
			ok = false
		}
		if !ok {
			return fmt.Errorf("column %s holds a %T, which is no %s", c.Name, v, c.Kind)
		}
	}
	d.hash.Write(d.buf)
	return nil
}

func (d *digest) sum() (sum [sha256.Size]byte) { return [sha256.Size]byte(d.hash.Sum(nil)) }
