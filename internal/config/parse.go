package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// wrong is what parsing says of a value: what is wrong and a hint.
type wrong struct{ what, hint string }

func (w *wrong) Error() string { return w.what }

func wrongf(hint, format string, args ...any) error {
	return &wrong{fmt.Sprintf(format, args...), hint}
}

// splitList splits the text of a list at commas; blanks around elements do
// not count, and "" is the empty list.
func splitList(s string) []string {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// set parses the text of one source into the field. All that is wrong with a
// list comes joined.
func (f field) set(c *Config, text string) error {
	v := reflect.ValueOf(c).Elem().FieldByIndex(f.index)
	if f.list() {
		return f.setList(v, splitList(text))
	}
	if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
		return wrongf("", "is not text in UTF-8")
	}
	return f.setScalar(v, text)
}

func (f field) setScalar(v reflect.Value, text string) error {
	switch f.typ {
	case reflect.TypeFor[Secret]():
		if text == "" {
			// Taken for unset, it would quietly fall back to a key of our own.
			return wrongf("give it a value or remove it", "is empty")
		}
		v.Set(reflect.ValueOf(NewSecret(text)))
		return nil
	case reflect.TypeFor[Duration]():
		d, err := ParseDuration(text)
		if err != nil {
			return wrongf("write it like 180m, 3h, 30d, or as a number of seconds", "%q is not a duration", text)
		}
		low, _ := ParseDuration(f.min)
		high, _ := ParseDuration(f.max)
		if d < low || d > high {
			return wrongf("take a value from "+f.min+" to "+f.max, "%q is out of range", text)
		}
		v.SetInt(int64(d))
		return nil
	case reflect.TypeFor[DatabaseURL]():
		if err := checkDatabase(text); err != nil {
			return err
		}
		v.SetString(text)
		return nil
	}
	switch f.typ.Kind() {
	case reflect.Bool:
		b, err := parseBool(text)
		if err != nil {
			return wrongf("write true or false", "%q is neither true nor false", text)
		}
		v.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return wrongf("write it like "+f.def, "%q is not a whole number", text)
		}
		low, _ := strconv.Atoi(f.min)
		high, _ := strconv.Atoi(f.max)
		if n < low || n > high {
			return wrongf("take a value from "+f.min+" to "+f.max, "%d is out of range", n)
		}
		v.SetInt(int64(n))
	default:
		if f.oneof != nil && !contains(f.oneof, text) {
			return wrongf(oneOf(text, f.oneof), "%q is none of the values", text)
		}
		if err := checkText(f.key, text); err != nil {
			return err
		}
		v.SetString(text)
	}
	return nil
}

func (f field) setList(v reflect.Value, parts []string) error {
	out := reflect.MakeSlice(f.typ, 0, len(parts))
	var errs []error
	for _, part := range parts {
		e, err := f.element(part)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = reflect.Append(out, reflect.ValueOf(e))
	}
	v.Set(out)
	return errors.Join(errs...)
}

// element parses one element of a list.
func (f field) element(s string) (any, error) {
	switch f.typ {
	case reflect.TypeFor[[]auth.Role]():
		if r := auth.Role(s); r.Valid() {
			return r, nil
		}
		var names []string
		for _, r := range auth.Roles() {
			names = append(names, string(r))
		}
		return nil, wrongf(oneOf(s, names), "%q is not a role", s)
	case reflect.TypeFor[[]netip.Prefix]():
		return parsePrefix(s)
	}
	switch f.key {
	case "cors.origins":
		return parseOrigin(s)
	case "hosts":
		return parseHost(s)
	}
	return s, nil
}

func contains(words []string, s string) bool {
	for _, w := range words {
		if w == s {
			return true
		}
	}
	return false
}

func oneOf(s string, words []string) string {
	if n := nearest(strings.ToLower(s), words); n != "" {
		return fmt.Sprintf("did you mean %s? It is one of %s", n, strings.Join(words, ", "))
	}
	return "it is one of " + strings.Join(words, ", ")
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, errors.New("not a bool")
}

