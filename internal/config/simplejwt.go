package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// SimpleJWT is what a team's Django has as SIMPLE_JWT, as far as it concerns
// the tokens that it minted and those that it shall accept. What a file does not
// have is SimpleJWT's default.
type SimpleJWT struct {
	// Access and Refresh are the lifetimes of the tokens that Django minted.
	Access, Refresh time.Duration
	// Leeway is how long after its exp such a token is good.
	Leeway           time.Duration
	Issuer, Audience string
	// HeaderTypes are the words before the token in Authorization.
	HeaderTypes []string
	// UserClaim, TypeClaim and IDClaim are the names of claims.
	UserClaim, TypeClaim, IDClaim string
	// Rotate: a refresh token is traded for another one at each refresh.
	Rotate bool

	warnings []string
}

// simpleJWTDefaults are those of SimpleJWT 5.
func simpleJWTDefaults() SimpleJWT {
	return SimpleJWT{
		Access: 5 * time.Minute, Refresh: 24 * time.Hour, HeaderTypes: []string{"Bearer"},
		UserClaim: "user_id", TypeClaim: "token_type", IDClaim: "jti",
	}
}

// maxLeeway bounds LEEWAY: more is no difference of clocks.
const maxLeeway = 10 * time.Minute

// simpleJWTKey reads one key. Those that only say how Django answers, or what
// Latchkey does anyway, read nothing.
type simpleJWTKey func(s *SimpleJWT, v jsontext.Value) error

// simpleJWTKeys are those of SimpleJWT 5.2 to 5.5.
var simpleJWTKeys = map[string]simpleJWTKey{
	"ACCESS_TOKEN_LIFETIME":  lifetime(func(s *SimpleJWT) *time.Duration { return &s.Access }),
	"REFRESH_TOKEN_LIFETIME": lifetime(func(s *SimpleJWT) *time.Duration { return &s.Refresh }),
	"ROTATE_REFRESH_TOKENS": func(s *SimpleJWT, v jsontext.Value) (err error) {
		s.Rotate, err = truth(v)
		return err
	},
	"BLACKLIST_AFTER_ROTATION": isTruth,
	"UPDATE_LAST_LOGIN":        isTruth,
	"CHECK_USER_IS_ACTIVE":     isTruth,
	"ALGORITHM": func(_ *SimpleJWT, v jsontext.Value) error {
		return only(v, "is not HS256, the only algorithm whose tokens can be taken over", "HS256")
	},
	"SIGNING_KEY": func(*SimpleJWT, jsontext.Value) error {
		return errors.New("is a secret: set it as signing.key and take it out of this file")
	},
	"VERIFYING_KEY": func(_ *SimpleJWT, v jsontext.Value) error {
		return none(v, "is for asymmetric keys, which cannot be taken over")
	},
	"JWK_URL": func(_ *SimpleJWT, v jsontext.Value) error {
		return none(v, "is set: Django did not sign these tokens itself")
	},
	"ISSUER":   nameOrNull(func(s *SimpleJWT) *string { return &s.Issuer }),
	"AUDIENCE": nameOrNull(func(s *SimpleJWT) *string { return &s.Audience }),
	"LEEWAY": func(s *SimpleJWT, v jsontext.Value) error {
		d, err := pythonDuration(v)
		if err == nil && (d < 0 || d > maxLeeway) {
			err = fmt.Errorf("is not between 0 and %d seconds", maxLeeway/time.Second)
		}
		s.Leeway = d
		return err
	},
	"AUTH_HEADER_TYPES": func(s *SimpleJWT, v jsontext.Value) error {
		types, err := textList(v)
		if err != nil || len(types) == 0 {
			return errors.New(`is no list of words such as ["Bearer"]`)
		}
		for _, t := range types {
			if !headerType.MatchString(t) {
				return fmt.Errorf("has %q, which is no word", t)
			}
		}
		s.HeaderTypes = types
		return nil
	},
	"AUTH_HEADER_NAME": func(_ *SimpleJWT, v jsontext.Value) error {
		return only(v, "is not HTTP_AUTHORIZATION, the only header that is read here", "HTTP_AUTHORIZATION")
	},
	"USER_ID_FIELD": func(_ *SimpleJWT, v jsontext.Value) error {
		return only(v, "is neither id nor pk: tokens that name a user otherwise cannot be taken over", "id", "pk")
	},
	"USER_ID_CLAIM":    claim(func(s *SimpleJWT) *string { return &s.UserClaim }),
	"TOKEN_TYPE_CLAIM": claim(func(s *SimpleJWT) *string { return &s.TypeClaim }),
	"JTI_CLAIM":        claim(func(s *SimpleJWT) *string { return &s.IDClaim }),
	"AUTH_TOKEN_CLASSES": func(_ *SimpleJWT, v jsontext.Value) error {
		classes, err := textList(v)
		if err != nil || !slices.Equal(classes, []string{"rest_framework_simplejwt.tokens.AccessToken"}) {
			return errors.New("has other tokens than AccessToken, which cannot be taken over")
		}
		return nil
	},
	"CHECK_REVOKE_TOKEN": func(_ *SimpleJWT, v jsontext.Value) error {
		if yes, err := truth(v); err != nil || yes {
			return errors.New("is set: a claim made of the password's hash is not checked here, so tokens of before a change of password would live again")
		}
		return nil
	},
	"USER_AUTHENTICATION_RULE":        custom("rest_framework_simplejwt.authentication.default_user_authentication_rule"),
	"TOKEN_USER_CLASS":                custom("rest_framework_simplejwt.models.TokenUser"),
	"TOKEN_OBTAIN_SERIALIZER":         custom("rest_framework_simplejwt.serializers.TokenObtainPairSerializer"),
	"TOKEN_REFRESH_SERIALIZER":        custom("rest_framework_simplejwt.serializers.TokenRefreshSerializer"),
	"TOKEN_VERIFY_SERIALIZER":         custom("rest_framework_simplejwt.serializers.TokenVerifySerializer"),
	"TOKEN_BLACKLIST_SERIALIZER":      custom("rest_framework_simplejwt.serializers.TokenBlacklistSerializer"),
	"JSON_ENCODER":                    custom(""),
	"ON_LOGIN_SUCCESS":                custom("rest_framework_simplejwt.serializers.default_on_login_success"),
	"ON_LOGIN_FAILED":                 custom("rest_framework_simplejwt.serializers.default_on_login_failed"),
	"REVOKE_TOKEN_CLAIM":              ignored,
	"SLIDING_TOKEN_REFRESH_EXP_CLAIM": ignored, "SLIDING_TOKEN_LIFETIME": ignored, "SLIDING_TOKEN_REFRESH_LIFETIME": ignored,
	"SLIDING_TOKEN_OBTAIN_SERIALIZER": ignored, "SLIDING_TOKEN_REFRESH_SERIALIZER": ignored,
}

