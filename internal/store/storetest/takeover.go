package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/auth"
)

var takeoverFacts = []fact{
	{"users keep their ids", importUsers},
	{"who is there is refused", importRefused},
	{"a deleted user does not come back", importDeleted},
	{"ids move past the imported", importIDs},
	{"times only move forward", importTimes},
	{"an imported token is not adopted", importedTokens},
	{"what is known of a token", knownTokens},
	{"rotated tokens are kept when asked for", keepSpent},
	{"known tokens are swept", sweepTokens},
	{"second factors", importedSecrets},
	{"runs", importRuns},
	{"who was deleted, for an export", deletedIDs},
	{"bases alone", setBases},
	{"sessions that were handed back", handedBack},
}

// imported is an active employee n@example.com with this id, as a foreign
// database has them.
func imported(id int64, n int) auth.ImportedUser {
	u := newUser(n)
	return auth.ImportedUser{
		ID: id, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Phone: u.Phone, Role: u.Role,
		IsActive: true, Password: u.Password, CreatedAt: Now.Add(-48 * time.Hour), UpdatedAt: Now.Add(-24 * time.Hour),
		LastLogin: Now.Add(-time.Hour), Base: []byte{1, byte(n)},
	}
}

func insertImported(t *testing.T, s auth.Store, users ...auth.ImportedUser) (refused []int64) {
	t.Helper()
	update(t, s, func(tx auth.Tx) (err error) {
		refused, err = tx.InsertImported(t.Context(), users, Now)
		return err
	})
	return refused
}

func importUsers(t *testing.T, s auth.Store) {
	gone := imported(7000, 2)
	gone.IsActive, gone.LastLogin = false, time.Time{}
	if refused := insertImported(t, s, imported(17, 1), gone); len(refused) > 0 {
		t.Fatalf("refused %v", refused)
	}
	u, err := s.Read().UserByID(t.Context(), 17)
	if err != nil {
		t.Fatal(err)
	}
	want := auth.User{
		ID: 17, Email: "1@example.com", EmailKey: "1@example.com", FirstName: "First", LastName: "Last", Phone: "+49 1",
		Role: auth.RoleEmployee, IsActive: true, Password: "hash 1", CredentialVersion: 1, Gen: Now.UnixMicro(),
		CreatedAt: Now.Add(-48 * time.Hour), UpdatedAt: Now.Add(-24 * time.Hour), LastLogin: Now.Add(-time.Hour),
	}
	if diff := cmp.Diff(want, u); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
	if u, err := s.Read().UserByID(t.Context(), 7000); err != nil || u.IsActive || !u.ValidAfter.Equal(Now) || !u.LastLogin.IsZero() {
		t.Errorf("the one who was shut out: %+v, %v", u, err)
	}
	bases, err := s.Read().ImportBases(t.Context(), []int64{1, 17, 18, 7000})
	slices.SortFunc(bases, func(a, b auth.ImportBase) int { return int(a.UserID - b.UserID) })
	if diff := cmp.Diff([]auth.ImportBase{{UserID: 17, Base: []byte{1, 1}}, {UserID: 7000, Base: []byte{1, 2}}}, bases); err != nil || diff != "" {
		t.Errorf("bases: %v (-want +got):\n%s", err, diff)
	}
	users, err := s.Read().UsersByIDs(t.Context(), []int64{7000, 17, 99})
	if err != nil || len(users) != 2 {
		t.Errorf("UsersByIDs = %v, %v", users, err)
	}
	taken, err := s.Read().UserIDsByEmail(t.Context(), []string{"2@example.com", "3@example.com"})
	if diff := cmp.Diff(map[string]int64{"2@example.com": 7000}, taken); err != nil || diff != "" {
		t.Errorf("UserIDsByEmail: %v (-want +got):\n%s", err, diff)
	}
	ids, err := s.Read().ImportedIDs(t.Context(), 17, 10)
	if err != nil || !slices.Equal(ids, []int64{7000}) {
		t.Errorf("ImportedIDs = %v, %v", ids, err)
	}
	// They are found once they have been indexed.
	update(t, s, func(tx auth.Tx) error {
		_, err := tx.IndexUsers(t.Context(), 10)
		return err
	})
	page, err := s.Read().SearchUsers(t.Context(), auth.UserSearch{Text: "1@exam", Order: auth.OrderID, Limit: 5})
	if err != nil || len(page.Users) != 1 || page.Users[0].ID != 17 {
		t.Errorf("search = %+v, %v", page, err)
	}
}

