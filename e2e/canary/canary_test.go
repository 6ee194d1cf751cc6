package canary_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"

	"github.com/latchkey-auth/latchkey/e2e/node"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.M{M: m}.Run()
	node.Clean()
	os.Exit(code)
}

// house is a server with secrets, what was planted in it, and what it has said.
type house struct {
	*node.Node
	t       *testing.T
	url     string // the database's, "" for SQLite
	needles []needle
	hay     map[string][]byte
	n       int
}

// plant remembers a secret.
func (h *house) plant(name, secret string) string {
	h.t.Helper()
	if len(secret) < 12 {
		h.t.Fatalf("%s %q is too short to be looked for", name, secret)
	}
	h.needles = append(h.needles, spell(name, secret))
	return secret
}

// password is a new one that no other text has.
func (h *house) password() string {
	h.n++
	return h.plant(fmt.Sprintf("password %d", h.n), fmt.Sprintf("Pl4nted \"pass\"/+%% wörd %d!", h.n))
}

func (h *house) heard(where string, what []byte) {
	h.hay[where] = append(append(h.hay[where], what...), '\n')
}

// ask sends a request and hears the answer: all of it if it is an error, since
// no secret belongs into that, not even the client's own.
func (h *house) ask(method, path string, header map[string]string, body any) (int, http.Header, []byte) {
	h.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			h.t.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.URL+path, reader)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		h.t.Fatalf("%s %s: %v\n%s", method, path, err, h.Log())
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if resp.StatusCode >= 400 {
		h.heard("an error's answer", b)
	}
	return resp.StatusCode, resp.Header, b
}

func (h *house) want(status int, method, path string, header map[string]string, body any) (http.Header, []byte) {
	h.t.Helper()
	got, head, b := h.ask(method, path, header, body)
	if got != status {
		h.t.Fatalf("%s %s: %d %s, want %d\n%s", method, path, got, b, status, h.Log())
	}
	return head, b
}

// refused expects that a request is refused for what is in it.
func (h *house) refused(method, path string, header map[string]string, body any) {
	h.t.Helper()
	if got, _, b := h.ask(method, path, header, body); got < 400 || got >= 500 {
		h.t.Fatalf("%s %s: %d %s, want a refusal", method, path, got, b)
	}
}

// pair plants the tokens of an answer.
func (h *house) pair(b []byte) (access, refresh string) {
	h.t.Helper()
	var a struct {
		Access, Refresh string
		Tokens          struct{ Access, Refresh string }
	}
	if err := json.Unmarshal(b, &a); err != nil {
		h.t.Fatalf("%s: %v", b, err)
	}
	access, refresh = a.Access+a.Tokens.Access, a.Refresh+a.Tokens.Refresh
	h.tokens(access, refresh)
	return access, refresh
}

func (h *house) tokens(all ...string) {
	h.t.Helper()
	for _, raw := range all {
		h.plant("token", raw)
		// Its signature is what is secret of it; claims may be known.
		h.plant("signature", raw[strings.LastIndexByte(raw, '.')+1:])
	}
}

func bearer(access string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + access}
}

