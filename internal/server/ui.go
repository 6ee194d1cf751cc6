package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/latchkey-auth/latchkey/internal/api"
)

// contentPolicy is the Content-Security-Policy of every page: what it loads and
// talks to is this server's own, and there are no inline scripts or styles.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// The pages of the embedded UI.
const (
	indexPage = "index.html"
	docsPage  = "docs.html"
	// hashedFolder is where the build puts files whose name has a hash of what
	// is in them.
	hashedFolder = "assets/"
)

// encodings are how files are compressed at build time, the best first.
var encodings = []struct{ name, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

// ui serves the files of the embedded pages. Every path that is no file's is
// the app's own: its router says what it is.
type ui struct {
	files map[string]*uiFile
	// hsts is set where the browser comes by TLS.
	hsts bool
}

// uiFile is a file and its compressed forms.
type uiFile struct {
	media string
	etag  string // of what may change under its name; "" of hashed files
	forms map[string]form
}

// form is one encoding of a file, "" being none. It is read from the binary
// where it lies, not copied.
type form struct {
	open func() (io.ReadCloser, error)
	size int64
}

// newUI reads what the build has put into dist. Without an index page the
// binary has no UI.
func newUI(dist fs.FS, secure bool) (*ui, error) {
	u := &ui{files: map[string]*uiFile{}, hsts: secure}
	err := fs.WalkDir(dist, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name != "." && path.Base(name)[0] == '.' {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		plain, encoding := name, ""
		for _, e := range encodings {
			if before, ok := strings.CutSuffix(name, e.suffix); ok {
				plain, encoding = before, e.name
			}
		}
		f := u.files[plain]
		if f == nil {
			f = &uiFile{media: mediaOf(plain), forms: map[string]form{}}
			u.files[plain] = f
		}
		f.forms[encoding] = form{func() (io.ReadCloser, error) { return dist.Open(name) }, info.Size()}
		if encoding == "" && !strings.HasPrefix(name, hashedFolder) {
			f.etag, err = etag(dist, name)
		}
		return err
	})
	if err == nil {
		err = u.unpack(dist)
	}
	if err != nil {
		return nil, fmt.Errorf("read the embedded UI: %w", err)
	}
	return u, nil
}

// unpack makes the plain form of files of which the build has left the
// compressed ones only: a client that takes neither is rare.
func (u *ui) unpack(dist fs.FS) error {
	for name, f := range u.files {
		packed := f.forms["gzip"]
		if _, plain := f.forms[""]; plain || packed.open == nil {
			continue
		}
		size, err := unpackedSize(dist, name+".gz")
		if err != nil {
			return err
		}
		if !strings.HasPrefix(name, hashedFolder) {
			if f.etag, err = etag(dist, name+".gz"); err != nil {
				return err
			}
		}
		// Once, or whoever asks again and again has the processor for it.
		unpacked := sync.OnceValues(func() ([]byte, error) { return unpacked(packed) })
		f.forms[""] = form{func() (io.ReadCloser, error) {
			b, err := unpacked()
			// Without its WriteTo it goes out in pieces, as a file does.
			return io.NopCloser(struct{ io.Reader }{bytes.NewReader(b)}), err
		}, size}
	}
	return nil
}

// unpacked is what is in a form of gzip.
func unpacked(f form) ([]byte, error) {
	file, err := f.open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r, err := gzip.NewReader(file)
	if err != nil {
		return nil, err //nolint:wrapcheck // Who asks is told of an internal error.
	}
	return io.ReadAll(r) //nolint:wrapcheck // As above.
}

// unpackedSize is what the end of a file of gzip says (RFC 1952, section 2.3.1).
func unpackedSize(dist fs.FS, name string) (int64, error) {
	b, err := fs.ReadFile(dist, name)
	if err != nil {
		return 0, err //nolint:wrapcheck // The caller says of what.
	}
	if len(b) < 4 {
		return 0, io.ErrUnexpectedEOF
	}
	return int64(binary.LittleEndian.Uint32(b[len(b)-4:])), nil
}

// built reports whether the binary has a UI.
func (u *ui) built() bool { return u.files[indexPage] != nil }

// mediaOf is the media type of a file; the machine's own table is not asked.
func mediaOf(name string) string {
	switch path.Ext(name) {
	case ".webmanifest":
		return "application/manifest+json"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	if m := mime.TypeByExtension(path.Ext(name)); m != "" {
		return m
	}
	return "application/octet-stream"
}

func etag(dist fs.FS, name string) (string, error) {
	f, err := dist.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return `"` + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12]) + `"`, nil
}

