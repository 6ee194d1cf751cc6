package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/password"
)

// Peers is what a running server has seen of those that it talks to.
type Peers struct {
	// ForwardedIgnored says that a peer on this machine sent forwarded headers
	// and is no trusted proxy.
	ForwardedIgnored bool
	// OtherHeader says that a trusted proxy sends the client's address in another
	// header than proxy.header.
	OtherHeader bool
}

// Facts is everything that is judged.
type Facts struct {
	Config *config.Config
	Now    time.Time
	// Running says that this process is the server. What a process knows only of
	// itself (its limits, its peers) is not judged otherwise.
	Running bool
	Peers
	// Hash is how long a password takes to hash here; 0 if that was not measured.
	Hash time.Duration
	// LargestHash is the memory in bytes that the largest of the stored hashes
	// takes, beside Latchkey's own.
	LargestHash int64

	Machine  Machine
	Folder   Folder
	Secrets  []File // those that the configuration names
	Server   string // the user that runs the server, as chown takes it
	TLS      Certificate
	Filter   Filter
	Database Database
}

// Machine is what the process has to live on; 0 is not known.
type Machine struct {
	// Memory is the machine's in bytes, Limit what of it the process may have; 0
	// for all.
	Memory, Limit int64
	// Swapping says that this process's memory may be written to a disk.
	Swapping bool
	// OpenFiles is how many files and connections the process may have open.
	OpenFiles int64
	// CoreDumps says that a crash writes the memory to a file.
	CoreDumps bool
	// Root says that the process may do everything on the machine.
	Root bool
	// Synchronised says that the system's clock follows a time server; false also
	// where the system does not tell.
	Synchronised bool
	// Threads is how many processors Go uses, Quota how many the process is
	// given.
	Threads int
	Quota   float64
}

// Folder is the data folder. It is the zero Folder where there is none.
type Folder struct {
	Path string
	// Kind is that of its file system, as mount calls it; "" if not known.
	Kind string
	// Free and Size are the file system's, in bytes; Size is 0 if not known.
	Free, Size int64
	// Open are the files in it, and the folder itself, that others than the
	// owner can get at.
	Open []File
	// Owner is the number of the user whose the database is, "" if not known:
	// whoever serves it runs as that user.
	Owner string
	// Written is when the database was last written to.
	Written time.Time
	// Backup is when `latchkey backup` last made one; zero for never.
	Backup time.Time
}

// File is a file, or a folder, and its permission bits.
type File struct {
	Path string
	Mode fs.FileMode
	// Stranger says that the server is neither its owner nor of its group: it
	// reads it as everybody may.
	Stranger bool
	// Given says that it is in memory and mounted read-only, as containers are
	// given secrets: its mode is the mount's.
	Given bool
}

// Certificate is what the server shows to browsers.
type Certificate struct {
	// Problem says why it cannot be used; "" if it can, or there is none.
	Problem string
	Leaf    *x509.Certificate
	Key     *File // nil if there is none
}

// Database is what was found in it.
type Database struct {
	// None says that there is none yet; Problem why it could not be asked.
	None    bool
	Problem string
	// Condition is nil where the database could not be asked. What follows is
	// only known where the schema is the one of this program, as Read says.
	Condition   *auth.Condition
	Read        bool
	Keys        []auth.Key
	ServiceKeys []auth.ServiceKey
	Admins      []auth.User // the active ones, 100 at most
	AnyUser     bool
	Newest      time.Time // of what was written down
	Latest      time.Time // of what was written down last, be it older
	// Taken is when something of Django's was last taken over: an import, or the
	// first use of a token. Zero for never, or where it is not asked.
	Taken time.Time
	// Formats is nil where they were not counted.
	Formats map[auth.PasswordFormat]int64
	// TakenOver is when users of a Django last were, by an import or one by one;
	// zero if the audit trail tells of none.
	TakenOver time.Time
}

