package conformance_test

import (
	"maps"
	"slices"
	"testing"
)

// TestReplay sends what was recorded, in its order, to one server.
func TestReplay(t *testing.T) {
	cases, all := recording(t), deviations(t)
	onEngines(t, func(t *testing.T, s *running) {
		r := newRun(t, s)
		// needed are the deviations that some answer differed by, by part.
		needed := make(map[int]map[string]bool)
		for _, e := range cases {
			t.Run(e.Name, func(t *testing.T) {
				r.t = t
				q := r.request(e)
				got := r.do(t, q)

				w, used := expected(e, all)
				w.body, w.headers = r.word(w.body), maps.Clone(w.headers)
				for name, diff := range sorted(compare(got, w)) {
					t.Errorf("%s: %s", name, diff)
				}
				for _, wrong := range r.answers.remember(got.body) {
					t.Error(wrong)
				}

				// A deviation lives only as long as the answer differs from the
				// recording in each part that it names.
				real := recorded(e)
				real.body = r.word(real.body)
				differs := compare(got, real)
				for _, i := range used {
					for _, part := range all[i].parts() {
						if needed[i] == nil {
							needed[i] = make(map[string]bool)
						}
						if _, ok := differs[part]; ok {
							needed[i][part] = true
						} else if !slices.Contains(all[i].Cases, "*") {
							t.Errorf("deviation %d (%.40s…): the %s is as recorded after all", i+1, all[i].Row, part)
						}
					}
				}
				r.after(e.Name, q, got)
			})
		}
		r.t = t
		for i, d := range all {
			for _, part := range d.parts() {
				if !needed[i][part] {
					t.Errorf("deviation %d (%.40s…): no case needs its %s", i+1, d.Row, part)
				}
			}
		}
	})
}

// request is the recorded request, filled for this run.
func (r *run) request(e exchange) request {
	r.t.Helper()
	for _, b := range before {
		if b.cases == e.Name {
			b.do(r)
		}
	}
	q := request{method: e.Request.Method, path: e.Request.Path, headers: map[string]string{}, chunked: e.Request.Chunked}
	for name, v := range e.Request.Headers {
		q.headers[name] = r.fill(r.word(v), e.Name, inHeader)
	}
	if e.Request.Body != nil {
		body := r.fill(r.word(e.whole(r.t)), e.Name, inBody)
		body = r.placeholders(body)
		q.body = &body
	}
	return q
}
