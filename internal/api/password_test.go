package api_test

import (
	"errors"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
)

// TestPasswordChange says what the form takes and what the act is given: no
// password is trimmed.
func TestPasswordChange(t *testing.T) {
	t.Parallel()
	const (
		changed  = `{"message":"Password changed successfully","ended":3}`
		required = `["This field is required."]`
	)
	invalid := func(details string) string { return `{"error":"Invalid data","details":{` + details + `}}` }
	for _, c := range []struct {
		name, body string
		status     int
		answer     string
		want       account.PasswordChange
	}{
		{"all there", `{"old_password":" o ","password":" n ","password2":" m "}`, 200, changed, account.PasswordChange{Old: " o ", New: " n ", New2: " m "}},
		{"nothing", `{}`, 400, invalid(`"old_password":` + required + `,"password":` + required + `,"password2":` + required), account.PasswordChange{}},
		{"no body", ``, 400, invalid(`"old_password":` + required + `,"password":` + required + `,"password2":` + required), account.PasswordChange{}},
		{"without the old one", `{"password":"n","password2":"n"}`, 400, invalid(`"old_password":` + required), account.PasswordChange{}},
		{"blank and null", `{"old_password":"","password":null,"password2":"n"}`, 400, invalid(`"old_password":["This field may not be blank."],"password":["This field may not be null."]`), account.PasswordChange{}},
		{"no strings", `{"old_password":[],"password":"a\u0000","password2":true}`, 400, invalid(`"old_password":["Not a valid string."],"password":["Null characters are not allowed."],"password2":["Not a valid string."]`), account.PasswordChange{}},
		{"no JSON", `{`, 400, `{"detail":"JSON parse error - Unexpected end of data"}`, account.PasswordChange{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var have account.PasswordChange
			h := serve(&acts{change: func(p account.PasswordChange) error { have = p; return nil }})
			for _, credential := range []string{"Authorization: Bearer good", "Cookie: latchkey_access=good", "Authorization: Bearer good\nAuth-Mode: cookie"} {
				have = account.PasswordChange{}
				w := do(t, h, request("POST /api/auth/password/change/\n"+credential+"\n\n"+c.body))
				expect(t, w, c.status, c.answer)
				// This session goes on, with the tokens that it has.
				cookies(t, w)
				if have != c.want {
					t.Errorf("the act is given %+v", have)
				}
			}
		})
	}
	t.Run("a form, by bearer token", func(t *testing.T) {
		t.Parallel()
		var have account.PasswordChange
		h := serve(&acts{change: func(p account.PasswordChange) error { have = p; return nil }})
		expect(t, do(t, h, request("POST /api/auth/password/change\nAuthorization: Bearer good\nContent-Type: application/x-www-form-urlencoded\n\nold_password=o+&password=n&password2=m")), 200, changed)
		if have != (account.PasswordChange{Old: "o ", New: "n", New2: "m"}) {
			t.Errorf("the act is given %+v", have)
		}
	})
}

// TestPasswordChangeRefused says how the act's refusals are worded.
func TestPasswordChangeRefused(t *testing.T) {
	t.Parallel()
	var fields auth.Fields
	fields.Add("old_password", auth.Problem{Code: auth.CodeOldPassword})
	fields.Add("password", auth.Problem{Code: auth.CodePasswordShort, Params: []any{8}}, auth.Problem{Code: auth.CodePasswordCommon})
	for _, c := range []struct {
		err    error
		status int
		body   string
		retry  string
	}{
		{fields.Err(), 400, `{"error":"Invalid data","details":{"old_password":["Your old password was entered incorrectly. Please enter it again."],"password":["This password is too short. It must contain at least 8 characters.","This password is too common."]}}`, ""},
		{&auth.Error{Kind: auth.TooMany, RetryAfter: 90 * time.Second}, 429, `{"detail":"Request was throttled. Expected available in 90 seconds."}`, "90"},
		{&auth.Error{Kind: auth.Unavailable, RetryAfter: 1500 * time.Millisecond}, 503, `{"detail":"Service temporarily unavailable, try again later."}`, "2"},
		{auth.ErrConflict, 409, `{"detail":"The resource was changed meanwhile."}`, ""},
		{auth.TokenError(auth.CodeTokenInvalid), 401, `{"detail":"Token is invalid or expired","code":"token_not_valid"}`, ""},
		{auth.TokenError(auth.CodeUserInactive), 401, `{"detail":"User is inactive","code":"user_inactive"}`, ""},
		{errors.New("disk full of secrets"), 500, `{"detail":"Internal server error."}`, ""},
	} {
		h := serve(&acts{change: func(account.PasswordChange) error { return c.err }})
		w := do(t, h, request("POST /api/auth/password/change/\nCookie: latchkey_access=good; latchkey_refresh=r\n\n"+`{"old_password":"o","password":"n","password2":"n"}`))
		expect(t, w, c.status, c.body)
		cookies(t, w)
		if have := w.Header().Get("Retry-After"); have != c.retry {
			t.Errorf("%v: Retry-After %q, want %q", c.err, have, c.retry)
		}
	}
}
