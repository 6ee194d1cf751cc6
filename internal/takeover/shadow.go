package takeover

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/throttle"
)

// ShadowOptions are the settings of a Shadow.
type ShadowOptions struct {
	// Upstream is the live Django: http or https, a host, and no path.
	Upstream *url.URL
	// Latchkey is where the Latchkey is that is asked: host:port, plain HTTP. It
	// has to trust the peer that this process is (proxy.trusted).
	Latchkey string
	// Store is the Latchkey's: users who register meanwhile are given the
	// Django's ids in it. It must not be one that is to go live.
	Store auth.Store
	// Trusted are the proxies in front whose word on the client's address is
	// taken.
	Trusted []netip.Prefix
	// Header is the one that they write it in, of throttle's.
	Header string
	// Under are the beginnings of the paths that are compared; others are passed
	// through alone.
	Under []string
	// BodyLimit is the most bytes of a body that is compared.
	BodyLimit int64
	// Timeout is how long the Django may take to begin its answer.
	Timeout time.Duration
	// Allowed are the roles that anybody may register with at the Latchkey.
	Allowed []auth.Role
	// Names are what claims are called in the Django's tokens.
	Names Names
	// Out takes the differences, as JSON, one a line; nil takes none. Of each kind
	// the first few are written.
	Out io.Writer
	// Told, when it is not nil, is given every comparison.
	Told func(Difference)
	Log  *slog.Logger
	Now  func() time.Time
}

const (
	// maxLine is the most exchanges that wait to be asked.
	maxLine = 1000
	// maxKept is the most bytes of bodies that are kept for that, in all.
	maxKept = 64 << 20
	// askers is how many exchanges are asked at once.
	askers = 4
	// maxAge is how old an exchange may be when it is asked: tokens expire, and
	// what the Latchkey says then says nothing.
	maxAge = 30 * time.Second
	// askTime is how long the Latchkey may take.
	askTime = 20 * time.Second
	// maxNoted is the most tokens and users that something is remembered of.
	maxNoted = 200_000
	// maxAlike is the most lines that are written of one kind of difference, and
	// maxKinds the most kinds that are told apart.
	maxAlike, maxKinds = 20, 2000
)

// Why an exchange was not compared.
const (
	skipFull   = "the queue was full"
	skipLarge  = "a body was too large"
	skipLate   = "it waited for too long"
	skipCut    = "it was broken off"
	skipState  = "an earlier one of this user was not compared"
	skipBusy   = "the Latchkey was busy"
	skipCoding = "the body's coding is not known"
	skipDown   = "the Django did not answer"
	skipNew    = "the user is not in the copy"
	skipPanic  = "comparing it panicked"
)

// Shadow is the proxy. It is an http.Handler; Close it after its last request.
type Shadow struct {
	ShadowOptions
	proxy *httputil.ReverseProxy
	ask   *http.Transport
	line  *line
	kept  atomic.Int64
	done  sync.WaitGroup

	ended, diverged *recent[string]
	unknown         *recent[bool] // keys of which the two do not know the same
	parked          parked

	tally
}

// parked are users who have registered on both sides and whose id here was
// another's there: of several who register at once the two sides may number each
// otherwise. Until it is their turn to be given the Django's id they have one that
// nobody has.
type parked struct {
	mu   sync.Mutex
	last int64           // below 0, where nobody is numbered and no sequence follows
	ids  map[int64]int64 // what they are numbered now, by what they were told
}

// job is an exchange that waits to be asked.
type job struct {
	*message
	live *answer
	keys []string
	size int64
	// blocked is how many of the keys have a job before this one; the line's.
	blocked int
}

// NewShadow makes a Shadow, which runs until it is closed.
func NewShadow(o ShadowOptions) *Shadow {
	s := &Shadow{
		ShadowOptions: o, line: newLine(maxLine),
		parked: parked{ids: map[int64]int64{}}, ended: newRecent[string](maxNoted), diverged: newRecent[string](maxNoted), unknown: newRecent[bool](maxNoted),
		// A connection that is kept can be closed by the Django in the moment in
		// which a request is sent on it, which would be lost.
		ask: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: askers, IdleConnTimeout: time.Minute},
	}
	s.tally.init(o.Out)
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	s.proxy = &httputil.ReverseProxy{
		Rewrite: s.rewrite,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: o.Timeout,
			DisableCompression: true, DisableKeepAlives: true,
		},
		FlushInterval: -1,
		ErrorHandler:  s.failed,
		ErrorLog:      slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	for range askers {
		s.done.Go(func() {
			for j := range s.line.ready {
				s.compare(j)
				s.kept.Add(-j.size)
				s.line.done(j)
			}
		})
	}
	return s
}

