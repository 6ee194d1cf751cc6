package server

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// built is what a build leaves, with each form telling which one it is.
func built() fstest.MapFS {
	dist := fstest.MapFS{}
	for name, forms := range map[string]string{
		"index.html":            "plain br gzip",
		"docs.html":             "plain br gzip",
		"assets/app-B7hs9.js":   "plain br gzip",
		"assets/app-B7hs9.css":  "plain gzip",
		"assets/deep/x-1.woff2": "plain",
		"assets/packed-1.js":    "br",
		"favicon.svg":           "plain",
		"robots.txt":            "plain br",
		"app.webmanifest":       "plain",
		"unknown.latchkey":      "plain",
		".keep":                 "plain",
		"assets/.hidden":        "plain",
		".vite/manifest.json":   "plain",
		"assets/.vite/a/b.json": "plain",
	} {
		for form := range strings.SplitSeq(forms, " ") {
			suffix := map[string]string{"br": ".br", "gzip": ".gz"}[form]
			dist[name+suffix] = &fstest.MapFile{Data: []byte(name + " " + form)}
		}
	}
	return dist
}

// pages is the UI of a build.
func pages(t *testing.T, dist fs.FS, secure bool) *ui {
	t.Helper()
	u, err := newUI(dist, secure)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// ask sends a request, "GET /path" and pairs of headers, as the front does.
func ask(h http.Handler, request string, header ...string) *httptest.ResponseRecorder {
	method, target, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	w.Header()["Vary"] = corsVary
	h.ServeHTTP(w, r)
	return w
}

const notFound = `{"detail":"Not found."}`

// policy are the headers of every page and file.
var policy = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
		"font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
	"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
	"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

// guarded holds that an answer has what every page has.
func guarded(t *testing.T, what string, h http.Header) {
	t.Helper()
	for name, want := range policy {
		if have := h[http.CanonicalHeaderKey(name)]; len(have) != 1 || have[0] != want {
			t.Errorf("%s: %s is %q, want %q", what, name, have, want)
		}
	}
	if len(h["Accept-Ranges"])+len(h["Content-Range"])+len(h["Last-Modified"])+len(h["Set-Cookie"]) > 0 {
		t.Errorf("%s: headers %v", what, h)
	}
}

// TestPages says which path is what: a file by its name, a screen of the app by
// any other clean path, and nothing by the rest.
func TestPages(t *testing.T) {
	t.Parallel()
	u := pages(t, built(), false)
	const (
		index = "index.html plain"
		html  = "text/html; charset=utf-8"
		js    = "text/javascript; charset=utf-8"
		none  = ""
	)
	for _, c := range []struct{ path, want, media string }{
		{"/", index, html},
		{"/?next=%2Fsecurity#x", index, html},
		{"/login", index, html},
		{"/login/", index, html},
		{"/security/sessions/0193537a/more", index, html},
		{"/docs", index, html}, // a screen like any other: the description is at /api/docs/
		{"/assets", index, html},
		{"/assets/", index, html},
		{"/caf%C3%A9", index, html},
		{"/apiary", index, html},

		{"/assets/app-B7hs9.js", "assets/app-B7hs9.js plain", js},
		{"/assets/app-B7hs9.css", "assets/app-B7hs9.css plain", "text/css; charset=utf-8"},
		{"/assets/deep/x-1.woff2", "assets/deep/x-1.woff2 plain", "font/woff2"},
		{"/favicon.svg", "favicon.svg plain", "image/svg+xml"},
		{"/robots.txt", "robots.txt plain", "text/plain; charset=utf-8"},
		{"/app.webmanifest", "app.webmanifest plain", "application/manifest+json"},
		{"/unknown.latchkey", "unknown.latchkey plain", "application/octet-stream"},
		{"/robots%2Etxt", "robots.txt plain", "text/plain; charset=utf-8"},

		{"/index.html", none, ""},
		{"/docs.html", none, ""},
		{"/index.html.br", none, ""},
		{"/robots.txt.br", none, ""},
		{"/assets/app-B7hs9.js.gz", none, ""},
		{"/.keep", none, ""},
		{"/assets/.hidden", none, ""},
		{"/.vite/manifest.json", none, ""},
		{"/assets/.vite/a/b.json", none, ""},
		{"/.env", none, ""},
		{"/.git/config", none, ""},
		{"/nope.js", none, ""},
		{"/assets/app-OLD.js", none, ""},
		{"/a.b/c", none, ""},
		{"/Robots.txt", none, ""},
		{"/robots.txt/", none, ""},
		{"//", none, ""},
		{"/a//b", none, ""},
		{"/a/b//", none, ""},
		{"/./login", none, ""},
		{"/../login", none, ""},
		{"/login/..", none, ""},
		{"/assets/../robots.txt", none, ""},
		{"/login%2Fx", none, ""},
		{"/%6Cogin", none, ""},
		{"/assets%2Fapp-B7hs9.js", "assets/app-B7hs9.js plain", js}, // a name is a name
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r := httptest.NewRequest(method, "/", nil)
			if strings.HasPrefix(c.path, "//") { // httptest takes it for a host
				r.URL.Path = c.path
			} else {
				r = httptest.NewRequest(method, c.path, nil)
			}
			w := httptest.NewRecorder()
			u.ServeHTTP(w, r)
			what := method + " " + c.path
			if c.want == none {
				if w.Code != http.StatusNotFound || w.Body.String() != notFound || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%s: %d %q %v, want 404", what, w.Code, w.Body, w.Header())
				}
				continue
			}
			body := c.want
			if method == "HEAD" {
				body = ""
			}
			if w.Code != http.StatusOK || w.Body.String() != body || w.Header().Get("Content-Type") != c.media {
				t.Errorf("%s: %d %q %q, want %q %q", what, w.Code, w.Body, w.Header().Get("Content-Type"), body, c.media)
			}
			if have := w.Header().Get("Content-Length"); have != "" && have != strconv.Itoa(len(c.want)) {
				t.Errorf("%s: Content-Length %s for %d bytes", what, have, len(c.want))
			}
			guarded(t, what, w.Header())
		}
	}
}

