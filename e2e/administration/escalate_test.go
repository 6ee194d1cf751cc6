package administration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// spellings are members of a JSON object by which one might get more than is
// due. None of them may: but for "role" itself, whose value is judged, they are
// no field of any form.
var spellings = []string{
	`"role":"admin"`, `"ROLE":"admin"`, `"Role":"admin"`, `"r\u006fle":"admin"`, `"role ":"admin"`, `" role":"admin"`,
	`"role\u0000":"admin"`, `"rol\u0435":"admin"`, `"\uff52ole":"admin"`, `"role":["admin"]`, `"role":{"":"admin"}`,
	`"role":"ADMIN"`, `"role":"admin "`, `"role":"\u0430dmin"`, `"role":null`, `"role":0`, `"role":true`,
	`"role":"client","role":"admin"`, `"role":"admin","role":"client"`, `"role[]":"admin"`, `"role[0]":"admin"`, `"user.role":"admin"`,
	`"user":{"role":"admin"}`, `"roles":["admin"]`, `"is_active":true`, `"is_staff":true`, `"is_superuser":true`, `"is_admin":true`,
	`"groups":["admin"]`, `"user_permissions":["users.edit"]`, `"permissions":["users.edit"]`, `"id":1`, `"pk":1`, `"user_id":1`,
	`"gen":0`, `"sid":"0"`, `"credential_version":99`, `"created_at":"2001-01-01T00:00:00Z"`, `"updated_at":"2001-01-01T00:00:00Z"`,
	`"email_verified":true`, `"last_login":"2001-01-01T00:00:00Z"`, `"__proto__":{"role":"admin"}`, `"constructor":{"role":"admin"}`,
}

// account is a user as the administrator sees them.
type account struct {
	ID          int64
	Email, Role string
	IsActive    bool   `json:"is_active"`
	CreatedAt   string `json:"created_at"`
}

func (o *office) account(id int64) account {
	o.t.Helper()
	status, body, err := o.Do(o.t.Context(), http.MethodGet, fmt.Sprintf("/api/users/%d/", id), o.people["admin"].Tokens.Access, nil)
	if err != nil || status != http.StatusOK {
		o.t.Fatalf("look at user %d: %v %d %s", id, err, status, body)
	}
	var a account
	if err := json.Unmarshal(body, &a); err != nil {
		o.t.Fatal(err)
	}
	return a
}

// raw sends a body as it stands.
func (o *office) raw(method, path, token, contentType, body string) (int, []byte) {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), method, o.URL+path, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return resp.StatusCode, b
}

// TestNothingEscalates sends every spelling where there is a form: nobody's role,
// state, address or id becomes what the sender may not make it.
//
// ASVS 8.2.3
// LESSON 20, 21, 22
// ROW 14
func TestNothingEscalates(t *testing.T) {
	for name, start := range engines {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, start(t))
			n := 0
			for _, s := range spellings {
				n++
				// Anybody, at registration.
				body := fmt.Sprintf(`{"email":"new%d@example.com","password":%q,"password2":%q,"first_name":"N","last_name":"N",%s}`, n, password, password, s)
				status, answer := o.raw(http.MethodPost, "/api/auth/register/", "", "application/json", body)
				if status == http.StatusCreated {
					var got struct{ User account }
					if err := json.Unmarshal(answer, &got); err != nil {
						t.Fatal(err)
					}
					if a := o.account(got.User.ID); a.Role != "employee" && a.Role != "client" || !a.IsActive || a.ID < 9 || strings.HasPrefix(a.CreatedAt, "2001") {
						t.Errorf("registered with %s: %+v", s, a)
					}
				} else if status != http.StatusBadRequest {
					t.Errorf("register with %s: %d %s", s, status, answer)
				}
				// Everybody, on their own profile.
				for _, who := range roles {
					before := o.account(o.people[who].User.ID)
					for _, method := range []string{http.MethodPut, http.MethodPatch} {
						status, answer := o.raw(method, "/api/auth/profile/", o.people[who].Tokens.Access, "application/json", `{"phone":"3",`+s+`}`)
						if status != http.StatusOK && status != http.StatusBadRequest {
							t.Errorf("%s of the profile with %s: %d %s", method, s, status, answer)
						}
					}
					if after := o.account(before.ID); after != before {
						t.Errorf("a %s's profile with %s: %+v, was %+v", who, s, after, before)
					}
				}
				// A manager, on a client, on themselves, and making users.
				manager := o.people["manager"]
				target := o.people["other client"].User.ID
				before := o.account(target)
				status, answer = o.raw(http.MethodPatch, fmt.Sprintf("/api/users/%d/", target), manager.Tokens.Access, "application/json", "{"+s+"}")
				if status != http.StatusOK && status != http.StatusBadRequest && status != http.StatusForbidden {
					t.Errorf("PATCH by a manager with %s: %d %s", s, status, answer)
				}
				if after := o.account(target); after != before {
					t.Errorf("PATCH by a manager with %s: %+v, was %+v", s, after, before)
				}
				if status, answer := o.raw(http.MethodPatch, fmt.Sprintf("/api/users/%d/", manager.User.ID), manager.Tokens.Access, "application/json", "{"+s+"}"); status != http.StatusForbidden && status != http.StatusBadRequest {
					t.Errorf("PATCH of oneself by a manager with %s: %d %s", s, status, answer)
				}
				body = fmt.Sprintf(`{"email":"made%d@example.com","first_name":"N","last_name":"N",%s}`, n, s)
				if status, answer := o.raw(http.MethodPost, "/api/users/", manager.Tokens.Access, "application/json", body); status != http.StatusForbidden && status != http.StatusBadRequest {
					t.Errorf("a manager makes a user with %s: %d %s", s, status, answer)
				}
			}
			// The other spellings of a body.
			for contentType, body := range map[string]string{
				"application/x-www-form-urlencoded": "phone=4&role=admin&is_active=true&is_superuser=1",
				"multipart/form-data; boundary=x":   "--x\r\nContent-Disposition: form-data; name=\"role\"\r\n\r\nadmin\r\n--x--\r\n",
			} {
				before := o.account(o.people["client"].User.ID)
				o.raw(http.MethodPatch, "/api/auth/profile/", o.people["client"].Tokens.Access, contentType, body)
				if after := o.account(before.ID); after != before {
					t.Errorf("a profile by %s: %+v, was %+v", contentType, after, before)
				}
			}
			t.Logf("%d spellings", n)
		})
	}
}

