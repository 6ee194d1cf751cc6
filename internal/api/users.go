package api

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/account"
	"github.com/latchkey-auth/latchkey/internal/auth"
)

// How many users a page has.
const (
	defaultUsers = 25
	maxUsers     = 100
)

// maxSearch is how long what is searched for may be, in characters.
const maxSearch = 200

// userFields are those of an account that administrators write.
func userFields(partial bool) form {
	return form{partial: partial, fields: []field{
		{name: "email", kind: email, max: auth.MaxEmail},
		{name: "first_name", max: maxName},
		{name: "last_name", max: maxName},
		{name: "phone", max: maxPhone, optional: true, blank: true},
		{name: "role", kind: choice, choices: auth.Roles()},
		{name: "is_active", kind: truth, optional: true},
		{name: "password", kind: refused, optional: true},
	}}
}

var (
	userForm      = userFields(false)
	userPatchForm = userFields(true)
)

// actor is the caller, to act on others.
func (a *API) actor(r *http.Request) *account.Actor {
	return &account.Actor{Access: callerOf(r).Access, Client: a.Client(r)}
}

// subject gives the id in the path. What is no id is not found.
func subject(r *http.Request) (int64, error) {
	text := r.PathValue("id")
	id, err := strconv.ParseUint(text, 10, 63)
	if err != nil || id == 0 || text[0] == '0' {
		return 0, errNotFound
	}
	return int64(id), nil
}

// users lists and searches users, a page at a time.
func (a *API) users(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	search, problems := userSearch(query)
	limit := queryNumber(query, "page_size", defaultUsers, maxUsers, &problems)
	if err := problems.Err(); err != nil {
		return err
	}
	search.Limit = int(limit)
	scope := "users " + query.Get("search") + "\x00" + query.Get("role") + "\x00" + query.Get("is_active") + "\x00" + query.Get("ordering")
	if query.Has("cursor") {
		var p auth.UserPlace
		backwards, err := a.openCursor(scope, query.Get("cursor"), &p.Text, &p.Number, &p.ID)
		if err != nil {
			return err
		}
		search.From, search.Backwards = &p, backwards
	}
	page, err := a.Accounts.Users(r.Context(), search)
	if err != nil {
		return err
	}
	link := func(p *auth.UserPlace, backwards bool) string {
		if p == nil {
			return ""
		}
		return a.pageURL(r, query, a.sealCursor(scope, backwards, p.Text, p.Number, p.ID))
	}
	next, previous := link(page.Last, false), link(page.First, true)
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"count":`...)
		b = strconv.AppendInt(b, page.Count, 10)
		b = append(b, `,"count_exact":`...)
		b = strconv.AppendBool(b, page.Exact)
		b = appendLinks(b, next, previous)
		b = append(b, `,"results":[`...)
		for i := range page.Users {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendAccount(b, &page.Users[i])
		}
		return append(b, `]}`...)
	})
	return nil
}

// userSearch reads what is asked for of the query.
func userSearch(query url.Values) (s auth.UserSearch, problems auth.Fields) {
	s.Text = query.Get("search")
	switch {
	case len(s.Text) > maxSearch && len([]rune(s.Text)) > maxSearch:
		problems.Add("search", problem(auth.CodeMaxLength, maxSearch)...)
	case strings.IndexByte(s.Text, 0) >= 0:
		problems.Add("search", problem(auth.CodeNullCharacters)...)
	}
	if role := auth.Role(query.Get("role")); role != "" {
		if !role.Valid() {
			problems.Add("role", problem(auth.CodeInvalidChoice, string(role))...)
		}
		s.Role = &role
	}
	switch active := query.Get("is_active"); active {
	case "":
	case "true", "false":
		is := active == "true"
		s.IsActive = &is
	default:
		problems.Add("is_active", problem(auth.CodeInvalidChoice, active)...)
	}
	order := query.Get("ordering")
	if order == "" {
		order = "-id"
	}
	by, down := strings.CutPrefix(order, "-")
	s.Order, s.Descending = auth.UserOrder(by), down
	for _, known := range auth.UserOrders() {
		if s.Order == known {
			return s, problems
		}
	}
	problems.Add("ordering", problem(auth.CodeInvalidChoice, order)...)
	return s, problems
}

// appendLinks writes ,"next":…,"previous":…; "" is null.
func appendLinks(b []byte, next, previous string) []byte {
	for _, l := range [...]struct{ name, address string }{{"next", next}, {"previous", previous}} {
		b = append(b, ',', '"')
		b = append(b, l.name...)
		b = append(b, `":`...)
		if l.address == "" {
			b = append(b, "null"...)
		} else {
			b = appendString(b, l.address)
		}
	}
	return b
}

