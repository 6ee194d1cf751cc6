package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/server"
)

const origin = "http://localhost:3000" // on the list as it comes

// jar is what a browser keeps of the Set-Cookie lines it was sent, and the
// Cookie header that it makes of it.
type jar map[string]string

func (j jar) take(resp *http.Response) {
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 || c.Value == "" {
			delete(j, c.Name)
		} else {
			j[c.Name] = c.Value
		}
	}
}

func (j jar) header(names ...string) string {
	var all []string
	for _, name := range names {
		if v, ok := j[name]; ok {
			all = append(all, name+"="+v)
		}
	}
	return strings.Join(all, "; ")
}

// TestCookieMode goes through a life in cookie mode as a page on a listed
// origin does: with nothing but cookies and the header.
//
// ASVS 7.2.4, 7.4.1, 7.4.3
func TestCookieMode(t *testing.T) {
	r := start(t, settings(t), server.RunOptions{})
	j := jar{}
	ask := func(method, path, body string, want int) string {
		t.Helper()
		header := []string{"Origin", origin, "Sec-Fetch-Site", "same-site", "Auth-Mode", "cookie", "User-Agent", "Test/1"}
		if cookies := j.header("latchkey_access", "latchkey_refresh"); cookies != "" {
			header = append(header, "Cookie", cookies)
		}
		resp, answer := r.do(method, path, body, header...)
		if resp.StatusCode != want {
			t.Fatalf("%s %s: %d %s, want %d", method, path, resp.StatusCode, answer, want)
		}
		if resp.Header.Get("Access-Control-Allow-Origin") != origin || resp.Header.Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("%s %s cannot be read by its page: %v", method, path, resp.Header)
		}
		j.take(resp)
		return answer
	}
	answer := ask("POST", "/api/auth/register/", form, 201)
	// Two tokens, and what the browser is known by when its account is attacked.
	if len(j) != 3 || j["latchkey_device"] == "" || strings.Contains(answer, j["latchkey_access"]) || strings.Contains(answer, j["latchkey_refresh"]) {
		t.Fatalf("cookies %v, answer %s", j, answer)
	}
	ask("GET", "/api/auth/profile/", "", 200)
	ask("POST", "/api/auth/token/verify/", "", 200)

	first := j["latchkey_refresh"]
	ask("POST", "/api/auth/token/refresh/", "", 200)
	if j["latchkey_refresh"] == first || len(j) != 3 {
		t.Errorf("a refresh leaves the cookie as it was: %v", j)
	}
	// The guide's client on another device.
	var phone struct {
		Tokens struct{ Access, Refresh string }
	}
	_, body := r.do("POST", "/api/auth/login/", `{"email":"canary.mail@example.com","password":"canary-Password-77"}`)
	if err := json.Unmarshal([]byte(body), &phone); err != nil {
		t.Fatal(err)
	}

	var list struct {
		Expires struct{ Access, Refresh int64 }
		Results []struct {
			ID, Device string
			Current    bool
		}
	}
	if err := json.Unmarshal([]byte(ask("GET", "/api/auth/sessions/", "", 200)), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Results) != 2 || !list.Results[0].Current || list.Results[1].Current || list.Results[0].Device != "Test" ||
		list.Expires.Refresh <= list.Expires.Access {
		t.Fatalf("sessions %+v", list)
	}
	if answer := ask("POST", "/api/auth/password/change/", `{"old_password":"canary-Password-77","password":"canary-Other-78","password2":"canary-Other-78"}`, 200); !strings.HasSuffix(answer, `"ended":1}`) {
		t.Errorf("change: %s", answer)
	}
	if resp, body := r.do("GET", "/api/auth/profile/", "", "Authorization", "Bearer "+phone.Tokens.Access); resp.StatusCode != 401 {
		t.Errorf("the other device: %d %s", resp.StatusCode, body)
	}
	if answer := ask("DELETE", "/api/auth/sessions/", "", 200); !strings.HasSuffix(answer, `"ended":0}`) {
		t.Errorf("end others: %s", answer)
	}
	ask("DELETE", "/api/auth/sessions/"+list.Results[1].ID+"/", "", 404)
	answer = ask("GET", "/api/auth/events/?limit=1", "", 200)
	if !strings.Contains(answer, `"next":"`+r.url+`/api/auth/events/?limit=1&before=`) || !strings.Contains(answer, `"event":"password_changed"`) ||
		!strings.Contains(answer, `"address":"127.0.0.1"`) || !strings.Contains(answer, `"detail":"sessions ended: 1"`) {
		t.Errorf("events: %s", answer)
	}

	kept := j.header("latchkey_access", "latchkey_refresh")
	ask("POST", "/api/auth/logout/", "", 200)
	if len(j) != 1 || j["latchkey_device"] == "" {
		t.Errorf("of the cookies are left: %v, want what the browser is known by", j)
	}
	for _, path := range []string{"/api/auth/token/refresh/", "/api/auth/token/verify/", "/api/auth/logout/"} {
		if resp, body := r.do("POST", path, "", "Cookie", kept, "Auth-Mode", "cookie"); resp.StatusCode != 401 {
			t.Errorf("%s after the logout: %d %s", path, resp.StatusCode, body)
		}
	}
	ask("POST", "/api/auth/login/", `{"email":"canary.mail@example.com","password":"canary-Other-78"}`, 200)
	own := j.header("latchkey_access")
	// A login in the same browser ends the session whose cookie it overwrites.
	ask("POST", "/api/auth/login/", `{"email":"canary.mail@example.com","password":"canary-Other-78"}`, 200)
	if resp, body := r.do("GET", "/api/auth/profile/", "", "Cookie", own); resp.StatusCode != 401 {
		t.Errorf("the session before: %d %s", resp.StatusCode, body)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	log := r.log.String()
	for _, secret := range []string{"canary", "latchkey_access", "latchkey_refresh", "Auth-Mode", list.Results[1].ID, first} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q:\n%s", secret, log)
		}
	}
	if !strings.Contains(log, `"route":"/api/auth/sessions/{id}/","status":404`) {
		t.Errorf("no line of the session's route:\n%s", log)
	}
}

