package api

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// The texts of DRF, SimpleJWT, Django and the guide, each once.
const (
	textInvalidData        = "Invalid data"
	textInvalidCredentials = "Invalid credentials"

	textRegistered      = "User registered successfully"
	textLoggedIn        = "Login successful"
	textLoggedOut       = "Successfully logged out"
	textPasswordChanged = "Password changed successfully"
	textOthersEnded     = "Signed out everywhere else"
	textSignedOut       = "Signed out everywhere"

	textNotFound    = "Not found."
	textForbidden   = "You do not have permission to perform this action."
	textUnconfirmed = "Password confirmation is required to perform this action."
	textClosed      = "Registration is closed."
	textConflict    = "The resource was changed meanwhile."
	textLastAdmin   = "The last active administrator cannot be deactivated, demoted or deleted."
	textInactive    = "The account is not active."
	textBadCursor   = "Invalid cursor"
	textUnavailable = "Service temporarily unavailable, try again later."
	textInternal    = "Internal server error."
	textTooLarge    = "Request body is too large."
	textUnreadable  = "Request body could not be read."
	textBadHost     = "Invalid host."
	textManyFields  = "Too many header fields."
	textTimeout     = "Request body did not arrive in time."
	textAuthMode    = "Auth-Mode must be cookie or hybrid."
	textCrossOrigin = "Cross-origin request refused."

	textNoCredentials    = "Authentication credentials were not provided."
	textBadAuthorization = "Authorization header must contain two space-delimited values"
	textNoTokenType      = "Given token not valid for any token type"

	codeTokenNotValid = "token_not_valid"
)

// ProblemText words one problem of a field as DRF and Django do.
func ProblemText(p auth.Problem) string {
	switch p.Code {
	case auth.CodeRequired:
		return "This field is required."
	case auth.CodeNull:
		return "This field may not be null."
	case auth.CodeBlank:
		return "This field may not be blank."
	case auth.CodeNotString:
		return "Not a valid string."
	case auth.CodeMaxLength:
		return fmt.Sprintf("Ensure this field has no more than %d characters.", p.Params...)
	case auth.CodeNullCharacters:
		return "Null characters are not allowed."
	case auth.CodeSurrogates:
		return fmt.Sprintf("Surrogate characters are not allowed: U+%X.", p.Params...)
	case auth.CodeInvalidEmail:
		return "Enter a valid email address."
	case auth.CodeInvalidChoice:
		return fmt.Sprintf(`"%s" is not a valid choice.`, p.Params...)
	case auth.CodeNotObject:
		return fmt.Sprintf("Invalid data. Expected a dictionary, but got %s.", p.Params...)
	case auth.CodeNoData:
		return "No data provided"
	case auth.CodeEmailTaken:
		return "A user with this email already exists."
	case auth.CodePasswordMismatch:
		return "Password fields didn't match."
	case auth.CodePasswordSimilar:
		return fmt.Sprintf("The password is too similar to the %s.", p.Params...)
	case auth.CodePasswordShort:
		return "This password is too short. It must contain at least " + characters(p.Params) + "."
	case auth.CodePasswordLong:
		return "This password is too long. It must contain at most " + characters(p.Params) + "."
	case auth.CodePasswordCommon:
		return "This password is too common."
	case auth.CodePasswordNumeric:
		return "This password is entirely numeric."
	case auth.CodePasswordContext:
		return "This password is made of words that anybody would try here."
	case auth.CodePasswordBreached:
		return "This password has appeared in a data breach and is known to attackers. Choose another one."
	case auth.CodeBadCredentials:
		return "Invalid credentials."
	case auth.CodeOldPassword:
		return "Your old password was entered incorrectly. Please enter it again."
	case auth.CodeWrongPassword:
		return "Your password was entered incorrectly. Please enter it again."
	case auth.CodeNotNumber:
		return "A valid integer is required."
	case auth.CodeMinValue:
		return fmt.Sprintf("Ensure this value is greater than or equal to %d.", p.Params...)
	case auth.CodeMaxValue:
		return fmt.Sprintf("Ensure this value is less than or equal to %d.", p.Params...)
	case auth.CodeNotBoolean:
		return "Must be a valid boolean."
	case auth.CodeNotTime:
		return "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
	case auth.CodeNoPassword:
		return "A password is not set here. Send a reset link."
	case auth.CodeLink:
		return "This link is not valid or has expired."
	default:
		return "Invalid value."
	}
}

// characters counts as Django's ngettext does.
func characters(params []any) string {
	s := fmt.Sprintf("%d characters", params...)
	if s == "1 characters" {
		return "1 character"
	}
	return s
}

// tokenText words what is wrong with a token and gives SimpleJWT's code.
func tokenText(c auth.Code) (detail, code string) {
	switch c {
	case auth.CodeTokenWrongType:
		return "Token has wrong type", codeTokenNotValid
	case auth.CodeTokenNoType:
		return "Token has no type", codeTokenNotValid
	case auth.CodeTokenNoID:
		return "Token has no id", codeTokenNotValid
	case auth.CodeTokenNoExpiry:
		return "Token has no 'exp' claim", codeTokenNotValid
	case auth.CodeTokenNoUser:
		return "Token contained no recognizable user identification", codeTokenNotValid
	case auth.CodeTokenBlacklisted:
		return "Token is blacklisted", codeTokenNotValid
	case auth.CodeNoActiveAccount:
		return "No active account found for the given token.", "no_active_account"
	case auth.CodeUserNotFound:
		return "User not found", "user_not_found"
	case auth.CodeUserInactive:
		return "User is inactive", "user_inactive"
	default:
		return "Token is invalid or expired", codeTokenNotValid
	}
}

// methodText is DRF's MethodNotAllowed.
func methodText(method string) string {
	return `Method "` + method + `" not allowed.`
}

// mediaTypeText is DRF's UnsupportedMediaType.
func mediaTypeText(contentType string) string {
	return `Unsupported media type "` + contentType + `" in request.`
}

// throttledText is DRF's Throttled.
func throttledText(seconds int) string {
	unit := "seconds"
	if seconds == 1 {
		unit = "second"
	}
	return "Request was throttled. Expected available in " + strconv.Itoa(seconds) + " " + unit + "."
}

// seconds rounds a wait up to whole seconds, at least one.
func seconds(d time.Duration) int {
	return max(1, int(math.Ceil(d.Seconds())))
}
