package breach

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// reach is where a range API may be. An address is judged when it is dialled,
// whatever name it came from: a name may lead elsewhere the next time (DNS
// rebinding), and what answers inside a network is nobody's to reach by way of
// this server (ASVS 13.2.4).
type reach int

const (
	// public is the Internet.
	public reach = iota
	// private is that and the private networks (RFC 1918, RFC 4193, RFC 6598).
	private
	// local is this machine alone.
	local
)

// reachOf gives where the API of this host may be. Whoever writes a loopback
// address, or localhost, means this machine.
func reachOf(host string, allowPrivate bool) reach {
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "localhost", err == nil && ip.Unmap().IsLoopback():
		return local
	case allowPrivate:
		return private
	}
	return public
}

// Networks of other uses than to reach a host on the Internet (IANA's
// special-purpose registries, RFC 6890), and addresses under which clouds hand
// out the credentials of a machine.
var (
	neverDialled = prefixes(
		"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "100.100.100.200/32",
		"::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fe80::/10", "fec0::/10",
		"ff00::/8", "fd00:ec2::254/128", "fd20:ce::254/128",
	)
	privateNetworks = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
	// Of these an IPv4 address is a part: translation (RFC 6052) and 6to4.
	translated = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func in(ip netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// allows judges an address.
func (r reach) allows(ip netip.Addr) bool {
	if ip.Zone() != "" {
		return false
	}
	ip = ip.Unmap()
	if r == local {
		return ip.IsLoopback()
	}
	if b := ip.As16(); translated.Contains(ip) {
		ip = netip.AddrFrom4([4]byte(b[12:]))
	} else if sixToFour.Contains(ip) {
		ip = netip.AddrFrom4([4]byte(b[2:6]))
	}
	if in(ip, neverDialled) {
		return false
	}
	if in(ip, privateNetworks) {
		return r == private
	}
	return ip.IsGlobalUnicast()
}

// errReach is that of an address that is not to be dialled. It names none: what
// a name stands for inside a network is not for a log that others read.
var errReach = errors.New("its name leads to an address where no range API may be; one in your own network wants password.range_private")

// control is net.Dialer.ControlContext.
func (r reach) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !strings.HasPrefix(network, "tcp") || !r.allows(to.Addr()) {
		return errReach
	}
	return nil
}

// CheckRangeURL says what is wrong with the address of a range API: it must be
// https://, but for a loopback address, where http:// will do. One on a private
// network must be allowed; a name is judged when it is dialled.
func CheckRangeURL(s string, allowPrivate bool) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return errors.New("is not an address such as https://api.pwnedpasswords.com/range/")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return errors.New("has more than scheme, host and path")
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("has the scheme %q", u.Scheme)
	}
	host := u.Hostname()
	r := reachOf(host, allowPrivate)
	if ip, err := netip.ParseAddr(host); err == nil {
		if !r.allows(ip) {
			if private.allows(ip) {
				return errors.New("is an address in a private network, which password.range_private does not allow")
			}
			return errors.New("is an address where no range API may be")
		}
	} else if numeric(host) {
		// Some resolvers take 2130706433 or 0x7f.1 for an address.
		return errors.New("has a host that is neither a name nor an address as one writes them")
	}
	if u.Scheme == "http" && r != local {
		return errors.New("is plain http to another machine, which could be read and altered on the way")
	}
	return nil
}

// numeric reports whether the last part of a host is a number, as no domain's is.
func numeric(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	digits := "0123456789"
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		last, digits = hex, digits+"abcdef"
	}
	return strings.Trim(last, digits) == ""
}
