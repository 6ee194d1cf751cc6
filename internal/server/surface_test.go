package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/server"
)

// pair is what a login answers.
type pair struct {
	Tokens struct{ Access, Refresh string }
	User   struct{ ID int64 }
}

func (r *running) register(mail string) pair {
	r.t.Helper()
	return r.pair(201, "/api/auth/register/", person("", mail))
}

func (r *running) login(mail, password string) pair {
	r.t.Helper()
	return r.pair(200, "/api/auth/login/", fmt.Sprintf(`{"email":%q,"password":%q}`, mail, password))
}

func (r *running) pair(status int, path, body string) pair {
	r.t.Helper()
	resp, answer := r.do("POST", path, strings.Replace(body, `"token":"",`, "", 1))
	var p pair
	if err := json.Unmarshal([]byte(answer), &p); err != nil || resp.StatusCode != status {
		r.t.Fatalf("%s: %v, %d %s, want %d", path, err, resp.StatusCode, answer, status)
	}
	return p
}

// TestNoAccountsFromTheStart: a fresh database has nobody in it, and none of the
// names and passwords that things come with opens anything.
//
// ASVS 6.3.2
func TestNoAccountsFromTheStart(t *testing.T) {
	cfg := settings(t, "LATCHKEY_THROTTLE_ENABLED=false")
	store, err := server.OpenStore(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	r := start(t, cfg, server.RunOptions{Store: store})
	page, err := store.Read().SearchUsers(t.Context(), auth.UserSearch{Order: auth.OrderID, Limit: 10})
	if err != nil || len(page.Users) != 0 {
		t.Fatalf("%+v, %v", page.Users, err)
	}
	for _, name := range []string{"admin", "root", "test", "user", "latchkey", "guest", "demo", "support"} {
		for _, host := range []string{"", "@localhost", "@example.com", "@latchkey.local"} {
			for _, password := range []string{"", "admin", "password", "latchkey", "changeme", "12345678"} {
				resp, body := r.do("POST", "/api/auth/login/", fmt.Sprintf(`{"email":%q,"password":%q}`, name+host, password))
				if resp.StatusCode != 401 {
					t.Errorf("%s, %s: %d %s", name+host, password, resp.StatusCode, body)
				}
			}
		}
	}
}

// TestWaysInAskTheSame: on each way to a session it is asked whether the account
// may have one.
//
// ASVS 6.3.4, 7.4.2
// LESSON 18, 35
func TestWaysInAskTheSame(t *testing.T) {
	var c clock
	r, setup := setUp(t, settings(t, "LATCHKEY_THROTTLE_ENABLED=false"), &c)
	admin := r.admin(setup)
	for state, act := range map[string]func(path string){
		"deactivated": func(path string) { r.want(200, "POST", path+"deactivate/", "", "Authorization", admin) },
		"deleted":     func(path string) { r.want(204, "DELETE", path, "", "Authorization", admin) },
	} {
		mail := state + "@example.com"
		p := r.register(mail)
		path := fmt.Sprintf("/api/users/%d/", p.User.ID)
		link := r.want(201, "POST", path+"reset-link/", "", "Authorization", admin)["link"].(string)
		act(path)
		for way, ask := range map[string]struct {
			path, body string
			header     []string
			want       int
		}{
			"login":          {"/api/auth/login/", fmt.Sprintf(`{"email":%q,"password":%q}`, mail, horse), nil, 401},
			"login, cookie":  {"/api/auth/login/", fmt.Sprintf(`{"email":%q,"password":%q}`, mail, horse), []string{"Auth-Mode", "cookie"}, 401},
			"refresh":        {"/api/auth/token/refresh/", fmt.Sprintf(`{"refresh":%q}`, p.Tokens.Refresh), nil, 401},
			"refresh cookie": {"/api/auth/token/refresh/", "", []string{"Auth-Mode", "cookie", "Cookie", "latchkey_refresh=" + p.Tokens.Refresh}, 401},
			"verify":         {"/api/auth/token/verify/", fmt.Sprintf(`{"token":%q}`, p.Tokens.Refresh), nil, 401},
			"verify, access": {"/api/auth/token/verify/", fmt.Sprintf(`{"token":%q}`, p.Tokens.Access), nil, 401},
			"reset": {"/api/auth/password/reset/confirm/", fmt.Sprintf(
				`{"token":%q,"password":"an0ther-Horse-43","password2":"an0ther-Horse-43"}`, link[strings.Index(link, "#")+1:]), nil, 400},
			"set-up": {"/api/auth/setup/", person(setup, "again@example.com"), nil, 400},
		} {
			resp, body := r.do("POST", ask.path, ask.body, ask.header...)
			if resp.StatusCode != ask.want || len(resp.Cookies()) > 0 || strings.Contains(body, "eyJ") {
				t.Errorf("%s, %s: %d %s", state, way, resp.StatusCode, body)
			}
		}
	}
}

// TestNobodyChoosesAnothersPassword: who administers users sets no password of
// theirs, however it is spelled.
//
// ASVS 6.4.6
func TestNobodyChoosesAnothersPassword(t *testing.T) {
	var c clock
	r, setup := setUp(t, settings(t, "LATCHKEY_THROTTLE_ENABLED=false"), &c)
	admin := r.admin(setup)
	mail := "ada@example.com"
	path := fmt.Sprintf("/api/users/%d/", r.register(mail).User.ID)
	const chosen = "ch0sen-Horse-44"
	names := fmt.Sprintf(`"email":%q,"first_name":"A","last_name":"L","role":"employee"`, mail)
	for _, field := range []string{"password", "Password", "new_password", "password2", "password_hash", "credential"} {
		for _, method := range []string{"PATCH", "PUT"} {
			resp, body := r.do(method, path, fmt.Sprintf(`{%s,%q:%q}`, names, field, chosen), "Authorization", admin)
			if resp.StatusCode >= 500 || field == "password" && resp.StatusCode != 400 {
				t.Errorf("%s with %s: %d %s", method, field, resp.StatusCode, body)
			}
		}
		made := fmt.Sprintf("%s@example.org", strings.ToLower(field))
		r.do("POST", "/api/users/", fmt.Sprintf(`{"email":%q,"first_name":"A","last_name":"L","role":"employee",%q:%q}`, made, field, chosen), "Authorization", admin)
		r.want(401, "POST", "/api/auth/login/", fmt.Sprintf(`{"email":%q,"password":%q}`, made, chosen))
	}
	r.want(401, "POST", "/api/auth/login/", fmt.Sprintf(`{"email":%q,"password":%q}`, mail, chosen))
	r.login(mail, horse)
}

// TestLifetimesPage: the figures of docs/sessions.md are those in force.
//
// ASVS 7.1.1, 7.1.2
func TestLifetimesPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "sessions.md"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := settings(t)
	day := 24 * time.Hour
	for name, have := range map[string]time.Duration{
		"tokens.access": cfg.Tokens.Access.Std(), "tokens.refresh": cfg.Tokens.Refresh.Std(), "tokens.session_max": cfg.Tokens.SessionMax.Std(),
	} {
		m := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(name) + "` \\| `(\\d+)(m|d)` \\|").FindSubmatch(page)
		if m == nil {
			t.Errorf("%s is not on the page", name)
			continue
		}
		n, _ := strconv.Atoi(string(m[1]))
		unit := map[string]time.Duration{"m": time.Minute, "d": day}[string(m[2])]
		if time.Duration(n)*unit != have {
			t.Errorf("%s is %v, the page says %s%s", name, have, m[1], m[2])
		}
	}
	if !bytes.Contains(page, []byte(fmt.Sprintf("at most %d live sessions", auth.MaxSessions))) {
		t.Errorf("the page does not say %d sessions", auth.MaxSessions)
	}
}

