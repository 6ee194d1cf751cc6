package api_test

import (
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
)

// TestFields says what a field takes. The texts are the real stack's.
//
// LESSON 7
func TestFields(t *testing.T) {
	t.Parallel()
	const (
		required  = "This field is required."
		null      = "This field may not be null."
		blank     = "This field may not be blank."
		notString = "Not a valid string."
		badEmail  = "Enter a valid email address."
		nul       = "Null characters are not allowed."
	)
	tooLong := func(n string) string { return "Ensure this field has no more than " + n + " characters." }
	choice := func(s string) string { return `\"` + s + `\" is not a valid choice.` }
	for _, c := range []struct {
		field, json string // "" leaves the field out
		want        string // the texts, joined by "|"; "=" and the value if it is taken
	}{
		{"email", ``, required},
		{"email", `null`, null},
		{"email", `""`, blank},
		{"email", `" \u00a0\u001c\u3000"`, blank},
		{"email", `5`, badEmail},
		{"email", `1.5`, badEmail},
		{"email", `true`, badEmail},
		{"email", `["a"]`, badEmail},
		{"email", `{}`, badEmail},
		{"email", `"nonsense"`, badEmail},
		{"email", `" A@Example.ORG "`, "=A@example.org"},
		{"email", `"a\u0000b@example.com"`, nul + "|" + badEmail},
		{"email", `"a\ud800@example.com"`, "Surrogate characters are not allowed: U+D800.|" + badEmail},
		{"email", `"a@` + strings.Repeat("d", 60) + strings.Repeat("."+strings.Repeat("d", 60), 3) + `.exampless"`, tooLong("254")},
		{"email", `"` + strings.Repeat("a", 400) + `@example.com"`, tooLong("254") + "|" + badEmail},
		// design.md: look-alike letters are refused anywhere.
		{"email", `"a\u017f@example.com"`, badEmail},
		{"email", `"a\u212a@example.com"`, badEmail},
		{"email", `"a\u0131@example.com"`, badEmail},
		{"email", `"a@\u212a.example.com"`, badEmail},
		{"email", `"a@ex\u00c4mple.com"`, "=a@exämple.com"},

		{"password", ``, required},
		{"password", `null`, null},
		{"password", `""`, blank},
		{"password", `"   "`, "=   "},
		{"password", `" x "`, "= x "},
		{"password", `5`, "=5"},
		{"password", `true`, notString},
		{"password", `[]`, notString},
		{"password", `"a\u0000"`, nul},

		{"first_name", `null`, null},
		{"first_name", `" "`, blank},
		{"first_name", `"\u00a0John\u3000"`, "=John"},
		{"first_name", `"\u200bJohn\ufeff"`, "=\u200bJohn\ufeff"},
		{"first_name", `"\u001cJohn\u001f\u0085"`, "=John"},
		{"first_name", `12345678`, "=12345678"},
		{"first_name", `1.0`, "=1.0"},
		{"first_name", `1E2`, "=1E2"},
		{"first_name", `1e400`, "=1e400"},
		{"first_name", `-0`, "=-0"},
		{"first_name", `12345678901234567890.5`, "=12345678901234567890.5"},
		{"first_name", `false`, notString},
		{"first_name", `{"a":1}`, notString},
		{"first_name", `"` + strings.Repeat("x", 150) + `"`, "=" + strings.Repeat("x", 150)},
		{"first_name", `"` + strings.Repeat("x", 151) + `"`, tooLong("150")},
		{"first_name", `" ` + strings.Repeat("x", 150) + ` "`, "=" + strings.Repeat("x", 150)},
		{"first_name", `"` + strings.Repeat(`\ud83d\ude00`, 150) + `"`, "=" + strings.Repeat("😀", 150)},
		{"first_name", `"` + strings.Repeat("😀", 151) + `"`, tooLong("150")},
		{"first_name", `"` + strings.Repeat("x", 150) + `\ud800\u0000"`, tooLong("150") + "|" + nul + "|Surrogate characters are not allowed: U+D800."},
		{"first_name", `"\ude00\ud83d"`, "Surrogate characters are not allowed: U+DE00."},
		{"first_name", `"\ud83dx"`, "Surrogate characters are not allowed: U+D83D."},
		{"first_name", `"\ud83d\u0041"`, "Surrogate characters are not allowed: U+D83D."},
		{"first_name", `"\uD83D\uDE00\u00E9"`, "=😀é"},
		{"first_name", `"a\/b\b\f\n\r\t\"\\\u007f"`, "=a/b\b\f\n\r\t\"\\\x7f"},

		{"phone", ``, "="},
		{"phone", `null`, null},
		{"phone", `""`, "="},
		{"phone", `"  "`, "="},
		{"phone", `"call me"`, "=call me"},
		{"phone", `"` + strings.Repeat("1", 21) + `"`, tooLong("20")},
		{"phone", `true`, notString},

		{"role", ``, "=employee"},
		{"role", `null`, null},
		{"role", `""`, choice("")},
		{"role", `"client"`, "=client"},
		{"role", `"ADMIN"`, choice("ADMIN")},
		{"role", `" client "`, choice(" client ")},
		{"role", `12345678`, choice("12345678")},
		{"role", `true`, choice("true")},
		{"role", `["a"]`, choice(`[\"a\"]`)},
		{"role", `{"a": 1}`, choice(`{\"a\": 1}`)},
		{"role", `"client\u0000"`, choice(`client\u0000`)},
		{"role", `"\ud800"`, choice("\uFFFD")},
	} {
		t.Run(c.field+" "+c.json[:min(len(c.json), 40)], func(t *testing.T) {
			t.Parallel()
			body := "{"
			for _, f := range []string{"email", "password", "password2", "first_name", "last_name", "phone", "role"} {
				v := map[string]string{
					"email": `"a@example.com"`, "password": `"p"`, "password2": `"p"`,
					"first_name": `"F"`, "last_name": `"L"`, "phone": `"1"`, "role": `"employee"`,
				}[f]
				if f == c.field {
					v = c.json
				}
				if v != "" {
					if body != "{" {
						body += ", "
					}
					body += `"` + f + `": ` + v
				}
			}
			body += "}"
			var have account.Registration
			w := do(t, serve(&acts{register: func(r account.Registration) error { have = r; return nil }}),
				request("POST /api/auth/register/\n\n"+body))
			value, taken := strings.CutPrefix(c.want, "=")
			if !taken {
				expect(t, w, 400, `{"error":"Invalid data","details":{"`+c.field+`":["`+strings.ReplaceAll(c.want, "|", `","`)+`"]}}`)
				return
			}
			got := map[string]string{
				"email": have.Email.Shown, "password": have.Password, "first_name": have.FirstName,
				"phone": have.Phone, "role": string(have.Role),
			}[c.field]
			if w.Code != 201 || got != value {
				t.Errorf("%d %s: %q, want %q", w.Code, w.Body, got, value)
			}
		})
	}
}

