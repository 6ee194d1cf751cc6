package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// field is one setting as its tags describe it.
type field struct {
	key     string // "tokens.access"
	index   []int  // where in Config
	typ     reflect.Type
	def     string
	help    string
	oneof   []string
	min     string // of range; "" for none
	max     string
	section string // "tokens", or ""
}

// env is the name of the environment variable: LATCHKEY_TOKENS_ACCESS.
func (f field) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(f.key, ".", "_"))
}

func (f field) secret() bool { return f.typ == reflect.TypeFor[Secret]() }

func (f field) list() bool { return f.typ.Kind() == reflect.Slice }

// kind names the type for people.
func (f field) kind() string {
	switch {
	case f.oneof != nil:
		return strings.Join(f.oneof, ", ")
	case f.secret():
		return "secret"
	}
	switch f.typ {
	case reflect.TypeFor[Duration]():
		return "duration"
	case reflect.TypeFor[DatabaseURL]():
		return "URL"
	case reflect.TypeFor[[]auth.Role]():
		return "list of roles"
	case reflect.TypeFor[[]netip.Prefix]():
		return "list of networks"
	}
	switch f.typ.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "number"
	case reflect.Slice:
		return "list"
	default:
		return "text"
	}
}

// fields lists the settings in the order of Config.
func fields() []field {
	return appendFields(nil, reflect.TypeFor[Config](), "", nil)
}

func appendFields(out []field, t reflect.Type, section string, at []int) []field {
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() {
			continue
		}
		index := append(append([]int{}, at...), i)
		key := sf.Tag.Get("key")
		if section != "" {
			key = section + "." + key
		}
		if sf.Type.Kind() == reflect.Struct && sf.Type != reflect.TypeFor[Secret]() {
			out = appendFields(out, sf.Type, key, index)
			continue
		}
		f := field{key: key, index: index, typ: sf.Type, section: section, def: sf.Tag.Get("default"), help: sf.Tag.Get("help")}
		if s := sf.Tag.Get("oneof"); s != "" {
			f.oneof = strings.Fields(s)
		}
		f.min, f.max, _ = strings.Cut(sf.Tag.Get("range"), "-")
		out = append(out, f)
	}
	return out
}

// sections gives the name and the description of each section, in order.
func sections() [][2]string {
	var out [][2]string
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		if sf := t.Field(i); sf.IsExported() && sf.Type.Kind() == reflect.Struct {
			out = append(out, [2]string{sf.Tag.Get("key"), sf.Tag.Get("help")})
		}
	}
	return out
}

// text gives the value as a source would spell it; secrets are hidden.
func (f field) text(c *Config) string {
	v := reflect.ValueOf(c).Elem().FieldByIndex(f.index)
	if f.list() {
		return strings.Join(elements(v), ",")
	}
	return scalarText(v)
}

// toml gives the value as the file would spell it; secrets are hidden.
func (f field) toml(c *Config) string {
	v := reflect.ValueOf(c).Elem().FieldByIndex(f.index)
	switch {
	case f.list():
		quoted := elements(v)
		for i := range quoted {
			quoted[i] = quote(quoted[i])
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case f.typ.Kind() == reflect.Bool, f.typ.Kind() == reflect.Int:
		return scalarText(v)
	default:
		return quote(scalarText(v))
	}
}

func elements(v reflect.Value) []string {
	out := make([]string, v.Len())
	for i := range out {
		out[i] = scalarText(v.Index(i))
	}
	return out
}

// scalarText asks the value's own String, which hides what is to be hidden.
func scalarText(v reflect.Value) string {
	if s, ok := v.Interface().(interface{ String() string }); ok {
		return s.String()
	}
	switch v.Kind() {
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int:
		return strconv.FormatInt(v.Int(), 10)
	default:
		return v.String()
	}
}

// quote writes a TOML basic string. strconv.Quote has escapes that TOML lacks.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
