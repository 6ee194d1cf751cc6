package takeover

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

// stage is a shadow between a client, a Django and a Latchkey that are played.
type stage struct {
	*Shadow
	t        *testing.T
	url      string
	store    auth.Store
	out, log lockedBuffer
	mu       sync.Mutex
	told     []Difference
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newStage sets one up. A nil Latchkey answers as the Django does.
func newStage(t *testing.T, django, latchkey http.HandlerFunc, change func(*ShadowOptions)) *stage {
	t.Helper()
	if latchkey == nil {
		latchkey = django
	}
	there, here := httptest.NewUnstartedServer(django), httptest.NewServer(latchkey)
	there.Config.DisableGeneralOptionsHandler = true
	there.Start()
	t.Cleanup(there.Close)
	t.Cleanup(here.Close)
	upstream, err := url.Parse(there.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t}
	if s.store, err = sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "latchkey.db"), Now: time.Now, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.store.Close() })
	o := ShadowOptions{
		Upstream: upstream, Latchkey: here.Listener.Addr().String(), Store: s.store, Under: []string{"/api/auth/"}, BodyLimit: 64 << 10,
		Timeout: 30 * time.Second, Allowed: []auth.Role{auth.RoleEmployee, auth.RoleClient}, Names: Names{"token_type", "jti", "user_id"},
		Out: &s.out, Log: slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: time.Now,
		Told: func(d Difference) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.told = append(s.told, d)
		},
	}
	if change != nil {
		change(&o)
	}
	s.Shadow = NewShadow(o)
	front := httptest.NewUnstartedServer(s.Shadow)
	front.Config.DisableGeneralOptionsHandler = true
	front.Start()
	s.url = front.URL
	t.Cleanup(func() {
		front.Close()
		s.Close(context.Background())
	})
	return s
}