var headerType = regexp.MustCompile(`^[!#$%&'*+.^_|~0-9A-Za-z-]{1,50}$`)

func ignored(*SimpleJWT, jsontext.Value) error { return nil }

func isTruth(_ *SimpleJWT, v jsontext.Value) error {
	_, err := truth(v)
	return err
}

func truth(v jsontext.Value) (bool, error) {
	switch v.Kind() {
	case jsontext.KindTrue:
		return true, nil
	case jsontext.KindFalse:
		return false, nil
	default:
		return false, errors.New("is neither true nor false")
	}
}

func textOf(v jsontext.Value) (string, bool) {
	if v.Kind() != jsontext.KindString {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), err == nil
}

// textList reads a list of texts, or one text.
func textList(v jsontext.Value) ([]string, error) {
	if s, ok := textOf(v); ok {
		return []string{s}, nil
	}
	wrong := errors.New("is no list of texts")
	d := jsontext.NewDecoder(bytes.NewReader(v))
	if t, err := d.ReadToken(); err != nil || t.Kind() != jsontext.KindBeginArray {
		return nil, wrong
	}
	var all []string
	for d.PeekKind() != jsontext.KindEndArray {
		one, err := d.ReadValue()
		if err != nil {
			return nil, wrong
		}
		s, ok := textOf(one)
		if !ok {
			return nil, wrong
		}
		all = append(all, s)
	}
	return all, nil
}

func only(v jsontext.Value, otherwise string, allowed ...string) error {
	if s, ok := textOf(v); ok && slices.Contains(allowed, s) {
		return nil
	}
	return errors.New(otherwise)
}