// TestDemoteEachOther lets two administrators take the role from each other or,
// every other round, each from themselves, at the same moment, over and over:
// one remains, always. Of the first kind both transactions want the same two
// rows; of the second only the guard keeps them apart.
func TestDemoteEachOther(t *testing.T) {
	const rounds = 1000
	for name, start := range engines {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, start(t))
			// The others go, so that the two are all there are.
			two := []string{"admin", "other admin"}
			access := map[string]string{}
			refresh := map[string]string{}
			for _, who := range two {
				access[who], refresh[who] = o.people[who].Tokens.Access, o.people[who].Tokens.Refresh
			}
			var page struct{ Results []account }
			_, body, err := o.Do(t.Context(), http.MethodGet, "/api/users/?role=admin&page_size=100", access["admin"], nil)
			if err != nil || json.Unmarshal(body, &page) != nil || len(page.Results) != 3 {
				t.Fatalf("%v %s", err, body)
			}
			for _, a := range page.Results {
				if a.ID != o.people["admin"].User.ID && a.ID != o.people["other admin"].User.ID {
					if status, body, err := o.Do(t.Context(), http.MethodDelete, fmt.Sprintf("/api/users/%d/", a.ID), access["admin"], nil); err != nil || status != http.StatusNoContent {
						t.Fatalf("%v %d %s", err, status, body)
					}
				}
			}
			acts := []func(id int64) (method, path string, body any){
				func(id int64) (string, string, any) {
					return http.MethodPatch, fmt.Sprintf("/api/users/%d/", id), map[string]string{"role": "client"}
				},
				func(id int64) (string, string, any) {
					return http.MethodPost, fmt.Sprintf("/api/users/%d/deactivate/", id), nil
				},
				func(id int64) (string, string, any) {
					return http.MethodPatch, fmt.Sprintf("/api/users/%d/", id), map[string]any{"is_active": false, "role": "manager"}
				},
			}
			won := map[string]int{}
			begun := time.Now()
			for round := range rounds {
				act := acts[0]
				if round%10 < 2 { // The others end sessions: a password is hashed for each.
					act = acts[1+round%10]
				}
				stepDown := round%2 == 1
				type result struct {
					who    string
					status int
					body   []byte
					err    error
				}
				results := make(chan result, 2)
				for i, who := range two {
					whom := two[1-i]
					if stepDown {
						whom = who
					}
					method, path, body := act(o.people[whom].User.ID)
					go func() {
						status, b, err := o.Do(t.Context(), method, path, access[who], body)
						results <- result{who, status, b, err}
					}()
				}
				winner, refused := "", ""
				for range two {
					r := <-results
					switch {
					case r.err != nil:
						t.Fatal(r.err)
					case r.status == http.StatusOK && winner == "":
						winner = r.who
					case r.status == http.StatusOK:
						t.Fatalf("round %d: both were done", round)
					case r.status != http.StatusUnauthorized && r.status != http.StatusConflict && r.status != http.StatusForbidden:
						t.Fatalf("round %d: %d %s", round, r.status, r.body)
					default:
						refused = r.who
					}
				}
				if stepDown && winner != "" {
					winner = refused // Who was let go is none any more.
				}
				if winner == "" {
					t.Fatalf("round %d: nobody won", round)
				}
				won[winner]++
				// The winner is the last: not even they can take themselves away.
				self := o.people[winner].User.ID
				method, path, body := act(self)
				if status, b, err := o.Do(t.Context(), method, path, access[winner], body); err != nil || status != http.StatusConflict || !bytes.Contains(b, []byte("last active administrator")) {
					t.Fatalf("round %d: the last one on themselves: %v %d %s", round, err, status, b)
				}
				loser := two[0]
				if winner == loser {
					loser = two[1]
				}
				id := o.people[loser].User.ID
				if status, b, err := o.Do(t.Context(), http.MethodPatch, fmt.Sprintf("/api/users/%d/", id), access[winner], map[string]any{"role": "admin", "is_active": true}); err != nil || status != http.StatusOK {
					t.Fatalf("round %d: give the role back: %v %d %s", round, err, status, b)
				}
				a, err := o.Refresh(t.Context(), refresh[loser])
				if err == nil && !a.OK() { // Deactivation has ended the session.
					a, err = o.Login(t.Context(), o.people[loser].User.Email, password)
				}
				if err != nil || !a.OK() {
					t.Fatalf("round %d: sign in again: %v %s", round, err, a.Body)
				}
				access[loser], refresh[loser] = a.Tokens.Access, a.Tokens.Refresh
			}
			t.Logf("%d rounds in %v, won %v", rounds, time.Since(begun), won)
		})
	}
}