// secrets makes one of each token that is looked up rather than verified, with
// the request in which it is good.
func (r *running) secrets(admin, serviceKey string, user int64) map[string]struct {
	token string
	ask   func(token string) int
} {
	link := r.want(201, "POST", fmt.Sprintf("/api/users/%d/reset-link/", user), "", "Authorization", admin)["link"].(string)
	check := func(path string) func(string) int {
		return func(token string) int {
			body, _ := json.Marshal(map[string]string{"token": token})
			resp, _ := r.do("POST", path, string(body))
			return resp.StatusCode
		}
	}
	return map[string]struct {
		token string
		ask   func(token string) int
	}{
		"reset link": {link[strings.Index(link, "#")+1:], check("/api/auth/password/reset/check/")},
		"service key": {serviceKey, func(token string) int {
			if strings.ContainsFunc(token, func(c rune) bool { return c < ' ' || c > '~' }) {
				return 401 // No header can have it.
			}
			resp, _ := r.do("GET", "/api/auth/revocations/", "", "Authorization", "Bearer "+token)
			return resp.StatusCode
		}},
	}
}

// TestAlteredTokens: a token of which a part is missing, one bit is other or
// something was added opens nothing. Access and refresh tokens have their own
// test, in internal/token. And what is looked up has 256 random bits.
//
// ASVS 7.2.3
// LESSON 29
func TestAlteredTokens(t *testing.T) {
	var c clock
	cfg := settings(t, "LATCHKEY_THROTTLE_ENABLED=false")
	r, setup := setUp(t, cfg, &c)
	test := func(name, token string, ask func(string) int, good int) {
		t.Helper()
		if status := ask(token); status != good {
			t.Fatalf("%s: %d", name, status)
		}
		altered := []string{" " + token, token + " ", token + "A", token + "=", token + "==", token + "\n", token + "\x00", strings.ToUpper(token), strings.ToLower(token), token + token}
		for i := range len(token) {
			altered = append(altered, token[:i], token[i+1:])
			for bit := range 8 {
				b := []byte(token)
				b[i] ^= 1 << bit
				altered = append(altered, string(b))
			}
		}
		for _, a := range altered {
			if a == token {
				continue
			}
			// Blanks around are the header's (RFC 9110), and of a form's fields
			// DRF takes them off.
			if strings.TrimSpace(a) == token {
				continue
			}
			if status := ask(a); status == good || status >= 500 {
				t.Errorf("%s: altered to %q: %d", name, a, status)
			}
		}
		if status := ask(token); status != good {
			t.Errorf("%s: %d afterwards", name, status)
		}
	}
	test("set-up link", setup, func(token string) int {
		body, _ := json.Marshal(map[string]string{"token": token})
		resp, _ := r.do("POST", "/api/auth/setup/check/", string(body))
		return resp.StatusCode
	}, 200)
	if b, err := base64.RawURLEncoding.DecodeString(setup); err != nil || len(b) != 32 {
		t.Errorf("the set-up link has %d bytes, %v", len(b), err)
	}
	admin := r.admin(setup)
	_, key, err := beside(t, cfg).MakeServiceKey(t.Context(), "altered")
	if err != nil {
		t.Fatal(err)
	}
	user := r.register("ada@example.com").User.ID
	for name, s := range r.secrets(admin, key, user) {
		test(name, s.token, s.ask, 200)
	}
	// Of many no two share more than chance has them share.
	seen := make([]map[byte]bool, 32)
	for range 64 {
		token := r.secrets(admin, key, user)["reset link"].token
		b, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || len(b) != 32 {
			t.Fatalf("a reset link has %d bytes, %v", len(b), err)
		}
		for i := range b {
			if seen[i] == nil {
				seen[i] = make(map[byte]bool)
			}
			seen[i][b[i]] = true
		}
	}
	for i, values := range seen {
		if len(values) < 32 { // of 64 draws of 256; fewer than 40 is one in a million
			t.Errorf("byte %d of 64 links has %d values", i, len(values))
		}
	}
	if random, ok := strings.CutPrefix(key, "lks_"); !ok || len(random) < 43 {
		t.Errorf("a service key is %q", key)
	}
}