func TestAllFieldsTogether(t *testing.T) {
	t.Parallel()
	h := serve(&acts{})
	expect(t, do(t, h, request("POST /api/auth/register/\n\n{}")), 400,
		`{"error":"Invalid data","details":{"email":["This field is required."],"password":["This field is required."],"password2":["This field is required."],"first_name":["This field is required."],"last_name":["This field is required."]}}`)
	expect(t, do(t, h, request("POST /api/auth/register/\n\n"+`{"role":"","phone":"","last_name":"","first_name":"","password2":"","password":"","email":""}`)), 400,
		`{"error":"Invalid data","details":{"email":["This field may not be blank."],"password":["This field may not be blank."],"password2":["This field may not be blank."],"first_name":["This field may not be blank."],"last_name":["This field may not be blank."],"role":["\"\" is not a valid choice."]}}`)
	// Login knows no longest e-mail but EmailValidator's own.
	expect(t, do(t, h, request("POST /api/auth/login/\n\n"+`{"email":"`+strings.Repeat("a", 400)+`@example.com","password":"x"}`)), 401,
		`{"error":"Invalid credentials","details":{"email":["Enter a valid email address."]}}`)
	if w := do(t, h, request("POST /api/auth/login/\n\n"+`{"email":"`+strings.Repeat("a", 300)+`@example.com","password":"x"}`)); w.Code != 200 {
		t.Errorf("an e-mail of 312 characters: %d %s", w.Code, w.Body)
	}
}

