package api

import "testing"

// What the doctor says is JSON whatever stands in it.
func TestAppendFinding(t *testing.T) {
	f := Finding{
		ID: "data-open", Severity: "error", What: `a "quoted" path`, Why: "b", Mend: "c", Do: "d\n",
		Params: map[string]string{"paths": `/a b`, "files": "x"},
	}
	want := `{"id":"data-open","severity":"error","what":"a \"quoted\" path","why":"b","mend":"c","do":"d\n","params":{"files":"x","paths":"/a b"}}`
	if got := string(appendFinding(nil, &f)); got != want {
		t.Errorf("have %s\nwant %s", got, want)
	}
	want = `{"id":"x","severity":"ok","what":"","why":"","mend":"","do":"","params":{}}`
	if got := string(appendFinding(nil, &Finding{ID: "x", Severity: "ok"})); got != want {
		t.Errorf("have %s\nwant %s", got, want)
	}
}
