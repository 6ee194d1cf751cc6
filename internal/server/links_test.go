package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/server"
)

// forged are the headers by which a client may try to say where the server is,
// or who asks, in the spellings that servers and proxies have fallen for.
var forged = [][]string{
	{"Host", "evil.example"},
	{"Host", "evil.example:443"},
	{"Host", "auth.example.com.evil.example"},
	{"Host", "auth.example.com@evil.example"},
	{"Host", "auth.example.com:x@evil.example"},
	{"Host", "evil.example#auth.example.com"},
	{"X-Forwarded-Host", "evil.example"},
	{"X_Forwarded_Host", "evil.example"},
	{"X-Forwarded-Server", "evil.example"},
	{"X-Host", "evil.example"},
	{"X-Original-Host", "evil.example"},
	{"X-HTTP-Host-Override", "evil.example"},
	{"X-Forwarded-Port", "666"},
	{"Forwarded", "for=203.0.113.9;host=evil.example;proto=gopher"},
	{"X-Forwarded-Proto", "gopher"},
	{"X-Forwarded-Proto", "https"},
	{"X-Forwarded-Scheme", "gopher"},
	{"X-Forwarded-Prefix", "/evil"},
	{"X-Original-URL", "/evil"},
	{"X-Rewrite-URL", "/evil"},
	{"Front-End-Https", "on"},
	{"X-Forwarded-For", "203.0.113.9"},
	{"X_Forwarded_For", "203.0.113.9"},
	{"X-Forwarded", "203.0.113.9"},
	{"Forwarded-For", "203.0.113.9"},
	{"X-Real-IP", "203.0.113.9"},
	{"X_Real_IP", "203.0.113.9"},
	{"X-Client-IP", "203.0.113.9"},
	{"Client-IP", "203.0.113.9"},
	{"True-Client-IP", "203.0.113.9"},
	{"CF-Connecting-IP", "203.0.113.9"},
	{"X-Cluster-Client-IP", "203.0.113.9"},
	{"Fastly-Client-IP", "203.0.113.9"},
	{"Via", "1.1 203.0.113.9"},
}

// rooted starts a server with an administrator.
func rooted(t *testing.T, env ...string) (r *running, bearer []string) {
	t.Helper()
	r = start(t, settings(t, append(env, "LATCHKEY_REGISTRATION_ROLES=admin", "LATCHKEY_LOG_LEVEL=error")...), server.RunOptions{})
	resp, body := r.do("POST", "/api/auth/register/", strings.Replace(form, `"phone"`, `"role":"admin","phone"`, 1))
	var a struct {
		Tokens struct{ Access string }
	}
	if err := json.Unmarshal([]byte(body), &a); err != nil || resp.StatusCode != 201 {
		t.Fatal(resp.StatusCode, body, err)
	}
	return r, []string{"Authorization", "Bearer " + a.Tokens.Access}
}

// Every link that the server writes of itself leads where public_url says,
// whatever a request claims: a reset link that leads elsewhere hands the
// account to whoever made the claim.
//
// LESSON 9
func TestLinksGoByPublicURL(t *testing.T) {
	const public = "https://auth.example.com"
	r, bearer := rooted(t, "LATCHKEY_PUBLIC_URL="+public)
	made := 0
	for i, header := range forged {
		with := append(append([]string{}, bearer...), header...)
		resp, body := r.do("POST", "/api/users/", fmt.Sprintf(`{"email":"u%d@example.com","first_name":"A","last_name":"B","role":"client"}`, i), with...)
		if resp.StatusCode == 400 && header[0] == "Host" {
			continue // it is no Host
		}
		if resp.StatusCode != 201 || !strings.HasPrefix(resp.Header.Get("Location"), public+"/api/users/") {
			t.Errorf("%s: %d, Location %q: %s", header, resp.StatusCode, resp.Header.Get("Location"), body)
		}
		var user struct{ ID int64 }
		if err := json.Unmarshal([]byte(body), &user); err != nil {
			t.Fatal(err)
		}
		var link struct{ Link string }
		if resp, body = r.do("POST", fmt.Sprintf("/api/users/%d/reset-link/", user.ID), "", with...); json.Unmarshal([]byte(body), &link) != nil ||
			resp.StatusCode != 201 || !strings.HasPrefix(link.Link, public+"/reset#") {
			t.Errorf("%s: reset link: %d %s", header, resp.StatusCode, body)
		}
		var page struct{ Next string }
		if i > 0 {
			if resp, body = r.do("GET", "/api/users/?page_size=1", "", with...); json.Unmarshal([]byte(body), &page) != nil ||
				resp.StatusCode != 200 || !strings.HasPrefix(page.Next, public+"/api/users/?") {
				t.Errorf("%s: next page: %d %s", header, resp.StatusCode, body)
			}
		}
		made++
	}
	if made < 12 {
		t.Errorf("%d variants made links, want 12 at least", made)
	}
}