// raw sends bytes and gives the answer's.
func (s *stage) raw(request string) string {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		s.t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// post sends JSON and gives the status.
func (s *stage) post(path, bearer, body string) int {
	s.t.Helper()
	r, err := http.NewRequest("POST", s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

func (s *stage) comparisons() []Difference {
	s.Settle()
	s.mu.Lock()
	defer s.mu.Unlock()
	told := s.told
	s.told = nil
	return told
}

func (s *stage) sum() (c Counts) {
	for _, n := range s.Counts() {
		c = Counts{c.Same + n.Same, c.Known + n.Known, c.Different + n.Different, c.Skipped + n.Skipped}
	}
	return c
}

func say(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// token makes an unsigned token: nobody here looks at signatures.
func token(claims string) string {
	enc := base64.RawURLEncoding
	return enc.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc.EncodeToString([]byte(claims)) + "." + enc.EncodeToString(make([]byte, 32))
}

func tokenOf(kind string, user int64, jti string) string {
	now := time.Now().Unix()
	return token(fmt.Sprintf(`{"token_type":%q,"exp":%d,"iat":%d,"jti":%q,"user_id":%d}`, kind, now+3600, now-60, jti, user))
}

// TestPassesThrough: the Django gets the request as it came, and the client the
// answer.
func TestPassesThrough(t *testing.T) {
	got := make(chan *http.Request, 1)
	var body []byte
	django := func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		got <- r
		h := w.Header()
		h["Date"], h["Content-Type"] = nil, nil
		h["Set-Cookie"] = []string{"a=1; Path=/", "b=2"}
		h.Set("X-Odd", "ü, \"x\"")
		w.WriteHeader(299)
		_, _ = io.WriteString(w, "<html>\x00\xff")
	}
	latchkey := func(w http.ResponseWriter, _ *http.Request) { say(w, 200, "{}") }
	for _, path := range []string{"/api/auth/login/?a=1;b=%zz&c", "/static/%2F..//x%20y", "//api/auth/", "*"} {
		t.Run(path, func(t *testing.T) {
			s := newStage(t, django, latchkey, nil)
			method := "BREW"
			if path == "*" {
				method = "OPTIONS"
			}
			answer := s.raw(method + " " + path + " HTTP/1.1\r\nHost: Other.example:77\r\nConnection: close\r\nCookie: s=1\r\nX-Forwarded-Proto: https\r\nContent-Length: 5\r\n\r\na\x00b\xffc")
			r := <-got
			if r.Method != method || r.RequestURI != path || r.Host != "Other.example:77" || string(body) != "a\x00b\xffc" ||
				r.Header.Get("Cookie") != "s=1" || r.Header.Get("X-Forwarded-Proto") != "https" || len(r.Header["User-Agent"]) != 0 || r.Header.Get("Accept-Encoding") != "" {
				t.Errorf("the Django got %s %s of %s, %v, %q", r.Method, r.RequestURI, r.Host, r.Header, body)
			}
			want := "HTTP/1.1 299 status code 299\r\nConnection: close\r\nContent-Length: 8\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\nX-Odd: ü, \"x\"\r\n\r\n<html>\x00\xff"
			if sorted(answer) != sorted(want) {
				t.Errorf("the client got %q\nwant %q", answer, want)
			}
		})
	}
}

// sorted puts the lines of a head into an order.
func sorted(message string) string {
	head, body, _ := strings.Cut(message, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	out := lines[0]
	for len(lines) > 1 {
		least := 1
		for i := range lines[1:] {
			if lines[1+i] < lines[least] {
				least = 1 + i
			}
		}
		out += "\n" + lines[least]
		lines = append(lines[:least], lines[least+1:]...)
	}
	return out + "\n\n" + body
}

// TestStreams: what has been sent passes before the rest is there, the request
// and then the answer, without a bound, on paths that are compared and on others.
func TestStreams(t *testing.T) {
	for _, path := range []string{"/api/auth/x/", "/files/"} {
		begun, more := make(chan bool), make(chan bool)
		s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
			first := make([]byte, 5)
			_, _ = io.ReadFull(r.Body, first)
			close(begun)
			sum := sha256.New()
			rest, _ := io.ReadAll(io.TeeReader(r.Body, sum))
			_, _ = w.Write(first)
			_ = http.NewResponseController(w).Flush()
			<-more
			_, _ = w.Write(rest)
			fmt.Fprintf(w, "%x", sum.Sum(nil))
		}, func(w http.ResponseWriter, _ *http.Request) { say(w, 200, "{}") }, nil)
		read, write := io.Pipe()
		r, err := http.NewRequest("POST", s.url+path, read)
		if err != nil {
			t.Fatal(err)
		}
		big := bytes.Repeat([]byte("0123456789abcdef"), 512<<10) // 8 MiB
		go func() {
			_, _ = write.Write([]byte("first"))
			<-begun
			_, _ = write.Write(big)
			write.Close()
		}()
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 5)
		if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "first" {
			t.Fatalf("%q, %v", first, err)
		}
		close(more)
		rest, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if want := string(big) + fmt.Sprintf("%x", sha256.Sum256(big)); string(rest) != want {
			t.Errorf("%d bytes came, want %d", len(rest), len(want))
		}
		s.Settle()
		if kept := s.kept.Load(); kept != 0 {
			t.Errorf("%d bytes are kept", kept)
		}
		if n := s.sum(); strings.HasPrefix(path, "/api/") && n.Skipped != 1 || n.Same+n.Known+n.Different > 0 {
			t.Errorf("%+v", n)
		}
	}
}

// TestUpgrade: what is no HTTP any more passes, both ways.
func TestUpgrade(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_ = rw.Flush()
		_, _ = io.Copy(conn, rw)
	}, nil, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, "GET /api/auth/ws/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("%v, %v", resp, err)
	}
	_, _ = io.WriteString(conn, "\x81\x05hello")
	echo := make([]byte, 7)
	if _, err := io.ReadFull(in, echo); err != nil || string(echo) != "\x81\x05hello" {
		t.Errorf("%q, %v", echo, err)
	}
	if n := s.passed.Load(); n != 1 {
		t.Errorf("%d passed", n)
	}
}