func TestNotAnObject(t *testing.T) {
	t.Parallel()
	h := serve(&acts{})
	for body, python := range map[string]string{
		"[]": "list", `["a"]`: "list", `"x"`: "str", "5": "int", "-0": "int", "1.5": "float", "1e3": "float", "1E3": "float",
		"true": "bool", "false": "bool", "0": "int", "0.0": "float",
	} {
		text := `{"non_field_errors":["Invalid data. Expected a dictionary, but got ` + python + `."]}`
		expect(t, do(t, h, request("POST /api/auth/token/verify/\n\n"+body)), 400, text)
		expect(t, do(t, h, request("PUT /api/auth/profile/\nAuthorization: Bearer good\n\n"+body)), 400, text)
		expect(t, do(t, h, request("POST /api/auth/register/\n\n"+body)), 400, `{"error":"Invalid data","details":`+text+`}`)
		expect(t, do(t, h, request("POST /api/auth/login/\n\n"+body)), 401, `{"error":"Invalid credentials","details":`+text+`}`)
	}
	expect(t, do(t, h, request("POST /api/auth/token/verify/\n\nnull")), 400, `{"non_field_errors":["No data provided"]}`)
	expect(t, do(t, h, request("POST /api/auth/login/\n\nnull")), 401, `{"error":"Invalid credentials","details":{"non_field_errors":["No data provided"]}}`)
}