// parsePrefix takes a network or a single address. Host bits that are set are
// a mistake: 10.0.0.7/8 may be meant as either.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, wrongf("write it like 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32", "%q is neither an address nor a network", s)
	}
	if p != p.Masked() {
		return netip.Prefix{}, wrongf(fmt.Sprintf("write %s for the network or %s for the one address", p.Masked(), p.Addr()), "%q has bits set beyond its prefix", s)
	}
	return p, nil
}

// parseOrigin takes an origin as browsers send it (RFC 6454, section 6.2):
// scheme, host, and a port unless it is the scheme's own.
func parseOrigin(s string) (string, error) {
	const example = "write it like https://app.example.com or http://localhost:3000"
	if s == "*" {
		return "", wrongf("name each origin: with * any page could call as its visitor", "\"*\" is not an origin")
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || strings.ContainsAny(s, " \t\r\n*"):
		return "", wrongf(example, "%q is not an origin", redactURL(s))
	case u.Scheme != "http" && u.Scheme != "https":
		return "", wrongf(example, "%q is neither http nor https", redactURL(s))
	case u.User != nil:
		return "", wrongf(example, "an origin has no user or password")
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(s, "?#"):
		return "", wrongf("write "+u.Scheme+"://"+u.Host, "%q has something after the host", s)
	case strings.ToLower(u.Host) != u.Host || !strings.HasPrefix(s, u.Scheme):
		return "", wrongf("write "+u.Scheme+"://"+strings.ToLower(u.Host), "%q has capitals; browsers send origins without", s)
	case u.Scheme == "http" && u.Port() == "80", u.Scheme == "https" && u.Port() == "443", strings.HasSuffix(u.Host, ":"):
		return "", wrongf("write "+u.Scheme+"://"+strings.TrimSuffix(u.Host, ":"+u.Port()), "%q names the scheme's own port; browsers leave it out", s)
	case !validPort(u.Port()):
		return "", wrongf(example, "%q has a port that does not exist", s)
	}
	return s, nil
}

// redactURL hides a password in what may be a URL.
func redactURL(s string) string {
	if strings.Contains(s, "@") {
		return hidden
	}
	return s
}

func validPort(s string) bool {
	if s == "" {
		return true
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// parseHost takes a host name or address as a Host header has it, without the
// port.
func parseHost(s string) (string, error) {
	const hint = "write the name alone, like auth.example.com"
	if s == "*" {
		return "", wrongf("leave the list empty", "\"*\" is not a host; an empty list takes any")
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && a.Zone() == "" {
		return strings.Trim(s, "[]"), nil
	}
	if strings.Contains(s, "://") || strings.ContainsAny(s, "/@:?# \t") {
		return "", wrongf(hint, "%q is more than a host", redactURL(s))
	}
	if s == "" || len(s) > 253 || strings.TrimPrefix(s, ".") == "" || strings.Contains(s, "..") || strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-._") != "" {
		return "", wrongf(hint+"; a name outside ASCII in its punycode", "%q is not a host name", s)
	}
	return strings.ToLower(s), nil
}

// checkDatabase looks at the form of the URL; it is never quoted, for it may
// carry a password.
func checkDatabase(s string) error {
	const hint = "leave it empty for SQLite in the data folder, or write postgres://user@host/name"
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return wrongf(hint, "is not a PostgreSQL URL")
	}
	return nil
}

// checkText looks at the texts that have a form of their own.
func checkText(key, s string) error {
	switch key {
	case "listen":
		host, port, err := net.SplitHostPort(s)
		if err != nil {
			hint := "write it like 127.0.0.1:8000"
			if _, err := strconv.ParseUint(s, 10, 16); err == nil {
				hint = "write 127.0.0.1:" + s + ", or :" + s + " for every address of the machine"
			}
			return wrongf(hint, "%q is not an address with a port", s)
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return wrongf("take a port from 0 to 65535", "%q is not a port", port)
		}
		if strings.ContainsAny(host, "/ @") {
			return wrongf("write it like 127.0.0.1:8000", "%q is not an address", host)
		}
	case "data":
		if s == "" {
			return wrongf("name a folder, such as ./data", "is empty")
		}
	case "public_url":
		if s == "" {
			return nil
		}
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return wrongf("write it like https://auth.example.com", "%q is not the address of a server", redactURL(s))
		}
	}
	return nil
}