// TestPackedPages: of a file that the build has left compressed only, whoever
// takes nothing compressed gets what is in it.
func TestPackedPages(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("a page that is worth packing; ", 1000)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dist := built()
	for _, name := range []string{"assets/large-1.js", "large.txt"} {
		dist[name+".gz"] = &fstest.MapFile{Data: packed.Bytes()}
		dist[name+".br"] = &fstest.MapFile{Data: []byte("brotli")}
	}
	u := pages(t, dist, false)
	for _, path := range []string{"/assets/large-1.js", "/large.txt"} {
		for accepted, want := range map[string]string{"": text, "identity": text, "gzip": packed.String(), "br, gzip": "brotli", "deflate": text} {
			for _, method := range []string{"GET", "HEAD"} {
				w := ask(u, method+" "+path, "Accept-Encoding", accepted)
				body := want
				if method == "HEAD" {
					body = ""
				}
				if w.Code != 200 || w.Body.String() != body || w.Header().Get("Content-Length") != strconv.Itoa(len(want)) {
					t.Errorf("%s %s for %q: %d, %s bytes, %.40q", method, path, accepted, w.Code, w.Header().Get("Content-Length"), w.Body)
				}
				guarded(t, path, w.Header())
			}
		}
	}
	if w := ask(u, "GET /large.txt"); w.Header().Get("Etag") == "" || ask(u, "GET /large.txt", "If-None-Match", w.Header().Get("Etag")).Code != 304 {
		t.Errorf("an ETag: %v", w.Header())
	}
	dist["assets/short-1.js.gz"] = &fstest.MapFile{Data: []byte("gz")}
	if _, err := newUI(dist, false); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file of gzip that is none: %v", err)
	}
}