func none(v jsontext.Value, otherwise string) error {
	if s, ok := textOf(v); v.Kind() == jsontext.KindNull || ok && s == "" {
		return nil
	}
	return errors.New(otherwise)
}

// nameOrNull reads a text or null.
func nameOrNull(to func(*SimpleJWT) *string) simpleJWTKey {
	return func(s *SimpleJWT, v jsontext.Value) error {
		if v.Kind() == jsontext.KindNull {
			return nil
		}
		text, ok := textOf(v)
		if !ok {
			return errors.New("is neither a text nor null")
		}
		*to(s) = text
		return nil
	}
}

// claim reads the name of a claim.
func claim(to func(*SimpleJWT) *string) simpleJWTKey {
	return func(s *SimpleJWT, v jsontext.Value) error {
		text, ok := textOf(v)
		switch {
		case !ok || text == "" || len(text) > 100:
			return errors.New("is no name of a claim: tokens without it cannot be told apart, and not taken over")
		case slices.Contains([]string{"exp", "iat", "nbf", "iss", "aud", "sid", "role", "gen"}, text):
			return fmt.Errorf("is %q, which means something else here", text)
		}
		*to(s) = text
		return nil
	}
}

func lifetime(to func(*SimpleJWT) *time.Duration) simpleJWTKey {
	return func(s *SimpleJWT, v jsontext.Value) error {
		d, err := pythonDuration(v)
		if err == nil && (d < time.Second || d > 3650*24*time.Hour) {
			err = errors.New("is not between a second and ten years")
		}
		*to(s) = d
		return err
	}
}

// custom warns of code of the team's own that does not run here.
func custom(usual string) simpleJWTKey {
	return func(s *SimpleJWT, v jsontext.Value) error {
		text, ok := textOf(v)
		switch {
		case v.Kind() == jsontext.KindNull || ok && (text == usual || text == ""):
			return nil
		case !ok:
			return errors.New("is no text")
		}
		s.warnings = append(s.warnings, "names "+text+", which does not run here")
		return nil
	}
}

var (
	errPythonDuration = errors.New(`is no lifetime: write seconds, or as Python does ("3 days, 0:00:00")`)
	pythonSpan        = regexp.MustCompile(`^(?:(\d{1,6})(?: days?,)? )?(\d{1,6}):(\d{2}):(\d{2})(?:\.\d{1,6})?$`)
	isoSpan           = regexp.MustCompile(`^P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})(?:\.\d{1,6})?S)?)?$`)
	daysOnly          = regexp.MustCompile(`^(\d{1,6}) days?$`)
)

// pythonDuration reads seconds, str(timedelta), and ISO 8601 as Django's JSON
// encoder writes it. Fractions of seconds are cut off.
func pythonDuration(v jsontext.Value) (time.Duration, error) {
	if v.Kind() == jsontext.KindNumber {
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil || math.Abs(f) > 1e9 {
			return 0, errPythonDuration
		}
		return time.Duration(f) * time.Second, nil
	}
	s, ok := textOf(v)
	if !ok {
		return 0, errPythonDuration
	}
	var parts []string
	if m := pythonSpan.FindStringSubmatch(s); m != nil {
		parts = m[1:]
	} else if m := isoSpan.FindStringSubmatch(s); m != nil && s != "P" && !strings.HasSuffix(s, "T") {
		parts = m[1:]
	} else if m := daysOnly.FindStringSubmatch(s); m != nil {
		parts = m[1:]
	} else {
		return 0, errPythonDuration
	}
	var sum time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if i < len(parts) && parts[i] != "" {
			n, err := strconv.Atoi(parts[i])
			if err != nil {
				return 0, errPythonDuration
			}
			sum += time.Duration(n) * unit
		}
	}
	return sum, nil
}

