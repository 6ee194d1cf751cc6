package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/server"
)

// waitFor waits for a line of the log.
func (r *running) waitFor(text string) {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(r.log.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("%q is not in the log:\n%s", text, r.log)
		}
	}
}

// diagnosis gives what the doctor says, by id.
func (r *running) diagnosis(admin string) map[string]map[string]any {
	r.t.Helper()
	out := map[string]map[string]any{}
	for _, f := range r.want(200, "GET", "/api/doctor/", "", "Authorization", admin)["findings"].([]any) {
		finding := f.(map[string]any)
		out[finding["id"].(string)] = finding
	}
	return out
}

// The doctor's list is the administrators'; a start logs what of it is an error.
//
// ASVS 13.3.2, 16.2.5
func TestDoctor(t *testing.T) {
	var c clock
	cfg := settings(t, "LATCHKEY_THROTTLE_ENABLED=false", "LATCHKEY_SIGNING_KEY=canary-secret", "LATCHKEY_LOG_LEVEL=debug")
	r, token := setUp(t, cfg, &c)
	admin := r.admin(token)
	r.waitFor(`"finding":"throttle-off"`)
	r.waitFor(`"finding":"signing-key-guessable"`)
	for _, line := range strings.Split(r.log.String(), "\n") {
		if strings.Contains(line, `"finding"`) && !strings.Contains(line, `"level":"WARN"`) {
			t.Errorf("no warning: %s", line)
		}
	}
	if strings.Contains(r.log.String(), `"finding":"log-debug"`) {
		t.Error("a notice is logged")
	}
	if n := strings.Count(r.log.String(), `"finding":"throttle-off"`); n != 1 {
		t.Errorf("told %d times", n)
	}

	// Signed in is not enough, nor is looking after people.
	if resp, body := r.do("GET", "/api/doctor/", ""); resp.StatusCode != 401 {
		t.Errorf("anybody: %d %s", resp.StatusCode, body)
	}
	said := r.diagnosis(admin)
	for id, severity := range map[string]string{
		"throttle-off": "error", "signing-key-short": "error", "signing-key-guessable": "error", "log-debug": "notice",
		"admin-none": "ok", "sqlite-unsynced": "ok", "data-open": "ok", "reuse-tolerant": "ok", "proxy-unknown": "ok",
	} {
		if said[id]["severity"] != severity {
			t.Errorf("%s: %v", id, said[id])
		}
	}
	if said["signing-key-short"]["params"].(map[string]any)["bytes"] != "13" {
		t.Errorf("%v", said["signing-key-short"])
	}
	if said["hash-slow"] == nil {
		t.Error("the hash was not measured")
	}
	if text := fmt.Sprint(said) + r.log.String(); strings.Contains(text, "canary") {
		t.Error("a secret is told")
	}
}

// What is found is kept for half a minute, whoever asks; what the server sees of
// its peers is in it.
func TestDoctorKeeps(t *testing.T) {
	var c clock
	cfg := settings(t)
	r, token := setUp(t, cfg, &c)
	admin := r.admin(token)
	if f := r.diagnosis(admin); f["proxy-unknown"]["severity"] != "ok" {
		t.Errorf("%v", f["proxy-unknown"])
	}
	before := r.want(200, "GET", "/api/doctor/", "", "Authorization", admin)["checked_at"]
	r.want(200, "GET", "/api/auth/profile/", "", "Authorization", admin, "X-Forwarded-For", "203.0.113.5")
	if again := r.want(200, "GET", "/api/doctor/", "", "Authorization", admin)["checked_at"]; again != before {
		t.Errorf("looked again after a moment: %v, %v", before, again)
	}
}

// A proxy whose header is not read is seen by its first request.
func TestDoctorSeesTheOtherHeader(t *testing.T) {
	for _, c := range []struct{ read, sent, want string }{
		{"X-Forwarded-For", "Forwarded", "warning"},
		{"Forwarded", "X-Forwarded-For", "warning"},
		{"Forwarded", "Forwarded", "ok"},
		{"X-Forwarded-For", "X-Forwarded-For", "ok"},
	} {
		t.Run(c.read+" reads "+c.sent, func(t *testing.T) {
			var now clock
			r, token := setUp(t, settings(t, "LATCHKEY_PROXY_TRUSTED=127.0.0.1", "LATCHKEY_PROXY_HEADER="+c.read), &now)
			admin := r.admin(token)
			value := map[string]string{"Forwarded": "for=203.0.113.5", "X-Forwarded-For": "203.0.113.5"}[c.sent]
			r.want(200, "GET", "/api/auth/profile/", "", "Authorization", admin, c.sent, value)
			f := r.diagnosis(admin)["proxy-header"]
			if f["severity"] != c.want {
				t.Fatalf("%v", f)
			}
			if params, _ := f["params"].(map[string]any); c.want != "ok" && (params["other"] != c.sent || params["header"] != c.read) {
				t.Errorf("%v", f)
			}
		})
	}
}

// TestExamine is the doctor beside a server: it sees what is in the files and
// changes nothing.
func TestExamine(t *testing.T) {
	var c clock
	cfg := settings(t)
	r, token := setUp(t, cfg, &c)
	r.admin(token)
	if err := os.Chmod(filepath.Join(cfg.Data, "latchkey.db"), 0o640); err != nil {
		t.Fatal(err)
	}
	names := func() (out []string) {
		entries, err := os.ReadDir(cfg.Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			out = append(out, e.Name())
		}
		return out
	}
	before := names()
	found := map[string]string{}
	for _, f := range server.Examine(t.Context(), cfg) {
		found[f.ID] = string(f.Severity)
	}
	for id, severity := range map[string]string{"data-open": "error", "admin-single": "notice", "admin-none": "ok", "backup-missing": "warning", "proxy-unknown": ""} {
		if found[id] != severity {
			t.Errorf("%s: %q, want %q", id, found[id], severity)
		}
	}
	if after := names(); !slices.Equal(before, after) {
		t.Errorf("%v became %v", before, after)
	}
}