// TestClientAddress: the Django learns who asks, without one proxy more where
// one has told already, and the Latchkey learns the same.
//
// LESSON 23
func TestClientAddress(t *testing.T) {
	for _, c := range []struct {
		trusted, sent, django, latchkey string
	}{
		{"", "", "127.0.0.1", "127.0.0.1"},
		{"", "6.6.6.6", "6.6.6.6, 127.0.0.1", "127.0.0.1"},
		{"127.0.0.1/32", "203.0.113.9", "203.0.113.9", "203.0.113.9"},
		{"127.0.0.1/32", "6.6.6.6, 203.0.113.9", "6.6.6.6, 203.0.113.9", "203.0.113.9"},
		{"127.0.0.1/32", "", "", "127.0.0.1"},
	} {
		there, here := make(chan string, 1), make(chan string, 1)
		s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
			there <- strings.Join(r.Header.Values("X-Forwarded-For"), "|")
			say(w, 200, "{}")
		}, func(w http.ResponseWriter, r *http.Request) {
			here <- strings.Join(r.Header.Values("X-Forwarded-For"), "|")
			say(w, 200, "{}")
		}, func(o *ShadowOptions) {
			if c.trusted != "" {
				o.Trusted, o.Header = []netip.Prefix{netip.MustParsePrefix(c.trusted)}, "X-Forwarded-For"
			}
		})
		r, _ := http.NewRequest("GET", s.url+"/api/auth/profile/", nil)
		if c.sent != "" {
			r.Header.Set("X-Forwarded-For", c.sent)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if django, latchkey := <-there, <-here; django != c.django || latchkey != c.latchkey {
			t.Errorf("%+v: the Django was told %q, the Latchkey %q", c, django, latchkey)
		}
	}
}

// TestUpstreamDown: a Django that is not there is 502, one that takes too long
// 504, and neither is compared.
func TestUpstreamDown(t *testing.T) {
	wait := make(chan bool)
	defer close(wait)
	s := newStage(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-wait:
		case <-r.Context().Done():
		}
	}, nil, func(o *ShadowOptions) { o.Timeout = 50 * time.Millisecond })
	if status := s.post("/api/auth/login/", "", "{}"); status != 504 {
		t.Errorf("a slow Django: %d", status)
	}
	s2 := newStage(t, func(http.ResponseWriter, *http.Request) {}, nil, func(o *ShadowOptions) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		o.Upstream = &url.URL{Scheme: "http", Host: l.Addr().String()}
		l.Close()
	})
	if status := s2.post("/api/auth/login/", "", "{}"); status != 502 {
		t.Errorf("no Django: %d", status)
	}
	for _, s := range []*stage{s, s2} {
		if n := s.sum(); n.Skipped != 1 || len(s.comparisons()) != 0 {
			t.Errorf("%+v", n)
		}
	}
}

// TestNeverWaits: with a Latchkey that does not answer the live answers come all
// the same, what does not fit is counted, and then it goes on.
func TestNeverWaits(t *testing.T) {
	wait := make(chan bool)
	open := sync.OnceFunc(func() { close(wait) })
	t.Cleanup(open)
	s := newStage(t, func(w http.ResponseWriter, _ *http.Request) { say(w, 200, `{"a":1}`) },
		func(w http.ResponseWriter, _ *http.Request) {
			<-wait
			say(w, 200, `{"a":2}`)
		}, nil)
	const n = maxLine + 50
	for i := range n {
		if status := s.post("/api/auth/token/verify/", "", fmt.Sprintf(`{"token":%q}`, tokenOf("access", int64(i+1), "x"))); status != 200 {
			t.Fatalf("%d", status)
		}
	}
	if kept := s.kept.Load(); kept == 0 || kept > maxKept {
		t.Errorf("%d bytes are kept", kept)
	}
	open()
	s.Settle()
	if c := s.sum(); c.Same+c.Skipped != n || c.Skipped != n-maxLine {
		t.Errorf("%+v", c)
	}
	if kept := s.kept.Load(); kept != 0 {
		t.Errorf("%d bytes are kept", kept)
	}
	if s.skipped[skipFull] != n-maxLine {
		t.Errorf("%v", s.skipped)
	}
}

