package throttle

import (
	"net/netip"
	"strings"
	"testing"
)

func prefixes(s ...string) []netip.Prefix {
	var p []netip.Prefix
	for _, s := range s {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

// LESSON 23, 24
func TestClientAddress(t *testing.T) {
	const (
		xff   = "X-Forwarded-For"
		fwd   = "Forwarded"
		proxy = "10.0.0.1:4711" // trusted
	)
	trusted := prefixes("10.0.0.0/8", "2001:db8:ffff::/48")
	type headers = map[string][]string
	for _, c := range []struct {
		name    string
		peer    string
		headers headers
		want    string // "" for none
		ignored bool   // because of the peer
	}{
		// The peer alone.
		{"no proxy", "203.0.113.7:1234", nil, "203.0.113.7", false},
		{"IPv6", "[2001:db8::7]:1234", nil, "2001:db8::7", false},
		{"IPv6 with a zone", "[fe80::7%eth0]:1234", nil, "fe80::7", false},
		{"mapped", "[::ffff:203.0.113.7]:1234", nil, "203.0.113.7", false},
		{"without a port", "203.0.113.7", nil, "203.0.113.7", false},
		{"Unix socket", "@", headers{xff: {"198.51.100.1"}}, "", false},
		{"nothing", "", nil, "", false},
		{"no address", "example.com:80", nil, "", false},

		// An untrusted peer is believed nothing.
		{"spoofed", "203.0.113.7:1", headers{xff: {"198.51.100.1"}, fwd: {"for=198.51.100.1"}, "X-Real-Ip": {"198.51.100.1"}}, "203.0.113.7", false},
		{"spoofed from loopback", "127.0.0.1:1", headers{xff: {"198.51.100.1"}}, "127.0.0.1", true},
		{"spoofed from loopback, IPv6", "[::1]:1", headers{fwd: {"for=198.51.100.1"}}, "::1", true},
		{"X-Real-IP from loopback", "127.0.0.1:1", headers{"X-Real-Ip": {"198.51.100.1"}}, "127.0.0.1", true},
		{"nothing from loopback", "127.0.0.1:1", headers{"X_forwarded_for": {"198.51.100.1"}}, "127.0.0.1", false},

		// A trusted one.
		{"one proxy", proxy, headers{xff: {"198.51.100.1"}}, "198.51.100.1", false},
		{"the mapped proxy", "[::ffff:10.0.0.1]:1", headers{xff: {"198.51.100.1"}}, "198.51.100.1", false},
		{"the IPv6 proxy", "[2001:db8:ffff::1]:1", headers{xff: {"198.51.100.1"}}, "198.51.100.1", false},
		{"left-most spoofed", proxy, headers{xff: {"1.1.1.1, 127.0.0.1, 198.51.100.1"}}, "198.51.100.1", false},
		{"two proxies", proxy, headers{xff: {"1.1.1.1, 198.51.100.1, 10.1.1.1"}}, "198.51.100.1", false},
		{"two lines", proxy, headers{xff: {"198.51.100.1", "10.1.1.1"}}, "198.51.100.1", false},
		{"two lines, the first spoofed", proxy, headers{xff: {"1.1.1.1", "198.51.100.1"}}, "198.51.100.1", false},
		{"all trusted", proxy, headers{xff: {"10.9.9.9, 10.1.1.1"}}, "10.9.9.9", false},
		{"no header", proxy, nil, "10.0.0.1", false},
		{"empty header", proxy, headers{xff: {""}}, "10.0.0.1", false},
		{"empty elements", proxy, headers{xff: {"1.1.1.1, 198.51.100.1, ,", ""}}, "198.51.100.1", false},
		{"blanks", proxy, headers{xff: {" \t198.51.100.1\t "}}, "198.51.100.1", false},

		// Other headers.
		{"X-Real-IP", proxy, headers{"X-Real-Ip": {"198.51.100.1"}}, "10.0.0.1", false},
		{"underscores", proxy, headers{"X_Forwarded_For": {"198.51.100.1"}, "X_forwarded_for": {"198.51.100.1"}}, "10.0.0.1", false},
		{"both", proxy, headers{xff: {"198.51.100.1"}, fwd: {"for=1.1.1.1"}}, "198.51.100.1", false},

		// Spellings.
		{"with a port", proxy, headers{xff: {"198.51.100.1:8080"}}, "198.51.100.1", false},
		{"bare IPv6", proxy, headers{xff: {"2001:db8::7"}}, "2001:db8::7", false},
		{"brackets", proxy, headers{xff: {"[2001:db8::7]"}}, "2001:db8::7", false},
		{"brackets and a port", proxy, headers{xff: {"[2001:db8::7]:8080"}}, "2001:db8::7", false},
		{"quotes", proxy, headers{xff: {`"198.51.100.1"`}}, "198.51.100.1", false},
		{"quotes, brackets, port", proxy, headers{xff: {`1.1.1.1, "[2001:db8::7]:8080"`}}, "2001:db8::7", false},
		{"zone", proxy, headers{xff: {"fe80::7%eth0"}}, "fe80::7", false},
		{"mapped client", proxy, headers{xff: {"::ffff:198.51.100.1"}}, "198.51.100.1", false},
		{"mapped second proxy", proxy, headers{xff: {"198.51.100.1, ::ffff:10.1.1.1"}}, "198.51.100.1", false},
		{"upper case", proxy, headers{xff: {"2001:DB8::7"}}, "2001:db8::7", false},

		// What is no address ends the walk.
		{"garbage", proxy, headers{xff: {"garbage"}}, "10.0.0.1", false},
		{"garbage before", proxy, headers{xff: {"garbage, 198.51.100.1"}}, "198.51.100.1", false},
		{"garbage between", proxy, headers{xff: {"1.1.1.1, garbage, 10.1.1.1"}}, "10.1.1.1", false},
		{"a name", proxy, headers{xff: {"1.1.1.1, unknown"}}, "10.0.0.1", false},
		{"octal", proxy, headers{xff: {"1.1.1.1, 0313.0.0161.07"}}, "10.0.0.1", false},
		{"a number", proxy, headers{xff: {"1.1.1.1, 3405803783"}}, "10.0.0.1", false},
		{"a network", proxy, headers{xff: {"1.1.1.1, 198.51.100.0/24"}}, "10.0.0.1", false},
		{"two without a comma", proxy, headers{xff: {"1.1.1.1 198.51.100.1"}}, "10.0.0.1", false},
		{"one quote", proxy, headers{xff: {`1.1.1.1, "198.51.100.1`}}, "10.0.0.1", false},
		{"line break", proxy, headers{xff: {"1.1.1.1,\n198.51.100.1"}}, "10.0.0.1", false},

		// RFC 7239.
		{"Forwarded", proxy, headers{fwd: {"for=198.51.100.1"}}, "198.51.100.1", false},
		{"Forwarded, all of it", proxy, headers{fwd: {`For="[2001:db8:cafe::17]:4711";proto=http;by=10.0.0.1;host="a;b,c"`}}, "2001:db8:cafe::17", false},
		{"Forwarded, two", proxy, headers{fwd: {"for=1.1.1.1, for=198.51.100.1;by=10.1.1.1, proto=https;FOR=10.1.1.1"}}, "198.51.100.1", false},
		{"Forwarded, lines", proxy, headers{fwd: {"for=1.1.1.1", `for="198.51.100.1:80"`, "for=10.1.1.1"}}, "198.51.100.1", false},
		{"Forwarded, open quote", proxy, headers{fwd: {`for="1.1.1.1`, "for=198.51.100.1"}}, "198.51.100.1", false},
		{"Forwarded, open quote and comma", proxy, headers{fwd: {`for=1.1.1.1;host=", for=2.2.2.2`, `for=198.51.100.1;host="x"`}}, "198.51.100.1", false},
		{"Forwarded, host of the client's choice", proxy, headers{fwd: {`for=198.51.100.1;host="a\", for=1.1.1.1"`}}, "198.51.100.1", false},
		{"Forwarded, host that ends in a backslash", proxy, headers{fwd: {`for=198.51.100.1;host="a\\"`}}, "198.51.100.1", false},
		{"Forwarded, unknown", proxy, headers{fwd: {"for=1.1.1.1, for=unknown"}}, "10.0.0.1", false},
		{"Forwarded, hidden", proxy, headers{fwd: {"for=1.1.1.1, for=_gazonk"}}, "10.0.0.1", false},
		{"Forwarded, without for", proxy, headers{fwd: {"for=1.1.1.1, by=198.51.100.1"}}, "10.0.0.1", false},
		{"Forwarded, for twice", proxy, headers{fwd: {"for=1.1.1.1, for=2.2.2.2;for=198.51.100.1"}}, "10.0.0.1", false},
		{"Forwarded, a bare address", proxy, headers{fwd: {"198.51.100.1"}}, "10.0.0.1", false},
	} {
		header := ForwardedFor
		if strings.HasPrefix(c.name, "Forwarded") {
			header = Forwarded
		}
		addr, ignored := ClientAddress(c.peer, c.headers, trusted, header)
		got := ""
		if addr.IsValid() {
			got = addr.String()
		}
		if got != c.want || (ignored == IgnoredPeer) != c.ignored {
			t.Errorf("%s: %q %v: %s, ignored %v; want %s, %v", c.name, c.peer, c.headers, got, ignored, c.want, c.ignored)
		}
	}
}

// TestClientAddressLoopbackProxy: a trusted loopback proxy is believed.
func TestClientAddressLoopbackProxy(t *testing.T) {
	h := map[string][]string{"X-Forwarded-For": {"198.51.100.1"}}
	addr, ignored := ClientAddress("127.0.0.1:1", h, prefixes("127.0.0.0/8"), ForwardedFor)
	if addr.String() != "198.51.100.1" || ignored != NothingIgnored {
		t.Errorf("%v, ignored %v", addr, ignored)
	}
}

// TestOneHeader: what a proxy does not write itself it passes on as the client
// sent it.
func TestOneHeader(t *testing.T) {
	type headers = map[string][]string
	trusted := prefixes("10.0.0.0/8")
	for _, c := range []struct {
		name, header string
		headers      headers
		want         string
		ignored      Ignored
	}{
		{"the proxy's", ForwardedFor, headers{ForwardedFor: {"198.51.100.1"}}, "198.51.100.1", NothingIgnored},
		{"the client's beside it", ForwardedFor, headers{ForwardedFor: {"198.51.100.1"}, Forwarded: {"for=1.1.1.1"}}, "198.51.100.1", NothingIgnored},
		{"the other one's", Forwarded, headers{Forwarded: {"for=198.51.100.1"}}, "198.51.100.1", NothingIgnored},
		{"the client's beside that", Forwarded, headers{ForwardedFor: {"1.1.1.1"}, Forwarded: {"for=198.51.100.1"}}, "198.51.100.1", NothingIgnored},
		{"the wrong one", ForwardedFor, headers{Forwarded: {"for=198.51.100.1"}}, "10.0.0.1", IgnoredHeader},
		{"the other wrong one", Forwarded, headers{ForwardedFor: {"198.51.100.1"}}, "10.0.0.1", IgnoredHeader},
		{"none", Forwarded, nil, "10.0.0.1", NothingIgnored},
	} {
		if addr, ignored := ClientAddress("10.0.0.1:4711", c.headers, trusted, c.header); addr.String() != c.want || ignored != c.ignored {
			t.Errorf("%s: %v, ignored %v; want %s, %v", c.name, addr, ignored, c.want, c.ignored)
		}
	}
}

// FuzzForwarded: whatever a client sends, what the proxy appends counts; and
// an untrusted peer is its own address.
//
// ROW 12
func FuzzForwarded(f *testing.F) {
	for _, s := range []string{
		"", "198.51.100.1", "1.1.1.1, 10.0.0.1", `for="`, `for=1.1.1.1;host="a\", for=2.2.2.2"`, `"[::1%25]:80"`, ",,,", `\"\\"`,
		"for=1.1.1.1;for=2.2.2.2", "[", "]", "[]:", `"`, `""`, ";;=;", "::ffff:10.0.0.1%z", "unknown", "\x00\xff",
	} {
		f.Add(s)
	}
	trusted := prefixes("10.0.0.0/8")
	f.Fuzz(func(t *testing.T, sent string) {
		for name, appended := range map[string][]string{
			"X-Forwarded-For": {"203.0.113.9", "203.0.113.9:80", `"203.0.113.9"`},
			"Forwarded":       {"for=203.0.113.9", `proto=https;for="203.0.113.9:80"`, `for=203.0.113.9;host="a;\"b,c\\"`},
		} {
			for _, node := range appended {
				for _, lines := range [][]string{{sent, node}, {sent + ", " + node}} {
					addr, _ := ClientAddress("10.0.0.1:1", map[string][]string{name: lines}, trusted, name)
					if addr.String() != "203.0.113.9" {
						t.Errorf("%s: %q: %v", name, lines, addr)
					}
				}
			}
			alone := map[string][]string{name: {sent}}
			if addr, _ := ClientAddress("10.0.0.1:1", alone, trusted, name); !addr.IsValid() || addr.Is4In6() || addr.Zone() != "" {
				t.Errorf("%s: %q: %v", name, sent, addr)
			}
			if addr, _ := ClientAddress("203.0.113.9:1", alone, trusted, name); addr.String() != "203.0.113.9" {
				t.Errorf("untrusted, %s: %q: %v", name, sent, addr)
			}
		}
		if addr, _ := ClientAddress(sent, nil, trusted, ForwardedFor); strings.TrimSpace(sent) == "" && addr.IsValid() {
			t.Errorf("peer %q: %v", sent, addr)
		}
	})
}