// Settle waits until every exchange so far has been compared.
func (s *Shadow) Settle() { s.line.settle() }

// Close ends the comparing: what waits is asked still, until ctx is done.
func (s *Shadow) Close(ctx context.Context) {
	s.line.close()
	s.stopping.Store(ctx.Err() != nil)
	stop := context.AfterFunc(ctx, func() { s.stopping.Store(true) })
	s.done.Wait()
	stop()
	s.ask.CloseIdleConnections()
}

// rewrite sends a request on as it came: only where it is from is added.
func (s *Shadow) rewrite(p *httputil.ProxyRequest) {
	p.Out.URL.Scheme, p.Out.URL.Host = s.Upstream.Scheme, s.Upstream.Host
	p.Out.URL.RawQuery = p.In.URL.RawQuery
	p.Out.Host = p.In.Host
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if v, ok := p.In.Header[name]; ok {
			p.Out.Header[name] = slices.Clone(v)
		}
	}
	// A proxy of the operator's has written down the client already, and an
	// application that counts proxies must not find one more.
	if peer, err := netip.ParseAddrPort(p.In.RemoteAddr); err == nil && !s.trusts(peer.Addr().Unmap()) {
		before := strings.Join(p.In.Header["X-Forwarded-For"], ", ")
		if before != "" {
			before += ", "
		}
		p.Out.Header.Set("X-Forwarded-For", before+peer.Addr().Unmap().String())
	}
}

func (s *Shadow) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(s.Trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// failed answers where the Django does not.
func (s *Shadow) failed(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusBadGateway
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		status = http.StatusGatewayTimeout
	}
	if e, ok := w.(*tap); ok {
		e.down = true
	}
	if r.Context().Err() == nil {
		// The error may have the address in it, and nothing of the request.
		s.Log.Warn("the Django does not answer", "status", status, "error", err)
	}
	refuse(w, status)
}

// refuse answers as proxies do, in the Django's place.
func refuse(w http.ResponseWriter, status int) {
	w.Header()["Content-Type"] = []string{"text/plain; charset=utf-8"}
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "%d %s\n", status, http.StatusText(status))
}

// ServeHTTP passes a request and its answer through.
func (s *Shadow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		refuse(w, http.StatusNotImplemented)
		return
	}
	upgrade := r.Header.Get("Upgrade") != ""
	if upgrade || !slices.ContainsFunc(s.Under, func(p string) bool { return strings.HasPrefix(r.URL.Path, p) }) {
		s.passed.Add(1)
		s.proxy.ServeHTTP(&plain{w}, r)
		return
	}
	t := &tap{plain: plain{w}, shadow: s, request: r, arrived: s.Now(), wanted: -1}
	t.body = &tapped{ReadCloser: r.Body, into: &t.sent}
	t.sent.shadow, t.got.shadow = s, s
	t.sent.length = r.ContentLength
	in := r
	if r.Body != nil && r.Body != http.NoBody {
		in = r.WithContext(r.Context()) // A copy, whose body is watched.
		in.Body = t.body
	} else {
		t.sent.whole = true
	}
	// Also where the proxy panics, because the answer is broken off.
	defer t.finish(false)
	s.proxy.ServeHTTP(t, in)
	t.finish(true)
}

// plain is an answer on its way, to which net/http adds nothing.
type plain struct{ http.ResponseWriter }

