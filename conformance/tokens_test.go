package conformance_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// person is somebody who registered in the run.
type person struct {
	id              int64
	email, password string
	// access and refresh are the newest pair; live says that the session they
	// are of goes on as far as the run knows.
	access, refresh string
	live            bool
}

// run is the state of one replay: who there is and what tokens they hold.
type run struct {
	*running
	t      *testing.T
	tag    string
	people map[string]*person
	// rotated is the chain of pairs of the cases about rotation, oldest first.
	rotated []person
	// loggedOut is a refresh token that was logged out, others the one that
	// somebody else presented.
	loggedOut, others string
	answers           *answers
}

func newRun(t *testing.T, s *running) *run {
	return &run{running: s, t: t, tag: newTag(), people: make(map[string]*person), answers: newAnswers()}
}

// newTag is eight letters that look like no word, so that no password is too
// similar to it.
func newTag() string {
	const letters = "bcdfghjkmnpqrstvwxz"
	tag := make([]byte, 0, tagLength)
	for _, c := range newJTI()[:tagLength] {
		tag = append(tag, letters[int(c)%len(letters)])
	}
	return string(tag)
}

// word puts the tag into a text of the recording.
func (r *run) word(s string) string { return strings.ReplaceAll(s, "RUNTAG", r.tag) }

// signedIn is the body of register and login.
type signedIn struct {
	User   struct{ ID int64 }
	Tokens struct{ Refresh, Access string }
}

// register makes a user and keeps them as name.
func (r *run) register(name, email, password string) *person {
	r.t.Helper()
	body, err := json.Marshal(map[string]string{
		"email": email, "password": password, "password2": password, "first_name": "John", "last_name": "Doe", "phone": "+1234567890",
	})
	if err != nil {
		r.t.Fatal(err)
	}
	a := r.do(r.t, post("/api/auth/register/", string(body)))
	if a.status != 201 {
		r.t.Fatalf("register %s: %d %s", name, a.status, a.body)
	}
	p := &person{email: email, password: password}
	p.take(r.t, a)
	r.people[name] = p
	return p
}

// take keeps the pair of an answer of register or login.
func (p *person) take(t *testing.T, a response) {
	t.Helper()
	var in signedIn
	if err := json.Unmarshal([]byte(a.body), &in); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	p.id, p.access, p.refresh, p.live = in.User.ID, in.Tokens.Access, in.Tokens.Refresh, true
}

// as gives a person whose pair is good, logging in anew where the last session
// has ended.
func (r *run) as(name string) *person {
	r.t.Helper()
	p := r.people[name]
	if p == nil {
		r.t.Fatalf("nobody is called %s yet", name)
	}
	if !p.live {
		a := r.do(r.t, post("/api/auth/login/", fmt.Sprintf(`{"email": %q, "password": %q}`, p.email, p.password)))
		if a.status != 200 {
			r.t.Fatalf("log %s in: %d %s", name, a.status, a.body)
		}
		p.take(r.t, a)
	}
	return p
}

// rotate trades a refresh token for a pair.
func (r *run) rotate(refresh string) (person, error) {
	a := r.do(r.t, post("/api/auth/token/refresh/", fmt.Sprintf(`{"refresh": %q}`, refresh)))
	if a.status != 200 {
		return person{}, fmt.Errorf("refresh: %d %s", a.status, a.body)
	}
	var p person
	var pair struct{ Access, Refresh string }
	if err := json.Unmarshal([]byte(a.body), &pair); err != nil {
		return p, err
	}
	p.access, p.refresh = pair.Access, pair.Refresh
	return p, nil
}

