package auth

import (
	"errors"
	"fmt"
	"time"
)

// Kind is what class of thing went wrong. Anything that is not an *Error is
// internal.
type Kind int

// The kinds of error.
const (
	// Invalid: the input does not hold; Fields says where.
	Invalid Kind = iota + 1
	// Unauthenticated: who are you?
	Unauthenticated
	// BadCredentials: the login was refused. It has a kind of its own since
	// the guide gives it a shape of its own.
	BadCredentials
	// TokenNotValid: a token was presented and is not good; Code says why.
	TokenNotValid
	// PermissionDenied: not you.
	PermissionDenied
	// Missing: there is no such thing.
	Missing
	// Conflict: it is there already, or it has changed meanwhile.
	Conflict
	// Stale: the caller's copy of a thing is not the current one.
	Stale
	// TooMany: the throttle says wait; RetryAfter says how long.
	TooMany
	// Unavailable: not now; RetryAfter says when to try again.
	Unavailable
)

// Code says precisely what was wrong; api/text.go has the words for it.
type Code string

// Codes of problems with fields and requests. Parameters in brackets.
const (
	CodeRequired         Code = "required"
	CodeNull             Code = "null"
	CodeBlank            Code = "blank"
	CodeNotString        Code = "not_a_string"
	CodeMaxLength        Code = "max_length" // [int]
	CodeNullCharacters   Code = "null_characters_not_allowed"
	CodeSurrogates       Code = "surrogate_characters_not_allowed" // [rune]
	CodeInvalidEmail     Code = "invalid_email"
	CodeInvalidChoice    Code = "invalid_choice" // [string]
	CodeNotObject        Code = "not_an_object"  // [string: Python's name of the type]
	CodeNoData           Code = "no_data"
	CodeEmailTaken       Code = "email_taken"
	CodePasswordMismatch Code = "password_mismatch"
	CodePasswordSimilar  Code = "password_too_similar" // [string: verbose name]
	CodePasswordShort    Code = "password_too_short"   // [int]
	CodePasswordLong     Code = "password_too_long"    // [int]
	CodePasswordCommon   Code = "password_too_common"
	CodePasswordNumeric  Code = "password_entirely_numeric"
	CodePasswordContext  Code = "password_context_word"
	CodePasswordBreached Code = "password_breached"
	CodeBadCredentials   Code = "invalid_credentials"
	CodeClosed           Code = "registration_closed"
	CodeOldPassword      Code = "password_incorrect"
	CodeWrongPassword    Code = "password_wrong"
	CodeNotNumber        Code = "invalid_integer"
	CodeMinValue         Code = "min_value" // [int]
	CodeMaxValue         Code = "max_value" // [int]
	CodeNotBoolean       Code = "not_a_boolean"
	CodeNotTime          Code = "invalid_time"
	CodeNoPassword       Code = "password_not_accepted"
	CodeLink             Code = "link_not_valid"
)

// Codes of tokens that are not valid.
const (
	CodeTokenInvalid     Code = "token_invalid"
	CodeTokenWrongType   Code = "token_wrong_type"
	CodeTokenNoType      Code = "token_no_type"
	CodeTokenNoID        Code = "token_no_id"
	CodeTokenNoExpiry    Code = "token_no_exp"
	CodeTokenNoUser      Code = "token_no_user"
	CodeTokenBlacklisted Code = "token_blacklisted"
	CodeNoActiveAccount  Code = "no_active_account"
	CodeUserNotFound     Code = "user_not_found"
	CodeUserInactive     Code = "user_inactive"
)

// Codes of other errors.
const (
	CodeNoCredentials    Code = "not_authenticated"
	CodeBadAuthorization Code = "bad_authorization_header"
	CodeBusy             Code = "busy"
	CodeBreachUnknown    Code = "breach_unknown"
	CodeStarting         Code = "starting"
	CodeDatabaseAway     Code = "database_away"
	CodeKeysUnread       Code = "keys_unread"
	CodeThrottled        Code = "throttled"
	CodeLastAdmin        Code = "last_active_admin"
	CodeBadCursor        Code = "invalid_cursor"
	CodeNoScope          Code = "no_scope"
	CodeUnconfirmed      Code = "confirmation_required"
)

// Problem is one thing that is wrong with a field. It carries a code and
// parameters, not prose: the words are the edge's.
type Problem struct {
	Code   Code
	Params []any
}

