package api_test

import (
	"net/http"
	"testing"
	"time"
)

// Only a file and a wait for news may take longer than any other request.
func TestPatience(t *testing.T) {
	t.Parallel()
	h := serve(&acts{}).(interface {
		Patience(r *http.Request) time.Duration
	})
	for line, want := range map[string]time.Duration{
		"GET /api/audit/":                                     0,
		"GET /api/audit/?format=json":                         0,
		"GET /api/audit/?format=csv":                          10 * time.Minute,
		"GET /api/audit?format=jsonl":                         10 * time.Minute,
		"POST /api/audit/?format=csv":                         0,
		"GET /api/auth/revocations/":                          0,
		"GET /api/auth/revocations/?wait=7":                   7 * time.Second,
		"GET /api/auth/revocations/?wait=9223372036854775807": 30 * time.Second,
		"GET /api/auth/revocations/?wait=-5":                  0,
		"GET /api/users/?wait=7":                              0,
	} {
		if got := h.Patience(request(line)); got != want {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
}