// operations are the methods and parameters of the API's description.
func operations(t *testing.T) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "api", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	type parameter struct{ Name, In string }
	var description struct {
		Paths map[string]map[string]yaml.Node
	}
	if err := yaml.Unmarshal(b, &description); err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for path, item := range description.Paths {
		for method, node := range item {
			key := strings.ToUpper(method) + " " + path
			var parameters []parameter
			if method == "parameters" {
				key = "* " + path
				if err := node.Decode(&parameters); err != nil {
					t.Fatal(err)
				}
			} else {
				var operation struct{ Parameters []parameter }
				if err := node.Decode(&operation); err != nil {
					t.Fatal(err)
				}
				parameters = operation.Parameters
			}
			all[key] = append(all[key], "")
			for _, p := range parameters {
				if p.In == "query" || p.In == "path" {
					all[key] = append(all[key], p.In+" "+p.Name)
				}
			}
		}
	}
	if len(all) < 30 {
		t.Fatalf("%d operations", len(all))
	}
	return all
}

// TestNothingSecretInAddresses: what stands in paths and queries is this list,
// and links have their token behind the "#".
//
// ASVS 14.2.1
func TestNothingSecretInAddresses(t *testing.T) {
	harmless := []string{
		"path id", "query limit", "query before", "query after", "query wait", "query search", "query role", "query is_active",
		"query ordering", "query page_size", "query cursor", "query user", "query event", "query since", "query until", "query format",
		"query days", "query hours",
	}
	for operation, parameters := range operations(t) {
		for _, p := range parameters {
			if p != "" && !slices.Contains(harmless, p) {
				t.Errorf("%s has %s: is that secret? See docs/data.md", operation, p)
			}
		}
	}
	var c clock
	r, setup := setUp(t, settings(t), &c)
	admin := r.admin(setup)
	p := r.register("ada@example.com")
	link, err := url.Parse(r.want(201, "POST", fmt.Sprintf("/api/users/%d/reset-link/", p.User.ID), "", "Authorization", admin)["link"].(string))
	if err != nil || link.RawQuery != "" || strings.Contains(link.Path, link.Fragment) || len(link.Fragment) != 43 {
		t.Errorf("the link is %v, %v", link, err)
	}
	// A token in the query is no credential.
	for _, name := range []string{"access_token", "token", "access", "jwt", "authorization"} {
		r.want(401, "GET", "/api/auth/profile/?"+name+"="+p.Tokens.Access, "")
		r.want(400, "POST", "/api/auth/token/refresh/?refresh="+p.Tokens.Refresh+"&"+name+"="+p.Tokens.Refresh, "{}")
	}
	r.want(400, "POST", "/api/auth/password/reset/check/?token="+link.Fragment, "{}")
}