// TestUnknownState: after an act that could not be compared, nothing is said of
// whom it concerned, and everything of others.
func TestUnknownState(t *testing.T) {
	big := strings.Repeat("x", 70<<10)
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		say(w, 200, `{}`)
	}, func(w http.ResponseWriter, _ *http.Request) { say(w, 401, `{}`) }, nil)
	s.post("/api/auth/logout/", tokenOf("access", 1, "a"), `{"refresh_token":"`+big+`"}`)
	s.post("/api/auth/profile/", tokenOf("access", 1, "b"), `{}`)
	s.post("/api/auth/profile/", tokenOf("access", 2, "c"), `{}`)
	if told := s.comparisons(); len(told) != 1 || s.skipped[skipLarge] != 1 || s.skipped[skipState] != 1 {
		t.Errorf("%v, %v", told, s.skipped)
	}
}

// A panic in a comparison ends neither the process nor the comparing, and of
// whom it concerned nothing is said any more.
//
// ASVS 16.5.4
// LESSON 38
func TestPanicIsOneComparison(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, _ *http.Request) { say(w, 200, `{}`) }, func(w http.ResponseWriter, _ *http.Request) { say(w, 200, `{}`) }, nil)
	s.compare(&job{message: new(message), keys: []string{"user 1"}}) // There is no answer to compare.
	if _, is := s.unknown.get("user 1"); !is || s.skipped[skipPanic] != 1 {
		t.Errorf("%v, unknown %v", s.skipped, is)
	}
	s.post("/api/auth/token/verify/", "", `{"token":"x"}`)
	s.Settle()
	if c := s.sum(); c.Same != 1 {
		t.Errorf("after it: %+v", c)
	}
}

// TestOrder: what concerns one user is asked in the order in which the Django
// answered, also while another's takes long.
func TestOrder(t *testing.T) {
	slow := make(chan bool)
	var mu sync.Mutex
	var asked []string
	s := newStage(t, func(w http.ResponseWriter, _ *http.Request) { say(w, 200, `{}`) },
		func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			var q struct{ N int }
			_ = json.Unmarshal(b, &q)
			if q.N < 0 {
				<-slow
			} else {
				mu.Lock()
				asked = append(asked, fmt.Sprint(q.N))
				mu.Unlock()
			}
			say(w, 200, `{}`)
		}, nil)
	s.post("/api/auth/profile/", tokenOf("access", 1, ""), `{"n":-1}`)
	var want []string
	for i := range 100 {
		s.post("/api/auth/profile/", tokenOf("access", 2, ""), fmt.Sprintf(`{"n":%d}`, i))
		want = append(want, fmt.Sprint(i))
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		mu.Lock()
		got := strings.Join(asked, " ")
		mu.Unlock()
		if got == strings.Join(want, " ") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("asked %s", got)
		}
	}
	close(slow)
	s.Settle()
}

// canaries are what must be nowhere.
var canaries = []string{
	"canary-passw0rd", "canaryPassword2", "canary.person", "Canary%40Mail", "canary-cookie", "canary-session", "canary-query", "canary-agent",
	"canary-first-name", "+4917canary", "CANARYKEY", "0123456789abcdef0123456789abcdef", "canary-realm", "c4n4ry",
}