// before is what happened between two recorded cases, by the case that it
// happened before.
var before = []struct {
	cases string
	do    func(r *run)
}{
	{"login password of 5000 characters, first 72 bytes", func(r *run) {
		r.register("pw5k", r.tag+".pw5k@example.com", strings.Repeat("aZ3!", 1250))
	}},
	{"login unicode password", func(r *run) {
		r.register("pwu", r.tag+".pwu@example.com", "пароль-Ünal-日本")
	}},
	{"profile PATCH one field", func(r *run) {
		q := post("/api/auth/profile/", `{"first_name": "F", "last_name": "L"}`).as(r.as("bob").access)
		q.method = "PUT"
		if a := r.do(r.t, q); a.status != 200 {
			r.t.Fatalf("set bob's name: %d %s", a.status, a.body)
		}
	}},
	{"refresh old token again", func(r *run) {
		// A chain of its own: r.rotated[0] is traded for [1].
		first := *r.fresh("bob")
		second, err := r.rotate(first.refresh)
		if err != nil {
			r.t.Fatal(err)
		}
		r.rotated = []person{first, second}
		r.people["bob"].live = false // This session is spoilt below.
	}},
	{"refresh reuse does not kill the family", func(r *run) {
		for _, old := range r.rotated[:2] {
			if _, err := r.rotate(old.refresh); err == nil {
				r.t.Error("a rotated refresh token was taken again")
			}
		}
	}},
	{"inactive user: login", func(r *run) {
		p := r.people["ivan"]
		r.act("deactivate ivan", r.accounts.Deactivate(r.t.Context(), nil, p.id), p)
	}},
	{"deleted user: verify access", func(r *run) {
		p := r.people["dora"]
		r.act("delete dora", r.accounts.Delete(r.t.Context(), nil, p.id, nil), p)
	}},
	{"password changed: old password", func(r *run) {
		p := r.people["nina"]
		r.act("change nina's password", r.accounts.SetPassword(r.t.Context(), p.id, "An0ther-Horse-43"), p)
	}},
}

// act waits until the server has seen what the command line did to p. It asks
// verify, which looks at memory alone: the profile is always current.
func (r *run) act(what string, err error, p *person) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
	eventually(r.t, what, func() bool {
		return r.do(r.t, post("/api/auth/token/verify/", fmt.Sprintf(`{"token": %q}`, p.access))).status == 401
	})
}

// fresh logs somebody in anew.
func (r *run) fresh(name string) *person {
	r.people[name].live = false
	return r.as(name)
}

// stands says what <jwt> stands for in a header and in the body of a request.
// The first row that matches a case counts; in words is what its * matched.
type stands struct {
	cases string
	token func(r *run, words string) string
}

func access(name string) func(*run, string) string {
	return func(r *run, _ string) string { return r.as(name).access }
}

func refresh(name string) func(*run, string) string {
	return func(r *run, _ string) string { return r.as(name).refresh }
}

// last is the pair that somebody had when they last signed in, good or not.
func last(name string) *lastPair { return &lastPair{name} }

type lastPair struct{ name string }

func (l *lastPair) access(r *run, _ string) string  { return r.people[l.name].access }
func (l *lastPair) refresh(r *run, _ string) string { return r.people[l.name].refresh }

func forgedFor(kind, name string) func(*run, string) string {
	return func(r *run, words string) string { return forged(r.t, kind, r.as(name).id, words) }
}

var inHeader = []stands{
	{"profile auth: bad signature", func(r *run, _ string) string { return badSignature(r.as("bob").access) }},
	{"profile auth: alg *", func(r *run, words string) string {
		return forgedHeader(r.t, "access", r.as("bob").id, "alg "+words)
	}},
	{"profile auth: refresh token as access", refresh("bob")},
	{"profile forged header: *", func(r *run, words string) string {
		return forgedHeader(r.t, "access", r.as("bob").id, words)
	}},
	{"profile forged: *", forgedFor("access", "bob")},
	{"profile with access of before the rotation", func(r *run, _ string) string { return r.rotated[0].access }},
	{"profile *", access("bob")},
	{"logout form-urlencoded", access("fred")},
	{"logout GET", access("fred")},
	{"logout HEAD", access("fred")},
	{"logout OPTIONS", access("fred")},
	{"logout *", access("carol")},
	{"password changed: access of before", last("nina").access},
}

