package config

import (
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxFile is the most bytes of a configuration file that are read.
const maxFile = 1 << 20

// entry is one key of the file with its value as TOML has it.
type entry struct {
	key   string
	value any
	line  int
}

// readTOML gives the file's entries in the order of their lines. An error has
// been made fit to print: it never quotes a line, which might hold a secret.
func readTOML(data []byte) ([]entry, int, error) {
	var tree map[string]any
	if err := toml.Unmarshal(data, &tree); err != nil {
		var de *toml.DecodeError
		if errors.As(err, &de) {
			line, column := de.Position()
			return nil, line, fmt.Errorf("column %d: %s", column, strings.TrimPrefix(de.Error(), "toml: "))
		}
		return nil, 0, errors.New(strings.TrimPrefix(err.Error(), "toml: "))
	}
	lines := keyLines(data)
	var entries []entry
	var flatten func(prefix []string, table map[string]any)
	flatten = func(prefix []string, table map[string]any) {
		for name, value := range table {
			path := append(append([]string{}, prefix...), name)
			if sub, ok := value.(map[string]any); ok && len(path) == 1 {
				if len(sub) > 0 {
					flatten(path, sub)
					continue
				}
			}
			key := dotted(path)
			entries = append(entries, entry{key, value, lines[key]})
		}
	}
	flatten(nil, tree)
	sort.Slice(entries, func(i, j int) bool {
		a, b := entries[i], entries[j]
		return a.line < b.line || a.line == b.line && a.key < b.key
	})
	return entries, 0, nil
}

// dotted joins the parts of a key; a part with a dot of its own is quoted, so
// that "tokens.access" = … is not taken for [tokens] access.
func dotted(path []string) string {
	parts := make([]string, len(path))
	for i, p := range path {
		if parts[i] = p; p == "" || strings.ContainsAny(p, ". \t\r\n\"'") {
			parts[i] = strconv.Quote(p)
		}
	}
	return strings.Join(parts, ".")
}

// keyLines finds the line of each key in a file that has been found well
// formed: the decoder keeps no positions. Tables count too.
func keyLines(data []byte) map[string]int {
	lines := map[string]int{}
	var p unstable.Parser
	p.Reset(data)
	var table []string
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = keyPath(&p, e, nil, lines)
		case unstable.KeyValue:
			keyLine(&p, e, table, lines)
		default: // A comment.
		}
	}
	return lines
}

func keyLine(p *unstable.Parser, e *unstable.Node, table []string, lines map[string]int) {
	path := keyPath(p, e, table, lines)
	if v := e.Value(); v.Kind == unstable.InlineTable {
		for it := v.Children(); it.Next(); {
			keyLine(p, it.Node(), path, lines)
		}
	}
}

// keyPath gives the whole key of an expression and notes the line of each of
// its prefixes.
func keyPath(p *unstable.Parser, e *unstable.Node, table []string, lines map[string]int) []string {
	path := append([]string{}, table...)
	for it := e.Key(); it.Next(); {
		path = append(path, string(it.Node().Data))
		if key := dotted(path); lines[key] == 0 {
			lines[key] = p.Shape(it.Node().Raw).Start.Line
		}
	}
	return path
}

// setTOML sets the field from a TOML value, which has the type that the file
// should give it.
func (f field) setTOML(c *Config, value any) error {
	if f.list() {
		array, ok := value.([]any)
		if !ok {
			return wrongf(`write it like ["a", "b"]`, "is not a list")
		}
		parts := make([]string, len(array))
		for i, a := range array {
			if parts[i], ok = a.(string); !ok {
				return wrongf(`write it like ["a", "b"]`, "has an element that is not a text")
			}
		}
		return f.setList(reflect.ValueOf(c).Elem().FieldByIndex(f.index), parts)
	}
	switch value := value.(type) {
	case string:
		if k := f.typ.Kind(); k == reflect.Bool || k == reflect.Int {
			return wrongf("write it without quotes", "is a text, not %s", article(f))
		}
		return f.set(c, value)
	case bool:
		if f.typ.Kind() == reflect.Bool {
			return f.set(c, strconv.FormatBool(value))
		}
	case int64:
		if k := f.typ.Kind(); k == reflect.Int || f.typ == reflect.TypeFor[Duration]() {
			return f.set(c, strconv.FormatInt(value, 10))
		}
	}
	return wrongf(f.example(), "is not %s", article(f))
}

func article(f field) string {
	switch {
	case f.typ == reflect.TypeFor[Duration]():
		return "a duration"
	case f.typ.Kind() == reflect.Bool:
		return "true or false"
	case f.typ.Kind() == reflect.Int:
		return "a number"
	default:
		return "a text"
	}
}

func (f field) example() string {
	switch {
	case f.secret() || f.def == "":
		return "write it in quotes"
	case f.typ.Kind() == reflect.Bool || f.typ.Kind() == reflect.Int:
		return "write it like " + f.def
	default:
		return "write it like " + strconv.Quote(f.def)
	}
}