// TestNoSecrets: nothing of what a client or either side says is in the file,
// the log or the summary but the names of fields and what anybody may know.
//
// ASVS 14.2.1, 16.2.5
// LESSON 13
func TestNoSecrets(t *testing.T) {
	secret := tokenOf("refresh", 7, "0123456789abcdef0123456789abcdef")
	reply := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			h := w.Header()
			h.Set("Set-Cookie", "sessionid=canary-session")
			h.Set("Location", "/reset/canary-query-0123456789abcdef0123456789abcdef/?token="+secret)
			h.Set("Www-Authenticate", `Bearer realm="canary.person@mail.example `+secret+fmt.Sprint(status)+`"`)
			h.Set("Vary", "c4n4ry-0123456789abcdef0123456789abcdef-"+secret)
			say(w, status, `{"canary.person@mail.example":{"0123456789abcdef0123456789abcdef":1},"first_name":"canary-first-name","access":"`+secret+`","code":"CANARYKEY c4n4ry","detail":"canary-passw0rd"`+
				strings.Repeat(fmt.Sprintf(`,"f%d":1`, status), status-199)+`}`)
		}
	}
	s := newStage(t, reply(200), reply(201), nil)
	for _, path := range []string{"login/", "password/0123456789abcdef0123456789abcdef/canary-query1/", "canary.person@mail.example/", "token/refresh/?e=Canary%40Mail&canary-query=canary-query"} {
		body := fmt.Sprintf(`{"email":"canary.person@mail.example","password":"canary-passw0rd","password2":"canaryPassword2","phone":"+4917canary","refresh":%q,"0123456789abcdef0123456789abcdef":"x","CANARYKEY 4":2}`, secret)
		r, _ := http.NewRequest("POST", s.url+"/api/auth/"+path, strings.NewReader(body))
		r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + secret}, "Cookie": {"sessionid=canary-cookie"}, "User-Agent": {"canary-agent"}}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body) // Only then the exchange is over.
		resp.Body.Close()
	}
	if n := len(s.comparisons()); n != 4 {
		t.Fatalf("%d comparisons", n)
	}
	// Both sides fail, with what they were asked in the error.
	s2 := newStage(t, reply(200), nil, func(o *ShadowOptions) {
		o.Latchkey = "127.0.0.1:1"
		o.Upstream = &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	})
	s2.post("/api/auth/login/?canary-query", secret, `{"password":"canary-passw0rd"}`)
	s2.Settle()
	var summary bytes.Buffer
	for _, s := range []*stage{s, s2} {
		if err := s.Summary(&summary); err != nil {
			t.Fatal(err)
		}
	}
	all := s.out.String() + s.log.String() + s2.log.String() + summary.String()
	if !strings.Contains(all, `"differs"`) || !strings.Contains(all, "first_name") {
		t.Fatalf("nothing is written: %s", all)
	}
	for _, c := range append(canaries, secret, secret[40:90]) {
		if strings.Contains(all, c) {
			t.Errorf("%s is in:\n%s", c, all)
		}
	}
}

// TestUnknownDifferences: what a table of known deviations could wrongly explain
// stays a difference.
func TestUnknownDifferences(t *testing.T) {
	const bad = `{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"A","token_type":"b","message":"c"}]}`
	user := func(id int64) string { return fmt.Sprintf(`{"id":%d,"email":"a@example.com"}`, id) }
	for _, c := range []struct {
		name, path, body string
		live             int
		liveBody         string
		here             int
		hereBody         string
	}{
		{"a good access token is refused", "/api/auth/profile/", "{}", 200, user(1), 401, bad},
		{"a good refresh token is refused", "/api/auth/token/refresh/", `{"refresh":"` + tokenOf("refresh", 1, "r") + `"}`, 200, `{"access":"x","refresh":"y"}`, 401, `{"detail":"x","code":"token_not_valid"}`},
		{"a good token is not verified", "/api/auth/token/verify/", `{"token":"` + tokenOf("access", 1, "r") + `"}`, 200, `{}`, 401, `{"detail":"x","code":"token_not_valid"}`},
		{"a dead token lives", "/api/auth/token/refresh/", `{"refresh":"` + tokenOf("refresh", 1, "r") + `"}`, 401, `{"detail":"x","code":"token_not_valid"}`, 200, `{"access":"x","refresh":"y","user":{}}`},
		{"a password is refused", "/api/auth/register/", `{"email":"n@example.com","password":"x"}`, 201, user(9), 400, `{"error":"Invalid data","details":{"password":["This password was found in a breach."]}}`},
		{"a role that anybody may have is refused", "/api/auth/register/", `{"email":"n@example.com","role":"client"}`, 201, user(9), 400, `{"error":"Invalid data","details":{"role":["x"]}}`},
		{"a plain address is refused", "/api/auth/register/", `{"email":"n@example.com"}`, 201, user(9), 400, `{"error":"Invalid data","details":{"email":["x"]}}`},
		{"a wrong password is taken", "/api/auth/login/", `{"email":"a@example.com","password":"x"}`, 401, `{"error":"x"}`, 200, `{"user":` + user(1) + `}`},
		{"a password of theirs is refused", "/api/auth/login/", `{"email":"a@example.com","password":"x"}`, 200, `{"user":` + user(1) + `}`, 401, `{"error":"x"}`},
		{"a field is missing", "/api/auth/profile/", `{}`, 200, `{"id":1,"email":"a@example.com","phone":"1"}`, 200, user(1)},
		{"a field is of another type", "/api/auth/profile/", `{}`, 200, `{"id":1,"email":"a@example.com","phone":null}`, 200, `{"id":1,"email":"a@example.com","phone":""}`},
		{"the Latchkey fails", "/api/auth/profile/", `{}`, 200, `{}`, 500, `{"detail":"Internal server error."}`},
		{"one's own token is no logout", "/api/auth/logout/", `{"refresh_token":"` + tokenOf("refresh", 1, "r") + `"}`, 200, `{}`, 401, bad},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				say(w, c.live, c.liveBody)
			}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "no-store")
				say(w, c.here, c.hereBody)
			}, nil)
			insertUser(t, s.store, 1, "a@example.com")
			s.post(c.path, tokenOf("access", 1, "j"), c.body)
			told := s.comparisons()
			if len(told) != 1 || told[0].Known || told[0].Same {
				t.Errorf("%+v", told)
			}
			if n := s.sum(); n.Different != 1 {
				t.Errorf("%+v", n)
			}
			var line Difference
			if err := json.Unmarshal([]byte(s.out.String()), &line); err != nil || line.Known || len(line.Differs) == 0 {
				t.Errorf("%v in %s", err, s.out.String())
			}
		})
	}
}