// TestNoSQLByParameter: whatever stands in a path or a query is a value, never
// a part of a statement.
//
// LESSON 34
func TestNoSQLByParameter(t *testing.T) {
	var c clock
	r, setup := setUp(t, settings(t, "LATCHKEY_THROTTLE_ENABLED=false"), &c)
	admin := r.admin(setup)
	r.register("ada@example.com")
	hostile := []string{
		"'", `"`, "1'", "1 OR 1=1", "1; DROP TABLE users", "' OR '1'='1", "') OR ('1'='1", "1 UNION SELECT password FROM users", "-1", "0x31",
		"1--", "1/*", "$1", "$2", "?", ":1", "%27", "\\", "\\'", "id", "password", "-password", "id DESC", "id,password", "(SELECT 1)", "\x00", "\xff",
		"１", "1e0", "+1", "1.0", "[1]", "{}", "null", "true", "\u2019", "%", "_", "%%%s", "1\n2", "a\r\nb", strings.Repeat("9", 400),
	}
	asked := 0
	for operation, parameters := range operations(t) {
		method, path, _ := strings.Cut(operation, " ")
		if method == "*" {
			method = "GET"
		}
		for _, p := range parameters {
			where, name, ok := strings.Cut(p, " ")
			if !ok {
				continue
			}
			for _, h := range hostile {
				target := strings.ReplaceAll(path, "{id}", "2") + "?" + url.Values{name: {h}}.Encode()
				if where == "path" {
					target = strings.ReplaceAll(path, "{id}", url.PathEscape(h))
				}
				header := []string{"Authorization", admin}
				if strings.HasSuffix(path, "/revocations/") {
					header = nil // Its waits are for those who have a key; here it refuses.
				}
				resp, body := r.do(method, target, "", header...)
				asked++
				if resp.StatusCode >= 500 || strings.Contains(strings.ToLower(body), "syntax") || strings.Contains(body, "argon2") {
					t.Errorf("%s %s: %d %s", method, target, resp.StatusCode, body)
				}
				// A search that finds what was not looked for took the text for code.
				if name == "search" && resp.StatusCode == 200 && strings.ContainsAny(h, "='") && strings.Contains(body, "ada@example.com") {
					t.Errorf("%s finds somebody: %s", target, body)
				}
			}
		}
	}
	if asked < 500 {
		t.Errorf("%d requests", asked)
	}
	if strings.Contains(r.log.String(), `"level":"ERROR"`) {
		t.Errorf("errors in the log:\n%s", r.log)
	}
	r.login("ada@example.com", horse)
}