func (h *house) cli(stdin string, args ...string) string {
	h.t.Helper()
	out, err := h.CLI(h.t, stdin, args...)
	if err != nil {
		h.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

// TestCanary runs every route with good and bad outcomes, and then looks
// everywhere for what was planted.
//
// ASVS 16.2.5, 13.3.1, 13.3.2
// ROW 17
func TestCanary(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, format := range []string{"json", "text"} {
			t.Run(engine+"/"+format, func(t *testing.T) {
				h := newHouse(t, engine, format)
				h.live()
				h.breakDatabase()
				h.Stop()
				h.search()
			})
		}
	}
}

func newHouse(t *testing.T, engine, format string) *house {
	t.Helper()
	h := &house{t: t, hay: map[string][]byte{}}
	env := []string{
		"LATCHKEY_THROTTLE_ENABLED=false", "LATCHKEY_LOG_LEVEL=debug", "LATCHKEY_LOG_FORMAT=" + format,
		"LATCHKEY_SIGNING_KEY=" + h.plant("signing.key", "pl4nted signing.key of an operator, long enough"),
		"LATCHKEY_KEYS_SEAL_KEY=" + h.plant("keys.seal_key", base64.StdEncoding.EncodeToString([]byte("pl4nted seal key of 32 bytes, ok"))),
		"LATCHKEY_REGISTRATION_ROLES=client,employee",
	}
	h.plant("keys.seal_key, decoded", "pl4nted seal key of 32 bytes, ok")
	if engine == "postgres" {
		h.url = pgtest.Database(t)
		u, err := url.Parse(h.url)
		if err != nil {
			t.Fatal(err)
		}
		secret := h.plant("password of the database", "pl4nted-database-password")
		if _, has := u.User.Password(); !has {
			// The server trusts whom it knows here, and gets one all the same.
			u.User = url.UserPassword(u.User.Username(), secret)
		} else {
			conn := h.connect()
			for _, statement := range []string{
				`DROP ROLE IF EXISTS canary_` + format, `CREATE ROLE canary_` + format + ` LOGIN SUPERUSER PASSWORD '` + secret + `'`,
			} {
				if _, err := conn.Exec(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			u.User = url.UserPassword("canary_"+format, secret)
		}
		env = append(env, "LATCHKEY_DATABASE="+u.String())
	}
	h.Node = node.Start(t, env...)
	return h
}

func (h *house) connect() *pgx.Conn {
	h.t.Helper()
	conn, err := pgx.Connect(h.t.Context(), h.url)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(h.t.Context())) })
	return conn
}

