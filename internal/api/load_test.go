package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/api"
	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/session"
)

// few lets sixteen requests in, eight of them at one endpoint.
func few(o *api.Options) { o.MaxRequests = 16 }

// unread is an answer that nobody reads.
type unread struct {
	*httptest.ResponseRecorder
	wrote chan<- int // the status, when the body is written
	read  <-chan struct{}
}

func (w unread) Write(b []byte) (int, error) {
	w.wrote <- w.Code
	<-w.read
	return w.ResponseRecorder.Write(b)
}

// Whoever does not read the description of the API keeps nobody else from being
// served: it takes no work to write.
//
// ASVS 15.2.2
func TestUnreadFilesTakeNoPlace(t *testing.T) {
	t.Parallel()
	h := serve(&acts{}, few, func(o *api.Options) {
		o.Docs = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a page")) })
	})
	wrote, read := make(chan int, 100), make(chan struct{})
	defer close(read)
	for i := range 40 {
		path := []string{"/api/schema/", "/api/docs/"}[i%2]
		go h.ServeHTTP(unread{httptest.NewRecorder(), wrote, read}, httptest.NewRequest(http.MethodGet, path, nil))
	}
	for range 40 {
		if code := <-wrote; code != 200 {
			t.Fatalf("answered %d", code)
		}
	}
	expect(t, do(t, h, request("POST /api/auth/token/verify/\n\n"+`{"token":"a.a.a"}`)), 200, "{}")
}

// slowKeys are services that it takes long to know.
type slowKeys struct {
	asked chan<- struct{}
	know  <-chan struct{}
}

func (s slowKeys) ServiceKey(context.Context, string) (auth.ServiceKey, error) {
	s.asked <- struct{}{}
	<-s.know
	return auth.ServiceKey{Scope: auth.ScopeRevocations}, nil
}

// waiting are sessions whose feed has no news.
type waiting struct {
	*acts
	waits chan<- struct{}
	news  <-chan struct{}
}

func (w waiting) Feed(context.Context, int64, time.Duration, <-chan struct{}) (session.FeedPage, error) {
	w.waits <- struct{}{}
	<-w.news
	return session.FeedPage{}, nil
}

// Who waits for news takes nobody's place, but only once it is known who that is.
//
// ASVS 15.2.2
func TestWaitingTakesNoPlace(t *testing.T) {
	t.Parallel()
	asked, know, waits, news := make(chan struct{}, 100), make(chan struct{}), make(chan struct{}, 100), make(chan struct{})
	a := &acts{}
	h := serve(a, few, func(o *api.Options) {
		o.Services, o.Sessions = slowKeys{asked, know}, waiting{a, waits, news}
	})
	secret, _ := auth.NewServiceSecret()
	ask := "GET /api/auth/revocations/?wait=30\nAuthorization: Bearer " + secret
	answers := make(chan int, 100)
	start := func() {
		go func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, request(ask))
			answers <- w.Code
		}()
	}
	for range 8 {
		start()
		<-asked
	}
	start()
	if code := <-answers; code != 503 {
		t.Errorf("the ninth that nobody knows yet: %d", code)
	}
	close(know)
	for range 8 {
		<-waits
	}
	for range 40 { // all of them wait
		start()
		<-waits
	}
	close(news)
	for range 48 {
		if code := <-answers; code != 200 {
			t.Errorf("answered %d", code)
		}
	}
}
