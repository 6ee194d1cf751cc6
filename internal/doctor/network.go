package doctor

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/throttle"
)

// certificateNotice is how long before its end a certificate is told of.
const certificateNotice = 21 * day

var networkChecks = []check{
	{
		id: "listen-plain", severity: Error, title: "Whether passwords cross the network in the clear",
		what: "The server listens on {listen} by plain HTTP, and no proxy on another machine is named.",
		why:  "Whoever is on the way reads passwords and tokens; a proxy on this machine can be gone round.",
		mend: "Give it a certificate (tls.cert and tls.key), or listen on 127.0.0.1 behind a proxy that has one and name that proxy.",
		do:   "LATCHKEY_LISTEN=127.0.0.1:8000",
		judge: func(f *Facts) answer {
			return when(public(f.Config.Listen) && f.Config.TLS.Cert == "" && !slices.ContainsFunc(f.Config.Proxy.Trusted, elsewhere),
				"listen", f.Config.Listen)
		},
	},
	{
		id: "public-url-plain", severity: Error, title: "Whether people reach the server by TLS",
		what: "public_url is {value}: plain HTTP.",
		why:  "Links that Latchkey writes lead past TLS, and its cookies are sent in the clear.",
		mend: "Write the https address that people use.",
		do:   "LATCHKEY_PUBLIC_URL=https://{host}",
		judge: func(f *Facts) answer {
			u := f.Config.PublicURL
			if u == "" || local(hostOf(u)) {
				return skip()
			}
			return when(plain(u), "value", "http://"+hostOf(u), "host", hostOf(u))
		},
	},
	{
		id: "cookies-insecure", severity: Error, title: "Whether cookies stay on TLS",
		what: "A proxy is named but no https public_url, so cookies are not Secure.",
		why:  "A browser would send the session's cookies over plain HTTP too, to whoever listens.",
		mend: "Say under which https address people reach this server.",
		do:   "LATCHKEY_PUBLIC_URL=https://auth.example.com",
		judge: func(f *Facts) answer {
			if len(f.Config.Proxy.Trusted) == 0 {
				return skip()
			}
			return when(!f.Config.Secure() && f.Config.PublicURL == "")
		},
	},
	{
		id: "https-unserved", severity: Warning, title: "Who has the certificate",
		what: "public_url is https, but there is no tls.cert and no proxy is named.",
		why:  "Browsers are told to come by TLS alone (Strict-Transport-Security) and cookies are Secure: without TLS in front nobody signs in by cookie, and behind a proxy that is not named all clients count as one.",
		mend: "Name the proxy that has the certificate, or give this server one.",
		do:   "LATCHKEY_PROXY_TRUSTED=127.0.0.1",
		judge: func(f *Facts) answer {
			if !f.Config.Secure() {
				return skip()
			}
			return when(f.Config.TLS.Cert == "" && len(f.Config.Proxy.Trusted) == 0)
		},
	},
	{
		id: "public-url-missing", severity: Warning, title: "Whether the server knows its own address",
		what: "public_url is not set.",
		why:  "Links to this server are then made from the address of each request, which the client chooses.",
		mend: "Say under which address people reach it.",
		do:   "LATCHKEY_PUBLIC_URL=https://auth.example.com",
		judge: func(f *Facts) answer {
			if !reached(f.Config) || !f.Config.Secure() {
				return skip()
			}
			return when(f.Config.PublicURL == "")
		},
	},
	{
		id: "hosts-empty", severity: Warning, title: "Which host names are answered to",
		what: "hosts is empty: requests are answered whatever host they name.",
		why:  "A page of an attacker's can reach a server inside your network by a name of its own (DNS rebinding).",
		mend: "List the names under which people reach this server.",
		do:   "LATCHKEY_HOSTS={host}",
		judge: func(f *Facts) answer {
			if !reached(f.Config) {
				return skip()
			}
			host := hostOf(f.Config.PublicURL)
			if host == "" {
				host = "auth.example.com"
			}
			return when(len(f.Config.Hosts) == 0, "host", host)
		},
	},
	{
		id: "hosts-lack-public", severity: Error, title: "Whether the server answers to its own address",
		what: "hosts does not list {host}, the host of public_url.",
		why:  "Everybody who comes by that address gets 400.",
		mend: "Add it to the list.",
		do:   "LATCHKEY_HOSTS={value}",
		judge: func(f *Facts) answer {
			host := strings.ToLower(hostOf(f.Config.PublicURL))
			if host == "" || len(f.Config.Hosts) == 0 {
				return skip()
			}
			for _, h := range f.Config.Hosts {
				if h == host || h == "*" || strings.HasPrefix(h, ".") && (host == h[1:] || strings.HasSuffix(host, h)) {
					return fine()
				}
			}
			return found("host", host, "value", strings.Join(append([]string{host}, f.Config.Hosts...), ","))
		},
	},
	{
		id: "proxy-anybody", severity: Error, title: "Whether clients can choose their own address",
		what: "proxy.trusted has {value}: everybody is a trusted proxy.",
		why:  "A client writes whatever address it likes into X-Forwarded-For, and no limit by address holds it.",
		mend: "Name the addresses of your proxies alone.",
		do:   "LATCHKEY_PROXY_TRUSTED=127.0.0.1",
		judge: func(f *Facts) answer {
			var wide []string
			for _, p := range f.Config.Proxy.Trusted {
				if p.Bits() == 0 {
					wide = append(wide, p.String())
				}
			}
			if len(f.Config.Proxy.Trusted) == 0 {
				return skip()
			}
			return when(len(wide) > 0, "value", few(wide))
		},
	},
	{
		id: "proxy-broad", severity: Warning, title: "How many addresses count as proxies",
		what: "proxy.trusted has the large network {value}.",
		why:  "Any client in it can choose the address that limits and audit go by.",
		mend: "Name the addresses of your proxies, or the small network that only they are in.",
		do:   "LATCHKEY_PROXY_TRUSTED=127.0.0.1",
		judge: func(f *Facts) answer {
			var wide []string
			for _, p := range f.Config.Proxy.Trusted {
				if bits := p.Bits(); bits != 0 && (p.Addr().Is4() && bits < 16 || p.Addr().Is6() && bits < 48) {
					wide = append(wide, p.String())
				}
			}
			if len(f.Config.Proxy.Trusted) == 0 {
				return skip()
			}
			return when(len(wide) > 0, "value", few(wide))
		},
	},
	{
		id: "proxy-unknown", severity: Warning, title: "Whether a proxy is in front that was not named",
		what: "A peer on this machine sends forwarded headers and is no trusted proxy.",
		why:  "All its clients count as one and without an address: no limit by address holds, and the audit trail does not say from where.",
		mend: "If it is your proxy, name it.",
		do:   "LATCHKEY_PROXY_TRUSTED=127.0.0.1,::1",
		judge: func(f *Facts) answer {
			if !f.Running {
				return skip()
			}
			return when(f.ForwardedIgnored)
		},
	},
	{
		id: "proxy-header", severity: Warning, title: "Whether proxies write the header that is read",
		what: "Through a trusted proxy came {other} and not {header}, which is read.",
		why:  "If it is the proxy that writes it, all its clients count as one: no limit by address tells them apart, and the audit trail does not say from where. If a client did, nothing is wrong but that the proxy writes neither.",
		mend: "Have the proxy write {header} itself, in place of what clients send. Where it writes {other}, and lets none of a client's through, name that as proxy.header.",
		judge: func(f *Facts) answer {
			if !f.Running || len(f.Config.Proxy.Trusted) == 0 {
				return skip()
			}
			other := throttle.Forwarded
			if f.Config.Proxy.Header == other {
				other = throttle.ForwardedFor
			}
			return when(f.OtherHeader, "other", other, "header", f.Config.Proxy.Header)
		},
	},
	{
		id: "cors-plain", severity: Warning, title: "Whether pages that may call come by TLS",
		what: "cors.origins lists pages that come by plain HTTP: {value}.",
		why:  "Whoever is on the way to such a page changes it, and it then acts here as its visitor.",
		mend: "Serve the page by https and list that origin.",
		do:   "LATCHKEY_CORS_ORIGINS=https://app.example.com",
		judge: func(f *Facts) answer {
			return origins(f, false)
		},
	},
	{
		id: "cors-local", severity: Notice, title: "Whether pages of development may call",
		what: "cors.origins lists pages on the visitor's own machine: {value}.",
		why:  "Any program that serves a page there may call this server as whoever looks at it; it is the default for development.",
		mend: "List the origins of your applications instead.",
		do:   "LATCHKEY_CORS_ORIGINS=https://app.example.com",
		judge: func(f *Facts) answer {
			return origins(f, true)
		},
	},
	{
		id: "tls-certificate-unusable", severity: Error, title: "Whether the certificate can be used",
		what: "The certificate cannot be used: {problem}.",
		why:  "The server does not start with it.",
		mend: "Mend tls.cert ({cert}) and tls.key.",
		judge: func(f *Facts) answer {
			if f.Config.TLS.Cert == "" {
				return skip()
			}
			return when(f.TLS.Problem != "", "problem", f.TLS.Problem, "cert", f.Config.TLS.Cert)
		},
	},
	{
		id: "tls-certificate-expired", severity: Error, title: "Whether the certificate is valid today",
		what: "The certificate is valid from {from} to {until}, and today is {today}.",
		why:  "Browsers refuse the connection, and people who click past that are used to it when it matters.",
		mend: "Put a new one in place of {cert}; it is in force a second later.",
		judge: func(f *Facts) answer {
			c := f.TLS.Leaf
			if c == nil {
				return skip()
			}
			return when(f.Now.Before(c.NotBefore) || f.Now.After(c.NotAfter), "from", date(c.NotBefore), "until", date(c.NotAfter),
				"today", date(f.Now), "cert", f.Config.TLS.Cert)
		},
	},
	{
		id: "tls-certificate-expiring", severity: Warning, title: "How long the certificate is still valid",
		what: "The certificate ends in {days} days, on {until}.",
		why:  "Then browsers refuse the connection.",
		mend: "Put a new one in place of {cert}; it is in force a second later. Let a timer do it next time.",
		judge: func(f *Facts) answer {
			c := f.TLS.Leaf
			if c == nil || f.Now.After(c.NotAfter) {
				return skip()
			}
			left := c.NotAfter.Sub(f.Now)
			return when(left < certificateNotice, "days", days(left), "until", date(c.NotAfter), "cert", f.Config.TLS.Cert)
		},
	},
	{
		id: "tls-certificate-name", severity: Error, title: "Whether the certificate is for this server",
		what: "The certificate is not for {host}, the host of public_url.",
		why:  "Browsers refuse the connection.",
		mend: "Get a certificate for that name, or correct public_url.",
		judge: func(f *Facts) answer {
			host := hostOf(f.Config.PublicURL)
			if f.TLS.Leaf == nil || host == "" {
				return skip()
			}
			return when(f.TLS.Leaf.VerifyHostname(host) != nil, "host", host)
		},
	},
	{
		id: "tls-key-weak", severity: Error, title: "The strength of the certificate's key",
		what: "The certificate's key has {bits} bits.",
		why:  "Such keys can be broken, and then whoever is on the way reads along.",
		mend: "Get a certificate for a P-256 key, or RSA with 2048 bits or more.",
		judge: func(f *Facts) answer {
			if f.TLS.Leaf == nil {
				return skip()
			}
			switch k := f.TLS.Leaf.PublicKey.(type) {
			case *rsa.PublicKey:
				return when(k.N.BitLen() < 2048, "bits", strconv.Itoa(k.N.BitLen()))
			case *ecdsa.PublicKey:
				return when(k.Params().BitSize < 256, "bits", strconv.Itoa(k.Params().BitSize))
			}
			return fine()
		},
	},
	{
		id: "tls-key-open", severity: Error, title: "The mode of the certificate's key file",
		what: "Others on this machine can read or change {files}.",
		why:  "With the key one can pass for this server.",
		mend: "Leave it to the user that runs Latchkey, and its group at most. What is mounted read-only gets its mode where it comes from.",
		do:   "{give}chmod o-rwx,g-w {paths}",
		judge: func(f *Facts) answer {
			if f.TLS.Key == nil {
				return skip()
			}
			return openedSecrets(f, []File{*f.TLS.Key})
		},
	},
}

// origins judges the listed origins that are http: those of this very machine,
// or the others.
func origins(f *Facts, here bool) answer {
	if !reached(f.Config) {
		return skip()
	}
	var list []string
	for _, o := range f.Config.Cors.Origins {
		if plain(o) && local(hostOf(o)) == here {
			list = append(list, o)
		}
	}
	return when(len(list) > 0, "value", few(list))
}

// elsewhere reports whether a network is not this machine's alone.
func elsewhere(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return !p.Addr().IsLoopback() || p.Bits() < 8
	}
	return !p.Addr().IsLoopback() || p.Bits() < 128
}

// date is as ISO 8601 has it, which every language reads.
func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }
