// Package api is the guide over HTTP: its endpoints, what they read, what they
// answer, in which words.
//
// routes.go is the guide's table of endpoints as data; each heading of the
// guide is a file. A handler decodes a form, calls one act and encodes the
// answer; the rules are the acts'. What Django REST framework and SimpleJWT do
// around a view is done here:
//
//	OPTIONS ─▶ 204
//	route ─▶ bearer (401) ─▶ method (405) ─▶ media type (415) ─▶ size (413)
//	      ─▶ parse (400) ─▶ fields, all of them (400, login 401) ─▶ the act
//
// decode.go reads bodies (json.go, form.go, charset.go), encode.go writes
// them, error.go is the only code that writes an error, and text.go has every
// text of DRF, SimpleJWT and Django once.
//
// It owns no listener: CORS, request ids, deadlines and the client's address
// are package server's.
package api
