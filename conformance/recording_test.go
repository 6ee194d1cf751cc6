package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// exchange is one case of recorded.json.
type exchange struct {
	Name    string `json:"name"`
	Request struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers"`
		Body    *string           `json:"body"`
		Chunked bool              `json:"chunked"`
	} `json:"request"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Kind    string            `json:"kind"`
	Body    string            `json:"body"`
	Tokens  []facts           `json:"tokens"`
}

// facts is what is said of a token in an answer.
type facts struct {
	// Header is the header as it is spelled.
	Header string `json:"header"`
	Claims claims `json:"claims"`
	// ExpMinusIat is a number of seconds, or "other".
	ExpMinusIat any  `json:"exp_minus_iat"`
	Compact     bool `json:"compact_json"`
	Signed      bool `json:"signature_ok"`
}

// claim is a claim's name and what is said of its value.
type claim struct{ Name, Says string }

// claims are a token's claims in their order.
type claims []claim

// UnmarshalJSON keeps the order.
func (c *claims) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		says, err := d.Token()
		if err != nil {
			return err
		}
		*c = append(*c, claim{fmt.Sprint(name), fmt.Sprint(says)})
	}
	return nil
}

// minted is what is said of a token that was made by register, login or a
// refresh; see "register good" for where it was recorded.
func minted(kind string) facts {
	life := map[string]string{"access": "10800", "refresh": "259200"}[kind]
	return facts{
		Header: `{"alg":"HS256","typ":"JWT"}`,
		Claims: claims{
			{"token_type", kind},
			{"exp", "int now+" + life + "s"},
			{"iat", "int now"},
			{"jti", "32 hex uuid4"},
			{"user_id", "int = user id"},
		},
		ExpMinusIat: json.Number(life), Compact: true, Signed: true,
	}
}

// recording reads recorded.json.
func recording(t *testing.T) []exchange {
	t.Helper()
	raw, err := os.ReadFile("recorded.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []exchange `json:"cases"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	return file.Cases
}

// tagLength is the length of what RUNTAG stands for; cases on the length of an
// e-mail depend on it.
const tagLength = 8

// cut is the bodies that the recording cuts, by case.
var cut = map[string]string{
	"register first_name 150 non-ASCII characters": `{"email": "RUNTAG.l150u@example.com", "password": "c0rrect-Horse-42", "password2": "c0rrect-Horse-42", "first_name": "` +
		strings.Repeat(`\u00e9`, 150) + `", "last_name": "Doe", "phone": "+1234567890", "role": "employee"}`,
	"register form of 3 MB":               "first_name=" + strings.Repeat("a", 3_000_000),
	"login password of 100000 characters": `{"email": "RUNTAG.alice@example.com", "password": "` + strings.Repeat("a", 100_000) + `"}`,
}

// whole gives the body of a request as it was before the recording cut it.
func (e *exchange) whole(t *testing.T) string {
	t.Helper()
	if e.Request.Body == nil {
		return ""
	}
	body := *e.Request.Body
	start, size, isCut := strings.Cut(body, "...(")
	if !isCut {
		return body
	}
	full := cut[e.Name]
	grown := strings.Count(full, "RUNTAG") * (tagLength - len("RUNTAG"))
	if !strings.HasPrefix(full, start) || fmt.Sprintf("%d bytes)", len(full)+grown) != size {
		t.Fatalf("%s: the cut body is not this one", e.Name)
	}
	return full
}

// TestRecordingIsWhole: nobody has taken a case out, and every cut body is
// known.
func TestRecordingIsWhole(t *testing.T) {
	cases := recording(t)
	if len(cases) != 370 {
		t.Errorf("%d cases, not 370", len(cases))
	}
	seen := make(map[string]bool)
	for _, c := range cases {
		if seen[c.Name] {
			t.Errorf("two cases are named %q", c.Name)
		}
		seen[c.Name] = true
		c.whole(t)
	}
}