func insertUser(t *testing.T, store auth.Store, id int64, address string) {
	t.Helper()
	email, _ := auth.ParseEmail(address)
	if err := store.Update(t.Context(), func(tx auth.Tx) error {
		refused, err := tx.InsertImported(t.Context(), []auth.ImportedUser{{
			ID: id, Email: email, Role: auth.RoleEmployee, IsActive: true, Password: "!", CreatedAt: time.Now(), UpdatedAt: time.Now(), Base: []byte("x"),
		}}, time.Now())
		if len(refused) > 0 {
			t.Fatal("refused")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// newcomer registers somebody here, and answers as the Latchkey does.
func (s *stage) newcomer(w http.ResponseWriter, r *http.Request, address string) {
	email, _ := auth.ParseEmail(address)
	var u auth.User
	if err := s.store.Update(r.Context(), func(tx auth.Tx) (err error) {
		u, err = tx.InsertUser(r.Context(), auth.NewUser{Email: email, Role: auth.RoleClient, Password: "!kept", IsActive: true}, time.Now())
		return err
	}); err != nil {
		s.t.Error(err)
	}
	say(w, 201, fmt.Sprintf(`{"user":{"id":%d,"email":%q}}`, u.ID, u.Email))
}

// TestNewcomers: who registers meanwhile has the Django's id in the copy, who was
// only taken here is gone again, and who is not in the copy is no difference.
func TestNewcomers(t *testing.T) {
	var s *stage
	s = newStage(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(r.URL.Path, "login"):
			say(w, 200, `{"user":{"id":70,"email":"late@example.com"}}`)
		case strings.Contains(string(b), "refused"):
			say(w, 400, `{}`)
		default:
			say(w, 201, `{"user":{"id":4711,"email":"new@example.com"}}`)
		}
	}, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if strings.Contains(r.URL.Path, "login") {
			say(w, 401, `{}`)
			return
		}
		var q struct{ Email string }
		_ = json.Unmarshal(b, &q)
		s.newcomer(w, r, q.Email)
	}, nil)
	s.post("/api/auth/register/", "", `{"email":"new@example.com"}`)
	s.post("/api/auth/register/", "", `{"email":"refused@example.com"}`)
	s.post("/api/auth/login/", "", `{"email":"late@example.com","password":"x"}`)
	s.Settle()
	u, err := s.store.Read().UserByEmail(t.Context(), "new@example.com")
	if err != nil || u.ID != 4711 || u.Password != "!kept" || u.Role != auth.RoleClient {
		t.Errorf("%+v, %v", u, err)
	}
	if u, err := s.store.Read().UserByEmail(t.Context(), "refused@example.com"); err == nil {
		t.Errorf("there is %+v", u)
	}
	if s.skipped[skipNew] != 1 {
		t.Errorf("%v", s.skipped)
	}
}

// TestNewcomersAtOnce: of those who register at once the two sides may number
// each otherwise.
func TestNewcomersAtOnce(t *testing.T) {
	there := map[string]int64{"a@example.com": 2, "b@example.com": 3, "c@example.com": 1, "d@example.com": 4, "e@example.com": 6, "f@example.com": 5}
	var s *stage
	s = newStage(t, func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Email string }
		_ = json.NewDecoder(r.Body).Decode(&q)
		say(w, 201, fmt.Sprintf(`{"user":{"id":%d,"email":%q}}`, there[q.Email], q.Email))
	}, func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Email string }
		_ = json.NewDecoder(r.Body).Decode(&q)
		s.newcomer(w, r, q.Email)
	}, nil)
	for _, email := range slices.Sorted(maps.Keys(there)) {
		s.post("/api/auth/register/", "", fmt.Sprintf(`{"email":%q}`, email))
	}
	s.Settle()
	for email, id := range there {
		if u, err := s.store.Read().UserByEmail(t.Context(), email); err != nil || u.ID != id || u.Password != "!kept" {
			t.Errorf("%s: %+v, %v; want %d", email, u, err, id)
		}
	}
	s.post("/api/auth/register/", "", `{"email":"g@example.com"}`)
	s.Settle()
	if len(s.skipped) > 0 {
		t.Errorf("skipped: %v", s.skipped)
	}
}

