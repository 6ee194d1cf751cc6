package conformance_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strconv"
	"strings"
	"testing"
	"time"
)

// member is a name and a value as it is spelled in JSON.
type member struct{ name, value string }

// forgery is a token in the making. It begins as the genuine token of a user
// as Django mints it; the tables below change it.
type forgery struct {
	user   int64
	header []member
	claims []member
	// payload, when not "", is signed instead of the claims.
	payload string
	// key and hash sign.
	key  string
	hash func() hash.Hash
	// separators is Python's: "," and ":" unless set.
	comma, colon string
	// unsigned leaves the signature empty.
	unsigned bool
}

// newForgery begins a token of a kind ("access", "refresh") for a user, issued
// a minute ago.
func newForgery(kind string, user int64) *forgery {
	iat := time.Now().Add(-time.Minute).Unix()
	life := map[string]int64{"access": 10800, "refresh": 259200}[kind]
	return &forgery{
		user:   user,
		header: []member{{"alg", `"HS256"`}, {"typ", `"JWT"`}},
		claims: []member{
			{"token_type", quote(kind)},
			{"exp", strconv.FormatInt(iat+life, 10)},
			{"iat", strconv.FormatInt(iat, 10)},
			{"jti", quote(newJTI())},
			{"user_id", strconv.FormatInt(user, 10)},
		},
		key: signingKey, hash: sha256.New, comma: ",", colon: ":",
	}
}

// newJTI is 32 hex digits, a UUID of version 4.
func newJTI() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return hex.EncodeToString(b[:])
}

func quote(s string) string { return `"` + s + `"` }

// in is seconds from now, as JSON.
func in(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }

func (f *forgery) object(members []member) string {
	parts := make([]string, len(members))
	for i, m := range members {
		parts[i] = quote(m.name) + f.colon + m.value
	}
	return "{" + strings.Join(parts, f.comma) + "}"
}

