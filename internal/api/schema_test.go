package api_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/api"
)

func TestHideSchema(t *testing.T) {
	for hidden, want := range map[bool]int{false: http.StatusOK, true: http.StatusNotFound} {
		h := api.New(api.Options{HideSchema: hidden})
		for _, path := range []string{"/api/schema/", "/api/schema"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if w.Code != want {
				t.Errorf("hidden=%v: GET %s is %d, want %d", hidden, path, w.Code, want)
			}
		}
	}
}
