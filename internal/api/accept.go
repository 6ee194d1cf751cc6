package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// maxIndent is the widest indent that DRF gives.
const maxIndent = 8

// indent gives the width that the request's Accept asks answers to be indented
// with, 0 for none. It is all that Accept changes here. As in DRF the most
// specific media type that JSON matches decides, whatever its q.
func indent(r *http.Request) int {
	if r == nil || len(r.Header["Accept"]) == 0 {
		return 0
	}
	accept := strings.Join(r.Header["Accept"], ",")
	if !strings.Contains(strings.ToLower(accept), "indent") {
		return 0
	}
	width, best := 0, -1
	for token := range strings.SplitSeq(accept, ",") {
		essence, params := headerParams(strings.TrimSpace(token))
		main, sub, _ := strings.Cut(strings.ToLower(essence), "/")
		if main != "application" && main != "*" || sub != "json" && sub != "*" {
			continue
		}
		_, hasQ := params["q"]
		specific := 3
		switch {
		case main == "*":
			specific = 0
		case sub == "*":
			specific = 1
		case len(params) == 0, len(params) == 1 && hasQ:
			specific = 2
		}
		if specific > best {
			best, width = specific, indentWidth(params["indent"])
		}
	}
	return width
}

// indentWidth reads an indent: at most maxIndent, and what is no number is none.
func indentWidth(s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return max(0, min(n, maxIndent))
}