// TestFewLines: of one kind of difference a few lines are written, and all are
// counted.
func TestFewLines(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, _ *http.Request) { say(w, 200, `{}`) },
		func(w http.ResponseWriter, _ *http.Request) { say(w, 200, `[]`) }, nil)
	for i := range 3 * maxAlike {
		s.post("/api/auth/profile/", tokenOf("access", int64(i+1), ""), "{}")
	}
	s.Settle()
	if n := strings.Count(s.out.String(), "\n"); n != maxAlike || s.sum().Different != 3*maxAlike {
		t.Errorf("%d lines, %+v", n, s.sum())
	}
}

// watchedWriter looks at the line whenever a part of the answer passes.
type watchedWriter struct {
	*httptest.ResponseRecorder
	see func(written int)
}

func (w watchedWriter) WriteHeader(status int) {
	w.see(0)
	w.ResponseRecorder.WriteHeader(status)
}

func (w watchedWriter) Write(p []byte) (int, error) {
	w.see(w.Body.Len() + len(p))
	return w.ResponseRecorder.Write(p)
}

// TestBeforeTheAnswer: an exchange is in the line before the client can have the
// whole of its answer, so that what it asks next comes after.
func TestBeforeTheAnswer(t *testing.T) {
	for _, c := range []struct {
		name, method string
		status       int
		body         string
	}{
		{"a body", "POST", 200, `{"a":1}`},
		{"a refusal without a body", "POST", 401, ""},
		{"no content", "POST", 204, ""},
		{"not modified", "GET", 304, ""},
		{"HEAD", "HEAD", 405, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			wait := make(chan bool)
			s := newStage(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.method == http.MethodHead {
					w.Header().Set("Content-Length", "43")
				}
				say(w, c.status, c.body)
			}, func(w http.ResponseWriter, _ *http.Request) {
				<-wait
				say(w, c.status, c.body)
			}, nil)
			defer close(wait)
			seen := false
			r := httptest.NewRequest(c.method, "/api/auth/login/", strings.NewReader(`{}`))
			s.ServeHTTP(watchedWriter{httptest.NewRecorder(), func(written int) {
				s.line.mu.Lock()
				defer s.line.mu.Unlock()
				if written == len(c.body) {
					if seen = true; s.line.waiting != 1 {
						t.Errorf("%d are in the line", s.line.waiting)
					}
				}
			}}, r)
			if !seen {
				t.Error("the answer did not pass")
			}
		})
	}
}