// Store is what is asked of a database: an open one, or a glance at it.
type Store interface {
	Read() auth.Reader
	Examine(ctx context.Context) (auth.Condition, error)
}

// Options say what to look at.
type Options struct {
	Config *config.Config
	// Store is nil where there is none; Problem says why, "" if there is none
	// yet.
	Store   Store
	Problem string
	// Running, Peers, Hash and LargestHash are as in Facts.
	Running bool
	Peers
	Hash        time.Duration
	LargestHash int64
	// Certificate is the one that the server shows; nil is the files'.
	Certificate *x509.Certificate
	// Formats are those counted earlier; CountFormats counts them now.
	Formats      map[auth.PasswordFormat]int64
	CountFormats bool
	// Now is the time.
	Now time.Time
}

const (
	// maxAdmins is how many administrators are looked at.
	maxAdmins = 100
	// maxLatest is of how many events, in the order in which they were written,
	// the time is looked at where there are several nodes: enough that each of
	// some has one among them.
	maxLatest = 20
)

// Gather looks at everything. It changes nothing and fails at nothing: what
// cannot be found out is left out.
func Gather(ctx context.Context, o Options) *Facts {
	f := &Facts{
		Config: o.Config, Now: o.Now, Running: o.Running, Peers: o.Peers, Hash: o.Hash, LargestHash: o.LargestHash,
		Machine: machine(),
		Filter:  filter(o.Config.Password.Filter),
	}
	f.Machine.Threads = password.Processors()
	if !o.Config.Database.IsPostgres() {
		f.Folder = folder(o.Config.Data)
	}
	server := whoServes(o.Running, f.Folder.Owner)
	f.Server = server.name
	f.Secrets, f.TLS = secretFiles(o.Config, server), certificate(o.Config.TLS, server)
	if o.Certificate != nil {
		f.TLS.Leaf = o.Certificate
	}
	switch {
	case o.Store != nil:
		f.Database = ask(ctx, o)
	case o.Problem != "":
		f.Database.Problem = line(o.Problem)
	default:
		f.Database.None = true
	}
	return f
}

func ask(ctx context.Context, o Options) (d Database) {
	c, err := o.Store.Examine(ctx)
	if err != nil {
		d.Problem = line(err.Error())
		return d
	}
	d.Condition = &c
	if c.Schema != c.Known {
		return d
	}
	read := o.Store.Read()
	d.Formats = o.Formats
	active, admin := true, auth.RoleAdmin
	var users []auth.User
	var events []auth.AuditEvent
	var latest []auth.Event
	nodes := maxLatest
	if c.SQLite != nil {
		nodes = 1
	}
	for _, step := range []func() error{
		func() (err error) { d.Keys, err = read.Keys(ctx); return err },
		func() (err error) { d.ServiceKeys, err = read.ServiceKeys(ctx); return err },
		func() (err error) {
			d.Admins, err = read.Users(ctx, auth.UserFilter{Role: &admin, IsActive: &active, Limit: maxAdmins})
			return err
		},
		func() (err error) { users, err = read.Users(ctx, auth.UserFilter{Limit: 1}); return err },
		func() (err error) { events, err = read.Audit(ctx, auth.AuditFilter{Limit: 1}); return err },
		func() (err error) { latest, err = read.Events(ctx, auth.EventFilter{Limit: nodes}); return err },
		func() error {
			if o.Config.SimpleJWT() == nil {
				return nil
			}
			for _, kind := range []auth.EventKind{auth.EventImported, auth.EventSessionAdopted} {
				last, err := read.Audit(ctx, auth.AuditFilter{Kind: kind, Limit: 1})
				if err != nil {
					return err
				}
				if len(last) > 0 && last[0].At.After(d.Taken) {
					d.Taken = last[0].At
				}
			}
			return nil
		},
		func() error {
			if o.Config.Django.Upstream == "" {
				return nil
			}
			for _, kind := range []auth.EventKind{auth.EventTakenOver, auth.EventImported} {
				last, err := read.Audit(ctx, auth.AuditFilter{Kind: kind, Limit: 1})
				if err != nil {
					return err
				}
				if len(last) > 0 && last[0].At.After(d.TakenOver) {
					d.TakenOver = last[0].At
				}
			}
			return nil
		},
		func() (err error) {
			if o.CountFormats {
				d.Formats, err = read.PasswordFormats(ctx)
			}
			return err
		},
	} {
		if err := step(); err != nil {
			d.Problem = line(err.Error())
			return d
		}
	}
	d.Read, d.AnyUser = true, len(users) > 0
	if len(events) > 0 {
		d.Newest = events[0].At
	}
	for _, e := range latest {
		if e.At.After(d.Latest) {
			d.Latest = e.At
		}
	}
	return d
}