func (p *plain) WriteHeader(status int) {
	h := p.Header()
	for _, name := range []string{"Content-Type", "Date"} {
		if _, ok := h[name]; !ok && status >= 200 {
			h[name] = nil
		}
	}
	p.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (p *plain) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// keep is a copy of a body, as far as it is kept.
type keep struct {
	shadow *Shadow
	mu     sync.Mutex // The body is read by a goroutine of the transport's.
	b      bytes.Buffer
	lost   string // why it is not whole: a skip…
	length int64  // of the whole, where it is known; else 0 or less
	whole  bool
}

func (k *keep) add(p []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := int64(len(p))
	switch {
	case k.lost != "" || n == 0:
		return
	case int64(k.b.Len())+n > k.shadow.BodyLimit:
		k.lose(skipLarge)
	case k.shadow.kept.Add(n) > maxKept:
		k.shadow.kept.Add(-n)
		k.lose(skipFull)
	default:
		k.b.Write(p)
		// A reader that knows the length does not look for the end.
		k.whole = k.whole || int64(k.b.Len()) == k.length
	}
}

// ends notes that the body has come to its end.
func (k *keep) ends() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.whole = true
}

// wants reports whether there is more of it to keep.
func (k *keep) wants() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.whole && k.lost == ""
}

func (k *keep) lose(why string) {
	k.shadow.kept.Add(-int64(k.b.Len()))
	k.b, k.lost = bytes.Buffer{}, why
}

// tapped is a request's body on its way.
type tapped struct {
	io.ReadCloser
	mu   sync.Mutex // What is read is kept in its order.
	into *keep
}

func (t *tapped) Read(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := t.ReadCloser.Read(p)
	t.into.add(p[:n])
	if err == io.EOF { //nolint:errorlint // As readers give it.
		t.into.ends()
	}
	return n, err //nolint:wrapcheck // It is the body's.
}

// rest reads what a Django that answers early has left: net/http would read it
// before it answers, and drop it.
func (t *tapped) rest() {
	buf := make([]byte, 4<<10)
	for t.into.wants() {
		if _, err := t.Read(buf); err != nil {
			return
		}
	}
}

// tap is an answer on its way, with a copy of it and of its request.
type tap struct {
	plain
	shadow  *Shadow
	request *http.Request
	arrived time.Time
	status  int
	header  http.Header
	wanted  int64 // bytes of the answer; -1 where that is not said
	written int64
	down    bool
	ended   bool

	body      *tapped
	sent, got keep
}

func (t *tap) WriteHeader(status int) {
	if status >= 200 && t.request.Header.Get("Expect") == "" {
		t.body.rest()
	}
	if status >= 200 && t.status == 0 {
		t.status, t.header = status, t.Header().Clone()
		if v := t.header.Get("Content-Length"); v != "" {
			_, _ = fmt.Sscan(v, &t.wanted)
		}
		if t.bare() {
			t.finish(true)
		}
	}
	t.plain.WriteHeader(status)
}

// bare reports whether the headers are the whole answer (RFC 9112, 6.3).
func (t *tap) bare() bool {
	return t.wanted == 0 || t.request.Method == http.MethodHead ||
		t.status == http.StatusNoContent || t.status == http.StatusNotModified
}

// Write keeps what passes. An exchange is in the line before the client can
// have the whole of its answer, so that what the client asks next comes after.
func (t *tap) Write(p []byte) (int, error) {
	if t.status == 0 {
		t.WriteHeader(http.StatusOK)
	}
	t.got.add(p)
	if t.written += int64(len(p)); t.written == t.wanted {
		t.finish(true)
	}
	return t.plain.Write(p) //nolint:wrapcheck // It is the connection's.
}

// finish puts the exchange into the line, once.
func (t *tap) finish(whole bool) {
	if t.ended {
		return
	}
	t.ended = true
	s, r := t.shadow, t.request
	m := &message{
		method: r.Method, url: r.URL, host: r.Host, header: r.Header.Clone(), chunked: len(r.TransferEncoding) > 0,
		route: routeOf(r.URL.Path), arrived: t.arrived, peer: r.RemoteAddr,
	}
	live := &answer{status: t.status, header: t.header}
	t.sent.mu.Lock()
	m.body = bytes.Clone(t.sent.b.Bytes())
	lost := t.sent.lost
	if !t.sent.whole && lost == "" {
		lost = skipCut
	}
	t.sent.lose(skipCut) // What comes still is nobody's.
	t.sent.mu.Unlock()
	live.body = bytes.Clone(t.got.b.Bytes())
	if t.got.lost != "" {
		lost = t.got.lost
	} else if !whole && lost == "" {
		lost = skipCut
	}
	t.got.lose(skipCut)
	j := &job{message: m, live: live, size: int64(len(m.body) + len(live.body))}
	m.read(s.Names)
	readable := live.read(m.method, s.BodyLimit)
	j.keys = keysOf(m, live)
	switch {
	case t.down || t.status == 0:
		lost = skipDown
	case lost == "" && !readable:
		lost = skipCoding
	}
	if lost != "" {
		s.skip(j, lost)
		return
	}
	s.kept.Add(j.size)
	if !s.line.put(j) {
		s.kept.Add(-j.size)
		s.skip(j, skipFull)
	}
}