var inBody = []stands{
	{"verify bad signature", func(r *run, _ string) string { return badSignature(r.as("bob").access) }},
	{"verify forged: *", forgedFor("access", "bob")},
	{"verify blacklisted refresh", func(r *run, _ string) string { return r.rotated[0].refresh }},
	{"verify access of before the rotation", func(r *run, _ string) string { return r.rotated[0].access }},
	{"verify *", access("bob")},
	{"cors verify *", access("bob")},
	{"host *", access("bob")},
	{"refresh old token again", func(r *run, _ string) string { return r.rotated[0].refresh }},
	{"refresh with the rotated token", func(r *run, _ string) string { return r.rotated[1].refresh }},
	{"refresh reuse does not kill the family", func(r *run, _ string) string { return r.rotated[2].refresh }},
	{"refresh access as refresh", access("bob")},
	{"refresh forged: *", forgedFor("refresh", "bob")},
	{"refresh after logout", func(r *run, _ string) string { return r.loggedOut }},
	{"refresh after another user logged it out", func(r *run, _ string) string { return r.others }},
	{"refresh *", refresh("bob")},
	{"logout bad signature", func(r *run, _ string) string { return badSignature(r.as("carol").refresh) }},
	{"logout alg none", func(r *run, _ string) string { return forgedHeader(r.t, "refresh", r.as("carol").id, "alg none") }},
	{"logout with another user's refresh token", refresh("bob")},
	{"logout forged refresh without jti", func(r *run, _ string) string {
		return forged(r.t, "refresh", r.as("carol").id, "jti missing")
	}},
	{"logout form-urlencoded", refresh("fred")},
	{"logout *", refresh("carol")},
	{"inactive user: verify access", last("ivan").access},
	{"inactive user: refresh", last("ivan").refresh},
	{"deleted user: verify access", last("dora").access},
	{"deleted user: refresh", last("dora").refresh},
	{"password changed: refresh of before", last("nina").refresh},
}

// fill puts the token that the case means where <jwt> stands in s.
func (r *run) fill(s, name string, table []stands) string {
	r.t.Helper()
	if !strings.Contains(s, "<jwt>") {
		return s
	}
	for _, row := range table {
		if words, ok := matches(row.cases, name); ok {
			return strings.ReplaceAll(s, "<jwt>", row.token(r, words))
		}
	}
	r.t.Fatalf("nobody knows which token %q sends", name)
	return ""
}

// after learns from an answer who there is and which sessions have ended.
func (r *run) after(name string, q request, a response) {
	r.t.Helper()
	ok := a.status >= 200 && a.status < 300
	if who, is := matches("setup: register *", name); is && ok {
		p := &person{email: r.tag + "." + who + "@example.com", password: "c0rrect-Horse-42"}
		p.take(r.t, a)
		r.people[who] = p
	}
	if name == "refresh with the rotated token" && ok {
		var p person
		if err := json.Unmarshal([]byte(a.body), &struct{ Access, Refresh *string }{&p.access, &p.refresh}); err != nil {
			r.t.Fatal(err)
		}
		r.rotated = append(r.rotated, p)
	}
	if q.body == nil {
		return
	}
	// Whoever's token was spent or whose session was ended signs in again when
	// a later case needs them.
	for _, p := range r.people {
		if p.refresh == "" || !strings.Contains(*q.body, p.refresh) {
			continue
		}
		switch name {
		case "logout good":
			r.loggedOut = p.refresh
		case "logout with another user's refresh token":
			r.others = p.refresh
			continue
		}
		if ok && !strings.HasPrefix(name, "verify") {
			p.live = false
		}
	}
}

// placeholders fills the others that requests have: ids of the caller and
// times, both in fields that are read-only.
func (r *run) placeholders(body string) string {
	if bob := r.people["bob"]; bob != nil {
		body = strings.ReplaceAll(body, "<id>", fmt.Sprint(bob.id))
	}
	return strings.ReplaceAll(body, "<dtZ>", "2024-01-15T10:30:00Z")
}