// parseSimpleJWT reads the file. Every mistake is told, each with its key.
func parseSimpleJWT(data []byte) (s SimpleJWT, problems []wrong) {
	s = simpleJWTDefaults()
	malformed := func(what string) (SimpleJWT, []wrong) {
		return s, []wrong{{what, `write it like {"ACCESS_TOKEN_LIFETIME": 10800, "ROTATE_REFRESH_TOKENS": true}`}}
	}
	d := jsontext.NewDecoder(bytes.NewReader(data))
	if t, err := d.ReadToken(); err != nil || t.Kind() != jsontext.KindBeginObject {
		return malformed("is no JSON object")
	}
	for d.PeekKind() != jsontext.KindEndObject {
		t, err := d.ReadToken()
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return malformed("has a key twice")
		}
		if err != nil {
			return malformed("is malformed JSON")
		}
		key := t.String()
		v, err := d.ReadValue()
		if err != nil {
			return malformed("is malformed JSON")
		}
		read, ok := simpleJWTKeys[key]
		if !ok {
			names := make([]string, 0, len(simpleJWTKeys))
			for k := range simpleJWTKeys {
				names = append(names, k)
			}
			sort.Strings(names)
			hint := "the keys are those of SimpleJWT 5"
			if n := nearest(strings.ToUpper(key), names); n != "" {
				hint = "did you mean " + n + "?"
			}
			problems = append(problems, wrong{"SIMPLE_JWT has no key " + key, hint})
			continue
		}
		before := len(s.warnings)
		if err := read(&s, v); err != nil {
			problems = append(problems, wrong{key + " " + err.Error(), ""})
		}
		for i := before; i < len(s.warnings); i++ {
			s.warnings[i] = key + " " + s.warnings[i]
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return malformed("is malformed JSON")
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return malformed("goes on after its object")
	}
	names := []string{s.UserClaim, s.TypeClaim, s.IDClaim}
	slices.Sort(names)
	if len(slices.Compact(names)) < 3 {
		problems = append(problems, wrong{"USER_ID_CLAIM, TOKEN_TYPE_CLAIM and JTI_CLAIM are not three names", ""})
	}
	return s, problems
}

// django checks django.settings, and takes from it what is not set otherwise.
func (l *loader) django() {
	c := l.c
	const key = "django.settings"
	if c.Django.Settings == "" {
		return
	}
	o := c.origins[key]
	data, err := readFile(c.Django.Settings)
	if err != nil {
		l.blame(key, o, c.Django.Settings+" cannot be read: "+cause(err), "")
		return
	}
	s, problems := parseSimpleJWT(data)
	for _, p := range problems {
		l.blame(key, o, c.Django.Settings+": "+p.what, p.hint)
	}
	if len(problems) > 0 {
		return
	}
	for _, n := range []struct {
		key, theirs string
		ours        *string
	}{{"tokens.issuer", s.Issuer, &c.Tokens.Issuer}, {"tokens.audience", s.Audience, &c.Tokens.Audience}} {
		switch {
		case n.theirs == *n.ours || l.blamed[n.key]:
		case *n.ours == "":
			// Django's tokens have it, and ours must have it to be good there.
			*n.ours = n.theirs
			c.origins[n.key] = o
		default:
			l.blame(n.key, c.origins[n.key], fmt.Sprintf("is %q, but django.settings has %q: no token would be good on both sides", *n.ours, n.theirs), "make them the same")
		}
	}
	if !c.signingKey.IsSet() && !l.blamed["signing.key"] && !l.blamed["signing.key_file"] {
		l.blame(key, o, "is set, but signing.key is not", "set signing.key to the key that Django signs with: SIMPLE_JWT's SIGNING_KEY, or SECRET_KEY")
	}
	c.simpleJWT = &s
}

// SimpleJWT gives what django.settings says, nil where it is not set.
func (c *Config) SimpleJWT() *SimpleJWT { return c.simpleJWT }

// DjangoWarnings lists what of django.settings works but should not stay as it
// is; serve logs them.
func (c *Config) DjangoWarnings() []string {
	s := c.simpleJWT
	if s == nil {
		return nil
	}
	var out []string
	for _, w := range s.warnings {
		out = append(out, "django.settings: "+w)
	}
	if !s.Rotate && c.Tokens.Reuse != ReuseTolerant {
		out = append(out, "django.settings: ROTATE_REFRESH_TOKENS is off, so that clients keep their first refresh token and present it again and again: "+
			"tokens.reuse = \"tolerant\" lets them; \""+string(c.Tokens.Reuse)+"\" ends their sessions")
	}
	if c.Signing.Algorithm != HS256 {
		out = append(out, "django.settings: signing.algorithm is "+string(c.Signing.Algorithm)+", so that Django cannot verify what is signed here")
	}
	return out
}