// TestPageMethods says that pages are only read.
func TestPageMethods(t *testing.T) {
	t.Parallel()
	u := pages(t, built(), false)
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "FOO"} {
		for _, path := range []string{"/", "/login", "/robots.txt", "/assets/app-B7hs9.js"} {
			w := ask(u, method+" "+path)
			want := `{"detail":"Method \"` + method + `\" not allowed."}`
			if w.Code != http.StatusMethodNotAllowed || w.Body.String() != want || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d %s %v", method, path, w.Code, w.Body, w.Header())
			}
		}
		if w := ask(u, method+" /nope.js"); w.Code != http.StatusNotFound {
			t.Errorf("%s of what there is not: %d %s", method, w.Code, w.Body)
		}
	}
}

// TestEncodings says which form of a file is sent: the best that is there and
// that the client takes.
func TestEncodings(t *testing.T) {
	t.Parallel()
	u := pages(t, built(), false)
	for _, c := range []struct {
		path   string
		accept []string
		want   string // the form; "" is 404
	}{
		{"/", nil, "plain"},
		{"/", []string{""}, "plain"},
		{"/", []string{"br"}, "br"},
		{"/", []string{"gzip"}, "gzip"},
		{"/", []string{"gzip, deflate, br, zstd"}, "br"},
		{"/", []string{"gzip, deflate"}, "gzip"},
		{"/", []string{"deflate", "gzip"}, "gzip"}, // in two headers
		{"/", []string{"BR"}, "br"},
		{"/", []string{" gzip ; q=0.5 ,\tbr;q=0.1"}, "br"}, // the best is the smallest
		{"/", []string{"gzip;q=1.0, br;q=0"}, "gzip"},
		{"/", []string{"gzip;q=0, br;q=0.000"}, "plain"},
		{"/", []string{"br; q=0"}, "plain"},
		{"/", []string{"br;Q=0"}, "plain"}, // RFC 9110, section 12.4.2: in any case
		{"/", []string{"br;\tq=0\t"}, "plain"},
		{"/", []string{"br;q=0.001"}, "br"},
		{"/", []string{"br;q=x"}, "br"},
		{"/", []string{"identity"}, "plain"},
		{"/", []string{"*"}, "plain"},
		{"/", []string{"brotli, xgzip, gzip2"}, "plain"},
		{"/login", []string{"br"}, "br"},
		{"/assets/app-B7hs9.css", []string{"br, gzip"}, "gzip"}, // there is no br
		{"/assets/app-B7hs9.css", []string{"br"}, "plain"},
		{"/assets/deep/x-1.woff2", []string{"br, gzip"}, "plain"},
		{"/robots.txt", []string{"gzip"}, "plain"},
		{"/assets/packed-1.js", []string{"br"}, "br"},
		{"/assets/packed-1.js", []string{"gzip"}, ""},
		{"/assets/packed-1.js", nil, ""},
	} {
		var header []string
		for _, a := range c.accept {
			header = append(header, "Accept-Encoding", a)
		}
		w := ask(u, "GET "+c.path, header...)
		what := c.path + " for " + strings.Join(c.accept, "|")
		if c.want == "" {
			if w.Code != http.StatusNotFound || w.Body.String() != notFound || w.Header().Get("Content-Encoding") != "" || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %q %v, want 404", what, w.Code, w.Body, w.Header())
			}
			continue
		}
		name := strings.TrimPrefix(c.path, "/")
		if name == "" || name == "login" {
			name = "index.html"
		}
		encoding := c.want
		if encoding == "plain" {
			encoding = ""
		}
		if w.Code != http.StatusOK || w.Body.String() != name+" "+c.want || w.Header().Get("Content-Encoding") != encoding {
			t.Errorf("%s: %d %q in %q, want %s", what, w.Code, w.Body, w.Header().Get("Content-Encoding"), c.want)
		}
		if have := w.Header().Get("Content-Length"); have != strconv.Itoa(w.Body.Len()) {
			t.Errorf("%s: Content-Length %s for %d bytes", what, have, w.Body.Len())
		}
		// Caches must know what it depends on, whatever was sent.
		if vary := w.Header()["Vary"]; !slices.Equal(vary, []string{"Origin", "Accept-Encoding"}) {
			t.Errorf("%s: Vary %q", what, vary)
		}
	}
	if !slices.Equal(corsVary, []string{"Origin"}) {
		t.Errorf("the shared Vary is %q now", corsVary)
	}
}