// line makes one short line of an error.
func line(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 300 {
		s = string(r[:300]) + "…"
	}
	return s
}

// MeasureHash gives how long a password takes to hash here: the best of some
// tries. It is 0 if that cannot be told.
func MeasureHash(ctx context.Context, tries int) time.Duration {
	h := password.NewHasher(password.Options{})
	var best time.Duration
	for range tries {
		began := time.Now()
		if _, err := h.Hash(ctx, "how long does this take"); err != nil {
			return 0
		}
		if took := time.Since(began); best == 0 || took < best {
			best = took
		}
	}
	return best
}

// secretFiles are the files of secrets that the configuration names, and the
// configuration's own if there is a secret in it.
func secretFiles(c *config.Config, server account) []File {
	var out []File
	for _, path := range []string{c.Signing.KeyFile, c.Keys.SealKeyFile, c.FileOfSecrets()} {
		if path == "" {
			continue
		}
		if file := server.secret(path); file != nil {
			out = append(out, *file)
		}
	}
	return out
}

func certificate(t config.TLS, server account) (c Certificate) {
	if t.Cert == "" {
		return c
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err == nil {
		c.Leaf = pair.Leaf
		if c.Leaf == nil {
			c.Leaf, err = x509.ParseCertificate(pair.Certificate[0])
		}
	}
	if err != nil {
		c.Problem = line(err.Error())
	}
	c.Key = server.secret(t.Key)
	return c
}

func folder(path string) Folder {
	f := Folder{Path: path, Backup: LastBackup(path)}
	info, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Folder{}
		}
		return f
	}
	f.Kind, f.Free, f.Size = fileSystem(path)
	note := func(path string, info fs.FileInfo) {
		if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
			f.Open = append(f.Open, File{Path: path, Mode: info.Mode().Perm()})
		}
	}
	note(path, info)
	entries, err := os.ReadDir(path)
	if err != nil {
		return f
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && holdsSecrets(e.Name()) {
			note(filepath.Join(path, e.Name()), info)
			if e.Name() == databaseName {
				f.Owner, _ = owners(info)
			}
			if strings.HasPrefix(e.Name(), databaseName) && info.ModTime().After(f.Written) {
				f.Written = info.ModTime()
			}
		}
	}
	return f
}

// databaseName is sqlite.FileName: this package knows no engine.
const databaseName = "latchkey.db"

// holdsSecrets says of which names in the data folder the mode matters.
func holdsSecrets(name string) bool {
	return strings.HasPrefix(name, databaseName) || name == "secret.key" ||
		strings.HasPrefix(name, "before-migration-") || strings.HasPrefix(name, "before-restore-")
}

// public reports whether the listener is reached from other machines.
func public(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	return !local(host)
}

// local reports whether a host is this machine for itself.
func local(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}

// reached reports whether people use this server from other machines, as far as
// the configuration tells.
func reached(c *config.Config) bool {
	return public(c.Listen) || len(c.Proxy.Trusted) > 0 || c.PublicURL != "" && !local(hostOf(c.PublicURL))
}

// hostOf gives the host of a URL, without a port.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// plain reports whether a URL is http.
func plain(address string) bool { return strings.HasPrefix(strings.ToLower(address), "http://") }
