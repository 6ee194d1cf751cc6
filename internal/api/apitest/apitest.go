// Package apitest checks answers of the API against its own description,
// openapi.yaml.
package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/latchkey-auth/latchkey/internal/api"
)

// description is openapi.yaml, read once.
type description struct {
	doc      map[string]any
	compiler *jsonschema.Compiler

	mu      sync.Mutex // the compiler's
	schemas map[string]*jsonschema.Schema
}

const location = "https://latchkey.invalid/openapi.yaml"

var load = sync.OnceValues(func() (*description, error) {
	var raw any
	if err := yaml.Unmarshal(api.OpenAPI, &raw); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	// A way through JSON makes numbers and keys what the compiler expects.
	text, err := json.Marshal(raw)
	if err != nil {
		return nil, fmt.Errorf("turn openapi.yaml into JSON: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read openapi.yaml as JSON: %w", err)
	}
	d := &description{compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	var ok bool
	if d.doc, ok = doc.(map[string]any); !ok {
		return nil, fmt.Errorf("openapi.yaml is no object")
	}
	if err := d.compiler.AddResource(location, doc); err != nil {
		return nil, fmt.Errorf("take in openapi.yaml: %w", err)
	}
	return d, nil
})

// ValidateResponse fails t unless the description has an answer of this status
// to the method on the path (escaped, without host and query), and the headers and the
// body are as described.
//
// A method that a path does not have must be answered as 405 (or, where a
// bearer is wanted, 401), a path that is not described as 404.
func ValidateResponse(t testing.TB, method, path string, status int, header http.Header, body []byte) {
	t.Helper()
	if err := Check(method, path, status, header, body); err != nil {
		t.Error(err)
	}
}

// Check is ValidateResponse for those who want the error.
func Check(method, path string, status int, header http.Header, body []byte) error {
	d, err := load()
	if err != nil {
		return err
	}
	where := fmt.Sprintf("%s %s %d", method, path, status)
	at, err := d.response(method, path, status)
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	if at == "" { // OPTIONS
		if len(body) != 0 || header.Get("Allow") == "" {
			return fmt.Errorf("%s: want no body and an Allow header, have %q", where, body)
		}
		return nil
	}
	if err := d.headers(at, header); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	content, _ := d.at(at + "/content").(map[string]any)
	if method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified {
		if len(body) != 0 {
			return fmt.Errorf("%s: a body: %q", where, body)
		}
		return nil
	}
	media, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("%s: Content-Type %q: %w", where, header.Get("Content-Type"), err)
	}
	if _, ok := content[media]; !ok || len(params) > 0 {
		return fmt.Errorf("%s: Content-Type %q is not described", where, header.Get("Content-Type"))
	}
	if n := header.Get("Content-Length"); n != "" && n != strconv.Itoa(len(body)) {
		return fmt.Errorf("%s: Content-Length %s for %d bytes", where, n, len(body))
	}
	if media != "application/json" {
		return nil
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: body is no JSON: %w: %q", where, err, body)
	}
	schema, err := d.schema(at + "/content/" + escape(media) + "/schema")
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	if err := schema.Validate(instance); err != nil {
		return fmt.Errorf("%s: %w: %s", where, err, body)
	}
	return nil
}

// response gives the JSON pointer of the description of an answer, "" for that
// of OPTIONS.
func (d *description) response(method, path string, status int) (string, error) {
	paths, _ := d.doc["paths"].(map[string]any)
	// An encoded slash is no slash.
	if plain, err := url.PathUnescape(path); err == nil && strings.Count(plain, "/") == strings.Count(path, "/") {
		path = plain
	}
	if _, ok := paths[path]; !ok {
		if _, ok = paths[path+"/"]; ok {
			path += "/"
		}
	}
	if _, ok := paths[path]; !ok {
		path = template(paths, path)
	}
	item, ok := paths[path].(map[string]any)
	switch {
	case !ok && status == http.StatusNotFound:
		return "/components/responses/NotFound", nil
	case !ok:
		return "", fmt.Errorf("the path is not described")
	case method == http.MethodOptions && status == http.StatusNoContent:
		return "", nil
	}
	name := strings.ToLower(method)
	if method == http.MethodHead {
		name = "get"
	}
	if _, ok := item[name]; !ok {
		switch status {
		case http.StatusMethodNotAllowed:
			return "/components/responses/MethodNotAllowed", nil
		case http.StatusUnauthorized:
			return "/components/responses/Unauthorized", nil
		}
		return "", fmt.Errorf("the method is not described")
	}
	at := "/paths/" + escape(path) + "/" + name + "/responses/" + strconv.Itoa(status)
	response, ok := d.at(at).(map[string]any)
	if !ok {
		return "", fmt.Errorf("the status is not described")
	}
	if ref, ok := response["$ref"].(string); ok {
		at = strings.TrimPrefix(ref, "#")
		if d.at(at) == nil {
			return "", fmt.Errorf("openapi.yaml refers to %s, which is not there", ref)
		}
	}
	return at, nil
}

// template finds the path of the description that has an {id} where path has
// something else; path itself if there is none.
func template(paths map[string]any, path string) string {
	for described := range paths {
		before, after, ok := strings.Cut(described, "{id}")
		id, found := strings.CutPrefix(path, before)
		if ok && found && strings.Trim(id, "/") != "" && !strings.Contains(strings.TrimSuffix(id, after), "/") {
			return described
		}
	}
	return path
}

// headers checks those that the answer is described with.
func (d *description) headers(at string, header http.Header) error {
	described, _ := d.at(at + "/headers").(map[string]any)
	for name := range described {
		where := at + "/headers/" + escape(name)
		if h, ok := described[name].(map[string]any); ok {
			if ref, ok := h["$ref"].(string); ok {
				where = strings.TrimPrefix(ref, "#")
			}
		}
		values := header[textproto.CanonicalMIMEHeaderKey(name)]
		if len(values) != 1 {
			return fmt.Errorf("want header %s once, have %d", name, len(values))
		}
		schema, err := d.schema(where + "/schema")
		if err != nil {
			return err
		}
		if err := schema.Validate(values[0]); err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	return nil
}

// schema compiles what is at a JSON pointer.
func (d *description) schema(at string) (*jsonschema.Schema, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s, ok := d.schemas[at]; ok {
		return s, nil
	}
	s, err := d.compiler.Compile(location + "#" + at)
	if err != nil {
		return nil, fmt.Errorf("compile %s of openapi.yaml: %w", at, err)
	}
	d.schemas[at] = s
	return s, nil
}

// at gives what is at a JSON pointer, nil if nothing is.
func (d *description) at(pointer string) any {
	var v any = d.doc
	for key := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		key = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// escape makes a key a part of a JSON pointer (RFC 6901).
func escape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}