// TestPageCaching says that what has a hash in its name is kept for ever, and
// that everything else is asked for again and answered 304 while it is the same.
func TestPageCaching(t *testing.T) {
	t.Parallel()
	u := pages(t, built(), false)
	for _, path := range []string{"/assets/app-B7hs9.js", "/assets/app-B7hs9.css", "/assets/deep/x-1.woff2"} {
		w := ask(u, "GET "+path, "If-None-Match", "*", "Accept-Encoding", "gzip")
		if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" || w.Header().Get("Etag") != "" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
	tags := map[string]string{}
	for _, path := range []string{"/", "/login", "/robots.txt", "/favicon.svg"} {
		w := ask(u, "GET "+path)
		etag := w.Header().Get("Etag")
		if w.Header().Get("Cache-Control") != "no-cache" || len(etag) != 18 || etag[0] != '"' || etag[17] != '"' {
			t.Errorf("%s: ETag %s, %v", path, etag, w.Header())
		}
		tags[etag] += path
		for sent, same := range map[string]bool{
			etag: true, "W/" + etag: true, "*": true, ` "x" , ` + etag + ` `: true, `"x","y"`: false,
			strings.Trim(etag, `"`): false, "": false, `"` + strings.Trim(etag, `"`) + `x"`: false, "w/" + etag: false,
		} {
			for _, method := range []string{"GET", "HEAD"} {
				// The tag is the file's, not the form's: a client that goes from one
				// encoding to another has the same page.
				w := ask(u, method+" "+path, "If-None-Match", sent, "Accept-Encoding", "br")
				want := http.StatusOK
				if same {
					want = http.StatusNotModified
				}
				if w.Code != want || w.Header().Get("Etag") != etag || same && w.Body.Len() > 0 || w.Header().Get("Cache-Control") != "no-cache" {
					t.Errorf("%s %s with %s: %d %q %v, want %d", method, path, sent, w.Code, w.Body, w.Header(), want)
				}
				guarded(t, "304", w.Header())
			}
		}
		if w := ask(u, "GET "+path, "If-None-Match", `"x"`, "If-None-Match", etag); w.Code != http.StatusNotModified {
			t.Errorf("%s with two headers: %d", path, w.Code)
		}
	}
	if tags[ask(u, "GET /").Header().Get("Etag")] != "//login" || len(tags) != 3 {
		t.Errorf("tags %v", tags)
	}
	changed := built()
	changed["index.html"] = &fstest.MapFile{Data: []byte("index.html plaiN")}
	if a, b := ask(u, "GET /").Header().Get("Etag"), ask(pages(t, changed, false), "GET /").Header().Get("Etag"); a == b {
		t.Errorf("two pages have the tag %s", a)
	}
}

// A part of a file is never sent: what is compressed has no parts that anybody
// could use.
func TestNoRanges(t *testing.T) {
	t.Parallel()
	u := pages(t, built(), false)
	for _, path := range []string{"/", "/assets/app-B7hs9.js"} {
		w := ask(u, "GET "+path, "Range", "bytes=0-3", "If-Range", `"x"`)
		if w.Code != http.StatusOK || !strings.HasSuffix(w.Body.String(), "plain") {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
		guarded(t, path, w.Header())
	}
}

// Where the browser comes by TLS it is told to stay with it.
func TestStrictTransport(t *testing.T) {
	t.Parallel()
	for secure, want := range map[bool]string{false: "", true: "max-age=31536000"} {
		u := pages(t, built(), secure)
		for _, path := range []string{"/", "/login", "/assets/app-B7hs9.js"} {
			if have := ask(u, "GET "+path).Header().Get("Strict-Transport-Security"); have != want {
				t.Errorf("secure %v, %s: %q, want %q", secure, path, have, want)
			}
		}
	}
}

// A binary that was built without its pages says so, and has no screens.
func TestUnbuilt(t *testing.T) {
	t.Parallel()
	u := pages(t, fstest.MapFS{".keep": {}}, false)
	w := ask(u, "GET /")
	if w.Code != http.StatusOK || w.Body.String() != unbuiltText || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	guarded(t, "unbuilt", w.Header())
	for _, path := range []string{"/login", "/index.html", "/docs.html", "/.keep", "/a/b"} {
		if w := ask(u, "GET "+path); w.Code != http.StatusNotFound || w.Body.String() != notFound {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := ask(u, "POST /"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d %s", w.Code, w.Body)
	}
	if u.docs() != nil {
		t.Error("there is a description for people")
	}
	// On the wire HEAD has no body.
	s := httptest.NewServer(u)
	defer s.Close()
	resp, err := s.Client().Head(s.URL)
	if err != nil || resp.StatusCode != http.StatusOK || resp.ContentLength > 0 && resp.ContentLength != int64(len(unbuiltText)) {
		t.Errorf("HEAD: %v %v", resp, err)
	}
	if err == nil {
		resp.Body.Close()
	}
}

// Files without a page to begin with are served, but there are no screens.
func TestWithoutIndex(t *testing.T) {
	t.Parallel()
	dist := built()
	delete(dist, "index.html")
	delete(dist, "index.html.br")
	delete(dist, "index.html.gz")
	u := pages(t, dist, false)
	for path, want := range map[string]int{"/": 200, "/login": 404, "/robots.txt": 200, "/assets/app-B7hs9.js": 200} {
		if w := ask(u, "GET "+path); w.Code != want || path == "/" && w.Body.String() != unbuiltText {
			t.Errorf("%s: %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
}

// The description for people is a page like the others, at the API's address.
func TestDocsPage(t *testing.T) {
	t.Parallel()
	u := pages(t, built(), true)
	h := u.docs()
	w := ask(h, "GET /api/docs/", "Accept-Encoding", "br")
	if w.Code != http.StatusOK || w.Body.String() != "docs.html br" || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	guarded(t, "docs", w.Header())
	if etag := w.Header().Get("Etag"); etag != "" {
		t.Errorf("it is not kept, but has the ETag %s", etag)
	}
	if w := ask(h, "HEAD /api/docs/"); w.Code != http.StatusOK || w.Body.Len() > 0 {
		t.Errorf("HEAD: %d %q", w.Code, w.Body)
	}
}

// failing is a file system whose files cannot be opened any more, or at all.
type failing struct {
	fs.FS
	broken bool
}

var errGone = errors.New("the binary is gone")

func (f *failing) Open(name string) (fs.File, error) {
	if f.broken && name != "." && name != "assets" {
		return nil, errGone
	}
	return f.FS.Open(name)
}

// What cannot be read is an error when it is found out, not a half page.
func TestUnreadablePages(t *testing.T) {
	t.Parallel()
	if _, err := newUI(&failing{built(), true}, false); !errors.Is(err, errGone) {
		t.Errorf("newUI: %v", err)
	}
	dist := &failing{FS: built()}
	u := pages(t, dist, false)
	dist.broken = true
	w := ask(u, "GET /")
	if w.Code != http.StatusInternalServerError || w.Body.String() != `{"detail":"Internal server error."}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestAppPath says which paths can be a screen's.
func TestAppPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/": true, "/a": true, "/a/": true, "/a/b/c": true, "/a-b_c~": true, "/é": true, "/%": true,
		"": false, "a": false, "//": false, "/a//": false, "/a//b": false, "//a": false, "/.": false, "/..": false, "/a/.": false, "/a.": false, "/a/b.js": false,
	} {
		if appPath(path) != want {
			t.Errorf("%q: %v", path, !want)
		}
	}
}

// A page is read from the binary where it lies: the same bytes each time, also
// to several at once.
func TestPagesAtOnce(t *testing.T) {
	t.Parallel()
	dist := fstest.MapFS{"index.html": {Data: bytes.Repeat([]byte("<p>"), 100_000)}}
	u := pages(t, dist, false)
	done := make(chan bool)
	for range 8 {
		go func() { done <- bytes.Equal(ask(u, "GET /").Body.Bytes(), dist["index.html"].Data) }()
	}
	for range 8 {
		if !<-done {
			t.Error("another page")
		}
	}
}