// live is a life with every secret that there is.
func (h *house) live() {
	rootPassword, password := h.password(), h.password()
	h.heard("the command line", []byte(h.cli(rootPassword, "user", "create", "root@example.com", "--role", "admin", "--password-stdin")))
	_, b := h.want(200, "POST", "/api/auth/login/", nil, map[string]string{"email": "root@example.com", "password": rootPassword})
	root, _ := h.pair(b)

	register := map[string]string{
		"email": "ada@example.com", "password": password, "password2": password,
		"first_name": "Ada", "last_name": "Lovelace", "role": "client",
	}
	_, b = h.want(201, "POST", "/api/auth/register/", nil, register)
	access, refresh := h.pair(b)
	with := func(changes ...string) map[string]string {
		m := map[string]string{}
		for k, v := range register {
			m[k] = v
		}
		for i := 0; i < len(changes); i += 2 {
			m[changes[i]] = changes[i+1]
		}
		return m
	}
	var user struct{ User struct{ ID int64 } }
	if err := json.Unmarshal(b, &user); err != nil {
		h.t.Fatal(err)
	}
	one := fmt.Sprintf("/api/users/%d/", user.User.ID)
	wrong := h.password()
	forged := h.plant("forged token", access[:strings.LastIndexByte(access, '.')+1]+strings.Repeat("Zm9yZ2Vk", 5)+"abc")
	stranger := h.plant("another's token", "eyJhbGciOiJub25lIn0.eyJwbGFudGVkIjoicGxhbnRlZCBieSBhIHN0cmFuZ2VyIn0.c3RyYW5nZXI")

	// Refused, each in its way.
	h.refused("POST", "/api/auth/register/", nil, register)
	h.refused("POST", "/api/auth/register/", nil, with("email", "bob@example.com", "password2", wrong))
	h.refused("POST", "/api/auth/register/", nil, with("email", wrong))
	h.refused("POST", "/api/auth/register/", nil, with("email", "bob@example.com", "password", "short12", "password2", "short12"))
	h.refused("POST", "/api/auth/login/", nil, map[string]string{"email": "ada@example.com", "password": wrong})
	h.refused("POST", "/api/auth/login/", nil, map[string]string{"email": "nobody@example.com", "password": wrong})
	h.refused("POST", "/api/auth/login/", nil, map[string]string{"email": password, "password": "ada@example.com"})
	h.refused("POST", "/api/auth/login/", nil, map[string]any{"email": "ada@example.com", "password": []string{password}})
	h.refused("POST", "/api/auth/login/", nil, `{"email":"ada@example.com","password":"`+wrong)
	h.refused("POST", "/api/auth/login/", nil, wrong)
	h.ask("POST", "/api/auth/login/", map[string]string{"Content-Type": "text/plain"}, wrong)
	h.ask("POST", "/api/auth/login/", nil, `{"password":"`+strings.Repeat(password, 4000)+`"}`)
	for _, where := range []map[string]string{
		bearer(forged), bearer(stranger), bearer(access + "x"), bearer(refresh),
		{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("ada@example.com:"+password))},
		{"Authorization": access},
		{"Authorization": "Bearer " + access + " " + access},
		{"Authorization": "Bearer " + password},
		{"Cookie": "latchkey_access=" + forged, "Auth-Mode": "cookie"},
		{"Cookie": "latchkey_access=" + url.QueryEscape(password)},
		{"X-Request-Id": access[:60], "Authorization": "Bearer " + forged},
		{"Origin": "https://" + forged[:40] + ".example"},
		{"X-Forwarded-For": forged, "Forwarded": "for=" + forged},
		{"Auth-Mode": forged},
	} {
		for _, route := range [][2]string{
			{"GET", "/api/auth/profile/"},
			{"PATCH", "/api/auth/profile/"},
			{"POST", "/api/auth/logout/"},
			{"GET", "/api/auth/sessions/"},
			{"POST", "/api/auth/password/change/"},
			{"GET", "/api/users/"},
			{"GET", "/api/audit/"},
			{"GET", "/api/system/"},
			{"GET", "/api/auth/revocations/"},
			{"POST", "/api/auth/token/refresh/"},
			{"POST", "/api/auth/token/verify/"},
			{"OPTIONS", "/api/auth/login/"},
		} {
			var body any
			if route[0] == "POST" || route[0] == "PATCH" {
				body = map[string]string{"refresh": forged, "token": stranger, "password": wrong, "old_password": wrong, "first_name": "Ada"}
			}
			h.ask(route[0], route[1], where, body)
		}
	}
	for _, raw := range []string{forged, stranger, access, password} {
		h.ask("POST", "/api/auth/token/refresh/", nil, map[string]string{"refresh": raw})
		h.ask("POST", "/api/auth/logout/", bearer(root), map[string]string{"refresh_token": raw})
		h.ask("POST", "/api/auth/setup/check/", nil, map[string]string{"token": raw})
		h.ask("POST", "/api/auth/password/reset/check/", nil, map[string]string{"token": raw})
		h.ask("POST", "/api/auth/password/reset/confirm/", nil, map[string]string{"token": raw, "password": wrong, "password2": wrong})
		// Where a client by mistake puts it.
		h.ask("GET", "/api/auth/profile/?token="+url.QueryEscape(raw), nil, nil)
		h.ask("GET", "/reset/"+url.PathEscape(raw), nil, nil)
		h.ask("GET", "/api/auth/sessions/"+url.PathEscape(raw)+"/", bearer(access), nil)
		h.ask("GET", "/api/audit/?cursor="+url.QueryEscape(raw), bearer(root), nil)
		h.ask("GET", "/api/users/?search="+url.QueryEscape(raw), bearer(root), nil)
		h.ask(strings.ReplaceAll(raw[:12], " ", "")[:5], "/api/auth/login/", nil, nil)
	}
	_, b = h.want(200, "POST", "/api/auth/login/", nil, map[string]string{"email": "root@example.com", "password": rootPassword})
	root, _ = h.pair(b)

	// Granted.
	h.want(200, "POST", "/api/auth/token/verify/", nil, map[string]string{"token": access})
	_, b = h.want(200, "POST", "/api/auth/token/refresh/", nil, map[string]string{"refresh": refresh})
	access, _ = h.pair(b)
	h.want(200, "PATCH", "/api/auth/profile/", bearer(access), map[string]string{"first_name": "Augusta"})
	for _, path := range []string{"profile/", "sessions/", "events/", "permissions/", "settings/"} {
		_, b = h.want(200, "GET", "/api/auth/"+path, bearer(access), nil)
		h.heard("what is shown to a user", b)
	}
	head, _ := h.want(200, "POST", "/api/auth/login/", map[string]string{"Auth-Mode": "cookie"}, map[string]string{"email": "ada@example.com", "password": password})
	for _, set := range head["Set-Cookie"] {
		value, _, _ := strings.Cut(strings.SplitN(set, "=", 2)[1], ";")
		if strings.Count(value, ".") == 2 {
			h.tokens(value)
		}
	}
	next := h.password()
	h.refused("POST", "/api/auth/password/change/", bearer(access), map[string]string{"old_password": wrong, "password": next, "password2": next})
	h.want(200, "POST", "/api/auth/password/change/", bearer(access), map[string]string{"old_password": password, "password": next, "password2": next})
	// A token that was rotated, once more: reuse.
	_, b = h.want(200, "POST", "/api/auth/login/", nil, map[string]string{"email": "ada@example.com", "password": next})
	_, reused := h.pair(b)
	_, b = h.want(200, "POST", "/api/auth/token/refresh/", nil, map[string]string{"refresh": reused})
	_, reused2 := h.pair(b)
	_, b = h.want(200, "POST", "/api/auth/token/refresh/", nil, map[string]string{"refresh": reused2})
	h.pair(b)
	h.refused("POST", "/api/auth/token/refresh/", nil, map[string]string{"refresh": reused})

	_, b = h.want(201, "POST", one+"reset-link/", bearer(root), nil)
	link := regexp.MustCompile(`#([\w-]{20,})`).FindSubmatch(b)
	if link == nil {
		h.t.Fatalf("no link in %s", b)
	}
	token := h.plant("reset link", string(link[1]))
	h.want(200, "POST", "/api/auth/password/reset/check/", nil, map[string]string{"token": token})
	last := h.password()
	h.want(200, "POST", "/api/auth/password/reset/confirm/", nil, map[string]string{"token": token, "password": last, "password2": last})
	_, b = h.want(201, "POST", one+"reset-link/", bearer(root), nil) // This one stays.
	h.plant("reset link that was not used", string(regexp.MustCompile(`#([\w-]{20,})`).FindSubmatch(b)[1]))

	h.want(201, "POST", "/api/users/", bearer(root), map[string]string{"email": "eve@example.com", "first_name": "E", "last_name": "F", "role": "employee"})
	for _, act := range []string{"deactivate/", "activate/", "logout/"} {
		h.want(200, "POST", one+act, bearer(root), nil)
	}
	h.want(200, "PATCH", one, bearer(root), map[string]any{"role": "employee", "first_name": "Grace"})

	made := h.cli("", "service-key", "create", "reports")
	secret := regexp.MustCompile(`\S{32,}`).FindString(made)
	service := h.plant("service key", secret)
	h.heard("the command line", []byte(strings.ReplaceAll(made, secret, "")))
	h.want(200, "GET", "/api/auth/revocations/", bearer(service), nil)
	h.refused("GET", "/api/auth/profile/", bearer(service), nil)

	for path, where := range map[string]string{
		"/api/system/": "what is shown to an administrator", "/api/stats/": "what is shown to an administrator", "/api/users/": "what is shown to an administrator",
		one: "what is shown to an administrator", one + "sessions/": "what is shown to an administrator",
		"/api/audit/": "the audit trail", "/api/audit/?format=csv": "the audit trail", "/api/audit/?format=jsonl": "the audit trail",
		"/healthz": "health", "/readyz": "health", "/metrics": "metrics", "/.well-known/jwks.json": "the public keys",
	} {
		_, _, b = h.ask("GET", path, bearer(root), nil)
		h.heard(where, b)
	}
	h.want(204, "DELETE", one, bearer(root), nil)
	for _, args := range [][]string{
		{"user", "list"},
		{"user", "show", "root@example.com"},
		{"service-key", "list"},
		{"service-key", "list", "--json"},
		{"key", "list"},
		{"key", "list", "--json"},
		{"config"},
		{"config", "show", "--json"},
		{"migrate"},
		{"version"},
		{"health"},
		{"audit", "seal"},
		{"audit", "verify"},
		{"audit", "verify", "--json"},
		{"audit", "head"},
		{"sessions", "end-all", "--yes"},
		{"doctor"},
		{"doctor", "--json"},
		{"throttle", "list"},
		{"user", "create", "root@example.com", "--password-stdin"},
		{"key", "rotate"},
		{"key", "retire", "nobody"},
		{"serve", "--signing.key=" + h.plant("a flag", "pl4nted as a flag!")},
		{"user", "create", "x@example.com", "--password=" + h.plant("another flag", "pl4nted as another flag!")},
	} {
		out, _ := h.CLI(h.t, wrong, args...) // Some are refused.
		h.heard("the command line: "+args[0], []byte(out))
	}
	if h.url == "" {
		backup := filepath.Join(h.t.TempDir(), "backup")
		h.heard("the command line", []byte(h.cli("", "backup", backup)))
		h.file("the backup", backup)
	}
}

