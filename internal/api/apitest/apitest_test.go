package apitest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/api/apitest"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	const (
		profile = `{"id":1,"email":"a@example.com","first_name":"F","last_name":"L","phone":"","role":"client","created_at":"2026-11-23T04:54:41.123456Z","updated_at":"2026-11-23T04:54:41Z"}`
		invalid = `{"detail":"Token is invalid or expired","code":"token_not_valid"}`
		missing = `{"detail":"Not found."}`
	)
	for _, c := range []struct {
		name, method, path string
		status             int
		header, body       string // headers are "Name: value" lines
		err                string // a part of the error, "" for none
	}{
		{"as described", "GET", "/api/auth/profile/", 200, "", profile, ""},
		{"without the slash", "GET", "/api/auth/profile", 200, "", profile, ""},
		{"encoded letters", "GET", "/api/auth/%70rofile/", 200, "", profile, ""},
		{"HEAD", "HEAD", "/api/auth/profile/", 200, "", "", ""},
		{"health", "GET", "/readyz", 200, "", `{"status":"ok","degraded":[]}`, ""},
		{"unknown path", "GET", "/api/nope/", 404, "", missing, ""},
		{"encoded slash", "GET", "/api/auth%2Fprofile/", 404, "", missing, ""},
		{"method not allowed", "DELETE", "/api/auth/login/", 405, "Allow: POST, OPTIONS", `{"detail":"x"}`, ""},
		{"OPTIONS", "OPTIONS", "/api/auth/login/", 204, "Allow: POST, OPTIONS", "", ""},

		{"OPTIONS without Allow", "OPTIONS", "/api/auth/login/", 204, "", "", "Allow"},
		{"unknown path with an answer", "GET", "/api/nope/", 200, "", "{}", "path is not described"},
		{"unknown method with an answer", "DELETE", "/api/auth/profile/", 200, "", "{}", "method is not described"},
		{"unknown status", "GET", "/api/auth/profile/", 418, "", "{}", "status is not described"},
		{"a field too few", "GET", "/api/auth/profile/", 200, "", strings.Replace(profile, `"phone":"",`, "", 1), "phone"},
		{"a field too many", "GET", "/api/auth/profile/", 200, "", strings.Replace(profile, `"phone":"",`, `"phone":"","password":"x",`, 1), "password"},
		{"a wrong type", "GET", "/api/auth/profile/", 200, "", strings.Replace(profile, `"id":1`, `"id":"1"`, 1), "id"},
		{"three digits of a second", "GET", "/api/auth/profile/", 200, "", strings.Replace(profile, "123456Z", "123Z", 1), "created_at"},
		{"an unknown role", "GET", "/api/auth/profile/", 200, "", strings.Replace(profile, "client", "root", 1), "role"},
		{"no JSON", "GET", "/api/auth/profile/", 200, "", "x", "no JSON"},
		{"HEAD with a body", "HEAD", "/api/auth/profile/", 200, "", profile, "a body"},
		{"another type", "GET", "/api/auth/profile/", 200, "Content-Type: text/html", profile, "Content-Type"},
		{"a charset", "GET", "/api/auth/profile/", 200, "Content-Type: application/json; charset=utf-8", profile, "Content-Type"},
		{"a wrong length", "GET", "/api/auth/profile/", 200, "Content-Length: 5", profile, "Content-Length"},
		{"challenge", "POST", "/api/auth/token/refresh/", 401, "Www-Authenticate: Bearer realm=\"api\"", invalid, ""},
		{"no challenge", "POST", "/api/auth/token/refresh/", 401, "", invalid, "WWW-Authenticate"},
		{"another challenge", "POST", "/api/auth/token/refresh/", 401, "Www-Authenticate: Basic", invalid, "WWW-Authenticate"},
		{"shape of another error", "POST", "/api/auth/login/", 401, "", invalid, "error"},
		{"no Retry-After", "POST", "/api/auth/login/", 429, "", `{"detail":"x"}`, "Retry-After"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{"Content-Type": {"application/json"}}
			for l := range strings.SplitSeq(c.header, "\n") {
				if name, v, ok := strings.Cut(l, ": "); ok {
					h.Set(name, v)
				}
			}
			err := apitest.Check(c.method, c.path, c.status, h, []byte(c.body))
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("have %v, want %q", err, c.err)
			}
		})
	}
}