// TestAddressIsNotTheUsers: an e-mail address, with which one signs in, is
// changed by an administrator and not by its owner; the phone number, which
// proves nothing, is the owner's.
//
// ASVS 7.5.1
func TestAddressIsNotTheUsers(t *testing.T) {
	var c clock
	r, setup := setUp(t, settings(t), &c)
	r.admin(setup)
	p := r.register("ada@example.com")
	auth := []string{"Authorization", "Bearer " + p.Tokens.Access}
	for _, method := range []string{"PUT", "PATCH"} {
		got := r.want(200, method, "/api/auth/profile/", `{"email":"eve@example.com","phone":"+4912345"}`, auth...)
		if got["email"] != "ada@example.com" || got["phone"] != "+4912345" {
			t.Errorf("%s: %v", method, got)
		}
		r.want(403, method, fmt.Sprintf("/api/users/%d/", p.User.ID), `{"email":"eve@example.com","first_name":"A","last_name":"L","role":"employee"}`, auth...)
	}
	r.want(401, "POST", "/api/auth/login/", fmt.Sprintf(`{"email":"eve@example.com","password":%q}`, horse))
	// Nor does the phone number sign anybody in.
	r.want(401, "POST", "/api/auth/login/", fmt.Sprintf(`{"email":"+4912345","password":%q}`, horse))
}

// TestIDsNeverComeBack: who registers after the newest account was deleted is
// somebody else, and the tokens of before open nothing of theirs.
//
// ASVS 10.3.3
// LESSON 39
func TestIDsNeverComeBack(t *testing.T) {
	var c clock
	r, setup := setUp(t, settings(t), &c)
	admin := r.admin(setup)
	old := r.register("ada@example.com")
	r.want(204, "DELETE", fmt.Sprintf("/api/users/%d/", old.User.ID), "", "Authorization", admin)
	same := r.register("ada@example.com")
	if same.User.ID <= old.User.ID {
		t.Errorf("id %d after %d was deleted", same.User.ID, old.User.ID)
	}
	r.want(401, "GET", "/api/auth/profile/", "", "Authorization", "Bearer "+old.Tokens.Access)
	r.want(401, "POST", "/api/auth/token/refresh/", fmt.Sprintf(`{"refresh":%q}`, old.Tokens.Refresh))
	r.want(200, "GET", "/api/auth/profile/", "", "Authorization", "Bearer "+same.Tokens.Access)
}

