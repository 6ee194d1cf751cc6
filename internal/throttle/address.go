package throttle

import (
	"net"
	"net/netip"
	"strings"
)

// ClientAddress says who the client is. That is the peer of the connection
// (host:port, as net/http's RemoteAddr), unless the peer is a trusted proxy;
// then it is the right-most address in its forwarding header that is no
// trusted proxy. What stands left of that one was written by the client and is
// not looked at.
//
// header is the one that proxies write it in, ForwardedFor or Forwarded; several
// lines of it are one, in order. Nothing else is read: a proxy that writes one
// passes the other on as the client sent it, X-Real-IP cannot tell of two
// proxies, and X_Forwarded_For is a client's trick on servers that take "_" for
// "-". headers has the canonical names of net/http.
//
// An entry that is no address ends the walk, and the address right of it is
// the client's: the proxy that wrote the entry, or the peer. So does the left
// end of the header. Trust no network that clients are in: they could then
// write the rest of the list.
//
// The address is IPv4 even if it came as IPv4 mapped into IPv6, and has no
// zone. It is the zero Addr if the peer has none (a Unix socket).
//
// ignored tells of forwarding headers that look like a mistake in the settings.
func ClientAddress(peer string, headers map[string][]string, trusted []netip.Prefix, header string) (addr netip.Addr, ignored Ignored) {
	addr, ok := parseNode(peer)
	if !ok {
		return netip.Addr{}, NothingIgnored
	}
	if !contains(trusted, addr) {
		if addr.IsLoopback() && forwarded(headers) {
			ignored = IgnoredPeer
		}
		return addr, ignored
	}
	if len(headers[header]) == 0 && (len(headers[ForwardedFor]) > 0 || len(headers[Forwarded]) > 0) {
		ignored = IgnoredHeader
	}
	next := rightToLeft(headers[header], header)
	for {
		node, more := next()
		if !more {
			return addr, ignored
		}
		left, ok := parseNode(node)
		if !ok {
			return addr, ignored
		}
		addr = left
		if !contains(trusted, addr) {
			return addr, ignored
		}
	}
}

// The headers that ClientAddress reads.
const (
	ForwardedFor = "X-Forwarded-For"
	Forwarded    = "Forwarded" // RFC 7239
)

// Ignored says of what forwarding headers nothing was read.
type Ignored int

const (
	// NothingIgnored: of none that should have been.
	NothingIgnored Ignored = iota
	// IgnoredPeer: those of a loopback peer that is not trusted, most likely a
	// proxy that nobody told us of.
	IgnoredPeer
	// IgnoredHeader: a trusted proxy sent another one than that which it is said
	// to write, and not that one.
	IgnoredHeader
)

// Trusted reports whether the peer of a connection is a trusted proxy: what
// else it says of a request may be believed, too.
func Trusted(peer string, trusted []netip.Prefix) bool {
	addr, ok := parseNode(peer)
	return ok && contains(trusted, addr)
}

// forwarded reports whether a proxy seems to have been at work.
func forwarded(headers map[string][]string) bool {
	return len(headers[ForwardedFor]) > 0 || len(headers[Forwarded]) > 0 || len(headers["X-Real-Ip"]) > 0
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// rightToLeft gives the entries of the forwarding header, the nearest first,
// as far as it is asked to. It never reads what is left of that, so that a
// client cannot spoil what a proxy appended.
func rightToLeft(lines []string, header string) func() (node string, more bool) {
	if header != Forwarded {
		return elements(strings.Join(lines, ","), cutComma)
	}
	next := elements(strings.Join(lines, ","), cutQuotedComma)
	return func() (string, bool) {
		element, more := next()
		return forParameter(element), more
	}
}

// elements walks a list from the right by what cuts its last element off.
// Empty elements are skipped (RFC 9110 §5.6.1.2).
func elements(rest string, cutLast func(string) (before, last string)) func() (string, bool) {
	return func() (string, bool) {
		for rest != "" {
			var last string
			rest, last = cutLast(rest)
			if last = strings.Trim(last, " \t"); last != "" {
				return last, true
			}
		}
		return "", false
	}
}

func cutComma(s string) (before, last string) {
	i := strings.LastIndexByte(s, ',')
	return s[:max(i, 0)], s[i+1:]
}

// cutQuotedComma is cutComma where a comma between quotes does not count. Read
// from the right, a quote opens at its end.
func cutQuotedComma(s string) (before, last string) {
	quoted := false
	for i := len(s) - 1; i >= 0; i-- {
		switch {
		case s[i] == '"' && !(quoted && escaped(s, i)):
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return "", s
}

// escaped reports whether an odd number of backslashes precedes s[i].
func escaped(s string, i int) bool {
	n := 0
	for i--; i >= 0 && s[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}

// forParameter gives the "for" of a Forwarded element, "" if there is not
// exactly one.
func forParameter(element string) string {
	node, found := "", 0
	for element != "" {
		var pair string
		pair, element = cutPair(element)
		name, value, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
		if ok && strings.EqualFold(name, "for") { //nolint:forbidigo // f, o and r have no other fold.
			node, found = value, found+1
		}
	}
	if found != 1 {
		return ""
	}
	return node
}

// cutPair cuts at the first semicolon that is not between quotes.
func cutPair(s string) (pair, rest string) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"' && !(quoted && escaped(s, i)):
			quoted = !quoted
		case s[i] == ';' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// parseNode reads an address in the spellings that proxies use: with or
// without a port, IPv6 with or without brackets, in quotes, with a zone.
// Names ("unknown", "_hidden") are none.
func parseNode(s string) (netip.Addr, bool) {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	} else if len(s) >= 2 && s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap().WithZone(""), true
}
