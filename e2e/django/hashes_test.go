package django

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/password"
)

var passwordsFlag = flag.Int("django.passwords", 60, "how many random passwords are hashed by each side")

const fixturePassword = "correct horse battery staple"

// fixture is a hash of conformance/django/hashes.json.
type fixture struct {
	By, Format, Encoded string
	Password            *string
}

func fixtures(t *testing.T) []fixture {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(Folder(t), "hashes.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Hashes []fixture }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return file.Hashes
}

// scryptHash is a hash that Django 4 would have made.
func scryptHash(t *testing.T) string {
	t.Helper()
	for _, f := range fixtures(t) {
		if f.Format == password.Scrypt && *f.Password == fixturePassword {
			return f.Encoded
		}
	}
	t.Fatal("there is no scrypt among the fixtures")
	return ""
}

// Every format that Django writes is verified here as Django does it.
func TestFixtures(t *testing.T) {
	t.Parallel()
	h := password.NewHasher(password.Options{})
	seen := map[string]int{}
	for _, f := range fixtures(t) {
		seen[f.Format]++
		if got := password.Identify(f.Encoded); got != f.Format {
			t.Errorf("%.30s… is taken for %q, not %q", f.Encoded, got, f.Format)
		}
		if err := password.Check(f.Encoded); err != nil {
			t.Errorf("%s: %v", f.Format, err)
		}
		right := "anything"
		if f.Password != nil {
			right = *f.Password
		}
		for pw, want := range map[string]bool{right: f.Password != nil, right + "x": false} {
			if ok, _, err := h.Verify(context.Background(), pw, f.Encoded); err != nil || ok != want {
				t.Errorf("%s, %q: %v (%v), want %v", f.Format, pw, ok, err, want)
			}
		}
	}
	for _, format := range []string{
		password.PBKDF2SHA256, password.PBKDF2SHA1, password.Argon2, password.BcryptSHA256, password.Bcrypt, password.Scrypt, password.Unusable,
	} {
		if seen[format] == 0 {
			t.Errorf("no fixture is %s", format)
		}
	}
}

// conversation is make_hashes.py, asked line by line.
type conversation struct {
	t   *testing.T
	in  *json.Encoder
	out *bufio.Scanner
}

func converse(t *testing.T, command string) conversation {
	t.Helper()
	cmd := exec.Command(Python(t), filepath.Join(Folder(t), "make_hashes.py"), command)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("make_hashes.py %s: %v", command, err)
		}
	})
	return conversation{t, json.NewEncoder(in), bufio.NewScanner(out)}
}

func (c conversation) ask(question any) (answer struct {
	Encoded string
	OK      bool
},
) {
	c.t.Helper()
	if err := c.in.Encode(question); err != nil {
		c.t.Fatal(err)
	}
	if !c.out.Scan() {
		c.t.Fatal("make_hashes.py has ended")
	}
	if err := json.Unmarshal(c.out.Bytes(), &answer); err != nil {
		c.t.Fatal(err)
	}
	return answer
}

// letters are of many kinds, some of which text processing likes to change.
var letters = []rune("abcXYZ019 \t$!%&\"'\\/äöüßÅéêñçŁ密码パスワードПарольكلمة🔑👩‍💻\u0301\u200b\u00a0\u2028ﬁſK")

func randomPassword(r *rand.Rand) string {
	n := 1 + r.IntN(24)
	switch r.IntN(10) {
	case 0:
		n = 60 + r.IntN(100) // around bcrypt's 72 bytes
	case 1:
		n = 500 + r.IntN(2000)
	}
	out := make([]rune, n)
	for i := range out {
		out[i] = letters[r.IntN(len(letters))]
	}
	return string(out)
}

// Random passwords that Django has hashed are verified here, and the other way
// round.
func TestPasswordsBothWays(t *testing.T) {
	encode, verify := converse(t, "encode"), converse(t, "verify")
	h := password.NewHasher(password.Options{})
	r := rand.New(rand.NewPCG(6, uint64(*passwordsFlag)))
	formats := []string{password.PBKDF2SHA256, password.PBKDF2SHA1, password.Argon2, password.BcryptSHA256, password.Bcrypt, password.Scrypt}
	ctx := context.Background()
	for i := range *passwordsFlag {
		pw := randomPassword(r)
		format := formats[i%len(formats)]
		if format == password.Bcrypt && len(pw) > 72 {
			format = password.BcryptSHA256 // newer bcrypts refuse these
		}
		encoded := encode.ask(map[string]string{"password": pw, "format": format}).Encoded
		if ok, rehash, err := h.Verify(ctx, pw, encoded); err != nil || !ok || !rehash {
			t.Errorf("%q by Django as %s: verified %v, to be hashed anew %v (%v)", pw, format, ok, rehash, err)
		}
		if ok, _, err := h.Verify(ctx, "x"+pw, encoded); err != nil || ok {
			t.Errorf("%q by Django as %s: another password is verified (%v)", pw, format, err)
		}
		ours, err := h.Hash(ctx, pw)
		if err != nil {
			t.Fatal(err)
		}
		if !verify.ask(map[string]string{"password": pw, "encoded": ours}).OK {
			t.Errorf("%q: Django does not verify %s", pw, ours)
		}
		if i%20 == 0 && verify.ask(map[string]string{"password": pw + "x", "encoded": ours}).OK {
			t.Errorf("%q: Django verifies another password", pw)
		}
	}
	t.Log(fmt.Sprint(*passwordsFlag, " passwords each way"))
}