// String is the token.
func (f *forgery) String() string {
	payload := f.payload
	if payload == "" {
		payload = f.object(f.claims)
	}
	plain := *f
	plain.comma, plain.colon = ",", ":"
	text := base64.RawURLEncoding.EncodeToString([]byte(plain.object(f.header))) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(payload))
	if f.unsigned {
		return text + "."
	}
	mac := hmac.New(f.hash, []byte(f.key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// put changes a member where it stands, or adds it at the end.
func put(members *[]member, name, value string) {
	for i := range *members {
		if (*members)[i].name == name {
			(*members)[i].value = value
			return
		}
	}
	*members = append(*members, member{name, value})
}

func drop(members *[]member, name string) {
	kept := (*members)[:0:0]
	for _, m := range *members {
		if m.name != name {
			kept = append(kept, m)
		}
	}
	*members = kept
}

func get(members []member, name string) string {
	for _, m := range members {
		if m.name == name {
			return m.value
		}
	}
	return ""
}

// forge is what may be done to a token.
type forge func(f *forgery)

func set(name, value string) forge { return func(f *forgery) { put(&f.claims, name, value) } }
func without(name string) forge    { return func(f *forgery) { drop(&f.claims, name) } }
func at(name string, d time.Duration) forge {
	return func(f *forgery) { put(&f.claims, name, in(d)) }
}
func head(name, value string) forge { return func(f *forgery) { put(&f.header, name, value) } }
func headless(name string) forge    { return func(f *forgery) { drop(&f.header, name) } }
func signed(alg string, h func() hash.Hash) forge {
	return func(f *forgery) {
		put(&f.header, "alg", quote(alg))
		f.hash = h
	}
}
func payload(p string) forge { return func(f *forgery) { f.payload = p } }
func both(a, b forge) forge  { return func(f *forgery) { a(f); b(f) } }

// user is the token's user_id, spelled by fn.
func user(fn func(id string) string) forge {
	return func(f *forgery) { put(&f.claims, "user_id", fn(strconv.FormatInt(f.user, 10))) }
}

const hour = time.Hour

// forgeries are what the words after "forged:" in the name of a case mean, and
// what is the matter with such a token (see problem).
var forgeries = map[string]struct {
	make forge
	is   problem
}{
	"good":                    {func(*forgery) {}, fine},
	"expired":                 {at("exp", -10*time.Second), invalid},
	"expired long ago":        {both(at("exp", -9000*hour), at("iat", -9001*hour)), invalid},
	"exp missing":             {without("exp"), noExpiry},
	"exp string":              {set("exp", `"soon"`), invalid},
	"exp numeric string":      {func(f *forgery) { put(&f.claims, "exp", quote(get(f.claims, "exp"))) }, invalid},
	"exp float":               {func(f *forgery) { put(&f.claims, "exp", get(f.claims, "exp")+".5") }, fine},
	"exp float in the past":   {func(f *forgery) { put(&f.claims, "exp", in(-10*time.Second)+".5") }, invalid},
	"exp huge":                {set("exp", "1"+strings.Repeat("0", 30)), invalid},
	"exp infinite":            {set("exp", "1e400"), invalid},
	"exp zero":                {set("exp", "0"), invalid},
	"exp negative":            {set("exp", "-1"), invalid},
	"exp null":                {set("exp", "null"), invalid},
	"exp bool":                {set("exp", "true"), invalid},
	"exp list":                {func(f *forgery) { put(&f.claims, "exp", "["+get(f.claims, "exp")+"]") }, invalid},
	"exp dict":                {set("exp", "{}"), invalid},
	"jti missing":             {without("jti"), noID},
	"jti null":                {set("jti", "null"), oddID},
	"jti number":              {set("jti", "12345"), oddID},
	"jti empty":               {set("jti", `""`), oddID},
	"token_type missing":      {without("token_type"), noType},
	"token_type other":        {set("token_type", `"sliding"`), wrongType},
	"token_type null":         {set("token_type", "null"), wrongType},
	"token_type number":       {set("token_type", "1"), wrongType},
	"token_type empty":        {set("token_type", `""`), wrongType},
	"token_type list":         {set("token_type", `["access"]`), wrongType},
	"iat missing":             {without("iat"), fine},
	"iat in the future":       {at("iat", hour), invalid},
	"iat a little ahead":      {at("iat", 30*time.Second), fine},
	"iat string":              {set("iat", `"yesterday"`), invalid},
	"nbf in the future":       {at("nbf", hour), invalid},
	"nbf a little ahead":      {at("nbf", 30*time.Second), fine},
	"nbf in the past":         {at("nbf", -hour), fine},
	"nbf string":              {set("nbf", `"yesterday"`), invalid},
	"user_id missing":         {without("user_id"), noUser},
	"user_id unknown":         {set("user_id", "987654321"), userGone},
	"user_id zero":            {set("user_id", "0"), userGone},
	"user_id negative":        {set("user_id", "-1"), userGone},
	"user_id null":            {set("user_id", "null"), userGone},
	"user_id numeric string":  {user(quote), fine},
	"user_id word":            {set("user_id", `"bob"`), oddUser},
	"user_id empty":           {set("user_id", `""`), oddUser},
	"user_id float":           {user(func(id string) string { return id + ".0" }), oddUser},
	"user_id fraction":        {user(func(id string) string { return id + ".5" }), oddUser},
	"user_id with exponent":   {user(func(id string) string { return id + "e0" }), oddUser},
	"user_id list":            {user(func(id string) string { return "[" + id + "]" }), oddUser},
	"user_id dict":            {user(func(id string) string { return `{"id":` + id + "}" }), oddUser},
	"user_id true":            {set("user_id", "true"), oddUser},
	"user_id beyond 64 bits":  {set("user_id", "18446744073709551617"), oddUser},
	"extra claims":            {both(set("role", `"admin"`), set("foo", "[1]")), fine},
	"claims are carried over": {both(set("role", `"admin"`), set("foo", "7")), fine},
	"aud present":             {set("aud", `"somebody"`), fine},
	"iss present":             {set("iss", `"somebody"`), fine},
	"HS384 with the same key": {signed("HS384", sha512.New384), invalid},
	"HS512 with the same key": {signed("HS512", sha512.New), invalid},
	"empty key":               {func(f *forgery) { f.key = "" }, invalid},
	"another key":             {func(f *forgery) { f.key = strings.ToUpper(signingKey) }, invalid},
	"payload an array":        {payload(`["access"]`), invalid},
	"payload a string":        {payload(`"access"`), invalid},
	"payload not JSON":        {payload(`access`), invalid},
	"payload cut":             {payload(`{"token_type":"access"`), invalid},
	"spaces in payload JSON":  {func(f *forgery) { f.comma, f.colon = ", ", ": " }, fine},
}

// forgedHeaders are the same for the words after "forged header:".
var forgedHeaders = map[string]struct {
	make forge
	is   problem
}{
	"typ first":     {both(headless("alg"), head("alg", `"HS256"`)), fine},
	"no typ":        {headless("typ"), fine},
	"typ other":     {head("typ", `"at+jwt"`), fine},
	"typ null":      {head("typ", "null"), fine},
	"no alg":        {headless("alg"), invalid},
	"alg null":      {head("alg", "null"), invalid},
	"alg lower":     {head("alg", `"hs256"`), invalid},
	"alg none":      {both(head("alg", `"none"`), func(f *forgery) { f.unsigned = true }), invalid},
	"alg None":      {both(head("alg", `"None"`), func(f *forgery) { f.unsigned = true }), invalid},
	"alg RS256":     {head("alg", `"RS256"`), invalid},
	"crit":          {head("crit", `["exp"]`), invalid},
	"crit empty":    {head("crit", `[]`), invalid},
	"zip":           {head("zip", `"DEF"`), invalid},
	"jku":           {head("jku", `"https://evil.example/keys"`), fine},
	"x5u and jwk":   {both(head("x5u", `"https://evil.example/c"`), head("jwk", "{}")), fine},
	"alg none kept": {both(head("alg", `"none"`), func(*forgery) {}), invalid},
}

// forged makes the token that the words mean.
func forged(t testing.TB, kind string, userID int64, words string) string {
	t.Helper()
	w, ok := forgeries[words]
	if !ok {
		t.Fatalf("nobody knows what %q forges", words)
	}
	f := newForgery(kind, userID)
	w.make(f)
	return f.String()
}

func forgedHeader(t testing.TB, kind string, userID int64, words string) string {
	t.Helper()
	w, ok := forgedHeaders[words]
	if !ok {
		t.Fatalf("nobody knows what header %q forges", words)
	}
	f := newForgery(kind, userID)
	w.make(f)
	return f.String()
}

// badSignature is the token with another signature: the middle of it changed,
// where every bit counts.
func badSignature(token string) string {
	dot := strings.LastIndexByte(token, '.')
	i := dot + (len(token)-dot)/2
	c := byte('A')
	if token[i] == c {
		c = 'B'
	}
	return token[:i] + string(c) + token[i+1:]
}
