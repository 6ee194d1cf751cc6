package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Diagnosis is what the doctor says of a server. There is no secret in it.
type Diagnosis struct {
	CheckedAt time.Time
	Findings  []Finding
}

// Finding is the outcome of one check.
type Finding struct {
	// ID names the check.
	ID string
	// Severity is error, warning, notice or ok.
	Severity string
	// What, Why, Mend and Do are sentences, and a line to copy; all but What are
	// "" for what is well.
	What, Why, Mend, Do string
	// Params are what stands in the sentences for this server.
	Params map[string]string
}

// DoctorTeller tells it.
type DoctorTeller func(ctx context.Context) (Diagnosis, error)

// doctor shows it.
func (a *API) doctor(w http.ResponseWriter, r *http.Request) error {
	d, err := a.Doctor(r.Context())
	if err != nil {
		return err
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"checked_at":`...)
		b = appendTimeOrNull(b, d.CheckedAt)
		b = append(b, `,"findings":[`...)
		for i := range d.Findings {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendFinding(b, &d.Findings[i])
		}
		return append(b, `]}`...)
	})
	return nil
}

func appendFinding(b []byte, f *Finding) []byte {
	for _, member := range [...]struct{ name, value string }{
		{`{"id":`, f.ID},
		{`,"severity":`, f.Severity},
		{`,"what":`, f.What},
		{`,"why":`, f.Why},
		{`,"mend":`, f.Mend},
		{`,"do":`, f.Do},
	} {
		b = append(b, member.name...)
		b = appendString(b, member.value)
	}
	b = append(b, `,"params":{`...)
	for i, name := range slices.Sorted(maps.Keys(f.Params)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, name)
		b = append(b, ':')
		b = appendString(b, f.Params[name])
	}
	return append(b, `}}`...)
}