func importRefused(t *testing.T, s auth.Store) {
	own := insertUser(t, s, 1)
	sameID, sameEmail := imported(own.ID, 50), imported(own.ID+100, 1)
	good := imported(own.ID+101, 51)
	refused := insertImported(t, s, sameID, sameEmail, good, imported(own.ID+102, 51))
	if !slices.Equal(refused, []int64{sameID.ID, sameEmail.ID, own.ID + 102}) {
		t.Errorf("refused %v", refused)
	}
	if u, err := s.Read().UserByID(t.Context(), own.ID); err != nil || u.Email != own.Email {
		t.Errorf("the user of this id is %+v, %v", u, err)
	}
	if ids, err := s.Read().ImportedIDs(t.Context(), 0, 10); err != nil || !slices.Equal(ids, []int64{good.ID}) {
		t.Errorf("imported %v, %v", ids, err)
	}
}

func importDeleted(t *testing.T, s auth.Store) {
	insertImported(t, s, imported(17, 1))
	update(t, s, func(tx auth.Tx) error {
		if err := tx.PutImportedSecrets(t.Context(), []auth.ImportedSecret{{UserID: 17, Kind: "otp_totp", SourceID: 1, Sealed: []byte("x")}}); err != nil {
			return err
		}
		_, err := tx.DeleteUser(t.Context(), 17)
		return err
	})
	if refused := insertImported(t, s, imported(17, 1)); !slices.Equal(refused, []int64{17}) {
		t.Errorf("refused %v", refused)
	}
	bases, err := s.Read().ImportBases(t.Context(), []int64{17})
	if err != nil || len(bases) != 1 || string(bases[0].Base) != auth.ImportTombstone {
		t.Errorf("base %v, %v", bases, err)
	}
	if ids, err := s.Read().ImportedIDs(t.Context(), 0, 10); err != nil || len(ids) > 0 {
		t.Errorf("imported %v, %v", ids, err)
	}
	if secrets, err := s.Read().ImportedSecrets(t.Context(), 17); err != nil || len(secrets) > 0 {
		t.Errorf("secrets %v, %v", secrets, err)
	}
}

func importIDs(t *testing.T, s auth.Store) {
	raise := func(past int64) {
		update(t, s, func(tx auth.Tx) error { return tx.RaiseUserIDs(t.Context(), past) })
	}
	raise(1000)
	if u := insertUser(t, s, 1); u.ID != 1001 {
		t.Errorf("the next user's id is %d, want 1001", u.ID)
	}
	raise(5)
	if u := insertUser(t, s, 2); u.ID != 1002 {
		t.Errorf("the next user's id is %d, want 1002", u.ID)
	}
}