// skip counts an exchange that is not compared. If it has changed something
// there, nothing is known any more of whom it concerns.
func (s *Shadow) skip(j *job, why string) {
	s.count(string(j.route), classSkipped, why)
	if j.changes(j.live.status) {
		for _, k := range j.keys {
			s.unknown.put(k, true)
		}
	}
}

// compare is judge, of which a panic is one comparison less: the live Django is
// behind this process (ASVS 16.5.4).
func (s *Shadow) compare(j *job) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		s.Log.Error("panic while two answers were compared", "route", string(j.route), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		s.count(string(j.route), classSkipped, skipPanic)
		for _, k := range j.keys {
			s.unknown.put(k, true)
		}
	}()
	s.judge(j)
}

// judge asks the Latchkey and compares.
func (s *Shadow) judge(j *job) {
	if s.stopping.Load() || s.Now().Sub(j.arrived) > maxAge {
		s.skip(j, skipLate)
		return
	}
	for _, k := range j.keys {
		if _, is := s.unknown.get(k); is {
			s.skip(j, skipState)
			return
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	here, err := s.question(ctx, j.message)
	switch {
	case err != nil:
		s.Log.Warn("the Latchkey could not be asked", "error", mask(err.Error()))
		s.skip(j, skipBusy)
		return
	case here.status == http.StatusServiceUnavailable && j.live.status != here.status:
		s.skip(j, skipBusy)
		return
	}
	p := &pair{
		message: j.message, live: j.live, here: here, allowed: s.Allowed, ended: s.ended, diverged: s.diverged,
		user: s.user, now: s.Now(),
	}
	if s.notCopied(ctx, p) {
		s.skip(j, skipNew)
		return
	}
	d := p.compare(ctx)
	s.tell(d)
	if s.Told != nil {
		s.Told(d)
	}
	if err := s.reconcile(ctx, p, d); err != nil {
		s.Log.Warn("a user could not be made the same on both sides", "error", err)
		for _, k := range j.keys {
			s.unknown.put(k, true)
		}
	}
}

// notCopied reports whether a difference is only that a user came to the Django
// after the copy was made.
func (s *Shadow) notCopied(ctx context.Context, p *pair) bool {
	if p.route != routeLogin || !ok(p.live.status) || p.here.status != http.StatusUnauthorized {
		return false
	}
	_, err := s.Store.Read().UserByEmail(ctx, p.emailOf())
	return errors.Is(err, auth.ErrNotFound)
}

func (s *Shadow) user(ctx context.Context, id int64) (auth.User, bool) {
	u, err := s.Store.Read().UserByID(ctx, id)
	return u, err == nil
}

// reconcile makes both sides know the same again after an act.
func (s *Shadow) reconcile(ctx context.Context, p *pair, d Difference) error {
	if p.route == routeLogout && ok(p.here.status) && p.bearer != nil {
		s.ended.put(p.bearer.jti, rowOutlive)
	}
	// What one side did and the other did not, for a reason that is known.
	if row := d.Differs[partStatus].Known; row != "" && p.route != routeVerify && ok(p.live.status) != ok(p.here.status) {
		if p.token != nil {
			s.diverged.put(p.token.jti, row)
		}
		if p.bearer != nil && p.route == routeLogout {
			s.diverged.put(p.bearer.jti, row)
		}
	}
	if p.route != routeRegister || p.method != http.MethodPost {
		return nil
	}
	there, here := p.live.userID(), p.here.userID()
	switch {
	case ok(p.live.status) && ok(p.here.status) && there != 0 && here != 0:
		return s.renumber(ctx, here, there)
	case ok(p.here.status) && here != 0:
		s.parked.mu.Lock()
		defer s.parked.mu.Unlock()
		return s.Store.Update(ctx, func(tx auth.Tx) error { //nolint:wrapcheck // It says what it is.
			_, err := tx.DeleteUser(ctx, cmp.Or(s.parked.ids[here], here))
			return err
		})
	case ok(p.live.status):
		// Whoever was refused here has tokens from there.
		s.unknown.put(userKey(there), true)
		s.unknown.put(p.spelledKey(), true)
	}
	return nil
}

// renumber gives a user, who was told to have an id here, the one that they have
// there. Who has that here has not been given theirs yet, and is parked.
func (s *Shadow) renumber(ctx context.Context, here, there int64) error {
	s.parked.mu.Lock()
	defer s.parked.mu.Unlock()
	from, was := s.parked.ids[here]
	if !was {
		from = here
	}
	if from == there {
		return nil
	}
	park := s.parked.last - 1
	used := false
	err := s.Store.Update(ctx, func(tx auth.Tx) error {
		_, err := tx.UserByID(ctx, there)
		if used = err == nil; used {
			err = s.move(ctx, tx, there, park)
		}
		if err != nil && !errors.Is(err, auth.ErrNotFound) {
			return err
		}
		if err := s.move(ctx, tx, from, there); err != nil {
			return err
		}
		return tx.RaiseUserIDs(ctx, there) //nolint:wrapcheck // It says what it is.
	})
	if err != nil {
		return err //nolint:wrapcheck // It says what it is.
	}
	delete(s.parked.ids, here)
	if used {
		s.parked.ids[there], s.parked.last = park, park
	}
	return nil
}

func (s *Shadow) move(ctx context.Context, tx auth.Tx, from, to int64) error {
	u, err := tx.DeleteUser(ctx, from)
	if err != nil {
		return fmt.Errorf("take a user out: %w", err)
	}
	email, _ := auth.ParseEmail(u.Email)
	refused, err := tx.InsertImported(ctx, []auth.ImportedUser{{
		ID: to, Email: email, FirstName: u.FirstName, LastName: u.LastName, Phone: u.Phone, Role: u.Role, IsActive: u.IsActive,
		Password: u.Password, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt, LastLogin: u.LastLogin, Base: []byte("{}"),
	}}, s.Now())
	switch {
	case err != nil:
		return fmt.Errorf("put a user in: %w", err)
	case len(refused) > 0:
		return errors.New("the id is somebody else's")
	}
	return nil
}

// hopByHop and what must not go on to the Latchkey: a Django's cookies, and what
// others have written of where the request came from.
var withheld = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
	"Cookie", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Accept-Encoding", "Content-Length",
}

// question asks the Latchkey what the Django was asked.
func (s *Shadow) question(ctx context.Context, m *message) (*answer, error) {
	u := *m.url
	u.Scheme, u.Host, u.User, u.Fragment = "http", s.Latchkey, nil, ""
	r := &http.Request{
		Method: m.method, URL: &u, Host: m.host, Header: m.header.Clone(), ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody,
	}
	for _, name := range withheld {
		r.Header.Del(name)
	}
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header["User-Agent"] = nil
	}
	if addr, _ := throttle.ClientAddress(m.peer, m.header, s.Trusted, s.Header); addr.IsValid() {
		r.Header.Set("X-Forwarded-For", addr.String())
	}
	if len(m.body) > 0 || m.chunked {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(m.body)), int64(len(m.body))
		if m.chunked {
			r.ContentLength = -1
		}
	}
	resp, err := s.ask.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err //nolint:wrapcheck // It says what it is.
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header}
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, s.BodyLimit)); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	a.read(m.method, s.BodyLimit)
	return a, nil
}

// encode writes a difference as a line.
func (d Difference) encode() []byte {
	// It holds strings and numbers alone.
	line, _ := json.Marshal(d) //nolint:errchkjson // See above.
	return append(line, '\n')
}