// LESSON 22
func TestJSON(t *testing.T) {
	t.Parallel()
	var got string
	h := serve(&acts{verify: func(token string) error { got = token; return nil }})
	const ok = "{}"
	nested := func(n int) string {
		return `{"token":"x","y":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	for _, c := range []struct{ name, body, want string }{
		{"plain", `{"token":"x"}`, ok},
		{"white space", " \t\r\n{ \"token\" : \"x\" } \n", ok},
		{"escaped name", `{"\u0074oken":"x"}`, ok},
		{"unknown names", `{"token":"x","TOKEN":1,"a":[{"token":2}],"":null}`, ok},
		{"32 levels", nested(31), ok},
		{"33 levels", nested(32), "Nested more than 32 levels deep"},
		{"a million levels", strings.Repeat("[", 60000), "Nested more than 32 levels deep"},
		{"brackets in strings", `{"token":"x","y":"` + strings.Repeat(`[{\"`, 50) + `"}`, ok},
		{"same name twice", `{"token":"x","token":"x"}`, "Duplicate name at byte 13"},
		{"same name in two spellings", `{"token":"x","\u0074oken":"x"}`, "Duplicate name at byte 13"},
		{"same name inside", `{"token":"x","a":{"b":1,"b":2}}`, "Duplicate name at byte 24"},
		{"truncated", `{"token": "x"`, "Unexpected end of data"},
		{"truncated string", `{"token": "x`, "Unexpected end of data"},
		{"nothing", ` `, "Unexpected end of data"},
		{"word", `hello`, "Invalid syntax at byte 0"},
		{"single quotes", `{'token': 'x'}`, "Invalid syntax at byte 1"},
		{"trailing comma", `{"token":"x",}`, "Invalid syntax at byte 12"},
		{"two values", `{"token":"x"} {}`, "Extra data"},
		{"trailing rubbish", `{"token":"x"}x`, "Invalid syntax at byte 13"},
		{"bad escape", `{"token":"\x"}`, "Invalid syntax at byte 10"},
		{"control character", "{\"token\":\"\t\"}", "Invalid syntax at byte 10"},
		{"comment", `{"token":1 /* x */}`, "Invalid syntax at byte 11"},
		{"NaN", `{"token":NaN}`, "Invalid syntax at byte 9"},
		{"Infinity", `{"token":-Infinity}`, "Invalid syntax at byte 10"},
		{"leading zero", `{"token":01}`, "Invalid syntax at byte 10"},
		{"number as name", `{1:2}`, "Invalid syntax at byte 1"},
		{"byte order mark", "\uFEFF{}", "Unexpected byte order mark"},
		{"not UTF-8", "{\"token\":\"\xff\"}", "Invalid UTF-8"},
		{"surrogate in UTF-8", "{\"token\":\"\xed\xa0\x80\"}", "Invalid UTF-8"},
		{"overlong", "{\"token\":\"\xc0\xaf\"}", "Invalid UTF-8"},
		{"4300 digits", `{"token":` + strings.Repeat("1", 4300) + `}`, ok},
		{"4301 digits", `{"token":-` + strings.Repeat("1", 4301) + `}`, "Integer of more than 4300 digits"},
		{"4301 digits of a float", `{"token":` + strings.Repeat("1", 4301) + `.0}`, ok},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := do(t, h, request("POST /api/auth/token/verify/\n\n"+c.body))
			if c.want == ok {
				expect(t, w, 200, ok)
				return
			}
			expect(t, w, 400, `{"detail":"JSON parse error - `+c.want+`"}`)
		})
	}
	if do(t, h, request("POST /api/auth/token/verify/\n\n"+`{"token":" x\u00e9 "}`)); got != "xé" {
		t.Errorf("token is %q", got)
	}
}