// Whose page may sign somebody in by cookie, with the list as it comes: a page
// on it and our own, and none that only looks like one.
//
// LESSON 33
func TestOriginsOfCookieMode(t *testing.T) {
	r := start(t, settings(t, "LATCHKEY_THROTTLE_ENABLED=false"), server.RunOptions{})
	host := strings.TrimPrefix(r.url, "http://")
	for sent, passes := range map[string]bool{
		"": true, r.url: true, origin: true, "http://127.0.0.1:3000": true, "HTTP://localhost:3000": true,
		"null": false, "*": false, "http://localhost:3001": false, "http://localhost": false, "https://localhost:3000": false,
		"http://localhost:3000.evil.example": false, "http://localhost:3000@evil.example": false, "http://evil-localhost:3000": false,
		"http://evil.example/http://localhost:3000": false, "http://evil.example#http://localhost:3000": false, "localhost:3000": false,
		"http://" + host + ".evil.example": false, "http://" + host + "@evil.example": false, host: false, "http://x." + host: false,
		"http://127.0.0.1": false, "http://evil.example/?" + r.url: false,
	} {
		for _, mode := range []string{"cookie", "hybrid"} {
			header := []string{"Auth-Mode", mode}
			if sent != "" {
				header = append(header, "Origin", sent)
			}
			// Fields that do not hold: no password is hashed.
			resp, body := r.do("POST", "/api/auth/login/", `{}`, header...)
			want := 403
			if passes {
				want = 401
			}
			if resp.StatusCode != want || len(resp.Header["Set-Cookie"]) > 0 {
				t.Errorf("origin %q: %d %s, want %d", sent, resp.StatusCode, body, want)
			}
			if resp.StatusCode == 403 && resp.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("origin %q: credentials", sent)
			}
		}
	}
}

// Where public_url says that browsers come by TLS the cookies are Secure and
// have the names that go with it, and links lead there.
func TestPublicURL(t *testing.T) {
	for public, secure := range map[string]bool{"https://auth.example.com/": true, "http://auth.example.com": false} {
		r := start(t, settings(t, "LATCHKEY_PUBLIC_URL="+public), server.RunOptions{})
		resp, body := r.do("POST", "/api/auth/register/", form, "Auth-Mode", "cookie", "Origin", strings.TrimSuffix(public, "/"))
		if resp.StatusCode != 201 {
			t.Fatalf("%s: %d %s", public, resp.StatusCode, body)
		}
		j := jar{}
		j.take(resp)
		access, device := "latchkey_access", "latchkey_device"
		if secure {
			access, device = "__Host-latchkey_access", "__Secure-latchkey_device"
		}
		for _, c := range resp.Cookies() {
			if c.Secure != secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Domain != "" {
				t.Errorf("%s: cookie %s", public, c.Raw)
			}
		}
		if j[access] == "" || j[device] == "" || len(j) != 3 {
			t.Errorf("%s: cookies %v", public, j)
		}
		resp, body = r.do("GET", "/api/auth/events/?limit=1", "", "Cookie", j.header(access), "Host", "10.0.0.5")
		if resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", public, resp.StatusCode, body)
		}
		resp, _ = r.do("GET", "/", "")
		if have := resp.Header.Get("Strict-Transport-Security"); (have != "") != secure {
			t.Errorf("%s: Strict-Transport-Security %q", public, have)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
}

// With the pages switched off there is nothing beside the API.
func TestPagesSwitchedOff(t *testing.T) {
	r := start(t, settings(t, "LATCHKEY_UI_ENABLED=false"), server.RunOptions{})
	for _, path := range []string{"/", "/login", "/index.html", "/api/docs/"} {
		if resp, body := r.do("GET", path, ""); resp.StatusCode != 404 || body != `{"detail":"Not found."}` {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	if resp, body := r.do("GET", "/api/auth/settings/", ""); resp.StatusCode != 200 || body != `{"name":"Latchkey","registration":{"open":true,"roles":["employee","client"]},"password":{"min_length":8},"tokens":{"access":10800,"refresh":259200}}` {
		t.Errorf("settings: %d %s", resp.StatusCode, body)
	}
	on := start(t, settings(t), server.RunOptions{})
	if resp, body := on.do("GET", "/", ""); resp.StatusCode != 200 || resp.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("switched on: %d %s", resp.StatusCode, body)
	}
}
