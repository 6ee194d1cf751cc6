package api

import (
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// TestProblemText quotes the recording, but for what only we say.
func TestProblemText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code   auth.Code
		params []any
		want   string
	}{
		{auth.CodeRequired, nil, "This field is required."},
		{auth.CodeNull, nil, "This field may not be null."},
		{auth.CodeBlank, nil, "This field may not be blank."},
		{auth.CodeNotString, nil, "Not a valid string."},
		{auth.CodeMaxLength, []any{150}, "Ensure this field has no more than 150 characters."},
		{auth.CodeNullCharacters, nil, "Null characters are not allowed."},
		{auth.CodeSurrogates, []any{rune(0xD800)}, "Surrogate characters are not allowed: U+D800."},
		{auth.CodeInvalidEmail, nil, "Enter a valid email address."},
		{auth.CodeInvalidChoice, []any{"ADMIN"}, `"ADMIN" is not a valid choice.`},
		{auth.CodeInvalidChoice, []any{"100%d"}, `"100%d" is not a valid choice.`},
		{auth.CodeNotObject, []any{"list"}, "Invalid data. Expected a dictionary, but got list."},
		{auth.CodeNoData, nil, "No data provided"},
		{auth.CodeEmailTaken, nil, "A user with this email already exists."},
		{auth.CodePasswordMismatch, nil, "Password fields didn't match."},
		{auth.CodePasswordSimilar, []any{"email address"}, "The password is too similar to the email address."},
		{auth.CodePasswordSimilar, []any{"first name"}, "The password is too similar to the first name."},
		{auth.CodePasswordShort, []any{8}, "This password is too short. It must contain at least 8 characters."},
		{auth.CodePasswordShort, []any{1}, "This password is too short. It must contain at least 1 character."},
		{auth.CodePasswordShort, []any{11}, "This password is too short. It must contain at least 11 characters."},
		{auth.CodePasswordLong, []any{4096}, "This password is too long. It must contain at most 4096 characters."},
		{auth.CodePasswordCommon, nil, "This password is too common."},
		{auth.CodePasswordNumeric, nil, "This password is entirely numeric."},
		{auth.CodeBadCredentials, nil, "Invalid credentials."},
		{auth.CodeOldPassword, nil, "Your old password was entered incorrectly. Please enter it again."},
		{auth.CodeNotNumber, nil, "A valid integer is required."},
		{auth.CodeMinValue, []any{1}, "Ensure this value is greater than or equal to 1."},
		{auth.CodeMaxValue, []any{int64(100)}, "Ensure this value is less than or equal to 100."},
		{"no such code", nil, "Invalid value."},
	} {
		if have := ProblemText(auth.Problem{Code: c.code, Params: c.params}); have != c.want {
			t.Errorf("%s: have %q, want %q", c.code, have, c.want)
		}
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]int{
		-time.Second: 1, 0: 1, 1: 1, time.Second: 1, time.Second + 1: 2, 15 * time.Minute: 900,
	} {
		if have := seconds(wait); have != want {
			t.Errorf("%s: have %d, want %d", wait, have, want)
		}
	}
}

// TestFormsFit fails when a form has more fields than there is room for.
func TestFormsFit(t *testing.T) {
	t.Parallel()
	for _, f := range []*form{
		&registerForm, &loginForm, &refreshForm, &logoutForm, &verifyForm, &profileForm,
		&refreshCookieForm, &logoutCookieForm, &verifyCookieForm, &passwordChangeForm,
	} {
		if len(f.fields) > maxFields {
			t.Errorf("the form that begins with %s has %d fields", f.fields[0].name, len(f.fields))
		}
	}
}