// TestTokensSayNothingPersonal: what is in a token, and with it in logs of
// proxies and in browsers, is this and no more; so is the answer of a login.
//
// ASVS 14.2.6
func TestTokensSayNothingPersonal(t *testing.T) {
	r := start(t, settings(t), server.RunOptions{})
	_, body := r.do("POST", "/api/auth/register/", form)
	var answer map[string]map[string]any
	if err := json.Unmarshal([]byte(strings.Replace(body, `"message":"User registered successfully",`, "", 1)), &answer); err != nil {
		t.Fatal(err, body)
	}
	if have := slices.Sorted(maps.Keys(answer["user"])); !slices.Equal(have, []string{"email", "first_name", "id", "last_name", "role"}) {
		t.Errorf("the user has %q", have)
	}
	for kind, want := range map[string][]string{
		"access":  {"exp", "gen", "iat", "jti", "role", "sid", "token_type", "user_id"},
		"refresh": {"exp", "iat", "jti", "sid", "token_type", "user_id"},
	} {
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(answer["tokens"][kind].(string), ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		if have := slices.Sorted(maps.Keys(claims)); !slices.Equal(have, want) {
			t.Errorf("%s has %q, want %q", kind, have, want)
		}
		for _, personal := range []string{"canary", "Canaryname", "example.com", "Doe", "49123"} {
			if strings.Contains(string(payload), personal) {
				t.Errorf("%s has %s: %s", kind, personal, payload)
			}
		}
	}
}

// TestSecretsAtRest: what docs/data.md says of the data folder. No password,
// token, link or service key is in it, and nobody else can read it.
//
// ASVS 14.2.4
// ROW 17
func TestSecretsAtRest(t *testing.T) {
	var c clock
	cfg, err := config.Load(config.Sources{Env: []string{"LATCHKEY_LISTEN=127.0.0.1:0", "LATCHKEY_DATA=" + filepath.Join(t.TempDir(), "data")}})
	if err != nil {
		t.Fatal(err)
	}
	r, setup := setUp(t, cfg, &c)
	admin := r.admin(setup)
	p := r.register("ada@example.com")
	next := r.want(200, "POST", "/api/auth/token/refresh/", fmt.Sprintf(`{"refresh":%q}`, p.Tokens.Refresh))
	link := r.want(201, "POST", fmt.Sprintf("/api/users/%d/reset-link/", p.User.ID), "", "Authorization", admin)["link"].(string)
	r.do("POST", "/api/auth/login/", `{"email":"ada@example.com","password":"wr0ng-Horse-45"}`)
	store, err := server.OpenStore(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := server.NewAccounts(t.Context(), cfg, store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := accounts.MakeServiceKey(t.Context(), "at rest")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	secrets := []string{horse, "wr0ng-Horse-45", setup, link[strings.Index(link, "#")+1:], key, strings.TrimPrefix(key, "lks_"), strings.TrimPrefix(admin, "Bearer ")}
	for _, token := range []string{p.Tokens.Access, p.Tokens.Refresh, next["access"].(string), next["refresh"].(string), strings.TrimPrefix(admin, "Bearer ")} {
		secrets = append(secrets, token, token[strings.LastIndex(token, ".")+1:], strings.Split(token, ".")[1])
	}
	files, known := 0, false
	err = filepath.WalkDir(cfg.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if d.IsDir() {
			return nil
		}
		files++
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		known = known || bytes.Contains(b, []byte("ada@example.com"))
		for _, s := range secrets {
			if bytes.Contains(b, []byte(s)) {
				t.Errorf("%s has %.12s…", filepath.Base(path), s)
			}
		}
		return nil
	})
	if err != nil || files < 2 || !known {
		t.Errorf("%d files, with the data: %v, %v", files, known, err)
	}
}

// TestNothingElseIsServed: no repository, folder, file of the machine, debug page
// or figure; and nobody is told what answers.
//
// ASVS 13.2.5, 13.4.1, 13.4.2, 13.4.3, 13.4.4, 13.4.5, 13.4.6, 13.4.7
func TestNothingElseIsServed(t *testing.T) {
	r := start(t, settings(t), server.RunOptions{})
	_, index := r.do("GET", "/", "")
	// Under /api/ everything unknown is JSON; elsewhere what looks like a file
	// is none, and what looks like a page of the app is the app.
	for _, path := range []string{
		"/.git/config", "/.git/HEAD", "/.git/", "/.gitignore", "/.env", "/.htaccess", "/.well-known/", "/.well-known/security.txt",
		"/assets/", "/assets", "/assets/../index.html", "/assets/%2e%2e/index.html", "/assets/..%2findex.html", "/assets/x.js.map",
		"/latchkey.db", "/latchkey.toml", "/secret.key", "/data/latchkey.db", "/backup.tar", "/index.html.bak", "/index.php", "/web.config",
		"/package.json", "/go.mod", "/etc/passwd.txt", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "/%00", "/index.html%00.js",
		"/debug/pprof/", "/debug/vars", "/debug/pprof/heap", "/metrics", "/server-status", "/actuator/health", "/admin/..;/secret.key",
		"/api/debug/", "/api/metrics/", "/api/.git/config", "/api/../secret.key", "/api/auth/", "/api/", "/api",
	} {
		resp, body := r.do("GET", path, "")
		switch {
		case resp.StatusCode == 200 && body == index && !strings.HasPrefix(path, "/api"): // The app, which says that there is no such page.
		case resp.StatusCode == 404 || resp.StatusCode == 400:
		default:
			t.Errorf("%s: %d %.80s", path, resp.StatusCode, body)
		}
		if strings.Contains(body, "<pre>") || strings.Contains(body, "goroutine") || strings.Contains(body, "root:") {
			t.Errorf("%s: %.80s", path, body)
		}
	}
	version := regexp.MustCompile(`(?i)go1\.|latchkey[/ ]v?\d|net/http|sqlite|postgres|\bv?\d+\.\d+\.\d+\b`)
	for _, ask := range [][3]string{
		{"GET", "/", ""},
		{"GET", "/healthz", ""},
		{"GET", "/readyz", ""},
		{"GET", "/api/auth/settings/", ""},
		{"GET", "/api/nowhere/", ""},
		{"GET", "/api/auth/profile/", ""},
		{"POST", "/api/auth/login/", "{"},
		{"DELETE", "/api/auth/login/", ""},
		{"GET", "/nowhere.txt", ""},
	} {
		resp, body := r.do(ask[0], ask[1], ask[2])
		for name, values := range resp.Header {
			if name == "Server" || name == "X-Powered-By" || version.MatchString(strings.Join(values, " ")) {
				t.Errorf("%s tells %s: %q", ask[1], name, values)
			}
		}
		if ask[1] != "/" && version.MatchString(strings.ReplaceAll(body, "127.0.0.1", "")) {
			t.Errorf("%s tells %q", ask[1], body)
		}
	}
	for _, method := range []string{"TRACE", "TRACK", "CONNECT", "DEBUG"} {
		for _, path := range []string{"/", "/api/auth/profile/", "/healthz"} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nX-Canary: echoed\r\nConnection: close\r\n\r\n", method, path)
			b := make([]byte, 4096)
			n, _ := conn.Read(b)
			conn.Close()
			if !regexp.MustCompile(`^HTTP/1\.1 (400|401|404|405) `).Match(b[:n]) || bytes.Contains(b[:n], []byte("echoed")) {
				t.Errorf("%s %s: %q", method, path, b[:n])
			}
		}
	}
	// With the description switched off there is none.
	hidden := start(t, settings(t, "LATCHKEY_DOCS_PUBLIC=false"), server.RunOptions{})
	for _, path := range []string{"/api/schema/", "/api/docs/"} {
		if resp, body := hidden.do("GET", path, ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d %.80s", path, resp.StatusCode, body)
		}
	}
}

// TestFieldsPage asks for each cell of the table of fields in docs/roles.md: what
// is seen, and what an edit changes.
//
// ASVS 8.1.2, 8.2.3
func TestFieldsPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "roles.md"))
	if err != nil {
		t.Fatal(err)
	}
	var c clock
	r, setup := setUp(t, settings(t, "LATCHKEY_THROTTLE_ENABLED=false"), &c)
	admin := r.admin(setup)
	manager := "Bearer " + r.want(201, "POST", "/api/auth/register/",
		strings.Replace(strings.Replace(person("", "boss@example.com"), `"token":"",`, "", 1), `{`, `{"role":"manager",`, 1),
		"Authorization", admin)["tokens"].(map[string]any)["access"].(string)
	other := map[string]string{
		"id": "4711", "email": `"moved@example.com"`, "first_name": `"Augusta"`, "last_name": `"King"`, "phone": `"+4412345"`, "role": `"client"`,
		"is_active": "false", "created_at": `"2001-01-01T00:00:00Z"`, "updated_at": `"2001-01-01T00:00:00Z"`, "last_login": `"2001-01-01T00:00:00Z"`,
		"password": `"an0ther-Horse-43"`,
	}
	rows := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (sees|changes|-) \\| (sees|changes|-) \\| (sees|changes|-) \\|$").FindAllStringSubmatch(string(page), -1)
	if len(rows) != len(other) {
		t.Fatalf("%d rows, want %d", len(rows), len(other))
	}
	documented := map[string][]string{}
	n := 0
	for _, row := range rows {
		field := row[1]
		for i, who := range []string{"owner", "manager", "admin"} {
			n++
			other["email"] = fmt.Sprintf(`"moved%d@example.com"`, n)
			p := r.register(fmt.Sprintf("f%d@example.com", n))
			path, by := fmt.Sprintf("/api/users/%d/", p.User.ID), map[string]string{"manager": manager, "admin": admin}[who]
			if who == "owner" {
				path, by = "/api/auth/profile/", "Bearer "+p.Tokens.Access
			}
			before := r.want(200, "GET", path, "", "Authorization", by)
			if _, shown := before[field]; shown != (row[2+i] != "-") {
				t.Errorf("%s is shown to the %s: %v, the page says %q", field, who, shown, row[2+i])
			}
			if row[2+i] != "-" {
				documented[who] = append(documented[who], field)
			}
			resp, body := r.do("PATCH", path, fmt.Sprintf(`{%q:%s}`, field, other[field]), "Authorization", by)
			if resp.StatusCode != 200 && (resp.StatusCode != 400 || row[2+i] == "changes") {
				t.Errorf("%s by the %s: %d %s", field, who, resp.StatusCode, body)
			}
			after := r.want(200, "GET", fmt.Sprintf("/api/users/%d/", p.User.ID), "", "Authorization", admin)
			if want := row[2+i] == "changes"; field != "updated_at" && field != "password" && (strings.Trim(other[field], `"`) == fmt.Sprint(after[field])) != want {
				t.Errorf("%s by the %s: it is %v, the page says %q", field, who, after[field], row[2+i])
			}
			if field == "password" {
				r.login(fmt.Sprintf("f%d@example.com", n), horse)
			}
			if have := slices.Sorted(maps.Keys(before)); len(have) != map[string]int{"owner": 8, "manager": 10, "admin": 10}[who] {
				t.Errorf("the %s sees %q", who, have)
			}
		}
	}
	if len(documented["owner"]) != 8 || len(documented["admin"]) != 10 {
		t.Errorf("the page has %q", documented)
	}
}