func TestCharset(t *testing.T) {
	t.Parallel()
	var got string
	h := serve(&acts{verify: func(token string) error { got = token; return nil }})
	utf16le := func(s string) string { return strings.Join(strings.Split(s, ""), "\x00") + "\x00" }
	for _, c := range []struct{ contentType, body, want string }{
		{"application/json; charset=utf-8", `{"token":"é"}`, "é"},
		{"Application/JSON;charset=UTF8", `{"token":"é"}`, "é"},
		{"application/json; charset=no-such", `{"token":"é"}`, "é"},
		{"application/json; charset=latin-1", "{\"token\":\"\xe9\"}", "é"},
		{`application/json; charset="ISO-8859-1"`, "{\"token\":\"\xe9\x81\"}", "é\u0081"},
		{"application/json; charset=iso-8859-15", "{\"token\":\"\xa4\x81\"}", "€\u0081"},
		{"application/json; charset=windows-1252", "{\"token\":\"\x80\"}", "€"},
		{"application/json; charset=windows-1252", "{\"token\":\"\x81\"}", "!"},
		{"application/json; charset=cp1251", "{\"token\":\"\xdf\"}", "Я"},
		{"application/json; charset=us-ascii", "{\"token\":\"x\"}", "x"},
		{"application/json; charset=iso-8859-2", "{\"token\":\"\xa3\"}", "Ł"},
		{"application/json; charset=iso-8859-3", "{\"token\":\"\xa1\"}", "Ħ"},
		{"application/json; charset=iso-8859-4", "{\"token\":\"\xa2\"}", "ĸ"},
		{"application/json; charset=iso-8859-5", "{\"token\":\"\xa1\"}", "Ё"},
		{"application/json; charset=iso-8859-6", "{\"token\":\"\xc7\"}", "ا"},
		{"application/json; charset=iso-8859-7", "{\"token\":\"\xe1\"}", "α"},
		{"application/json; charset=iso-8859-8", "{\"token\":\"\xe0\"}", "א"},
		{"application/json; charset=latin5", "{\"token\":\"\xf0\"}", "ğ"},
		{"application/json; charset=iso-8859-10", "{\"token\":\"\xa2\"}", "Ē"},
		{"application/json; charset=iso-8859-13", "{\"token\":\"\xa8\"}", "Ø"},
		{"application/json; charset=iso-8859-14", "{\"token\":\"\xa1\"}", "Ḃ"},
		{"application/json; charset=iso-8859-16", "{\"token\":\"\xa1\"}", "Ą"},
		{"application/json; charset=cp874", "{\"token\":\"\xa1\"}", "ก"},
		{"application/json; charset=windows-1250", "{\"token\":\"\x8a\"}", "Š"},
		{"application/json; charset=windows-1253", "{\"token\":\"\xe1\"}", "α"},
		{"application/json; charset=windows-1254", "{\"token\":\"\xf0\"}", "ğ"},
		{"application/json; charset=windows-1255", "{\"token\":\"\xe0\"}", "א"},
		{"application/json; charset=windows-1256", "{\"token\":\"\xc7\"}", "ا"},
		{"application/json; charset=windows-1257", "{\"token\":\"\xa8\"}", "Ø"},
		{"application/json; charset=windows-1258", "{\"token\":\"\xfe\"}", "₫"},
		{"application/json; charset=utf-16be", "\x00" + strings.TrimSuffix(utf16le(`{"token":"x"}`), "\x00"), "x"},
		{"application/json; charset=us-ascii", "{\"token\":\"\xe9\"}", "!"},
		{"application/json; charset=utf-8-sig", "\uFEFF{\"token\":\"x\"}", "x"},
		{"application/json; charset=utf-16", "\xff\xfe" + utf16le(`{"token":"x"}`), "x"},
		{"application/json; charset=utf-16", "\xfe\xff\x00" + strings.TrimSuffix(utf16le(`{"token":"x"}`), "\x00"), "x"},
		{"application/json; charset=utf-16", utf16le(`{"token":"x"}`), "!"},
		{"application/json; charset=utf-16le", utf16le(`{"token":"x"}`), "x"},
		{"application/json; charset=utf-16le", utf16le(`{"token":"`) + "\x3d\xd8\x00\xde" + utf16le(`"}`), "😀"},
		{"application/json; charset=utf-16le", utf16le(`{"token":"`) + "\x3d\xd8" + utf16le(`"}`), "!"},
		{"application/json; charset=utf-16le", "{", "!"},
		{"application/x-www-form-urlencoded; charset=latin-1", "token=\xe9%E9", "éé"},
		{"application/x-www-form-urlencoded", "token=\xe9", "é"},
		{"application/x-www-form-urlencoded", "token=%C3%A9+%e2%82%ac", "é €"},
		{"*/*", `{"token":"x"}`, "x"},
		{"application/*", `{"token":"x"}`, "x"},
	} {
		got = "!"
		w := do(t, h, request("POST /api/auth/token/verify/\nContent-Type: "+c.contentType+"\n\n"+c.body))
		if got != c.want || c.want == "!" && w.Code != 400 {
			t.Errorf("%s %q: have %q, want %q: %d %s", c.contentType, c.body, got, c.want, w.Code, w.Body)
		}
	}
}