// Where public_url is not set a link goes by the Host of the request itself, and
// by nothing that stands beside it.
//
// ASVS 4.1.3
// LESSON 9
func TestForwardedHostIsNotRead(t *testing.T) {
	r, bearer := rooted(t)
	for _, header := range forged {
		if header[0] == "Host" {
			continue
		}
		resp, body := r.do("POST", "/api/users/1/reset-link/", "", append(append([]string{}, bearer...), header...)...)
		var link struct{ Link string }
		if err := json.Unmarshal([]byte(body), &link); err != nil || resp.StatusCode != 201 || !strings.HasPrefix(link.Link, r.url+"/reset#") {
			t.Errorf("%s: %d %s", header, resp.StatusCode, body)
		}
	}
}

// Where public_url is not set a trusted proxy says whether people come by TLS,
// and so how links begin.
func TestLinksBehindTLSProxy(t *testing.T) {
	r, bearer := rooted(t, "LATCHKEY_PROXY_TRUSTED=127.0.0.1")
	host := strings.TrimPrefix(r.url, "http://")
	for proto, want := range map[string]string{"https": "https://", "http": "http://", "gopher": "http://", "https, http": "http://", "": "http://"} {
		resp, body := r.do("POST", "/api/users/1/reset-link/", "", append([]string{"X-Forwarded-Proto", proto}, bearer...)...)
		var link struct{ Link string }
		if err := json.Unmarshal([]byte(body), &link); err != nil || resp.StatusCode != 201 || !strings.HasPrefix(link.Link, want+host+"/reset#") {
			t.Errorf("%q: %d %s", proto, resp.StatusCode, body)
		}
	}
}

// What a client says of itself changes neither its address, nor how the cookies
// are set, nor whose page may ask.
//
// ASVS 4.1.3
func TestForwardedHeadersOfAClient(t *testing.T) {
	r, bearer := rooted(t)
	for _, header := range forged {
		if header[0] == "Host" {
			continue
		}
		resp, body := r.do("POST", "/api/auth/login/", `{"email":"canary.mail@example.com","password":"canary-Password-77"}`,
			append([]string{"Auth-Mode", "cookie", "Origin", r.url}, header...)...)
		if resp.StatusCode == 503 {
			continue // no place to hash in: the machine has much to do
		}
		if resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", header, resp.StatusCode, body)
			continue
		}
		for _, c := range resp.Cookies() {
			if c.Secure || strings.HasPrefix(c.Name, "__") || c.SameSite != http.SameSiteLaxMode {
				t.Errorf("%s: cookie %s", header, c.Raw)
			}
		}
		if resp, body := r.do("POST", "/api/auth/login/", `{}`, append([]string{"Auth-Mode", "cookie", "Origin", "http://evil.example"}, header...)...); resp.StatusCode != 403 {
			t.Errorf("%s: from a foreign page: %d %s", header, resp.StatusCode, body)
		}
	}
	_, sessions := r.do("GET", "/api/auth/sessions/", "", bearer...)
	_, events := r.do("GET", "/api/auth/events/?limit=100", "", bearer...)
	for _, body := range []string{sessions, events} {
		if strings.Contains(body, "203.0.113.9") || strings.Contains(body, "evil") || !strings.Contains(body, `"address":"127.0.0.1"`) {
			t.Errorf("an address that a client made up: %.500s", body)
		}
	}
}
