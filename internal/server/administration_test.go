package server_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/server"
)

// clock is a clock that tests move.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) move(d time.Duration) { c.ahead.Add(int64(d)) }

// setUp starts a server on an empty database and gives the token of its set-up
// link.
func setUp(t *testing.T, cfg *config.Config, c *clock) (*running, string) {
	t.Helper()
	told := make(chan string, 1)
	r := start(t, cfg, server.RunOptions{Setup: func(address string) { told <- address }, Now: c.now})
	select {
	case address := <-told:
		u, err := url.Parse(address)
		if err != nil || u.Path != "/setup" || u.RawQuery != "" || len(u.Fragment) < 43 || u.Hostname() != "localhost" {
			t.Fatalf("the link is %q, %v", address, err)
		}
		return r, u.Fragment
	default:
		return r, ""
	}
}

const horse = "c0rrect-Horse-42"

func person(token, mail string) string {
	return fmt.Sprintf(`{"token":%q,"email":%q,"password":%q,"password2":%q,"first_name":"Ada","last_name":"Lovelace"}`, token, mail, horse, horse)
}

// want fails unless the answer has the status; it gives the body as a map.
func (r *running) want(status int, method, path, body string, header ...string) map[string]any {
	r.t.Helper()
	resp, answer := r.do(method, path, body, header...)
	if resp.StatusCode != status {
		r.t.Fatalf("%s %s: %d %s, want %d", method, path, resp.StatusCode, answer, status)
	}
	var parsed map[string]any
	if answer != "" {
		if err := json.Unmarshal([]byte(answer), &parsed); err != nil {
			r.t.Fatalf("%s %s: %v: %s", method, path, err, answer)
		}
	}
	return parsed
}

// admin sets the server up and gives the first administrator's Authorization.
func (r *running) admin(token string) string {
	r.t.Helper()
	a := r.want(201, "POST", "/api/auth/setup/", person(token, "root@example.com"))
	return "Bearer " + a["tokens"].(map[string]any)["access"].(string)
}