func TestForm(t *testing.T) {
	t.Parallel()
	var got string
	h := serve(&acts{verify: func(token string) error { got = token; return nil }})
	const (
		required = `{"token":["This field is required."]}`
		blank    = `{"token":["This field may not be blank."]}`
	)
	for _, c := range []struct{ body, want string }{
		{"token=x", "x"},
		{"token=x&token=y", "y"},
		{"&&token=x&", "x"},
		{"t%6Fken=x", "x"},
		{"token=a=b", "a=b"},
		{"token=a%20b+c", "a b c"},
		{"token=%2B", "+"},
		{"token=%zz%4", "%zz%4"},
		{"token=a;token=b", "a;token=b"},
		// One U+FFFD for each maximal part of a sequence that is none.
		{"token=%E2%82", "\uFFFD"},
		{"token=%F0%9F%98x", "\uFFFDx"},
		{"token=%C0%80", "\uFFFD\uFFFD"},
		{"token=%ED%A0%80", "\uFFFD\uFFFD\uFFFD"},
		{"token=%C3é", "\uFFFDé"},
		{"TOKEN=x", required},
		{"token", blank},
		{"token=+", blank},
		{"a", required},
		{"token=%00", `{"token":["Null characters are not allowed."]}`},
		{strings.Repeat("a&", 999) + "token=x", "x"},
		{strings.Repeat("a&", 1000) + "token=x", `{"detail":"Form parse error - Too many fields"}`},
	} {
		got = ""
		w := do(t, h, request("POST /api/auth/token/verify/\nContent-Type: application/x-www-form-urlencoded\n\n"+c.body))
		if strings.HasPrefix(c.want, "{") {
			expect(t, w, 400, c.want)
		} else if got != c.want {
			t.Errorf("%s: have %q, want %q: %d %s", c.body, got, c.want, w.Code, w.Body)
		}
	}

	// An empty string of an optional field counts as missing, but for one that
	// may be blank.
	var have account.Registration
	h = serve(&acts{register: func(r account.Registration) error { have = r; return nil }})
	w := do(t, h, request("POST /api/auth/register/\nContent-Type: application/x-www-form-urlencoded\n\n"+
		"email=a%40example.com&password=+p&password2=+p&first_name=F&last_name=L&phone=&role="))
	if w.Code != 201 || have.Role != auth.RoleEmployee || have.Phone != "" || have.Password != " p" {
		t.Errorf("%d %s: %+v", w.Code, w.Body, have)
	}
}