func importTimes(t *testing.T, s auth.Store) {
	insertImported(t, s, imported(17, 1))
	set := func(updated, login time.Time) auth.User {
		update(t, s, func(tx auth.Tx) error {
			return tx.SetImported(t.Context(), auth.ImportBase{UserID: 17, Base: []byte{1, 9}}, updated, login)
		})
		u, err := s.Read().UserByID(t.Context(), 17)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	if u := set(Now.Add(-72*time.Hour), time.Time{}); !u.UpdatedAt.Equal(Now.Add(-24*time.Hour)) || !u.LastLogin.Equal(Now.Add(-time.Hour)) {
		t.Errorf("moved back: %+v", u)
	}
	if u := set(Now, Now.Add(time.Minute)); !u.UpdatedAt.Equal(Now) || !u.LastLogin.Equal(Now.Add(time.Minute)) {
		t.Errorf("not moved forward: %+v", u)
	}
	bases, err := s.Read().ImportBases(t.Context(), []int64{17})
	if err != nil || len(bases) != 1 || !slices.Equal(bases[0].Base, []byte{1, 9}) {
		t.Errorf("base %v, %v", bases, err)
	}
}

func putTokens(t *testing.T, s auth.Store, tokens ...auth.KnownToken) (blacklisted []string) {
	t.Helper()
	update(t, s, func(tx auth.Tx) (err error) {
		blacklisted, err = tx.PutTokens(t.Context(), tokens)
		return err
	})
	return blacklisted
}

func djangoAdoption(u auth.User, n int) auth.Adoption {
	return auth.Adoption{
		UserID: u.ID, OriginJTI: jti(n, 0), IssuedAt: Now.Unix() - 60, Expires: Now.Add(time.Hour).Unix(),
		SessionID: sessionID(n), Client: client, Now: Now,
	}
}

func importedTokens(t *testing.T, s auth.Store) {
	u := insertUser(t, s, 1)
	later := Now.Add(time.Hour).Unix()
	got := putTokens(t, s,
		auth.KnownToken{JTI: jti(1, 0), UserID: u.ID, Expires: later, Kind: auth.TokenBlacklisted},
		auth.KnownToken{JTI: jti(2, 0), UserID: u.ID, Expires: later, Kind: auth.TokenOutstanding})
	if !slices.Equal(got, []string{jti(1, 0)}) {
		t.Errorf("blacklisted %v", got)
	}
	adopt := func(n int) error {
		return s.Update(t.Context(), func(tx auth.Tx) error {
			_, _, err := tx.AdoptSession(t.Context(), djangoAdoption(u, n))
			return err
		})
	}
	if err := adopt(1); !auth.IsKind(err, auth.TokenNotValid) {
		t.Errorf("a blacklisted token is adopted: %v", err)
	}
	for _, n := range []int{2, 3} {
		if err := adopt(n); err != nil {
			t.Errorf("token %d is not adopted: %v", n, err)
		}
	}
	// One that turns out to be blacklisted ends the session.
	got = putTokens(t, s,
		auth.KnownToken{JTI: jti(2, 0), UserID: u.ID, Expires: later, Kind: auth.TokenBlacklisted},
		auth.KnownToken{JTI: jti(1, 0), UserID: u.ID, Expires: later, Kind: auth.TokenBlacklisted})
	if !slices.Equal(got, []string{jti(2, 0)}) {
		t.Errorf("newly blacklisted %v", got)
	}
	update(t, s, func(tx auth.Tx) error {
		ended, err := tx.RevokeAdopted(t.Context(), got, Now)
		if !slices.Equal(ended, []string{sessionID(2)}) {
			t.Errorf("ended %v", ended)
		}
		return err
	})
	if got := live(t, s, u); !slices.Equal(got, []string{sessionID(3)}) {
		t.Errorf("live %v", got)
	}
	for n, want := range map[int]bool{1: true, 2: true, 3: false} {
		if is, err := s.Read().TokenImported(t.Context(), jti(n, 0)); err != nil || is != want {
			t.Errorf("TokenImported(%d) = %v, %v", n, is, err)
		}
	}
}

func knownTokens(t *testing.T, s auth.Store) {
	u := insertUser(t, s, 1)
	soon, past := Now.Add(time.Hour).Unix(), Now.Add(-time.Hour).Unix()
	putTokens(t, s,
		auth.KnownToken{JTI: "a", UserID: u.ID, Expires: soon, Kind: auth.TokenSpent},
		auth.KnownToken{JTI: "b", UserID: u.ID, Expires: past, Kind: auth.TokenSpent},
		auth.KnownToken{JTI: "c", UserID: u.ID, Expires: soon, Kind: auth.TokenOutstanding},
		auth.KnownToken{JTI: "d", UserID: u.ID, Expires: soon, Kind: auth.TokenSpent})
	// What was spent here stays so, whatever Django says later.
	if got := putTokens(t, s, auth.KnownToken{JTI: "a", Expires: soon, Kind: auth.TokenBlacklisted}); len(got) > 0 {
		t.Errorf("newly blacklisted %v", got)
	}
	// A session that was logged out has its current token to tell of.
	openSession(t, s, u, 1)
	revoke(t, s, revoking(u, 1))
	openSession(t, s, u, 2)
	got, err := s.Read().SpentTokens(t.Context(), Now, "", 10)
	want := []auth.KnownToken{
		{JTI: "a", UserID: u.ID, Expires: soon, Kind: auth.TokenSpent},
		{JTI: "d", UserID: u.ID, Expires: soon, Kind: auth.TokenSpent},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("spent: %v (-want +got):\n%s", err, diff)
	}
	if got, err := s.Read().RevokedSessions(t.Context(), Now, "", 10); err != nil || len(got) != 1 || got[0].JTI != jti(1, 0) {
		t.Errorf("revoked sessions: %v, %v", got, err)
	}
	if got, err := s.Read().RevokedSessions(t.Context(), Now, sessionID(1), 10); err != nil || len(got) != 0 {
		t.Errorf("revoked sessions after the first: %v, %v", got, err)
	}
	if got, err := s.Read().SpentTokens(t.Context(), Now, "a", 10); err != nil || len(got) != 1 {
		t.Errorf("spent after a: %v, %v", got, err)
	}
	if got, err := s.Read().OutstandingTokens(t.Context(), Now, "", 10); err != nil || len(got) != 1 || got[0].JTI != "c" {
		t.Errorf("outstanding: %v, %v", got, err)
	}
}

func keepSpent(t *testing.T, s auth.Store) {
	u := insertUser(t, s, 1)
	for n := range 3 {
		openSession(t, s, u, n)
	}
	until := Now.Add(72 * time.Hour).Unix()
	putTokens(t, s, auth.KnownToken{JTI: jti(0, 0), UserID: u.ID, Expires: until, Kind: auth.TokenOutstanding})
	err := atOnce(3, func(n int) error {
		r := rotation(u, n, 0)
		if n < 2 {
			r.SpentUntil = until
		}
		_, err := s.Rotate(t.Context(), r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// Once more: it is refused and keeps nothing.
	r := rotation(u, 0, 0)
	r.NewJTI, r.SpentUntil = jti(0, 9), until
	if got := rotate(t, s, r); got.Done {
		t.Errorf("rotated twice")
	}
	got, err := s.Read().SpentTokens(t.Context(), Now, "", 10)
	want := []auth.KnownToken{
		{JTI: jti(0, 0), UserID: u.ID, Expires: until, Kind: auth.TokenSpent},
		{JTI: jti(1, 0), UserID: u.ID, Expires: until, Kind: auth.TokenSpent},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("spent: %v (-want +got):\n%s", err, diff)
	}
}

func sweepTokens(t *testing.T, s auth.Store) {
	putTokens(t, s,
		auth.KnownToken{JTI: "a", Expires: Now.Unix() - 1, Kind: auth.TokenBlacklisted},
		auth.KnownToken{JTI: "b", Expires: Now.Unix() + 1, Kind: auth.TokenBlacklisted})
	update(t, s, func(tx auth.Tx) error {
		gone, _, err := tx.Sweep(t.Context(), Now, Now.Add(-time.Hour), "", 100)
		if gone != 1 {
			t.Errorf("swept %d rows, want 1", gone)
		}
		return err
	})
	for jti, want := range map[string]bool{"a": false, "b": true} {
		if is, err := s.Read().TokenImported(t.Context(), jti); err != nil || is != want {
			t.Errorf("TokenImported(%s) = %v, %v", jti, is, err)
		}
	}
}

func importedSecrets(t *testing.T, s auth.Store) {
	want := []auth.ImportedSecret{
		{UserID: 17, Kind: "otp_static", SourceID: 4, Sealed: []byte{0, 1}},
		{UserID: 17, Kind: "otp_totp", SourceID: 3, Sealed: []byte("sealed")},
	}
	put := func(secrets ...auth.ImportedSecret) {
		update(t, s, func(tx auth.Tx) error { return tx.PutImportedSecrets(t.Context(), secrets) })
	}
	put(want[1], auth.ImportedSecret{UserID: 18, Kind: "otp_totp", SourceID: 3, Sealed: []byte("x")})
	put(want[0], want[1])
	got, err := s.Read().ImportedSecrets(t.Context(), 17)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("secrets: %v (-want +got):\n%s", err, diff)
	}
	update(t, s, func(tx auth.Tx) error { return tx.DropImportedSecrets(t.Context()) })
	if got, err := s.Read().ImportedSecrets(t.Context(), 17); err != nil || len(got) > 0 {
		t.Errorf("dropped, and there are %v, %v", got, err)
	}
}

func importRuns(t *testing.T, s auth.Store) {
	if _, err := s.Read().LastImport(t.Context(), "x"); !auth.IsKind(err, auth.Missing) {
		t.Errorf("no import: %v", err)
	}
	r := auth.ImportRun{Source: "x", StartedAt: Now, Users: 3, Counts: "{}"}
	for range 2 {
		update(t, s, func(tx auth.Tx) error { return tx.PutImport(t.Context(), r) })
		got, err := s.Read().LastImport(t.Context(), "x")
		if diff := cmp.Diff(r, got); err != nil || diff != "" {
			t.Errorf("run: %v (-want +got):\n%s", err, diff)
		}
		r.FinishedAt, r.Users = Now.Add(time.Minute), 7
	}
}

func deletedIDs(t *testing.T, s auth.Store) {
	insertImported(t, s, imported(17, 1), imported(18, 2), imported(19, 3), imported(20, 4))
	update(t, s, func(tx auth.Tx) error {
		for _, id := range []int64{17, 19, 20} {
			if _, err := tx.DeleteUser(t.Context(), id); err != nil {
				return err
			}
		}
		return tx.SetBases(t.Context(), []auth.ImportBase{{UserID: 19, Base: []byte(auth.ExportTombstone)}})
	})
	if ids, err := s.Read().DeletedIDs(t.Context(), 0, 10); err != nil || !slices.Equal(ids, []int64{17, 20}) {
		t.Errorf("DeletedIDs = %v, %v", ids, err)
	}
	if ids, err := s.Read().DeletedIDs(t.Context(), 17, 1); err != nil || !slices.Equal(ids, []int64{20}) {
		t.Errorf("DeletedIDs after 17 = %v, %v", ids, err)
	}
	// One whom an export has dealt with stays deleted.
	if ids, err := s.Read().ImportedIDs(t.Context(), 0, 10); err != nil || !slices.Equal(ids, []int64{18}) {
		t.Errorf("ImportedIDs = %v, %v", ids, err)
	}
	if refused := insertImported(t, s, imported(19, 3)); !slices.Equal(refused, []int64{19}) {
		t.Errorf("refused %v", refused)
	}
	update(t, s, func(tx auth.Tx) error { return tx.RaiseUserIDs(t.Context(), 7000) })
	if last, err := s.Read().LastUserID(t.Context()); err != nil || last != 7000 {
		t.Errorf("LastUserID = %d, %v", last, err)
	}
}

func setBases(t *testing.T, s auth.Store) {
	insertImported(t, s, imported(17, 1))
	before, err := s.Read().UserByID(t.Context(), 17)
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx auth.Tx) error {
		return tx.SetBases(t.Context(), []auth.ImportBase{{UserID: 17, Base: []byte{7}}, {UserID: 30, Base: []byte{8}}})
	})
	bases, err := s.Read().ImportBases(t.Context(), []int64{17, 30})
	slices.SortFunc(bases, func(a, b auth.ImportBase) int { return int(a.UserID - b.UserID) })
	if diff := cmp.Diff([]auth.ImportBase{{UserID: 17, Base: []byte{7}}, {UserID: 30, Base: []byte{8}}}, bases); err != nil || diff != "" {
		t.Errorf("bases: %v (-want +got):\n%s", err, diff)
	}
	if after, err := s.Read().UserByID(t.Context(), 17); err != nil || after != before {
		t.Errorf("the user is %+v, was %+v (%v)", after, before, err)
	}
}

// A session whose current token was blacklisted in Django ends; others go on.
func handedBack(t *testing.T, s auth.Store) {
	u := insertUser(t, s, 1)
	openSession(t, s, u, 1)
	openSession(t, s, u, 2)
	first, second := opening(u, 1).Session, opening(u, 2).Session
	soon := Now.Add(time.Hour).Unix()
	update(t, s, func(tx auth.Tx) error {
		_, err := tx.PutTokens(t.Context(), []auth.KnownToken{
			{JTI: first.JTI, Expires: soon, Kind: auth.TokenBlacklisted},
			{JTI: second.JTI, Expires: soon, Kind: auth.TokenOutstanding},
		})
		return err
	})
	var all []string
	rounds := 0
	for after := ""; ; rounds++ {
		var ended []string
		var next string
		update(t, s, func(tx auth.Tx) (err error) {
			ended, next, err = tx.RevokeBlacklisted(t.Context(), after, 1, Now)
			return err
		})
		all = append(all, ended...)
		if next == "" {
			break
		}
		after = next
	}
	if !slices.Equal(all, []string{first.ID}) || rounds != 2 {
		t.Errorf("ended %v in %d rounds", all, rounds)
	}
	dead, err := s.Read().BlacklistedTokens(t.Context(), Now, "", 10)
	if err != nil || len(dead) != 1 || dead[0].JTI != first.JTI {
		t.Errorf("BlacklistedTokens = %v, %v", dead, err)
	}
	if live, err := s.Read().Sessions(t.Context(), u.ID, Now); err != nil || len(live) != 1 || live[0].ID != second.ID {
		t.Errorf("sessions %+v, %v", live, err)
	}
}
