package api

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// Sealer makes and checks the marks that keep cursors from being forged
// (advisory GO-2026-4801: one that is forged is a way to the database).
type Sealer interface {
	MAC(label string, data []byte) []byte
	CheckMAC(label string, data, mac []byte) bool
}

// markLength is how many bytes the mark of a cursor has.
const markLength = 32

var errBadCursor = &auth.Error{Kind: auth.Missing, Code: auth.CodeBadCursor}

// sealCursor makes a cursor of a place. It is good for one scope: the list with
// its filters and its order.
func (a *API) sealCursor(scope string, backwards bool, place ...any) string {
	data, err := json.Marshal(append([]any{backwards}, place...))
	if err != nil {
		panic("api: a place that is no JSON: " + err.Error())
	}
	mark := a.Sealer.MAC("cursor "+scope, data)
	return base64.RawURLEncoding.EncodeToString(append(mark, data...))
}

// openCursor reads a cursor that sealCursor made for this scope.
func (a *API) openCursor(scope, cursor string, place ...any) (backwards bool, err error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(sealed) <= markLength || len(sealed) > 2048 {
		return false, errBadCursor
	}
	mark, data := sealed[:markLength], sealed[markLength:]
	if !a.Sealer.CheckMAC("cursor "+scope, data, mark) {
		return false, errBadCursor
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil || len(parts) != len(place)+1 {
		return false, errBadCursor
	}
	for i, to := range append([]any{&backwards}, place...) {
		if err := json.Unmarshal(parts[i], to); err != nil {
			return false, errBadCursor
		}
	}
	return backwards, nil
}

// pageURL is this request's address with another cursor.
func (a *API) pageURL(r *http.Request, query url.Values, cursor string) string {
	q := url.Values{}
	for name, values := range query {
		q[name] = values
	}
	q.Set("cursor", cursor)
	return a.base(r) + r.Pattern + "?" + q.Encode()
}
