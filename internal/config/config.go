package config

import (
	"net/netip"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Config is everything that can be set. Default gives it with nothing set and
// Load from the sources; both have been checked.
//
// The tags of a field are its documentation: key (its name within its
// section), default (as the file would say it), help (one or more sentences),
// oneof (the words allowed), range (of an integer, or of a duration).
type Config struct {
	Listen    string      `key:"listen" default:"127.0.0.1:8000" help:"Address and port to serve on. An empty host (:8000) means every address of the machine; port 0 takes a free one."`
	Data      string      `key:"data" default:"./data" help:"Folder of the embedded database and of the key that Latchkey makes for itself. Made with mode 0700 if it is not there."`
	Database  DatabaseURL `key:"database" default:"" help:"Where the data is kept: empty for SQLite in the data folder, or postgres://user@host/name for PostgreSQL. A password in it is better given by PGPASSWORD or a .pgpass file than by a flag."`
	PublicURL string      `key:"public_url" default:"" help:"The address under which people reach this server, such as https://auth.example.com. Used where Latchkey writes a link to itself; with https its cookies are Secure."`
	Hosts     []string    `key:"hosts" default:"" help:"Host names that requests may be addressed to. A leading dot (.example.com) takes the domain and all below it. Empty takes any."`

	Django       Django       `key:"django" help:"A Django whose users and tokens are taken over; docs/django.md tells the whole story."`
	Signing      Signing      `key:"signing" help:"The key that tokens are signed with; docs/keys.md tells the whole story."`
	Tokens       Tokens       `key:"tokens" help:"How long tokens and sessions last, and what tokens are called."`
	Sessions     Sessions     `key:"sessions" help:"What a session may do."`
	Registration Registration `key:"registration" help:"Who may register, and as what."`
	Password     Password     `key:"password" help:"Rules for passwords, and the memory for hashing them."`
	Throttle     Throttle     `key:"throttle" help:"Limits on attempts."`
	Proxy        Proxy        `key:"proxy" help:"Proxies in front of this server."`
	Cors         Cors         `key:"cors" help:"Which browser applications may call from another origin."`
	Keys         Keys         `key:"keys" help:"How the key ring is kept."`
	Audit        Audit        `key:"audit" help:"The audit trail."`
	TLS          TLS          `key:"tls" help:"TLS by certificate files. Without them Latchkey speaks plain HTTP and belongs behind a proxy."`
	Timeouts     Timeouts     `key:"timeouts" help:"How long a client may take."`
	Limits       Limits       `key:"limits" help:"How much of this server may be used at once."`
	Postgres     Postgres     `key:"postgres" help:"The connections to PostgreSQL."`
	Docs         Docs         `key:"docs" help:"The description of the API."`
	UI           UI           `key:"ui" help:"The pages that the binary brings."`
	Log          Log          `key:"log" help:"The log, on standard error."`

	origins             map[string]Origin
	simpleJWT           *SimpleJWT
	signingKey, sealKey Secret // of the setting or of the file that it names
}

// Django is the Django that is taken over.
type Django struct {
	Settings        string   `key:"settings" default:"" help:"A JSON file with Django's SIMPLE_JWT dict: how the tokens are made that Django has minted, so that they are good here, and ours there. Lifetimes are seconds or as Python prints them. While it is set, refresh tokens that are traded here are noted until they expire, so that Django can be told of them. Needs signing.key."`
	Upstream        string   `key:"upstream" default:"" help:"The address of the live Django, such as https://django.internal: a login with an e-mail address that is not known here is asked of it, once, and the user is kept. https, or http on this machine. Empty: nobody is asked."`
	UpstreamTimeout Duration `key:"upstream_timeout" default:"5s" range:"1s-8s" help:"How long it may take to answer a login."`
}

// Signing is the key that tokens are signed with; design.md, "Keys".
type Signing struct {
	Algorithm   Algorithm `key:"algorithm" default:"HS256" oneof:"HS256 EdDSA ES256 RS256" help:"How tokens are signed. HS256: with a secret, which whoever verifies them must have too. The others: with a private key that stays here, while anybody can verify them with the public keys at /.well-known/jwks.json. A change takes effect five minutes after the start, and nobody is logged out."`
	RotateEvery Duration  `key:"rotate_every" default:"0s" range:"0s-3650d" help:"How long a key signs until the next one does; an hour at least, 0 for ever. Not for a signing.key of your own, which latchkey key use changes."`
	Key         Secret    `key:"key" help:"The secret itself, such as Django's SECRET_KEY, so that tokens are valid on both sides. Its UTF-8 bytes are the HS256 key; 32 of them at least. Empty: Latchkey makes a key of its own."`
	KeyFile     string    `key:"key_file" default:"" help:"A file that holds the secret instead; one line break at its end is not part of it."`
}

// Algorithm is how tokens are signed, by its JWS name.
type Algorithm string

// HS256 is the one that has no public half.
const HS256 Algorithm = "HS256"

// Tokens is how long tokens and sessions last, in whole seconds. access is at
// most refresh, refresh at most session_max.
type Tokens struct {
	Access     Duration `key:"access" default:"180m" range:"1s-365d" help:"Lifetime of an access token."`
	Refresh    Duration `key:"refresh" default:"3d" range:"1s-3650d" help:"Lifetime of a refresh token, and so how long a session may rest."`
	SessionMax Duration `key:"session_max" default:"30d" range:"1s-3650d" help:"How long after the login a session ends, however often it was renewed."`
	Issuer     string   `key:"issuer" default:"" help:"The iss claim, such as https://auth.example.com. Set, every token gets it and must have it: who is signed in when it changes signs in again. Empty: none is written, and any is taken."`
	Audience   string   `key:"audience" default:"" help:"The aud claim, in the same way; a token whose aud is a list must have it in there."`
	Reuse      Reuse    `key:"reuse" default:"strict" oneof:"strict grace tolerant" help:"What happens when a rotated refresh token is presented again. strict: it is refused and, but for a race of 10 s, ends the session. grace: within 10 s of the rotation the same successor is given again. tolerant: as long as the successor has not been used."`
}

// Reuse is what a rotated refresh token does when it comes again; the table
// in design.md, "Refresh, as a state machine".
type Reuse string

// The ways to meet reuse.
const (
	ReuseStrict   Reuse = "strict"
	ReuseGrace    Reuse = "grace"
	ReuseTolerant Reuse = "tolerant"
)

// Sessions is what a session may do.
type Sessions struct {
	ConfirmFor Duration `key:"confirm_for" default:"5m" range:"0s-1h" help:"How long ago the password may last have been proved in a session for what asks for that: ending other sessions, and of administrators deleting an account, making a reset link, giving the role admin or manager, changing an e-mail address, lifting a limit, exporting the audit trail. 0 never asks; docs/sessions.md."`
}

// Registration is who may register without an admin's token.
type Registration struct {
	Open  bool        `key:"open" default:"true" help:"Whether anybody may register."`
	Roles []auth.Role `key:"roles" default:"employee,client" help:"The roles that may be asked for at registration: admin, manager, employee, client. An admin may give any."`
}

// Password is the policy and the work budget.
type Password struct {
	MinLength    int      `key:"min_length" default:"8" range:"8-128" help:"The shortest password in characters."`
	List         string   `key:"list" default:"" help:"A file of passwords that are refused, one per line, beside the built-in list of common ones."`
	Filter       string   `key:"filter" default:"" help:"A file of breached passwords, which are refused; latchkey passwords build makes it (docs/passwords.md). It is opened at the start."`
	RangeURL     string   `key:"range_url" default:"" help:"The address of a range API, such as https://api.pwnedpasswords.com/range/, that is asked whether a new password was in a breach. The first five hex digits of its SHA-1 are sent, nothing else. Empty: nobody is asked."`
	RangeTimeout Duration `key:"range_timeout" default:"2s" range:"1s-30s" help:"How long it may take to answer."`
	RangePrivate bool     `key:"range_private" default:"false" help:"Whether the range API may be on a private network, such as a mirror of your own at 10.0.0.7. Otherwise only addresses of the Internet are asked, whatever its name stands for; this machine itself if range_url says localhost or a loopback address."`
	Unknown      Unknown  `key:"unknown" default:"accept" oneof:"accept refuse" help:"What happens to a new password when the filter or the range API cannot be asked. accept: it passes, and the log tells. refuse: 503, try again later."`
	Words        []string `key:"words" default:"" help:"Words of your place beside ui.name and the host names: the company, its products. A password that is made of them or of the user's own names, with digits and signs around (acme2026!), is refused."`
	AllowNumeric bool     `key:"allow_numeric" default:"false" help:"Whether a password may be digits alone. Django and the guide refuse it."`
	Memory       int      `key:"memory" default:"0" range:"0-65536" help:"Memory in MiB that hashes at work may take together; a hash takes 19 or what the stored format asks, and one that asks for more than all of it is computed alone. 0 chooses by the number of processors and what the container may have. Logins beyond it wait, then get 503."`
}

// Unknown is what happens to a password that could not be looked up.
type Unknown string

// The ways to meet it.
const (
	UnknownAccept Unknown = "accept"
	UnknownRefuse Unknown = "refuse"
)

// Throttle is the limits on attempts; design.md, "Throttle".
type Throttle struct {
	Enabled bool     `key:"enabled" default:"true" help:"Whether attempts are limited at all."`
	Account int      `key:"account" default:"10" range:"1-100" help:"Failed attempts per account in a window; devices that it knows, and sessions that change the password, have as many each. Whatever it is, delays grow with failures in a row and unknown devices have 100."`
	Address int      `key:"address" default:"30" range:"1-1000000" help:"Failed logins per client address in a window; IPv6 is counted by /64."`
	Emails  int      `key:"emails" default:"20" range:"1-1000" help:"Different e-mail addresses that may fail from one client address in an hour; one more blocks its logins for a window."`
	Window  Duration `key:"window" default:"15m" range:"1s-7d" help:"The length of that window."`
	Burst   int      `key:"burst" default:"100" range:"1-1000000" help:"Registrations that one address may try at once, those that are refused included."`
	Every   Duration `key:"every" default:"30s" range:"1s-1d" help:"How long until an address that has used them up may try once more."`
}

// Proxy is who is believed about the client's address.
type Proxy struct {
	Trusted []netip.Prefix `key:"trusted" default:"" help:"Addresses or networks (10.0.0.0/8) of proxies whose X-Forwarded-For, X-Forwarded-Proto and X-Request-Id are believed: they set them, and pass on no client's. Never a network that clients are in."`
	// Header is one of package throttle's.
	Header string `key:"header" default:"X-Forwarded-For" oneof:"X-Forwarded-For Forwarded" help:"The header in which they write the client's address; no other one is read, since a proxy passes on as it came what it does not write. Forwarded is that of RFC 7239."`
}

// Cors is the origins that browsers may call from.
type Cors struct {
	Origins []string `key:"origins" default:"http://localhost:3000,http://127.0.0.1:3000" help:"Origins of the applications, each scheme://host or scheme://host:port."`
}

// Keys is how the key ring is kept at rest.
type Keys struct {
	SealKey     Secret `key:"seal_key" help:"32 random bytes in base64 or hex that seal the keys kept in the database. openssl rand -base64 32 makes one."`
	SealKeyFile string `key:"seal_key_file" default:"" help:"A file that holds the seal key instead, in the same form."`
}

// Audit is the audit trail.
type Audit struct {
	Retention Duration `key:"retention" default:"90d" range:"1d-36500d" help:"How long events are kept."`
}

// TLS is the server's certificate; both files or none.
type TLS struct {
	Cert string `key:"cert" default:"" help:"File of the certificate and its chain, PEM."`
	Key  string `key:"key" default:"" help:"File of its private key, PEM."`
}

// Timeouts is how long a client may take before it is cut off.
type Timeouts struct {
	Header Duration `key:"header" default:"10s" range:"1s-10m" help:"To send the head of a request."`
	Read   Duration `key:"read" default:"10s" range:"1s-10m" help:"To send all of it. The same as header spares a system call for each request."`
	Write  Duration `key:"write" default:"30s" range:"1s-10m" help:"To be answered, from the end of its head."`
	Idle   Duration `key:"idle" default:"2m" range:"1s-1h" help:"To send the next request on an open connection."`
	Drain  Duration `key:"drain" default:"10s" range:"1s-10m" help:"For requests under way when the server is told to stop."`

	ShutdownDelay Duration `key:"shutdown_delay" default:"0s" range:"0s-10m" help:"How long the server still serves when it is told to stop, while /readyz answers 503: as long as a load balancer takes to notice, so that a restart costs no request."`
}

// Limits is how much may be used at once.
type Limits struct {
	Connections int `key:"connections" default:"10240" range:"16-1000000" help:"The most connections. When all are in use, a new one takes the place of that which has waited longest for a request, or for the rest of one. It is lowered to what the limit of open files leaves, and to what a container has memory for."`
	PerAddress  int `key:"per_address" default:"0" range:"0-1000000" help:"The most connections of one client address; IPv6 is counted by /64. 0 is a quarter of all. Not for trusted proxies and this machine itself."`
	Requests    int `key:"requests" default:"2048" range:"16-100000" help:"The most requests to the API that are worked on at once, half of them at one endpoint; more get 503 with Retry-After. One whose body is still on its way is not counted."`
}

// Postgres is the connections to PostgreSQL.
type Postgres struct {
	MaxConns int `key:"max_conns" default:"16" range:"2-1000" help:"The most connections that one node opens."`
}

// Docs is the description of the API.
type Docs struct {
	Public bool `key:"public" default:"true" help:"Whether the API's description is served, at /api/schema/ and, for people, at /api/docs/. It tells nothing that is not in the documentation."`
}

// UI is the embedded pages.
type UI struct {
	Enabled bool   `key:"enabled" default:"true" help:"Whether the pages are served: the app at / and the API's description for people. The API is not concerned."`
	Name    string `key:"name" default:"Latchkey" help:"What the pages call this service, such as the name of your company."`
}

// Log is how the log is written.
type Log struct {
	Format string `key:"format" default:"auto" oneof:"auto json text" help:"auto is json, but text on a terminal."`
	Level  string `key:"level" default:"info" oneof:"debug info warn error" help:"The least level that is written."`
}

// Secure reports whether browsers reach this server by TLS: its own, or that of
// a proxy which public_url tells of.
func (c *Config) Secure() bool {
	return c.TLS.Cert != "" || strings.HasPrefix(strings.ToLower(c.PublicURL), "https://")
}
