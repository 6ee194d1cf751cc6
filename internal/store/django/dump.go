package django

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// maxRecord is the most bytes of a dump's record; what is longer is no row of a
// user's.
const maxRecord = 1 << 20

// dump is the JSON of dumpdata: a list of {"model", "pk", "fields"}. It is read
// anew for each question, a record at a time.
type dump struct {
	name string

	groups map[int64]string
}

func openDump(name string) (Source, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return &dump{name: abs}, nil
}

func (d *dump) Engine() string { return "dumpdata" }
func (d *dump) Name() string   { return d.name }
func (d *dump) Close() error   { return nil }

// record is one of a dump.
type record struct {
	number int64
	model  string
	pk     any
	// fields in the order of the dump; a list is []any.
	fields map[string]any
	err    error
}

// table is the name that a model's table has unless the model says otherwise.
func (r record) table() string {
	return strings.ReplaceAll(strings.ToLower(r.model), ".", "_")
}

// records calls each for the records of a table, "" for all of them.
func (d *dump) records(ctx context.Context, table string, each func(record) error) error {
	f, err := os.Open(d.name)
	if err != nil {
		return fmt.Errorf("open the dump: %w", err)
	}
	defer f.Close()
	s := splitter{in: bufio.NewReaderSize(f, 1<<18)}
	for n := int64(1); ; n++ {
		raw, whole, err := s.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: record %d: %w", d.name, n, err)
		}
		if n%1000 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if table != "" {
			if model, ok := modelOf(raw); ok && (record{model: model}).table() != table {
				continue
			}
		}
		r := record{number: n, err: errTooLong}
		if whole {
			r = readRecord(raw)
			r.number = n
		} else if model, ok := modelOf(raw); ok {
			r.model = model
		}
		if table == "" || r.table() == table || r.model == "" {
			if err := each(r); err != nil {
				return err
			}
		}
	}
}

var (
	errTooLong = fmt.Errorf("the record is longer than %d bytes", maxRecord)
	errRecord  = errors.New("the record is no JSON object of model, pk and fields")
)

// modelOf finds the model of a record without reading all of it; false where it
// is not where dumpdata writes it.
func modelOf(raw []byte) (string, bool) {
	rest := bytes.TrimLeft(raw, "{ \t\r\n")
	rest, ok := bytes.CutPrefix(rest, []byte(`"model"`))
	if !ok {
		return "", false
	}
	rest, ok = bytes.CutPrefix(bytes.TrimLeft(rest, ": \t\r\n"), []byte(`"`))
	if !ok {
		return "", false
	}
	end := bytes.IndexAny(rest, `"\`)
	if end < 0 || rest[end] != '"' {
		return "", false
	}
	return string(rest[:end]), true
}

// readRecord reads a record; duplicate names and invalid UTF-8 are its error.
func readRecord(raw []byte) (r record) {
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	fail := func(err error) record {
		if r.model == "" {
			r.model, _ = modelOf(raw)
		}
		return record{model: r.model, err: err}
	}
	if t, err := dec.ReadToken(); err != nil || t.Kind() != jsontext.KindBeginObject {
		return fail(errRecord)
	}
	for dec.PeekKind() != jsontext.KindEndObject {
		name, err := dec.ReadToken()
		if err != nil {
			return fail(fmt.Errorf("%w: %s", errRecord, reason(err)))
		}
		key := name.String()
		if key == "fields" && dec.PeekKind() == jsontext.KindBeginObject {
			if r.fields, err = readFields(dec); err != nil {
				return fail(err)
			}
			continue
		}
		v, err := dec.ReadValue()
		if err != nil {
			return fail(fmt.Errorf("%w: %s", errRecord, reason(err)))
		}
		switch key {
		case "model":
			r.model, _ = plain(v).(string)
		case "pk":
			r.pk = plain(v)
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return fail(fmt.Errorf("%w: %s", errRecord, reason(err)))
	}
	if r.model == "" || r.fields == nil {
		return fail(errRecord)
	}
	return r
}

func readFields(dec *jsontext.Decoder) (map[string]any, error) {
	if _, err := dec.ReadToken(); err != nil {
		return nil, errRecord
	}
	fields := map[string]any{}
	for dec.PeekKind() != jsontext.KindEndObject {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, fmt.Errorf("%w: %s", errRecord, reason(err))
		}
		if len(fields) >= maxColumns {
			return nil, fmt.Errorf("the record has more than %d fields", maxColumns)
		}
		key := name.String()
		v, err := dec.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("%w: %s", errRecord, reason(err))
		}
		fields[key] = plain(v)
	}
	_, err := dec.ReadToken()
	return fields, err
}

// reason says what is wrong with JSON without quoting it.
func reason(err error) string {
	var s *jsontext.SyntacticError
	if errors.As(err, &s) {
		if errors.Is(s, jsontext.ErrDuplicateName) {
			return "a name is there twice"
		}
		if s.Err != nil {
			what, _, _ := strings.Cut(s.Err.Error(), "`")
			return strings.TrimSpace(what)
		}
	}
	return "it is malformed"
}

// plain makes a value of JSON what a database would give: nil, bool, int64,
// string; a list of those; nothing else (a JSON field) comes as its text.
func plain(v jsontext.Value) any {
	switch v.Kind() {
	case jsontext.KindNull:
		return nil
	case jsontext.KindTrue:
		return true
	case jsontext.KindFalse:
		return false
	case jsontext.KindString:
		b, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return nil
		}
		return string(b)
	case jsontext.KindNumber:
		var n int64
		if json.Unmarshal(v, &n) == nil {
			return n
		}
		var f float64
		if json.Unmarshal(v, &f) == nil && !math.IsInf(f, 0) {
			return f
		}
		return string(v)
	case jsontext.KindBeginArray:
		var list []any
		var raw []jsontext.Value
		if json.Unmarshal(v, &raw) == nil {
			for _, one := range raw {
				if one.Kind() == jsontext.KindBeginArray {
					list = append(list, string(one))
				} else {
					list = append(list, plain(one))
				}
			}
		}
		return list
	default:
		return string(v)
	}
}

// Tables implements Source.
func (d *dump) Tables(ctx context.Context) ([]Table, error) {
	var s schemaTables
	seen := map[string]map[string]bool{}
	err := d.records(ctx, "", func(r record) error {
		if r.err != nil {
			return nil //nolint:nilerr // Told of when its table is read.
		}
		name := r.table()
		if s.table(name) == nil {
			return nil
		}
		if seen[name] == nil {
			seen[name] = map[string]bool{"id": true}
			s.column(name, Column{Name: "id"})
		}
		for _, field := range sortedKeys(r.fields) {
			if !seen[name][field] && len(seen[name]) < maxColumns {
				seen[name][field] = true
				s.column(name, Column{Name: field})
			}
		}
		return nil
	})
	keys := map[string][]string{}
	for name := range seen {
		keys[name] = []string{"id"}
	}
	s.keys(keys)
	return s.tables, err
}

func sortedKeys(m map[string]any) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// Count implements Source.
func (d *dump) Count(ctx context.Context, table string) (n int64, err error) {
	err = d.records(ctx, table, func(record) error { n++; return nil })
	return n, err
}

// field gives a field of a record by the name of its column.
func (r record) field(column string) any {
	if column == "id" {
		if _, own := r.fields["id"]; !own {
			return r.pk
		}
	}
	if v, ok := r.fields[column]; ok {
		return v
	}
	return r.fields[strings.TrimSuffix(column, "_id")]
}

