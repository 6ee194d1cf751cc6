package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

// System is what an operator may want to know of a server. There is no secret
// in it.
type System struct {
	Version   string
	Go        string
	StartedAt time.Time
	Database  auth.Database
	Keys      []auth.Key
	Settings  []Setting
	Audit     AuditState
}

// AuditState is how far the audit trail is sealed.
type AuditState struct {
	auth.Chain
	Head   string
	Broken bool
	// Unsealed are the events that are not sealed yet.
	Unsealed      int64
	UnsealedSince time.Time
}

// Setting is a setting in force.
type Setting struct {
	Key, Value string
	Source     string // where the value came from
	Doc        string
}

// SystemTeller tells it.
type SystemTeller func(ctx context.Context) (System, error)

// system shows it.
func (a *API) system(w http.ResponseWriter, r *http.Request) error {
	s, err := a.System(r.Context())
	if err != nil {
		return err
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"version":`...)
		b = appendString(b, s.Version)
		b = append(b, `,"go":`...)
		b = appendString(b, s.Go)
		b = append(b, `,"started_at":`...)
		b = appendTimeOrNull(b, s.StartedAt)
		b = append(b, `,"database":{"engine":`...)
		b = appendString(b, s.Database.Engine)
		b = append(b, `,"version":`...)
		b = appendString(b, s.Database.Version)
		b = append(b, `,"size":`...)
		b = strconv.AppendInt(b, s.Database.Size, 10)
		b = append(b, `,"schema":`...)
		b = strconv.AppendInt(b, s.Database.Schema, 10)
		b = append(b, `},"keys":[`...)
		for i := range s.Keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendKey(b, &s.Keys[i])
		}
		b = append(b, `],"audit":`...)
		b = appendAuditState(b, &s.Audit)
		b = append(b, `,"settings":[`...)
		for i, set := range s.Settings {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"key":`...)
			b = appendString(b, set.Key)
			b = append(b, `,"value":`...)
			b = appendString(b, set.Value)
			b = append(b, `,"source":`...)
			b = appendString(b, set.Source)
			b = append(b, `,"doc":`...)
			b = appendString(b, set.Doc)
			b = append(b, '}')
		}
		return append(b, `]}`...)
	})
	return nil
}

// appendAuditState writes how far the audit trail is sealed.
func appendAuditState(b []byte, s *AuditState) []byte {
	state := "sealed"
	switch {
	case s.Broken:
		state = "broken"
	case s.HeadSeq == 0:
		state = "none"
	}
	b = append(b, `{"state":"`...)
	b = append(b, state...)
	b = append(b, `","head":`...)
	b = appendString(b, s.Head)
	b = append(b, `,"events":`...)
	b = strconv.AppendInt(b, s.Events, 10)
	b = append(b, `,"begun_at":`...)
	b = appendTimeOrNull(b, s.BegunAt)
	b = append(b, `,"sealed_at":`...)
	b = appendTimeOrNull(b, s.SealedAt)
	b = append(b, `,"unsealed":`...)
	b = strconv.AppendInt(b, s.Unsealed, 10)
	b = append(b, `,"unsealed_since":`...)
	b = appendTimeOrNull(b, s.UnsealedSince)
	b = append(b, `,"accepted_at":`...)
	b = appendTimeOrNull(b, s.AcceptedAt)
	b = append(b, `,"verified_at":`...)
	b = appendTimeOrNull(b, s.VerifiedAt)
	b = append(b, `,"problems":`...)
	b = strconv.AppendInt(b, s.Problems, 10)
	return append(b, '}')
}

// appendKey writes what of a signing key may be known.
func appendKey(b []byte, k *auth.Key) []byte {
	b = append(b, `{"kid":`...)
	b = appendString(b, k.ID)
	b = append(b, `,"algorithm":`...)
	b = appendString(b, k.Algorithm)
	b = append(b, `,"state":`...)
	b = appendString(b, string(k.State))
	b = append(b, `,"created_at":`...)
	b = appendTimeOrNull(b, k.CreatedAt)
	b = append(b, `,"retired_at":`...)
	b = appendTimeOrNull(b, k.RetiredAt)
	b = append(b, `,"accept_until":`...)
	b = appendTimeOrNull(b, k.AcceptUntil)
	return append(b, '}')
}

// stats shows how many sign in, fail and register.
func (a *API) stats(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	var problems auth.Fields
	days := queryNumber(query, "days", 7, 0, &problems)
	if err := problems.Err(); err != nil {
		return err
	}
	switch days {
	case 1, 7, 30, 90:
	default:
		problems.Add("days", problem(auth.CodeInvalidChoice, query.Get("days"))...)
		return problems.Err()
	}
	s, err := a.Accounts.Stats(r.Context(), int(days))
	if err != nil {
		return err
	}
	unit := "day"
	if s.Bucket == time.Hour {
		unit = "hour"
	}
	answer(w, r, http.StatusOK, func(b []byte) []byte {
		b = append(b, `{"unit":"`...)
		b = append(b, unit...)
		b = append(b, `","series":{`...)
		for i, series := range [...]struct {
			name   string
			counts []int64
		}{
			{"logged_in", s.LoggedIn}, {"login_failed", s.LoginFailed}, {"registered", s.Registered}, {"live_sessions", s.LiveSessions},
		} {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, series.name)
			b = append(b, ':')
			b = appendSeries(b, s.Begins, series.counts)
		}
		b = append(b, `},"now":{"users":`...)
		b = strconv.AppendInt(b, s.Users, 10)
		b = append(b, `,"users_exact":`...)
		b = strconv.AppendBool(b, s.UsersExact)
		b = append(b, `,"live_sessions":`...)
		b = strconv.AppendInt(b, s.LiveNow, 10)
		return append(b, `}}`...)
	})
	return nil
}

// appendSeries writes [{"at":…,"count":…}]; what was not counted is null.
func appendSeries(b []byte, begins []time.Time, counts []int64) []byte {
	b = append(b, '[')
	for i, at := range begins {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"at":`...)
		b = appendTimeOrNull(b, at)
		b = append(b, `,"count":`...)
		if counts[i] < 0 {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendInt(b, counts[i], 10)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}
