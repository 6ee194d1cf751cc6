package doctor

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
)

const day = 24 * time.Hour

// The bounds beyond which a lifetime is told of.
const (
	mostAccess     = day
	mostRefresh    = 30 * day
	mostSession    = 90 * day
	leastRetention = 30 * day
	idleAdmin      = 90 * day
	idleUpstream   = 30 * day
)

// The bounds beyond which limits on attempts are told of.
const (
	mostAccount = 20
	mostAddress = 300
	mostEmails  = 100
	mostBurst   = 1000
	leastWindow = 5 * time.Minute
)

var accessChecks = []check{
	{
		id: "registration-roles", severity: Error, title: "The roles that anybody may register with",
		what: "Anybody can register as {roles}.",
		why:  "Whoever knows the address makes themselves an administrator or manager, and has every account.",
		mend: "Leave only roles that may see nobody else's account; administrators give the others.",
		do:   "LATCHKEY_REGISTRATION_ROLES=employee,client",
		judge: func(f *Facts) answer {
			var roles []string
			for _, r := range f.Config.Registration.Roles {
				if r.Can(auth.UsersRead) {
					roles = append(roles, string(r))
				}
			}
			return when(f.Config.Registration.Open && len(roles) > 0, "roles", few(roles))
		},
	},
	{
		id: "throttle-off", severity: Error, title: "Whether attempts are limited",
		what: "throttle.enabled is false.",
		why:  "Passwords can be guessed without limit, and every guess costs this machine a hash.",
		mend: "Switch it on.",
		do:   "LATCHKEY_THROTTLE_ENABLED=true",
		judge: func(f *Facts) answer {
			return when(!f.Config.Throttle.Enabled)
		},
	},
	{
		id: "throttle-loose", severity: Warning, title: "How many attempts are let pass",
		what: "Limits on attempts are set wider than is usual: {settings}.",
		why:  "More passwords, and more addresses, can be tried before anybody is stopped.",
		mend: "Go back to the defaults; known devices and sessions are counted apart, so people are seldom in each other's way.",
		do:   "{defaults}",
		judge: func(f *Facts) answer {
			t, usual := f.Config.Throttle, config.Default().Throttle
			var wide, defaults []string
			for _, s := range []struct {
				name  string
				is    bool
				usual any
			}{
				{"account", t.Account > mostAccount, usual.Account},
				{"address", t.Address > mostAddress, usual.Address},
				{"emails", t.Emails > mostEmails, usual.Emails},
				{"window", t.Window.Std() < leastWindow, usual.Window},
				{"burst", t.Burst > mostBurst, usual.Burst},
			} {
				if s.is {
					wide = append(wide, "throttle."+s.name)
					defaults = append(defaults, fmt.Sprintf("LATCHKEY_THROTTLE_%s=%v", strings.ToUpper(s.name), s.usual))
				}
			}
			return when(len(wide) > 0, "settings", few(wide), "defaults", strings.Join(defaults, " "))
		},
	},
	{
		id: "reuse-tolerant", severity: Warning, title: "What happens to a refresh token that comes again",
		what: "tokens.reuse is tolerant.",
		why:  "A stolen refresh token and its owner can live side by side for a while without being noticed.",
		mend: "Let the client keep the new refresh token of each refresh, then set strict, or grace for one that refreshes in parallel.",
		do:   "LATCHKEY_TOKENS_REUSE=strict",
		judge: func(f *Facts) answer {
			return when(f.Config.Tokens.Reuse == config.ReuseTolerant)
		},
	},
	{
		id: "django-upstream-idle", severity: Warning, title: "Whether a Django is asked for longer than it helps",
		what: "Unknown e-mail addresses are asked about at {value}, and nobody has been taken over for {days} days.",
		why:  "Whoever is still to come is likely gone, and until it is switched off every password typed with a wrong address goes to another server.",
		mend: "Take the rest over with latchkey django import, then leave django.upstream out.",
		do:   "LATCHKEY_DJANGO_UPSTREAM=",
		judge: func(f *Facts) answer {
			if f.Config.Django.Upstream == "" || f.Database.TakenOver.IsZero() {
				return when(false)
			}
			idle := f.Now.Sub(f.Database.TakenOver)
			return when(idle > idleUpstream, "value", f.Config.Django.Upstream, "days", strconv.Itoa(int(idle/day)))
		},
	},
	{
		id: "django-upstream", severity: Notice, title: "Whether a Django is asked about unknown e-mail addresses",
		what: "Who is not known here is asked about at {value}: the password goes there.",
		why:  "It is meant for the weeks after a change. Until then refused logins take as long as that server does, and while it is down they are told to come back later.",
		mend: "Leave it out when few come.",
		do:   "LATCHKEY_DJANGO_UPSTREAM=",
		judge: func(f *Facts) answer {
			return when(f.Config.Django.Upstream != "", "value", f.Config.Django.Upstream)
		},
	},
	{
		id: "django-upstream-plain", severity: Warning, title: "How passwords get to a Django that is asked",
		what: "Passwords go to {value} by plain HTTP.",
		why:  "Whoever can read the traffic of this machine, or take that port while the Django is down, reads them.",
		mend: "Give the Django a certificate, or keep the port for it and switch this off soon.",
		judge: func(f *Facts) answer {
			return when(strings.HasPrefix(strings.ToLower(f.Config.Django.Upstream), "http:"), "value", f.Config.Django.Upstream)
		},
	},
	{
		id: "access-long", severity: Warning, title: "The lifetime of access tokens",
		what: "Access tokens live for {value}.",
		why:  "Your other services take a token until it expires, unless they follow the revocations.",
		mend: "Shorten it to hours; the refresh token is there to stay signed in.",
		do:   "LATCHKEY_TOKENS_ACCESS=180m",
		judge: func(f *Facts) answer {
			return when(f.Config.Tokens.Access.Std() > mostAccess, "value", f.Config.Tokens.Access.String())
		},
	},
	{
		id: "refresh-long", severity: Warning, title: "The lifetime of refresh tokens",
		what: "A session may rest for {value} and go on.",
		why:  "A device that is lost or forgotten stays signed in for that long.",
		mend: "Shorten it to what your people need between two visits.",
		do:   "LATCHKEY_TOKENS_REFRESH=3d",
		judge: func(f *Facts) answer {
			return when(f.Config.Tokens.Refresh.Std() > mostRefresh, "value", f.Config.Tokens.Refresh.String())
		},
	},
	{
		id: "session-long", severity: Warning, title: "The longest session",
		what: "A session may be renewed for {value} without signing in again.",
		why:  "Whoever has taken over a session keeps it for that long.",
		mend: "Shorten it; a month is usual.",
		do:   "LATCHKEY_TOKENS_SESSION_MAX=30d",
		judge: func(f *Facts) answer {
			return when(f.Config.Tokens.SessionMax.Std() > mostSession, "value", f.Config.Tokens.SessionMax.String())
		},
	},
	{
		id: "confirm-off", severity: Warning, title: "What takes the password again",
		what: "sessions.confirm_for is 0: what cannot be undone never asks for the password.",
		why:  "Whoever has stolen a token, or sits down before a screen that was left behind, deletes accounts, makes reset links and shuts the owner's other devices out.",
		mend: "Ask for it; five minutes are what very sensitive acts call for.",
		do:   "LATCHKEY_SESSIONS_CONFIRM_FOR=5m",
		judge: func(f *Facts) answer {
			return when(f.Config.Sessions.ConfirmFor.Std() == 0)
		},
	},
	{
		id: "audit-short", severity: Warning, title: "How long the audit trail is kept",
		what: "Events are kept for {value}.",
		why:  "A break-in is often noticed only after weeks; by then nothing tells how it happened.",
		mend: "Keep them for 90 days or more.",
		do:   "LATCHKEY_AUDIT_RETENTION=90d",
		judge: func(f *Facts) answer {
			return when(f.Config.Audit.Retention.Std() < leastRetention, "value", f.Config.Audit.Retention.String())
		},
	},
	{
		id: "docs-public", severity: Notice, title: "Who may read the description of the API",
		what: "The description of the API is public.",
		why:  "It tells nothing that is not in the documentation, but it also tells which software runs here.",
		mend: "If nobody outside needs it, leave it out.",
		do:   "LATCHKEY_DOCS_PUBLIC=false",
		judge: func(f *Facts) answer {
			if !reached(f.Config) {
				return skip()
			}
			return when(f.Config.Docs.Public)
		},
	},
	{
		id: "log-debug", severity: Notice, title: "How much is logged",
		what: "log.level is debug.",
		why:  "It is more than anybody reads, and it fills disks.",
		mend: "Go back to info once you have found what you were looking for.",
		do:   "LATCHKEY_LOG_LEVEL=info",
		judge: func(f *Facts) answer {
			return when(f.Config.Log.Level == "debug")
		},
	},
	{
		id: "log-quiet", severity: Warning, title: "Whether requests are logged",
		what: "log.level is {level}: requests leave no line.",
		why:  "Refused, throttled and verified requests are told by their line alone; what the audit trail has not is lost.",
		mend: "Go back to info.",
		do:   "LATCHKEY_LOG_LEVEL=info",
		judge: func(f *Facts) answer {
			level := f.Config.Log.Level
			return when(level == "warn" || level == "error", "level", level)
		},
	},
	{
		id: "admin-none", severity: Warning, title: "Whether there is an administrator",
		what: "There is no active administrator.",
		why:  "Nobody can look after accounts in the console, nor shut one that is being misused.",
		mend: "Make one on the command line.",
		do:   "latchkey user create you@example.com --role admin",
		judge: func(f *Facts) answer {
			if !f.Database.Read {
				return skip()
			}
			return when(len(f.Database.Admins) == 0)
		},
	},
	{
		id: "admin-single", severity: Notice, title: "Whether there is a second administrator",
		what: "There is only one active administrator.",
		why:  "When that person is away or locked out, only whoever can reach this machine can help.",
		mend: "Make a second one.",
		do:   "latchkey user set-role somebody@example.com admin",
		judge: func(f *Facts) answer {
			if !f.Database.Read || len(f.Database.Admins) == 0 {
				return skip()
			}
			return when(len(f.Database.Admins) == 1)
		},
	},
	{
		id: "admins-idle", severity: Warning, title: "Whether every administrator is still around",
		what: "{count} administrators have not signed in for 90 days: user {ids}.",
		why:  "An account with all powers that nobody uses is one that nobody misses when it is taken over.",
		mend: "Deactivate them, or give them another role.",
		do:   "latchkey user list --role admin",
		judge: func(f *Facts) answer {
			if !f.Database.Read || len(f.Database.Admins) == 0 {
				return skip()
			}
			var ids []string
			for _, u := range f.Database.Admins {
				seen := u.LastLogin
				if u.CreatedAt.After(seen) {
					seen = u.CreatedAt
				}
				if f.Now.Sub(seen) > idleAdmin {
					ids = append(ids, strconv.FormatInt(u.ID, 10))
				}
			}
			return when(len(ids) > 0, "count", strconv.Itoa(len(ids)), "ids", few(ids))
		},
	},
}