func TestMultipart(t *testing.T) {
	t.Parallel()
	var got string
	h := serve(&acts{verify: func(token string) error { got = token; return nil }})
	const (
		disposition = "Content-Disposition: form-data; name="
		required    = `{"token":["This field is required."]}`
		notString   = `{"token":["Not a valid string."]}`
	)
	parts := func(bodies ...string) string {
		return "--XX\r\n" + strings.Join(bodies, "\r\n--XX\r\n") + "\r\n--XX--\r\n"
	}
	for _, c := range []struct{ name, contentType, body, want string }{
		{"one", "", parts(disposition + "\"token\"\r\n\r\nx é "), "x é"},
		{"name without quotes", "", parts(disposition + "token\r\n\r\nx"), "x"},
		{"any case", "", parts("content-disposition: FORM-DATA; NAME=\"token\"\r\n\r\nx"), "x"},
		{"the last wins", "", parts(disposition+"\"token\"\r\n\r\nx", disposition+"\"token\"\r\n\r\ny"), "y"},
		{"lines", "", parts(disposition + "\"token\"\r\n\r\na\r\nb"), "a\r\nb"},
		{"preamble", "", "hello\r\n" + parts(disposition+"\"token\"\r\n\r\nx"), "x"},
		{"no end", "", "--XX\r\n" + disposition + "\"token\"\r\n\r\nx", "x"},
		{"base64", "", parts(disposition + "\"token\"\r\nContent-Transfer-Encoding: base64\r\n\r\nSm9obg=="), "John"},
		{"one pad too few", "", parts(disposition + "\"token\"\r\nContent-Transfer-Encoding: base64\r\n\r\n Sm9o=b g= ="), "John"},
		{"the end of base64", "", parts(disposition + "\"token\"\r\nContent-Transfer-Encoding: base64\r\n\r\nSm9obg==Sm9obg=="), "John"},
		{"base64 without padding", "", parts(disposition + "\"token\"\r\nContent-Transfer-Encoding: base64\r\n\r\nSm9o"), "Joh"},
		{"bad base64", "", parts(disposition + "\"token\"\r\nContent-Transfer-Encoding: base64\r\n\r\nSm9ob"), "Sm9ob"},
		{"charset", "multipart/form-data; boundary=XX; charset=latin-1", parts(disposition + "\"token\"\r\n\r\n\xe9"), "é"},
		{"quoted boundary", `multipart/form-data; boundary="XX"`, parts(disposition + "\"token\"\r\n\r\nx"), "x"},
		{"file", "", parts(disposition + "\"token\"; filename=\"x.txt\"\r\n\r\nx"), notString},
		{"file and field", "", parts(disposition+"\"token\"; filename=\"x.txt\"\r\n\r\nx", disposition+"\"token\"\r\n\r\nx"), notString},
		{"file that breaks off", "", "--XX\r\n" + disposition + "\"token\"; filename=\"x.txt\"\r\n\r\nx", required},
		{"file in the parent", "", parts(disposition + "\"token\"; filename=\"..\"\r\n\r\nx"), required},
		{"file without a name", "", parts(disposition + "\"token\"; filename=\"a/\"\r\n\r\nx"), required},
		{"empty", "", parts(disposition + "\"token\"\r\n\r\n"), `{"token":["This field may not be blank."]}`},
		{"no name", "", parts("Content-Disposition: form-data\r\n\r\nx"), required},
		{"no disposition", "", parts("X: y\r\n\r\nx"), required},
		{"another boundary", "multipart/form-data; boundary=YY", parts(disposition + "\"token\"\r\n\r\nx"), "x\r\n--XX--"},
		{"header too long", "", parts(disposition + "\"token\"; x=" + strings.Repeat("y", 1100) + "\r\n\r\nx"), required},
		{"rubbish", "", "rubbish", required},
		{"no boundary", "multipart/form-data", "x", `{"detail":"Multipart form parse error - Invalid boundary in multipart: None"}`},
		{"empty boundary", "multipart/form-data; boundary=", "x", `{"detail":"Multipart form parse error - Invalid boundary in multipart: "}`},
		{"bad boundary", "multipart/form-data; boundary=\"x \"", "x", `{"detail":"Multipart form parse error - Invalid boundary in multipart: x "}`},
		{"capitals", "Multipart/Form-Data; boundary=XX", "x", `{"detail":"Multipart form parse error - Invalid Content-Type: Multipart/Form-Data; boundary=XX"}`},
		{"control in the boundary", "multipart/form-data; boundary=\"x\ty\"", "x", `{"detail":"Multipart form parse error - Invalid boundary in multipart: x\ty"}`},
		{"not ASCII", "multipart/form-data; boundary=\xe9", "x", `{"detail":"Multipart form parse error - Invalid non-ASCII Content-Type in multipart: multipart/form-data; boundary=é"}`},
		{"bad base64 of a file", "", parts(disposition + "\"f\"; filename=\"x\"\r\nContent-Transfer-Encoding: base64\r\n\r\nSm9ob"), `{"detail":"Multipart form parse error - Could not decode base64 data."}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.contentType == "" {
				c.contentType = "multipart/form-data; boundary=XX"
			}
			got = ""
			w := do(t, h, request("POST /api/auth/token/verify/\nContent-Type: "+c.contentType+"\n\n"+c.body))
			if strings.HasPrefix(c.want, "{") {
				expect(t, w, 400, c.want)
			} else if got != c.want {
				t.Errorf("have %q, want %q: %d %s", got, c.want, w.Code, w.Body)
			}
		})
	}
	// A choice takes a file by its name, as DRF does.
	w := do(t, serve(&acts{}), request("POST /api/auth/register/\nContent-Type: multipart/form-data; boundary=XX\n\n"+
		parts(disposition+"\"role\"; filename=\"x<y\"\r\n\r\nx")))
	if want := `"role":["\"x<y\" is not a valid choice."]`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("have %s, want %s", w.Body, want)
	}
}
