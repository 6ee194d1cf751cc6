package takeover

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Compared are the headers that are compared, by their names in small letters.
func Compared() []string { return slices.Clone(compared) }

var compared = []string{
	"content-type", "allow", "www-authenticate", "vary", "location", "cache-control",
	"x-content-type-options", "x-frame-options", "referrer-policy",
	"access-control-allow-origin", "access-control-allow-headers", "access-control-allow-methods",
	"access-control-max-age", "access-control-allow-credentials", "access-control-expose-headers",
}

// The parts of an answer beside its headers.
const (
	partStatus = "status"
	partBody   = "body"
)

// Part is how the two answers differ in one thing.
type Part struct {
	// Live and Here are what the Django and the Latchkey say: a status, the
	// shape of a body, the value of a header ("" for none).
	Live string `json:"live"`
	Here string `json:"latchkey"`
	// Known is the first cell of a row of docs/deviations.md, "" for a
	// difference that nobody meant.
	Known string `json:"known,omitempty"`
}

// Difference is a line of the file.
type Difference struct {
	Time   time.Time `json:"time"`
	Route  string    `json:"route"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	// Request is the shape of the request's body.
	Request string `json:"request"`
	// Status and Code are those of both sides; a code only where there is one.
	Status [2]int    `json:"status"`
	Code   [2]string `json:"code,omitzero"`
	// Differs are the parts, by their names: status, body, or a header.
	Differs map[string]Part `json:"differs"`
	// Known says that every part is.
	Known bool `json:"known"`
	// Same says that nothing differs but a header that Latchkey sets on all of
	// its answers. Such a one is not written.
	Same bool `json:"-"`
}

// compare tells where two answers differ.
func (p *pair) compare(ctx context.Context) Difference {
	d := Difference{
		Time: p.arrived.UTC(), Route: string(p.route), Method: mask(p.method), Path: maskPath(p.url.Path),
		Status: [2]int{p.live.status, p.here.status}, Code: [2]string{codeOf(p.live.value), codeOf(p.here.value)},
		Differs: map[string]Part{}, Known: true, Same: true,
	}
	request, _ := shapeOf(p.body, p.header.Get("Content-Type"))
	d.Request = string(request)
	add := func(part, live, here string) {
		if live == here {
			return
		}
		known := p.known(ctx, part)
		d.Differs[part] = Part{Live: live, Here: here, Known: known}
		d.Known = d.Known && known != ""
		d.Same = d.Same && (known == rowCache || known == added)
	}
	add(partStatus, strconv.Itoa(p.live.status), strconv.Itoa(p.here.status))
	if !alike(string(p.live.shape), string(p.here.shape)) {
		add(partBody, string(p.live.shape), string(p.here.shape))
	}
	for _, name := range compared {
		add(name, headerOf(p.live, name), headerOf(p.here, name))
	}
	return d
}

func headerOf(a *answer, name string) string {
	v := strings.Join(a.header.Values(name), ", ")
	if name == "location" {
		path, _, _ := strings.Cut(v, "?")
		return maskPath(path)
	}
	return mask(v)
}

// alike takes an empty list for one of anything.
func alike(a, b string) bool {
	return a == b || emptyLists(a) == emptyLists(b) && strings.Contains(a+b, "[]")
}

// emptyLists empties the lists of a shape.
func emptyLists(s string) string {
	var b strings.Builder
	depth := 0
	for _, c := range s {
		switch c {
		case '[':
			if depth == 0 {
				b.WriteString("[]")
			}
			depth++
		case ']':
			depth--
		default:
			if depth == 0 {
				b.WriteRune(c)
			}
		}
	}
	return b.String()
}