// Rows implements Source.
func (d *dump) Rows(ctx context.Context, q Query, each func([]Row) error) error {
	if q.Groups != "" && d.groups == nil {
		d.groups = map[int64]string{}
		err := d.records(ctx, "auth_group", func(r record) error {
			if id, ok := Int(r.pk); ok && len(d.groups) < maxGroups {
				d.groups[id], _ = Text(r.fields["name"])
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	var page []Row
	err := d.records(ctx, q.Table.Name, func(r record) error {
		row := Row{Place: r.number, Err: r.err}
		if r.err == nil {
			row.Values = make([]any, len(q.Columns))
			for i, c := range q.Columns {
				row.Values[i] = r.field(c)
			}
			if q.Groups != "" {
				row.Groups = d.groupNames(r.fields["groups"])
			}
		}
		if page = append(page, row); len(page) < PageRows {
			return nil
		}
		full := page
		page = nil
		return each(full)
	})
	if err != nil || len(page) == 0 {
		return err
	}
	return each(page)
}

// groupNames reads a user's groups: ids, or natural keys ([["Editors"]]).
func (d *dump) groupNames(v any) (names []string) {
	list, _ := v.([]any)
	for _, one := range list[:min(len(list), maxMemberships)] {
		if id, ok := Int(one); ok {
			if d.groups[id] != "" {
				names = append(names, d.groups[id])
			}
			continue
		}
		if s, ok := one.(string); ok {
			var natural []string
			if json.Unmarshal([]byte(s), &natural) == nil && len(natural) == 1 {
				names = append(names, natural[0])
			}
		}
	}
	return names
}

// Tokens implements Source. The ids of those that are blacklisted are held in
// memory, 8 bytes each.
func (d *dump) Tokens(ctx context.Context, now time.Time, each func([]Token) error) error {
	var blacklisted []int64
	err := d.records(ctx, BlacklistedTokens, func(r record) error {
		if id, ok := Int(r.field("token_id")); ok {
			blacklisted = append(blacklisted, id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(blacklisted)
	var page []Token
	err = d.records(ctx, OutstandingTokens, func(r record) error {
		if r.err != nil {
			page = append(page, Token{Place: r.number, Err: r.err})
		} else {
			t := newToken(r.number, r.field("jti"), r.field("user_id"), r.field("expires_at"))
			if id, ok := Int(r.pk); ok {
				_, t.Blacklisted = slices.BinarySearch(blacklisted, id)
			}
			if t.Err != nil || t.Expires.After(now) {
				page = append(page, t)
			}
		}
		if len(page) < PageRows {
			return nil
		}
		full := page
		page = nil
		return each(full)
	})
	if err != nil || len(page) == 0 {
		return err
	}
	return each(page)
}

// splitter cuts a JSON list into its elements without believing them: an element
// is what stands between brackets that match, outside of strings. So a record
// that is malformed, or too long to be kept, does not spoil those after it.
type splitter struct {
	in    *bufio.Reader
	begun bool
	buf   []byte
}

var errNotList = errors.New("it is no list of records: dumpdata writes [{…}, …]")

// next gives the next element, of which at most maxRecord bytes are kept; whole
// says that these are all. io.EOF after the end of the list.
func (s *splitter) next() (raw []byte, whole bool, err error) {
	c, err := s.skip()
	if err != nil {
		return nil, false, cutShort(err)
	}
	if !s.begun {
		if c != '[' {
			return nil, false, errNotList
		}
		s.begun = true
		if c, err = s.skip(); err != nil {
			return nil, false, cutShort(err)
		}
	} else if c == ',' {
		if c, err = s.skip(); err != nil {
			return nil, false, cutShort(err)
		}
	} else if c != ']' {
		return nil, false, errNotList
	}
	if c == ']' {
		return nil, false, io.EOF
	}
	if c != '{' {
		return nil, false, errNotList
	}
	s.buf = append(s.buf[:0], c)
	whole = true
	depth, text, escaped := 1, false, false
	for depth > 0 {
		if _, err := s.in.Peek(1); err != nil {
			return nil, false, cutShort(err)
		}
		chunk, _ := s.in.Peek(s.in.Buffered()) // which is there
		n := len(chunk)
		for i, c := range chunk {
			switch {
			case escaped:
				escaped = false
			case text && c == '\\':
				escaped = true
			case c == '"':
				text = !text
			case text:
			case c == '{' || c == '[':
				depth++
			case c == '}' || c == ']':
				depth--
			}
			if depth == 0 {
				n = i + 1
				break
			}
		}
		kept := min(n, maxRecord-len(s.buf))
		s.buf = append(s.buf, chunk[:kept]...)
		whole = whole && kept == n
		_, _ = s.in.Discard(n) // which is there
	}
	return s.buf, whole, nil
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the dump ends in the middle of it")
	}
	return err
}

// skip gives the next byte that is no blank; a byte order mark is none.
func (s *splitter) skip() (byte, error) {
	for {
		c, err := s.in.ReadByte()
		if err != nil {
			return 0, err
		}
		switch c {
		case ' ', '\t', '\r', '\n', 0xef, 0xbb, 0xbf:
		default:
			return c, nil
		}
	}
}