// appendAccount writes a user as administrators see them.
func appendAccount(b []byte, u *auth.User) []byte {
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, u.ID, 10)
	for _, f := range [...]struct{ name, value string }{
		{"email", u.Email}, {"first_name", u.FirstName}, {"last_name", u.LastName}, {"phone", u.Phone}, {"role", string(u.Role)},
	} {
		b = append(b, `,"`...)
		b = append(b, f.name...)
		b = append(b, `":`...)
		b = appendString(b, f.value)
	}
	b = append(b, `,"is_active":`...)
	b = strconv.AppendBool(b, u.IsActive)
	b = append(b, `,"created_at":`...)
	b = appendTimeOrNull(b, u.CreatedAt)
	b = append(b, `,"updated_at":`...)
	b = appendTimeOrNull(b, u.UpdatedAt)
	b = append(b, `,"last_login":`...)
	b = appendTimeOrNull(b, u.LastLogin)
	return append(b, '}')
}

// appendTimeOrNull writes a time in quotes, or null for none.
func appendTimeOrNull(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	b = append(b, '"')
	b = appendTime(b, t)
	return append(b, '"')
}

// showUser answers an account with its entity tag.
func showUser(w http.ResponseWriter, r *http.Request, status int, u *auth.User) {
	w.Header()["Etag"] = []string{`"` + account.Version(*u) + `"`}
	answer(w, r, status, func(b []byte) []byte { return appendAccount(b, u) })
}

// user shows one account.
func (a *API) user(w http.ResponseWriter, r *http.Request) error {
	id, err := subject(r)
	if err != nil {
		return err
	}
	u, err := a.Accounts.UserOf(r.Context(), callerOf(r).User, id)
	if err != nil {
		return err
	}
	showUser(w, r, http.StatusOK, &u)
	return nil
}

// createUser makes an account. It has no password: a reset link sets it.
func (a *API) createUser(w http.ResponseWriter, r *http.Request) error {
	in, err := a.decode(w, r, &userForm)
	if err != nil {
		return err
	}
	by, err := a.provedActor(r)
	if err != nil {
		return err
	}
	u, err := a.Accounts.CreateUser(r.Context(), by, account.Draft{
		Email: in.email, FirstName: in.text("first_name"), LastName: in.text("last_name"), Phone: in.text("phone"),
		Role: auth.Role(in.text("role")), IsActive: in.text("is_active") != "false",
	})
	if err != nil {
		return err
	}
	w.Header()["Location"] = []string{a.base(r) + "/api/users/" + strconv.FormatInt(u.ID, 10) + "/"}
	showUser(w, r, http.StatusCreated, &u)
	return nil
}

// replaceUser is PUT: every field that must be there is.
func (a *API) replaceUser(w http.ResponseWriter, r *http.Request) error {
	return a.editUser(w, r, &userForm)
}

// patchUser is PATCH: what is not there stays.
func (a *API) patchUser(w http.ResponseWriter, r *http.Request) error {
	return a.editUser(w, r, &userPatchForm)
}

func (a *API) editUser(w http.ResponseWriter, r *http.Request, f *form) error {
	id, err := subject(r)
	if err != nil {
		return err
	}
	in, err := a.decode(w, r, f)
	if err != nil {
		return err
	}
	edit := account.Edit{FirstName: in.change("first_name"), LastName: in.change("last_name"), Phone: in.change("phone")}
	if in.change("email") != nil {
		edit.Email = &in.email
	}
	if role := in.change("role"); role != nil {
		edit.Role = (*auth.Role)(role)
	}
	if active := in.change("is_active"); active != nil {
		is := *active == "true"
		edit.IsActive = &is
	}
	versions, err := ifMatch(r)
	if err != nil {
		return err
	}
	by, err := a.provedActor(r)
	if err != nil {
		return err
	}
	u, err := a.Accounts.EditUser(r.Context(), by, id, edit, versions)
	if err != nil {
		return err
	}
	showUser(w, r, http.StatusOK, &u)
	return nil
}