// unbuiltText is what a binary without a UI says where it would be.
const unbuiltText = `Latchkey is running, but this binary was built without its UI.

The API is at /api/, its description at /api/schema/.
"make build" makes a binary with the UI; it needs Node 20.
`

// ServeHTTP answers what is outside of /api/.
func (u *ui) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	f := u.files[name]
	page := r.URL.Path == "/" || u.built() && appPath(r.URL.Path) && r.URL.RawPath == ""
	if name == docsPage || name == indexPage {
		f = nil // they have addresses of their own
	}
	switch {
	case f == nil && !page:
		api.WriteNotFound(w)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		api.WriteMethodNotAllowed(w, r, "GET, HEAD")
	case f != nil:
		u.serve(w, r, f, strings.HasPrefix(name, hashedFolder))
	case !u.built():
		u.headers(w.Header())
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, unbuiltText)
	default:
		u.serve(w, r, u.files[indexPage], false)
	}
}

// docs answers the API's description for people; nil if there is none.
func (u *ui) docs() http.Handler {
	page := u.files[docsPage]
	if page == nil {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Nothing under /api/ is kept, whatever it is: a rule without an
		// exception can be checked.
		plain := *page
		plain.etag = ""
		u.serve(noStore{w}, r, &plain, false)
	})
}

// noStore forbids to keep what is written through it.
type noStore struct{ http.ResponseWriter }

func (n noStore) WriteHeader(status int) {
	n.Header().Set("Cache-Control", "no-store")
	n.Header().Set("Pragma", "no-cache")
	n.ResponseWriter.WriteHeader(status)
}

// appPath reports whether a path can be a screen's: what looks like a file, or
// is no clean path, is none.
func appPath(p string) bool {
	rest, ok := strings.CutPrefix(p, "/")
	if !ok || rest == "" {
		return ok
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(rest, "/"), "/") {
		if part == "" || strings.Contains(part, ".") {
			return false
		}
	}
	return true
}

// headers sets what every page and file has.
func (u *ui) headers(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-cache")
	if u.hsts {
		h.Set("Strict-Transport-Security", stsValue)
	}
}

// serve answers a file in the best form that the client takes. A hashed one
// never changes under its name, every other is asked for again with its ETag.
func (u *ui) serve(w http.ResponseWriter, r *http.Request, f *uiFile, hashed bool) {
	h := w.Header()
	u.headers(h)
	h.Add("Vary", "Accept-Encoding")
	if hashed {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if f.etag != "" {
		h.Set("Etag", f.etag)
		if matches(r.Header.Values("If-None-Match"), f.etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	best, encoding := f.forms[""], ""
	for _, e := range encodings {
		if form, ok := f.forms[e.name]; ok && accepts(r.Header.Values("Accept-Encoding"), e.name) {
			best, encoding = form, e.name
			break
		}
	}
	if best.open == nil {
		api.WriteNotFound(w)
		return
	}
	body, err := best.open()
	if err != nil {
		api.WriteInternalError(w)
		return
	}
	defer body.Close()
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Content-Type", f.media)
	h.Set("Content-Length", strconv.FormatInt(best.size, 10))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	// One that fails has no reader to be told.
	_, _ = io.CopyBuffer(w, body, make([]byte, fileBuffer))
}

// fileBuffer is how much of a file is in memory on its way to a client: whoever
// reads slowly, or not at all, keeps it there.
const fileBuffer = 4 << 10

// matches reports whether If-None-Match names the ETag (RFC 9110, section
// 13.1.2); a proxy that compresses may have made it weak.
func matches(sent []string, etag string) bool {
	for _, line := range sent {
		for one := range strings.SplitSeq(line, ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == etag {
				return true
			}
		}
	}
	return false
}

// accepts reports whether Accept-Encoding names an encoding without refusing it
// by q=0 (RFC 9110, section 12.5.3).
func accepts(sent []string, encoding string) bool {
	for _, line := range sent {
		for one := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(one, ";")
			if strings.ToLower(strings.TrimSpace(name)) != encoding {
				continue
			}
			q, found := strings.CutPrefix(strings.ToLower(strings.Trim(params, " \t")), "q=")
			if v, err := strconv.ParseFloat(q, 64); !found || err != nil || v > 0 {
				return true
			}
		}
	}
	return false
}