// breakDatabase makes statements fail in the database, whose errors may quote
// what was given to them.
func (h *house) breakDatabase() {
	ctx := h.t.Context()
	password := h.password()
	break1 := []string{"ALTER TABLE users RENAME COLUMN phone TO telephone", "ALTER TABLE sessions RENAME COLUMN address TO place"}
	if h.url != "" {
		conn := h.connect()
		break1 = []string{
			"ALTER TABLE users ADD CONSTRAINT none CHECK (false) NOT VALID", "ALTER TABLE sessions ALTER COLUMN jti TYPE varchar(3) USING 'x'",
			"ALTER TABLE links ADD CONSTRAINT none CHECK (false) NOT VALID",
		}
		for _, statement := range break1 {
			if _, err := conn.Exec(ctx, statement); err != nil {
				h.t.Fatal(err)
			}
		}
	} else {
		db := h.open()
		for _, statement := range break1 {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	failed := 0
	for i := range 3 {
		status, _, _ := h.ask("POST", "/api/auth/register/", nil, map[string]string{
			"email": fmt.Sprintf("new%d@example.com", i), "password": password, "password2": password, "first_name": "Ada", "last_name": "Lovelace", "role": "client",
		})
		if status >= 500 {
			failed++
		}
		h.ask("POST", "/api/auth/login/", nil, map[string]string{"email": "root@example.com", "password": password})
	}
	if failed == 0 {
		h.t.Error("the database was broken and nothing failed")
	}
	if !strings.Contains(h.Log(), "request failed") && !strings.Contains(h.Log(), "put off") {
		h.t.Errorf("no failure was logged:\n%s", h.Log())
	}
}

func (h *house) open() *sql.DB {
	h.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(h.Data, "latchkey.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { db.Close() })
	return db
}

// search looks for everything everywhere.
func (h *house) search() {
	h.heard("the log", []byte(h.Log()))
	if len(h.hay["the log"]) < 10_000 {
		h.t.Errorf("the log has %d bytes only", len(h.hay["the log"]))
	}
	if h.url == "" {
		for _, name := range []string{"latchkey.db", "latchkey.db-wal", "latchkey.db-shm", "revocations.seq"} {
			h.file("the database", filepath.Join(h.Data, name))
		}
	} else {
		h.dump()
	}
	for where, hay := range h.hay {
		if len(hay) < 2 {
			h.t.Errorf("nothing was heard of %s", where)
		}
		for _, n := range h.needles {
			if found, ok := n.in(hay); ok {
				h.t.Errorf("%s is in %s: …%q…", n.name, where, found)
			}
		}
	}
	h.t.Logf("%d secrets, %d places", len(h.needles), len(h.hay))
}

func (h *house) file(where, path string) {
	h.t.Helper()
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.heard(where, b)
}

// dump hears every row of every table.
func (h *house) dump() {
	h.t.Helper()
	conn := h.connect()
	rows, err := conn.Query(h.t.Context(), `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`)
	if err != nil {
		h.t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 8 {
		h.t.Fatalf("tables %v, %v", tables, err)
	}
	for _, table := range tables {
		rows, err := conn.Query(h.t.Context(), `SELECT t::text FROM `+pgx.Identifier{table}.Sanitize()+` AS t`)
		if err != nil {
			h.t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			h.t.Fatal(err)
		}
		h.heard("the database", []byte(strings.Join(lines, "\n")))
	}
}