// The set-up link makes one administrator, whoever asks at once; then, and after
// its time, it is as good as none.
func TestSetup(t *testing.T) {
	var c clock
	cfg := settings(t)
	r, token := setUp(t, cfg, &c)
	if token == "" {
		t.Fatal("no link on an empty database")
	}
	if strings.Contains(r.log.String(), token) {
		t.Error("the token is in the log")
	}
	refused := `{"error":"Invalid data","details":{"token":["This link is not valid or has expired."]}}`
	check := func(token string, status int) {
		t.Helper()
		resp, body := r.do("POST", "/api/auth/setup/check/", fmt.Sprintf(`{"token":%q}`, token))
		if resp.StatusCode != status || status != 200 && body != refused {
			t.Errorf("check: %d %s, want %d", resp.StatusCode, body, status)
		}
	}
	check(token, 200)
	check(token[:42], 400)
	check(token+"A", 400)
	c.move(15*time.Minute + time.Second)
	check(token, 400)
	if resp, body := r.do("POST", "/api/auth/setup/", person(token, "late@example.com")); resp.StatusCode != 400 || body != refused {
		t.Errorf("after its time: %d %s", resp.StatusCode, body)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	// Another start makes another link.
	old := token
	r, token = setUp(t, cfg, &c)
	check(old, 400)
	r.want(400, "POST", "/api/auth/setup/", strings.Replace(person(token, "a@example.com"), `"password":"c0`, `"password":"other-`, 1))
	check(token, 200) // A form that is not in order spends nothing.
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range 12 {
		wg.Go(func() {
			resp, body := r.do("POST", "/api/auth/setup/", person(token, fmt.Sprintf("first%d@example.com", i)))
			mu.Lock()
			defer mu.Unlock()
			statuses[resp.StatusCode]++
			if resp.StatusCode == 201 && !strings.Contains(body, `"role":"admin"`) {
				t.Errorf("the first is no administrator: %s", body)
			}
		})
	}
	wg.Wait()
	// 503: more passwords to hash than there is room for.
	if statuses[201] != 1 || statuses[400]+statuses[503] != 11 {
		t.Errorf("statuses %v: want one 201 and eleven others", statuses)
	}
	check(token, 400)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if _, token = setUp(t, cfg, &c); token != "" {
		t.Error("a link where there are users")
	}
}

// A reset link sets one password, once, and is gone by whatever makes it
// needless.
//
// ASVS 7.4.3
// LESSON 36
func TestResetLink(t *testing.T) {
	var c clock
	cfg := settings(t, "LATCHKEY_THROTTLE_ENABLED=false")
	r, setup := setUp(t, cfg, &c)
	admin := r.admin(setup)
	n := 0
	newUser := func() (id string, mail string) {
		t.Helper()
		n++
		mail = fmt.Sprintf("u%d@example.com", n)
		u := r.want(201, "POST", "/api/users/", fmt.Sprintf(`{"email":%q,"first_name":"U","last_name":"U","role":"employee"}`, mail), "Authorization", admin)
		return fmt.Sprint(u["id"]), mail
	}
	link := func(id string) string {
		t.Helper()
		l := r.want(201, "POST", "/api/users/"+id+"/reset-link/", "", "Authorization", admin)
		before, token, ok := strings.Cut(l["link"].(string), "/reset#")
		if !ok || before != r.url || len(token) != 43 {
			t.Fatalf("the link is %v", l["link"])
		}
		return token
	}
	confirm := func(token, password string) (int, string) {
		t.Helper()
		resp, body := r.do("POST", "/api/auth/password/reset/confirm/", fmt.Sprintf(`{"token":%q,"password":%q,"password2":%q}`, token, password, password))
		return resp.StatusCode, body
	}
	login := func(mail, password string) int {
		t.Helper()
		resp, _ := r.do("POST", "/api/auth/login/", fmt.Sprintf(`{"email":%q,"password":%q}`, mail, password))
		return resp.StatusCode
	}
	refused := `{"error":"Invalid data","details":{"token":["This link is not valid or has expired."]}}`
	dead := func(why, token string) {
		t.Helper()
		resp, body := r.do("POST", "/api/auth/password/reset/check/", fmt.Sprintf(`{"token":%q}`, token))
		if resp.StatusCode != 400 || body != refused {
			t.Errorf("%s: check %d %s", why, resp.StatusCode, body)
		}
		if status, body := confirm(token, "an0ther-Horse-43"); status != 400 || body != refused {
			t.Errorf("%s: confirm %d %s", why, status, body)
		}
	}

	id, mail := newUser()
	if login(mail, horse) != 401 {
		t.Error("an account without a password is signed in to")
	}
	token := link(id)
	if got := r.want(200, "POST", "/api/auth/password/reset/check/", fmt.Sprintf(`{"token":%q}`, token)); got["email"] != mail {
		t.Errorf("check tells %v", got)
	}
	if status, body := confirm(token, "12345678"); status != 400 || !strings.Contains(body, "too common") {
		t.Errorf("a poor password: %d %s", status, body)
	}
	if status, body := confirm(token, horse); status != 200 || body != `{"message":"Password changed successfully"}` {
		t.Errorf("confirm: %d %s", status, body)
	}
	dead("spent", token)
	if login(mail, horse) != 200 {
		t.Error("the new password does not sign in")
	}

	// All sessions end with a reset.
	resp, body := r.do("POST", "/api/auth/login/", fmt.Sprintf(`{"email":%q,"password":%q}`, mail, horse))
	var in struct {
		Tokens struct{ Access, Refresh string }
	}
	if err := json.Unmarshal([]byte(body), &in); err != nil || resp.StatusCode != 200 {
		t.Fatal(err, body)
	}
	c.move(time.Second)
	if status, body := confirm(link(id), "an0ther-Horse-43"); status != 200 {
		t.Errorf("confirm: %d %s", status, body)
	}
	r.want(401, "GET", "/api/auth/profile/", "", "Authorization", "Bearer "+in.Tokens.Access)
	r.want(401, "POST", "/api/auth/token/refresh/", fmt.Sprintf(`{"refresh":%q}`, in.Tokens.Refresh))

	for why, act := range map[string]func(id, mail string){
		"a newer link":       func(id, _ string) { link(id) },
		"a day":              func(string, string) { c.move(24 * time.Hour) },
		"a deactivated user": func(id, _ string) { r.want(200, "POST", "/api/users/"+id+"/deactivate/", "", "Authorization", admin) },
		"another address": func(id, _ string) {
			r.want(200, "PATCH", "/api/users/"+id+"/", `{"email":"moved`+id+`@example.com"}`, "Authorization", admin)
		},
		"a login in between": func(_, mail string) { c.move(time.Second); login(mail, horse) },
		"a user who was shut": func(id, _ string) {
			for _, act := range []string{"deactivate", "activate"} {
				r.want(200, "POST", "/api/users/"+id+"/"+act+"/", "", "Authorization", admin)
			}
		},
	} {
		id, mail := newUser()
		if status, body := confirm(link(id), horse); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		c.move(time.Second)
		token := link(id)
		act(id, mail)
		dead(why, token)
		if why == "a day" {
			// Access tokens have not lived that long.
			a := r.want(200, "POST", "/api/auth/login/", fmt.Sprintf(`{"email":"root@example.com","password":%q}`, horse))
			admin = "Bearer " + a["tokens"].(map[string]any)["access"].(string)
		}
	}
	id, _ = newUser()
	r.want(200, "POST", "/api/users/"+id+"/deactivate/", "", "Authorization", admin)
	if got := r.want(409, "POST", "/api/users/"+id+"/reset-link/", "", "Authorization", admin); got["detail"] != "The account is not active." {
		t.Errorf("a link for an account that is shut: %v", got)
	}

	// Of many at once, one.
	id, _ = newUser()
	token = link(id)
	var wg sync.WaitGroup
	var good atomic.Int32
	for i := range 10 {
		wg.Go(func() {
			if status, body := confirm(token, fmt.Sprintf("c0rrect-Horse-%d", 100+i)); status == 200 {
				good.Add(1)
			} else if status != 503 && (status != 400 || body != refused) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	wg.Wait()
	if good.Load() != 1 {
		t.Errorf("%d have spent one link", good.Load())
	}
	for _, secret := range []string{token, horse} {
		if strings.Contains(r.log.String(), secret) {
			t.Error("a secret is in the log")
		}
	}
}

// An edit names the state that it replaces; a cursor is the server's own.
//
// LESSON 34
func TestUsersOverHTTP(t *testing.T) {
	var c clock
	r, setup := setUp(t, settings(t), &c)
	admin := r.admin(setup)
	auth := []string{"Authorization", admin}
	for i := range 7 {
		r.want(201, "POST", "/api/users/", fmt.Sprintf(`{"email":"u%d@example.com","first_name":"=cmd()","last_name":"U","role":"client"}`, i), auth...)
	}
	resp, _ := r.do("GET", "/api/users/2/", "", auth...)
	tag := resp.Header.Get("ETag")
	if len(tag) < 10 || tag[0] != '"' {
		t.Fatalf("ETag %q", tag)
	}
	resp, _ = r.do("PATCH", "/api/users/2/", `{"last_name":"V"}`, append(auth, "If-Match", `"other", `+tag)...)
	if resp.StatusCode != 200 || resp.Header.Get("ETag") == tag {
		t.Errorf("the tag after the edit: %d, %q", resp.StatusCode, resp.Header.Get("ETag"))
	}
	for _, stale := range []string{tag, `W/` + resp.Header.Get("ETag"), "nonsense", `""`} {
		for _, method := range []string{"PATCH", "DELETE"} {
			if got := r.want(412, method, "/api/users/2/", `{"last_name":"W"}`, append(auth, "If-Match", stale)...); got["detail"] != "The resource was changed meanwhile." {
				t.Errorf("%s with If-Match %s: %v", method, stale, got)
			}
		}
	}
	r.want(200, "PATCH", "/api/users/2/", `{"last_name":"W"}`, append(auth, "If-Match", "*")...)
	if got := r.want(409, "PATCH", "/api/users/1/", `{"is_active":false}`, auth...); got["detail"] != "The last active administrator cannot be deactivated, demoted or deleted." {
		t.Errorf("%v", got)
	}
	if got := r.want(400, "PATCH", "/api/users/2/", `{"password":"c0rrect-Horse-42"}`, auth...); !strings.Contains(fmt.Sprint(got), "Send a reset link") {
		t.Errorf("%v", got)
	}

	// Pages, there and back.
	page := r.want(200, "GET", "/api/users/?page_size=3&ordering=email&role=client", "", auth...)
	if page["count"] != 7.0 || page["count_exact"] != true || page["previous"] != nil || len(page["results"].([]any)) != 3 {
		t.Errorf("%v", page)
	}
	next, err := url.Parse(page["next"].(string))
	if err != nil || !strings.HasPrefix(page["next"].(string), r.url+"/api/users/?") {
		t.Fatal(page["next"], err)
	}
	second := r.want(200, "GET", next.RequestURI(), "", auth...)
	back, _ := url.Parse(second["previous"].(string))
	if first := r.want(200, "GET", back.RequestURI(), "", auth...); fmt.Sprint(first["results"]) != fmt.Sprint(page["results"]) {
		t.Errorf("back: %v, want %v", first["results"], page["results"])
	}
	cursor := next.Query().Get("cursor")
	forged := []string{"", "x", cursor[1:], cursor + "A", strings.Repeat("A", 3000), "'; DROP TABLE users; --"}
	for i := 0; i < len(cursor); i += 3 {
		b := []byte(cursor)
		b[i] ^= 1
		forged = append(forged, string(b))
	}
	for _, f := range forged {
		q := next.Query()
		q.Set("cursor", f)
		if got := r.want(404, "GET", "/api/users/?"+q.Encode(), "", auth...); got["detail"] != "Invalid cursor" {
			t.Errorf("cursor %q: %v", f, got)
		}
	}
	for name, other := range map[string]string{"ordering": "name", "role": "admin", "search": "u"} {
		q := next.Query()
		q.Set(name, other)
		r.want(404, "GET", "/api/users/?"+q.Encode(), "", auth...)
	}
	for _, bad := range []string{"role=root", "is_active=maybe", "ordering=password", "page_size=0", "page_size=101", "search=" + strings.Repeat("a", 201), "search=%00"} {
		if got := r.want(400, "GET", "/api/users/?"+bad, "", auth...); got["error"] != "Invalid data" {
			t.Errorf("%s: %v", bad, got)
		}
	}

	// The trail has before and after, in all its forms.
	trail := r.want(200, "GET", "/api/audit/?user=2&event=user_changed", "", auth...)["results"].([]any)
	if len(trail) != 2 || fmt.Sprint(trail[0].(map[string]any)["changes"]) != "map[last_name:[V W]]" ||
		trail[0].(map[string]any)["actor"].(map[string]any)["email"] != "root@example.com" {
		t.Errorf("%v", trail)
	}
	all := r.want(200, "GET", "/api/audit/?page_size=100", "", auth...)["results"].([]any)
	resp, body := r.do("GET", "/api/audit/?format=jsonl", "", auth...)
	if lines := strings.Split(strings.TrimSpace(body), "\n"); len(lines) != len(all) || !json.Valid([]byte(lines[0])) || resp.Header.Get("Content-Disposition") != `attachment; filename="audit.jsonl"` {
		t.Errorf("%d lines of %d: %s", len(lines), len(all), body)
	}
	resp, body = r.do("GET", "/api/audit/?format=csv", "", auth...)
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(rows) != len(all)+1 || resp.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("%v, %d rows of %d", err, len(rows), len(all)+1)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@") {
				t.Errorf("a spreadsheet takes %q for a formula", cell)
			}
		}
	}

	stats := r.want(200, "GET", "/api/stats/?days=7", "", auth...)
	series := stats["series"].(map[string]any)
	if stats["unit"] != "hour" || len(series["registered"].([]any)) != 168 || stats["now"].(map[string]any)["users"] != 8.0 {
		t.Errorf("%v %v", stats["unit"], stats["now"])
	}
	registered := 0.0
	for _, b := range series["registered"].([]any) {
		registered += b.(map[string]any)["count"].(float64)
	}
	if registered != 8 {
		t.Errorf("%v registered", registered)
	}
	r.want(400, "GET", "/api/stats/?days=8", "", auth...)
	system := r.want(200, "GET", "/api/system/", "", auth...)
	if text := fmt.Sprint(system); strings.Contains(text, "thirty-two bytes") || !strings.Contains(text, "<secret>") {
		t.Errorf("the system page: %s", text)
	}
}

// The feed of revocations tells other services of a logout at once.
func TestFeed(t *testing.T) {
	var c clock
	cfg := settings(t)
	r, setup := setUp(t, cfg, &c)
	admin := r.admin(setup)
	accounts := beside(t, cfg)
	k, secret, err := accounts.MakeServiceKey(t.Context(), "reports")
	if err != nil {
		t.Fatal(err)
	}
	key := []string{"Authorization", "Bearer " + secret}
	first := r.want(200, "GET", "/api/auth/revocations/", "", key...)
	seq := first["seq"].(float64)
	path := fmt.Sprintf("/api/auth/revocations/?after=%v", seq)
	if first["reset"] != false || first["max_access"] != 10800.0 {
		t.Errorf("%v", first)
	}
	resp, _ := r.do("GET", path, "", key...)
	if resp.StatusCode != http.StatusNotModified || resp.Header.Get("ETag") != fmt.Sprintf(`"%v"`, seq) {
		t.Errorf("nothing new: %d %q", resp.StatusCode, resp.Header.Get("ETag"))
	}
	// Beyond the clock: another database.
	if got := r.want(200, "GET", "/api/auth/revocations/?after=99999", "", key...); got["reset"] != true || got["seq"] != seq {
		t.Errorf("beyond the clock: %v", got)
	}
	for _, bad := range []string{"after=-1", "after=x", "wait=31", "wait=-1", "wait=x"} {
		r.want(400, "GET", "/api/auth/revocations/?"+bad, "", key...)
	}

	begun := time.Now()
	answer := make(chan string)
	go func() {
		_, body := r.do("GET", path+"&wait=15", "", key...)
		answer <- body
	}()
	select {
	case body := <-answer:
		t.Fatalf("it did not wait: %s", body)
	case <-time.After(300 * time.Millisecond):
	}
	r.want(200, "POST", "/api/users/1/logout/", "", "Authorization", admin)
	var got struct {
		Seq         int64
		Revocations []struct {
			Seq       int64
			Kind, Key string
			IatBefore int64 `json:"iat_before"`
			Until     int64
		}
	}
	if err := json.Unmarshal([]byte(<-answer), &got); err != nil {
		t.Fatal(err)
	}
	if time.Since(begun) > 10*time.Second {
		t.Error("it came with the end of the wait")
	}
	kinds := map[string]int{}
	for _, v := range got.Revocations {
		kinds[v.Kind]++
		if v.Until < time.Now().Unix()+10800 || v.Seq <= int64(seq) {
			t.Errorf("%+v", v)
		}
	}
	if !slices.Equal(slices.Sorted(maps.Keys(kinds)), []string{"sid", "user"}) || got.Seq != got.Revocations[len(got.Revocations)-1].Seq {
		t.Errorf("%+v", got)
	}

	// A key that was revoked opens nothing; nor does half of one.
	r.want(401, "GET", "/api/auth/revocations/", "", "Authorization", "Bearer "+secret[:20])
	if _, err := accounts.RevokeServiceKey(t.Context(), k.ID); err != nil {
		t.Fatal(err)
	}
	r.want(401, "GET", "/api/auth/revocations/", "", key...)

	// Who waits does not keep the server from stopping.
	_, secret, err = accounts.MakeServiceKey(t.Context(), "again")
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan int, 1)
	go func() {
		resp, _ := r.do("GET", fmt.Sprintf("/api/auth/revocations/?after=%d&wait=30", got.Seq), "", "Authorization", "Bearer "+secret)
		stopped <- resp.StatusCode
	}()
	time.Sleep(300 * time.Millisecond)
	begun = time.Now()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if status := <-stopped; status != http.StatusNotModified || time.Since(begun) > 8*time.Second {
		t.Errorf("stopping took %v, the waiting one got %d", time.Since(begun), status)
	}
}
