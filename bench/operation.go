package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
)

// The guide's paths.
const (
	registerPath = "/api/auth/register/"
	loginPath    = "/api/auth/login/"
	refreshPath  = "/api/auth/token/refresh/"
	verifyPath   = "/api/auth/token/verify/"
	profilePath  = "/api/auth/profile/"
)

// verify checks the access token of a user of this client's own.
func verify() operation {
	return operation{
		ask: func(t *target, c *client) []byte {
			return c.post(verifyPath, `{"token":"`, t.own(c), `"}`)
		},
		check: func(_ *target, _ *client, status int, body []byte) error {
			return expect(http.StatusOK, "{", status, body)
		},
	}
}

// profile reads the profile of a user of this client's own, as an application
// does.
func profile() operation { return profileOf((*target).own) }

// profileOfAny reads the profile of another user each time.
func profileOfAny() operation { return profileOf((*target).any) }

func profileOf(token func(*target, *client) string) operation {
	return operation{
		ask: func(t *target, c *client) []byte {
			b := append(c.request[:0], "GET "+profilePath+" HTTP/1.1\r\n"+commonHead+"Authorization: Bearer "...)
			b = append(b, token(t, c)...)
			c.request = append(b, "\r\n\r\n"...)
			return c.request
		},
		check: func(_ *target, _ *client, status int, body []byte) error {
			return expect(http.StatusOK, `"updated_at":"`, status, body)
		},
	}
}

// refresh trades the current refresh token of a session, another one each time,
// and keeps what comes for the session's next turn. No two clients have a
// session in common.
func refresh() operation {
	return operation{
		ask: func(t *target, c *client) []byte {
			c.session = c.number + c.of*walk(c.turn, t.sessions/c.of)
			return c.post(refreshPath, `{"refresh":"`, t.refreshToken(c.session), `"}`)
		},
		check: func(t *target, c *client, status int, body []byte) error {
			if err := expect(http.StatusOK, `"access":"`, status, body); err != nil {
				return err
			}
			token, ok := stringAfter(body, `"refresh":"`)
			if !ok || token == t.refresh[c.session] && !t.fixed {
				return fmt.Errorf("no new refresh token in %s", body)
			}
			t.refresh[c.session] = token
			return nil
		},
	}
}

// login signs in another user each time, with the right password.
func login() operation {
	return operation{
		mayShed: true,
		ask: func(t *target, c *client) []byte {
			user := c.number + c.of*walk(c.turn, t.users/c.of)
			return c.post(loginPath, `{"email":"`, email(user), `","password":"`+userPassword+`"}`)
		},
		check: func(_ *target, _ *client, status int, body []byte) error {
			return expect(http.StatusOK, `"access":"`, status, body)
		},
	}
}

// register makes a new account each time.
func register() operation {
	return operation{
		mayShed: true,
		ask: func(t *target, c *client) []byte {
			return c.post(registerPath, `{"email":"new`, strconv.Itoa(c.turn)+"-"+strconv.Itoa(c.number)+"-"+strconv.Itoa(c.of),
				`@bench.example","password":"`+userPassword+`","password2":"`+userPassword+
					`","first_name":"John","last_name":"Doe","phone":"+1234567890","role":"employee"}`)
		},
		check: func(_ *target, _ *client, status int, body []byte) error {
			return expect(http.StatusCreated, `"access":"`, status, body)
		},
	}
}

// commonHead is what every request says of itself: what curl does.
const commonHead = "Host: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n"

// post makes a request with the body before+value+after.
func (c *client) post(path, before, value, after string) []byte {
	b := append(c.request[:0], "POST "...)
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\n"+commonHead+"Content-Type: application/json\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(before)+len(value)+len(after)), 10)
	b = append(b, "\r\n\r\n"...)
	b = append(b, before...)
	b = append(b, value...)
	c.request = append(b, after...)
	return c.request
}

// expect holds an answer against what it must be.
func expect(wantStatus int, wantPart string, status int, body []byte) error {
	if status != wantStatus || !bytes.Contains(body, []byte(wantPart)) {
		return fmt.Errorf("answer %d %s, want %d with %s", status, body, wantStatus, wantPart)
	}
	return nil
}

// stringAfter gives what stands between prefix and the next quote.
func stringAfter(body []byte, prefix string) (string, bool) {
	_, rest, found := bytes.Cut(body, []byte(prefix))
	value, _, ended := bytes.Cut(rest, []byte(`"`))
	return string(value), found && ended
}

// usersPage reads a page of the list of users, as an administrator does.
func usersPage(query string) operation {
	return operation{
		ask: func(t *target, c *client) []byte {
			b := append(c.request[:0], "GET /api/users/?"+query+" HTTP/1.1\r\n"+commonHead+"Authorization: Bearer "...)
			b = append(b, t.admin...)
			c.request = append(b, "\r\n\r\n"...)
			return c.request
		},
		check: func(_ *target, _ *client, status int, body []byte) error {
			return expect(http.StatusOK, `"results":[{`, status, body)
		},
	}
}