// TestPasswordsDoNotExpire: a password of more than a year ago signs in.
//
// ASVS 6.2.10
func TestPasswordsDoNotExpire(t *testing.T) {
	var c clock
	r, setup := setUp(t, settings(t), &c)
	r.admin(setup)
	r.register("ada@example.com")
	c.move(400 * 24 * time.Hour)
	r.login("ada@example.com", horse)
}

// TestPasswordsAreAsSent: no blank is taken off, no letter changed and nothing
// cut, whichever form the password comes by.
//
// ASVS 6.2.8
// LESSON 12
func TestPasswordsAreAsSent(t *testing.T) {
	var c clock
	r, setup := setUp(t, settings(t, "LATCHKEY_THROTTLE_ENABLED=false"), &c)
	admin := r.admin(setup)
	login := func(mail, password string) int {
		t.Helper()
		body, _ := json.Marshal(map[string]string{"email": mail, "password": password})
		resp, _ := r.do("POST", "/api/auth/login/", string(body))
		return resp.StatusCode
	}
	only := func(way, mail, password string) {
		t.Helper()
		if status := login(mail, password); status != 200 {
			t.Errorf("%s: %q does not sign in: %d", way, password, status)
		}
		for _, other := range []string{strings.TrimSpace(password), " " + password, password + " ", password + "\u00a0", strings.ToLower(password), password[:len(password)-1]} {
			if status := login(mail, other); other != password && status != 401 {
				t.Errorf("%s with %q: %q: %d", way, password, other, status)
			}
		}
	}
	form := func(fields map[string]string) string {
		body, _ := json.Marshal(fields)
		return string(body)
	}
	for i, password := range []string{" c0rrect-Horse-42 ", "\tc0rrect-Horse-42\u00a0", strings.Repeat("Long-Horse-7 ", 9), "Pfe\u0308rd-und-Wagen-7"} {
		mail := fmt.Sprintf("a%d@example.com", i)
		p := r.pair(201, "/api/auth/register/", form(map[string]string{
			"email": mail, "password": password, "password2": password, "first_name": "Ada", "last_name": "Lovelace",
		}))
		only("register", mail, password)
		changed := " " + password + "!"
		r.want(400, "POST", "/api/auth/password/change/", form(map[string]string{
			"old_password": password + " ", "password": changed, "password2": changed,
		}), "Authorization", "Bearer "+p.Tokens.Access)
		r.want(200, "POST", "/api/auth/password/change/", form(map[string]string{
			"old_password": password, "password": changed, "password2": changed,
		}), "Authorization", "Bearer "+p.Tokens.Access)
		only("change", mail, changed)
		link := r.want(201, "POST", fmt.Sprintf("/api/users/%d/reset-link/", p.User.ID), "", "Authorization", admin)["link"].(string)
		r.want(200, "POST", "/api/auth/password/reset/confirm/", form(map[string]string{
			"token": link[strings.Index(link, "#")+1:], "password": password, "password2": password,
		}))
		only("reset", mail, password)
	}
}
