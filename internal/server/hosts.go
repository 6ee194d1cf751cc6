package server

import (
	"net"
	"strings"
)

// hosts is the names that requests may be addressed to; empty takes any.
type hosts map[string]bool

func newHosts(names []string) hosts {
	h := make(hosts, len(names))
	for _, n := range names {
		h[hostName(n)] = true
	}
	return h
}

// allow judges a Host header, with or without a port, in any case, as Django's
// ALLOWED_HOSTS does; ".example.com" stands for the domain and all below it.
func (h hosts) allow(host string) bool {
	if len(h) == 0 {
		return true
	}
	name := hostName(host)
	if h[name] || h["*"] {
		return true
	}
	for rest := name; rest != ""; {
		if h["."+rest] {
			return true
		}
		_, after, ok := strings.Cut(rest, ".")
		if !ok {
			break
		}
		rest = after
	}
	return false
}

// hostName is the host without port, brackets, trailing dot and case.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