// FieldProblems are the problems of one field, in the order they are told.
// NonField names what belongs to no field.
type FieldProblems struct {
	Field    string
	Problems []Problem
}

// NonField is the field name of problems that belong to no field (DRF's
// NON_FIELD_ERRORS_KEY).
const NonField = "non_field_errors"

// Fields are problems by field, in the order of the form.
type Fields []FieldProblems

// Add appends problems to a field, which is made if it is not there.
func (f *Fields) Add(field string, problems ...Problem) {
	if len(problems) == 0 {
		return
	}
	for i := range *f {
		if (*f)[i].Field == field {
			(*f)[i].Problems = append((*f)[i].Problems, problems...)
			return
		}
	}
	*f = append(*f, FieldProblems{field, problems})
}

// Err is nil when there are no problems and otherwise an Error of kind Invalid.
func (f Fields) Err() error {
	if len(f) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Fields: f}
}

// Error is what an act answers when it refuses. It never carries a secret.
type Error struct {
	Kind Kind
	Code Code
	// Why is for the log, never for the answer; "" where Kind and Code say it.
	Why        Refusal
	Fields     Fields
	RetryAfter time.Duration
	// Cause is for the log, never for the answer.
	Cause error
}

// Error is for logs and the command line.
func (e *Error) Error() string {
	s := string(e.Code)
	if s == "" && len(e.Fields) > 0 {
		s = fmt.Sprintf("invalid %s: %s", e.Fields[0].Field, e.Fields[0].Problems[0].Code)
	}
	if s == "" {
		s = fmt.Sprintf("refused (kind %d)", e.Kind)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is compare kind and, where the target has one, code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && (t.Code == "" || t.Code == e.Code)
}

// Errors to compare with and to return.
var (
	ErrNotFound = &Error{Kind: Missing, Code: "not_found"}
	ErrConflict = &Error{Kind: Conflict}
	// ErrForbidden is "not you".
	ErrForbidden = &Error{Kind: PermissionDenied}
	// ErrUnconfirmed is "you, but prove it first".
	ErrUnconfirmed = &Error{Kind: PermissionDenied, Code: CodeUnconfirmed}
	// ErrLastAdmin keeps the last active administrator.
	ErrLastAdmin = &Error{Kind: Conflict, Code: CodeLastAdmin}
	// ErrStale is a precondition that does not hold.
	ErrStale = &Error{Kind: Stale}
	// ErrEmailTaken is the unique constraint on User.EmailKey.
	ErrEmailTaken = &Error{Kind: Conflict, Code: CodeEmailTaken}
)

// TokenError is a TokenNotValid with the code.
func TokenError(code Code) *Error { return &Error{Kind: TokenNotValid, Code: code} }

// TokenRefused is a TokenNotValid that says no more than that, and why for the
// log.
func TokenRefused(why Refusal) *Error {
	return &Error{Kind: TokenNotValid, Code: CodeTokenInvalid, Why: why}
}

// Refusal is why, in the word that the log has for it.
func (e *Error) Refusal() Refusal {
	switch {
	case e.Why != "":
		return e.Why
	case e.Kind == TokenNotValid:
		switch e.Code { //nolint:exhaustive // The others are RefusedToken.
		case CodeTokenBlacklisted:
			return RefusedRevoked
		case CodeUserNotFound, CodeUserInactive, CodeNoActiveAccount:
			return RefusedAccount
		}
		return RefusedToken
	case e.Kind == PermissionDenied && e.Code == CodeClosed:
		return RefusedClosed
	case e.Kind == PermissionDenied && e.Code == CodeUnconfirmed:
		return RefusedUnconfirmed
	case e.Kind == Invalid:
		for _, f := range e.Fields {
			for _, p := range f.Problems {
				switch p.Code { //nolint:exhaustive // The others are RefusedInvalid.
				case CodeOldPassword, CodeWrongPassword:
					return RefusedCredentials
				case CodeLink:
					return RefusedLink
				}
			}
		}
		return RefusedInvalid
	}
	return refusals[e.Kind]
}

var refusals = map[Kind]Refusal{
	Unauthenticated: RefusedNobody, BadCredentials: RefusedCredentials, PermissionDenied: RefusedPermission,
	Missing: RefusedMissing, Conflict: RefusedConflict, Stale: RefusedConflict, TooMany: RefusedThrottled,
	Unavailable: RefusedBusy,
}

// IsKind reports whether err is an Error of this kind.
func IsKind(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}