// ifMatch reads If-Match (RFC 9110, section 13.1.1): the entity tags of which
// one must be the current one; none for any. A weak one never matches.
func ifMatch(r *http.Request) ([]string, error) {
	sent, ok := r.Header["If-Match"]
	if !ok {
		return nil, nil
	}
	var versions []string
	for tag := range strings.SplitSeq(strings.Join(sent, ","), ",") {
		tag = strings.Trim(tag, " \t")
		switch {
		case tag == "*":
			return nil, nil
		case len(tag) > 2 && tag[0] == '"' && tag[len(tag)-1] == '"':
			versions = append(versions, tag[1:len(tag)-1])
		}
	}
	if len(versions) == 0 {
		return nil, auth.ErrStale
	}
	return versions, nil
}

// deleteUser removes an account for good.
func (a *API) deleteUser(w http.ResponseWriter, r *http.Request) error {
	id, err := subject(r)
	if err != nil {
		return err
	}
	versions, err := ifMatch(r)
	if err != nil {
		return err
	}
	if err := a.Accounts.Delete(r.Context(), a.actor(r), id, versions); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deactivateUser shuts an account, activateUser opens it again.
func (a *API) deactivateUser(w http.ResponseWriter, r *http.Request) error {
	return a.setActive(w, r, false)
}

func (a *API) activateUser(w http.ResponseWriter, r *http.Request) error {
	return a.setActive(w, r, true)
}

func (a *API) setActive(w http.ResponseWriter, r *http.Request, active bool) error {
	id, err := subject(r)
	if err != nil {
		return err
	}
	u, err := a.Accounts.SetActive(r.Context(), a.actor(r), id, active)
	if err != nil {
		return err
	}
	showUser(w, r, http.StatusOK, &u)
	return nil
}

// logoutUser ends every session of a user.
func (a *API) logoutUser(w http.ResponseWriter, r *http.Request) error {
	id, err := subject(r)
	if err != nil {
		return err
	}
	ended, err := a.Accounts.SignOut(r.Context(), a.actor(r), id)
	if err != nil {
		return err
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte { return appendEnded(b, textSignedOut, ended) })
	return nil
}

// userSessions lists a user's signed-in devices.
func (a *API) userSessions(w http.ResponseWriter, r *http.Request) error {
	id, err := subject(r)
	if err != nil {
		return err
	}
	who := callerOf(r)
	all, err := a.Accounts.SessionsOf(r.Context(), who.User, id)
	if err != nil {
		return err
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"results":[`...)
		for i := range all {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendSession(b, &all[i], all[i].ID == who.SessionID)
		}
		return append(b, `]}`...)
	})
	return nil
}

// permissions shows the table of who may do what, and where the caller stands
// in it.
func (a *API) permissions(w http.ResponseWriter, r *http.Request) error {
	role := callerOf(r).User.Role
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"role":`...)
		b = appendString(b, string(role))
		b = append(b, `,"limited":`...)
		b = strconv.AppendBool(b, role.Limited())
		b = append(b, `,"roles":[`...)
		for i, role := range auth.Roles() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendPowers(b, role)
		}
		return append(b, `]}`...)
	})
	return nil
}

// appendPowers writes what a role may do. The roles that a permission extends
// to are null where it concerns no user.
func appendPowers(b []byte, role auth.Role) []byte {
	b = append(b, `{"role":`...)
	b = appendString(b, string(role))
	b = append(b, `,"limited":`...)
	b = strconv.AppendBool(b, role.Limited())
	b = append(b, `,"permissions":[`...)
	first := true
	for _, p := range auth.Permissions() {
		if !role.Can(p) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, `{"permission":`...)
		b = appendString(b, string(p))
		b = append(b, `,"roles":`...)
		if !p.OfUsers() {
			b = append(b, `null}`...)
			continue
		}
		for i, whom := range role.Extent(p) {
			b = append(b, "[,"[min(i, 1)])
			b = appendString(b, string(whom))
		}
		b = append(b, `]}`...)
	}
	return append(b, `]}`...)
}
