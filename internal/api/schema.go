package api

import (
	_ "embed" // for openapi.yaml
	"net/http"
	"strconv"
)

// OpenAPI is the description of the API, OpenAPI 3.1 in YAML. apitest checks
// answers against it.
//
//go:embed openapi.yaml
var OpenAPI []byte

// schema serves the description.
func (a *API) schema(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h["Content-Type"] = []string{"application/yaml"} // RFC 9512
	h["Content-Length"] = []string{strconv.Itoa(len(OpenAPI))}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(OpenAPI) // a write that fails has no reader to be told
	return nil
}

// docs serves the description for people, a page of the embedded UI.
func (a *API) docs(w http.ResponseWriter, r *http.Request) error {
	if a.Docs == nil {
		return errNotFound
	}
	a.Docs.ServeHTTP(w, r)
	return nil
}
