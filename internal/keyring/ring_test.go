package keyring_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/keyring"
	"github.com/latchkey-auth/latchkey/internal/pgtest"
	"github.com/latchkey-auth/latchkey/internal/store/postgres"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
	"github.com/latchkey-auth/latchkey/internal/token"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var (
	django  = []byte("django-insecure-0123456789abcdefghijklmnopqrstuvwxyz")
	second  = []byte("Tr0ub4dor, a SECRET_KEY of more than thirty-two bytes")
	sealKey = bytes.Repeat([]byte{7}, 32)
	start   = time.Date(2026, 11, 23, 6, 45, 0, 0, time.UTC)
)

const lifetime = 72 * time.Hour

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

// place is a data folder and a database, where the server is at home.
type place struct {
	t     *testing.T
	dir   string
	url   string // PostgreSQL's; "" for SQLite, whose file is in dir
	store auth.Store
	clock *clock
}

// newPlace gives an empty place on SQLite.
func newPlace(t *testing.T) *place {
	p := &place{t: t, dir: t.TempDir(), clock: &clock{t: start}}
	p.store = p.connect()
	return p
}

// everywhere runs a test on an empty place of either engine.
func everywhere(t *testing.T, test func(*testing.T, *place)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newPlace(t)) })
	t.Run("postgres", func(t *testing.T) {
		p := &place{t: t, dir: t.TempDir(), url: pgtest.Database(t), clock: &clock{t: start}}
		p.store = p.connect()
		test(t, p)
	})
}

// connect opens the database, as each process does for itself.
func (p *place) connect() auth.Store {
	p.t.Helper()
	var store auth.Store
	var err error
	if p.url == "" {
		store, err = sqlite.Open(p.t.Context(), sqlite.Options{Path: filepath.Join(p.dir, "latchkey.db"), Now: p.clock.now})
	} else {
		store, err = postgres.Open(p.t.Context(), postgres.Options{URL: p.url, Now: p.clock.now})
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { store.Close() })
	return store
}

// restart closes the database and opens it again.
func (p *place) restart() {
	p.t.Helper()
	if err := p.store.Close(); err != nil {
		p.t.Fatal(err)
	}
	p.store = p.connect()
}

func (p *place) secretFile() string { return filepath.Join(p.dir, keyring.FileName) }

// file are the options of SQLite, store those of PostgreSQL.
func (p *place) inFile() keyring.Options {
	return keyring.Options{SecretFile: p.secretFile(), Now: p.clock.now}
}

func (p *place) inStore(seal []byte) keyring.Options {
	return keyring.Options{SealKey: seal, Now: p.clock.now}
}

func (p *place) ring(o keyring.Options) *keyring.Ring {
	p.t.Helper()
	r, err := keyring.Open(p.t.Context(), p.store, o)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// refuses wants Open to fail with target and a text that says what to do.
func (p *place) refuses(o keyring.Options, target error, says ...string) {
	p.t.Helper()
	_, err := keyring.Open(p.t.Context(), p.store, o)
	if !errors.Is(err, target) {
		p.t.Fatalf("Open: %v, want %v", err, target)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			p.t.Errorf("Open: %q does not say %q", err, s)
		}
	}
	hidesSecrets(p.t, err.Error())
}

func (p *place) use(o keyring.Options, c keyring.Change) {
	p.t.Helper()
	if err := keyring.Use(p.t.Context(), p.store, o, c); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) rows() []auth.Key {
	p.t.Helper()
	rows, err := p.store.Read().Keys(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return rows
}

// change sets a row as nobody but a bug or an attacker would.
func (p *place) change(id string, change func(*auth.Key)) {
	p.t.Helper()
	ctx := p.t.Context()
	for _, row := range p.rows() {
		if row.ID == id {
			change(&row)
			if err := p.store.Update(ctx, func(tx auth.Tx) error { return tx.UpdateKey(ctx, row) }); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

func hidesSecrets(t *testing.T, s string) {
	t.Helper()
	for _, secret := range [][]byte{django, second, sealKey} {
		if strings.Contains(s, string(secret[:8])) || strings.Contains(s, hex.EncodeToString(secret[:8])) {
			t.Errorf("%q gives a secret away", s)
		}
	}
}

// mint signs a token that lives as long as any may.
func (p *place) mint(k token.Key) string {
	now := p.clock.now()
	return k.Sign(token.Claims{
		Type: token.Refresh, Expires: now.Add(lifetime).Unix(), IssuedAt: now.Unix(), ID: token.NewID(), UserID: 1,
	})
}

func (p *place) accepts(r *keyring.Ring, signed string) bool {
	_, err := token.Parse(signed, r, p.clock.now())
	return err == nil
}

func hs256(secret []byte) token.Key { return token.NewHS256("x", secret) }

func TestOperatorsKey(t *testing.T) {
	everywhere(t, operatorsKey)
}

func operatorsKey(t *testing.T, p *place) {
	o := p.inFile()
	o.SigningKey = django
	r := p.ring(o)

	if got := r.Signing(); got.Fingerprint() != hs256(django).Fingerprint() || got.Algorithm() != "HS256" {
		t.Errorf("signing key = %v", got)
	}
	if !r.AcceptsForeign() {
		t.Error("tokens that Django minted with the operator's key are not accepted")
	}
	if w := r.Warnings(); len(w) != 0 {
		t.Errorf("warnings: %q", w)
	}
	if !p.accepts(r, p.mint(hs256(django))) {
		t.Error("a token of the operator's key is refused")
	}
	rows := p.rows()
	if len(rows) != 1 || rows[0].State != auth.KeySigning || rows[0].Secret != nil || rows[0].Sealed ||
		rows[0].Algorithm != "HS256" || rows[0].Fingerprint != hs256(django).Fingerprint() || !rows[0].CreatedAt.Equal(start) {
		t.Errorf("rows = %+v", rows)
	}
	if _, err := os.Stat(p.secretFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("secret.key beside an operator's key: %v", err)
	}

	p.restart()
	if again := p.ring(o); again.Signing().ID() != r.Signing().ID() || len(p.rows()) != 1 {
		t.Errorf("after a restart: %v, %d rows", again.Signing(), len(p.rows()))
	}

	o.SigningKey = second
	p.refuses(o, keyring.ErrOtherKey, "latchkey key use", hs256(django).Fingerprint(), hs256(second).Fingerprint())
	p.refuses(p.inFile(), keyring.ErrNoSecret, "signing.key", "latchkey key use", p.secretFile())
	p.refuses(p.inStore(nil), keyring.ErrNoSecret, "signing.key", "latchkey key use")
	if len(p.rows()) != 1 {
		t.Errorf("a refused start changed the ring: %+v", p.rows())
	}
}

// TestShortKey: it works; that it is short the doctor says.
func TestShortKey(t *testing.T) {
	for _, n := range []int{1, 31, 32} {
		p := newPlace(t)
		o := p.inFile()
		o.SigningKey = django[:n]
		r := p.ring(o)
		if !p.accepts(r, p.mint(hs256(django[:n]))) {
			t.Errorf("%d bytes: refused", n)
		}
	}
}

func TestSecretFile(t *testing.T) {
	p := newPlace(t)
	r := p.ring(p.inFile())
	secret, err := os.ReadFile(p.secretFile())
	if err != nil || len(secret) != 32 {
		t.Fatalf("secret.key: %d bytes, %v", len(secret), err)
	}
	if about, _ := os.Stat(p.secretFile()); about.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("mode %v", about.Mode())
	}
	if r.AcceptsForeign() || len(r.Warnings()) != 0 {
		t.Errorf("foreign %v, warnings %q", r.AcceptsForeign(), r.Warnings())
	}
	if !p.accepts(r, p.mint(hs256(secret))) {
		t.Error("the ring does not sign with the file's bytes")
	}
	if rows := p.rows(); len(rows) != 1 || rows[0].Secret != nil || rows[0].Fingerprint != hs256(secret).Fingerprint() {
		t.Errorf("rows = %+v", rows)
	}
	entries, _ := os.ReadDir(p.dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s was left behind", e.Name())
		}
	}

	signed := p.mint(r.Signing())
	p.restart()
	if again := p.ring(p.inFile()); !p.accepts(again, signed) {
		t.Error("after a restart the token is refused")
	}

	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o610, 0o777} {
		if runtime.GOOS == "windows" {
			break
		}
		os.Chmod(p.secretFile(), mode)
		p.refuses(p.inFile(), keyring.ErrSecretFile, "chmod 600 "+p.secretFile())
	}
	os.Chmod(p.secretFile(), 0o600)

	for _, damaged := range [][]byte{nil, secret[:31], append(bytes.Clone(secret), '\n')} {
		os.WriteFile(p.secretFile(), damaged, 0o600)
		p.refuses(p.inFile(), keyring.ErrSecretFile, "damaged")
	}
	os.WriteFile(p.secretFile(), django[:32], 0o600)
	p.refuses(p.inFile(), keyring.ErrOtherKey, p.secretFile(), "backup", "latchkey key use")

	os.Remove(p.secretFile())
	p.refuses(p.inFile(), keyring.ErrNoSecret, p.secretFile(), "backup", "latchkey key use")
	if _, err := os.Stat(p.secretFile()); !errors.Is(err, os.ErrNotExist) {
		t.Error("a refused start made another secret.key")
	}

	// An operator's key does not replace it silently either.
	o := p.inFile()
	o.SigningKey = django
	p.refuses(o, keyring.ErrOtherKey, "latchkey key use")

	os.WriteFile(p.secretFile(), secret, 0o600)
	if again := p.ring(p.inFile()); !p.accepts(again, signed) {
		t.Error("with the file back in its place the token is refused")
	}
}

// A start that died after the file and before the row left a file: it is used.
func TestSecretFileWithoutARow(t *testing.T) {
	p := newPlace(t)
	os.WriteFile(p.secretFile(), django[:32], 0o600)
	if r := p.ring(p.inFile()); r.Signing().Fingerprint() != hs256(django[:32]).Fingerprint() {
		t.Errorf("signing key = %v", r.Signing())
	}
}

func TestSecretFileCannotBeMade(t *testing.T) {
	p := newPlace(t)
	o := p.inFile()
	o.SecretFile = filepath.Join(p.dir, "nowhere", keyring.FileName)
	if _, err := keyring.Open(t.Context(), p.store, o); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("Open: %v", err)
	}
	if len(p.rows()) != 0 {
		t.Errorf("rows = %+v", p.rows())
	}
}

// Two processes, or two nodes, that start at once agree on one key.
func TestOpenAtOnce(t *testing.T) {
	for name, options := range map[string]func(*place) keyring.Options{
		"secret file":    (*place).inFile,
		"in the store":   func(p *place) keyring.Options { return p.inStore(nil) },
		"sealed":         func(p *place) keyring.Options { return p.inStore(sealKey) },
		"the operator's": func(p *place) keyring.Options { return keyring.Options{SigningKey: django, Now: p.clock.now} },
		"asymmetric": func(p *place) keyring.Options {
			o := p.inFile()
			o.Algorithm = "ES256"
			return o
		},
		"the operator's, 2": func(p *place) keyring.Options { o := p.inFile(); o.SigningKey = django; return o },
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, p *place) { openAtOnce(t, p, options) })
		})
	}
}

func openAtOnce(t *testing.T, p *place, options func(*place) keyring.Options) {
	const nodes = 4
	stores := make([]auth.Store, nodes)
	for i := range stores {
		stores[i] = p.connect()
	}
	rings := make([]*keyring.Ring, nodes)
	errs := make([]error, nodes)
	var ready, done sync.WaitGroup
	ready.Add(1)
	for i := range nodes {
		done.Go(func() {
			ready.Wait()
			rings[i], errs[i] = keyring.Open(context.Background(), stores[i], options(p))
		})
	}
	ready.Done()
	done.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i, r := range rings {
		if !p.accepts(r, p.mint(rings[0].Signing())) || !p.accepts(rings[0], p.mint(r.Signing())) {
			t.Errorf("node %d and node 0 refuse each other's tokens", i)
		}
	}
	if rows := p.rows(); len(rows) != 1 {
		t.Errorf("%d rows", len(rows))
	}
}

// A node that starts while another is storing the first key waits for it: the
// row that is not there yet is no reason to make another one.
func TestOpenWaitsForTheFirst(t *testing.T) {
	everywhere(t, openWaits)
}

func openWaits(t *testing.T, p *place) {
	ctx := t.Context()
	other := p.connect()
	opened := make(chan error, 1)
	var once sync.Once
	first := auth.Key{
		ID: "first", Algorithm: "HS256", State: auth.KeySigning, Secret: second[:32],
		Fingerprint: hs256(second[:32]).Fingerprint(), CreatedAt: start,
	}
	var r *keyring.Ring
	err := p.store.Update(ctx, func(tx auth.Tx) error {
		if err := tx.LockKeys(ctx); err != nil {
			return err
		}
		once.Do(func() {
			go func() {
				var err error
				r, err = keyring.Open(ctx, other, p.inStore(nil))
				opened <- err
			}()
		})
		select {
		case err := <-opened: // It did not wait.
			opened <- err
		case <-time.After(200 * time.Millisecond):
		}
		_, err := tx.InsertKey(ctx, first)
		return err
	})
	if err := errors.Join(err, <-opened); err != nil {
		t.Fatal(err)
	}
	if rows := p.rows(); len(rows) != 1 || r.Signing().ID() != "first" {
		t.Errorf("signing key = %v, rows = %+v", r.Signing(), rows)
	}
}

func TestInStore(t *testing.T) {
	everywhere(t, inStore)
}

func inStore(t *testing.T, p *place) {
	r := p.ring(p.inStore(nil))
	rows := p.rows()
	if len(rows) != 1 || rows[0].Sealed || len(rows[0].Secret) != 32 {
		t.Fatalf("rows = %+v", rows)
	}
	if r.AcceptsForeign() {
		t.Error("a key that was made here accepts foreign tokens")
	}
	signed := p.mint(r.Signing())
	p.restart()
	if again := p.ring(p.inStore(nil)); !p.accepts(again, signed) {
		t.Error("after a restart the token is refused")
	}

	// A seal key that is set later seals what lies plain.
	sealed := p.ring(p.inStore(sealKey))
	if !p.accepts(sealed, signed) || len(sealed.Warnings()) != 0 {
		t.Errorf("accepted %v, warnings %q", p.accepts(sealed, signed), sealed.Warnings())
	}
	if row := p.rows()[0]; !row.Sealed || bytes.Contains(row.Secret, rows[0].Secret) {
		t.Errorf("row = %+v", row)
	}
}

func TestSealed(t *testing.T) {
	everywhere(t, sealed)
}

func sealed(t *testing.T, p *place) {
	r := p.ring(p.inStore(sealKey))
	row := p.rows()[0]
	if !row.Sealed || len(row.Secret) != 12+32+16 || len(r.Warnings()) != 0 {
		t.Fatalf("row = %+v, warnings %q", row, r.Warnings())
	}
	signed := p.mint(r.Signing())
	p.restart()
	if again := p.ring(p.inStore(sealKey)); !p.accepts(again, signed) {
		t.Error("after a restart the token is refused")
	}

	p.refuses(p.inStore(nil), keyring.ErrSealed, "keys.seal_key is not set")
	p.refuses(p.inStore(bytes.Repeat([]byte{8}, 32)), keyring.ErrSealed, "keys.seal_key is not the one")
	for _, n := range []int{1, 16, 31, 33, 64} {
		if _, err := keyring.Open(t.Context(), p.store, p.inStore(make([]byte, n))); err == nil || !strings.Contains(err.Error(), "32") {
			t.Errorf("a seal key of %d bytes: %v", n, err)
		}
	}

	// Every bit of what is stored is sealed, and cut or empty it does not open.
	for i := range row.Secret {
		p.change(row.ID, func(k *auth.Key) { k.Secret = bytes.Clone(row.Secret); k.Secret[i] ^= 1 })
		p.refuses(p.inStore(sealKey), keyring.ErrSealed, "tampered")
	}
	for _, n := range []int{1, 11, 12, 28, 59} {
		p.change(row.ID, func(k *auth.Key) { k.Secret = row.Secret[:n] })
		p.refuses(p.inStore(sealKey), keyring.ErrSealed)
	}
	// A plain secret of the attacker's own has not the stored fingerprint.
	p.change(row.ID, func(k *auth.Key) { k.Secret, k.Sealed = second[:32], false })
	p.refuses(p.inStore(nil), keyring.ErrOtherKey)
	p.change(row.ID, func(k *auth.Key) { k.Secret, k.Sealed = row.Secret, true })
	if again := p.ring(p.inStore(sealKey)); !p.accepts(again, signed) {
		t.Error("mended, the token is refused")
	}
}

// The kid is sealed with the secret: moved to another row it does not open.
func TestSealIsBoundToTheKey(t *testing.T) {
	p, q := newPlace(t), newPlace(t)
	p.ring(p.inStore(sealKey))
	q.ring(q.inStore(sealKey))
	q.change(q.rows()[0].ID, func(k *auth.Key) { k.Secret = p.rows()[0].Secret })
	q.refuses(q.inStore(sealKey), keyring.ErrSealed)
}

func TestUse(t *testing.T) {
	type setup struct {
		options func(*place) keyring.Options // at first
		change  keyring.Change
		during  func(*place, keyring.Options) keyring.Options // of `key use`; nil: as at first
	}
	operator := func(p *place) keyring.Options { o := p.inFile(); o.SigningKey = django; return o }
	configured := func(_ *place, o keyring.Options) keyring.Options { o.SigningKey = second; return o }
	for name, s := range map[string]setup{
		"from secret.key, before the setting changes":    {options: (*place).inFile},
		"from secret.key, after the setting has changed": {options: (*place).inFile, during: configured},
		"from the store":                                    {options: func(p *place) keyring.Options { return p.inStore(nil) }, during: configured},
		"from the store, sealed":                            {options: func(p *place) keyring.Options { return p.inStore(sealKey) }, during: configured},
		"from signing.key, before the setting changes":      {options: operator},
		"from signing.key, which is told beside the new":    {options: operator, during: configured, change: keyring.Change{Previous: django}},
		"from signing.key, and keys are sealed from now on": {options: operator, during: func(_ *place, o keyring.Options) keyring.Options { o.SealKey = sealKey; return o }},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, p *place) {
				first := s.options(p)
				before := p.ring(first)
				old := p.mint(before.Signing())

				during := first
				if s.during != nil {
					during = s.during(p, first)
				}
				s.change.Secret, s.change.Lifetime = second, lifetime
				p.clock.set(start.Add(time.Hour))
				p.use(during, s.change)
				p.use(during, s.change) // Again: nothing to change.

				rows := p.rows()
				if len(rows) != 2 || rows[0].State != auth.KeyRetired || rows[0].Secret == nil || rows[0].Sealed != (during.SealKey != nil) ||
					!rows[0].RetiredAt.Equal(start.Add(time.Hour)) || !rows[0].AcceptUntil.Equal(start.Add(time.Hour+lifetime)) {
					t.Fatalf("rows = %+v", rows)
				}
				if rows[1].State != auth.KeySigning || (rows[1].Secret != nil) != (during.SealKey != nil) {
					t.Errorf("rows = %+v", rows)
				}
				events, err := p.store.Read().Events(t.Context(), auth.EventFilter{Kind: auth.EventKeyChanged})
				if err != nil || len(events) != 1 || events[0].Detail != rows[0].ID+" -> "+rows[1].ID {
					t.Errorf("events = %+v, %v", events, err)
				}

				p.restart()
				after := first
				after.SigningKey, after.SealKey = second, during.SealKey
				r := p.ring(after)
				if r.Signing().Fingerprint() != hs256(second).Fingerprint() || !r.AcceptsForeign() {
					t.Errorf("signing key = %v", r.Signing())
				}
				if !p.accepts(r, old) || !p.accepts(r, p.mint(r.Signing())) {
					t.Error("a token of the old or of the new key is refused")
				}
				if len(first.SigningKey) > 0 {
					p.refuses(first, keyring.ErrOtherKey, "latchkey key use")
				}

				// The old key is accepted up to its last token's end, and no longer,
				// in a ring that was open all the while and in a new one.
				late := before.Signing().Sign(token.Claims{Type: token.Access, Expires: start.Add(1000 * time.Hour).Unix(), ID: "x"})
				p.clock.set(start.Add(time.Hour + lifetime - time.Microsecond))
				if !p.accepts(r, late) {
					t.Error("just before its end the old key is refused")
				}
				p.clock.set(start.Add(time.Hour + lifetime))
				if p.accepts(r, late) || p.accepts(p.ring(after), late) {
					t.Error("the old key is accepted for ever")
				}
				if got := accepts(t, r, "", false); len(got) != 1 {
					t.Errorf("accepted: %v", got)
				}
				if got := accepts(t, r, before.Signing().ID(), true); len(got) != 0 {
					t.Errorf("accepted for the expired key's kid: %v", got)
				}
			})
		})
	}
}

func TestUseRefuses(t *testing.T) {
	everywhere(t, useRefuses)
}

func useRefuses(t *testing.T, p *place) {
	o := p.inFile()
	o.SigningKey = django
	p.ring(o)
	configured := p.inFile()
	configured.SigningKey = second
	wrong := configured
	wrong.SealKey = sealKey[:5]
	for name, tt := range map[string]struct {
		options keyring.Options
		change  keyring.Change
		want    string
	}{
		"an empty key":                {o, keyring.Change{}, "empty"},
		"the former key is not known": {configured, keyring.Change{Secret: second}, "discard"},
		"the wrong former key":        {configured, keyring.Change{Secret: second, Previous: second}, "discard"},
		"a bad seal key":              {wrong, keyring.Change{Secret: second}, "keys.seal_key"},
	} {
		err := keyring.Use(t.Context(), p.store, tt.options, tt.change)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		hidesSecrets(t, err.Error())
	}
	if err := keyring.Use(t.Context(), p.store, configured, keyring.Change{Secret: second}); !errors.Is(err, keyring.ErrPreviousKey) {
		t.Errorf("Use: %v", err)
	}
	if rows := p.rows(); len(rows) != 1 || rows[0].State != auth.KeySigning {
		t.Errorf("a refused change changed the ring: %+v", rows)
	}
}

// A discarded key dies at once, under its own kid too, and does not come back.
func TestUseDiscards(t *testing.T) {
	everywhere(t, useDiscards)
}

func useDiscards(t *testing.T, p *place) {
	before := p.ring(p.inFile())
	secret, _ := os.ReadFile(p.secretFile())
	old := p.mint(before.Signing())
	o := p.inFile()
	o.SigningKey = second
	p.clock.set(start.Add(time.Minute)) // Rows come the oldest first.
	p.use(o, keyring.Change{Secret: second, Lifetime: lifetime, Discard: true})
	if row := p.rows()[0]; row.State != auth.KeyRemoved || row.Secret != nil {
		t.Errorf("row = %+v", row)
	}
	r := p.ring(o)
	if p.accepts(r, old) {
		t.Error("a discarded key's token is accepted")
	}
	if got := accepts(t, r, before.Signing().ID(), true); got != nil {
		t.Errorf("accepted for its kid: %v", got)
	}
	if err := keyring.Use(t.Context(), p.store, o, keyring.Change{Secret: secret}); err == nil || !strings.Contains(err.Error(), "removed") {
		t.Errorf("back again: %v", err)
	}
	if rows := p.rows(); rows[1].State != auth.KeySigning {
		t.Errorf("rows = %+v", rows)
	}
}

// A retired key that is taken into use again signs, without an end.
func TestUseThereAndBack(t *testing.T) {
	everywhere(t, useThereAndBack)
}

func useThereAndBack(t *testing.T, p *place) {
	o := p.inFile()
	o.SigningKey = django
	p.ring(o)
	p.use(o, keyring.Change{Secret: second, Lifetime: lifetime})
	p.use(o, keyring.Change{Secret: django, Previous: second, Lifetime: lifetime})
	r := p.ring(o)
	p.clock.set(start.Add(1000 * time.Hour))
	if !p.accepts(r, p.mint(hs256(django))) || r.Signing().Fingerprint() != hs256(django).Fingerprint() {
		t.Error("the key that came back does not sign")
	}
	for _, row := range p.rows() {
		if signing := row.Fingerprint == hs256(django).Fingerprint(); signing != (row.State == auth.KeySigning) || signing != row.RetiredAt.IsZero() {
			t.Errorf("row = %+v", row)
		}
	}
}

// A retired key that cannot be had stops the start, since its tokens would be
// refused; once its last token has expired nobody misses it.
func TestRetiredKeyIsLost(t *testing.T) {
	p := newPlace(t)
	o := p.inFile()
	o.SigningKey = django
	r := p.ring(o)
	p.use(o, keyring.Change{Secret: second, Lifetime: lifetime})
	p.change(r.Signing().ID(), func(k *auth.Key) { k.Secret = nil })
	o.SigningKey = second
	p.refuses(o, keyring.ErrNoSecret, "retired", r.Signing().ID())
	p.clock.set(start.Add(lifetime))
	p.ring(o)
}

// A running node follows a change if it can have the new secret, and stays as
// it is if not.
func TestReload(t *testing.T) {
	for _, sealed := range []bool{true, false} {
		everywhere(t, func(t *testing.T, p *place) { reload(t, p, sealed) })
	}
}

func reload(t *testing.T, p *place, sealed bool) {
	o := p.inStore(nil)
	if sealed {
		o = p.inStore(sealKey)
	}
	r := p.ring(o)
	first := r.Signing()
	p.use(o, keyring.Change{Secret: second, Lifetime: lifetime})
	if r.Signing().ID() != first.ID() {
		t.Error("the ring changed without Reload")
	}
	err := r.Reload(t.Context())
	follows := r.Signing().Fingerprint() == hs256(second).Fingerprint()
	if sealed && (err != nil || !follows || !p.accepts(r, p.mint(first))) {
		t.Errorf("sealed: %v, %v", err, r.Signing())
	}
	if !sealed && (!errors.Is(err, keyring.ErrNoSecret) || follows || !p.accepts(r, p.mint(first))) {
		t.Errorf("not sealed: %v, %v", err, r.Signing())
	}
	if sealed && r.AcceptsForeign() {
		t.Error("foreign tokens are accepted though signing.key is not set here")
	}
}

// accepts gives what a ring accepts that could be read.
func accepts(t *testing.T, r *keyring.Ring, kid string, hasKID bool) []token.Key {
	t.Helper()
	keys, err := r.Accepted(kid, hasKID)
	if err != nil {
		t.Errorf("Accepted(%q, %v): %v", kid, hasKID, err)
	}
	return keys
}

func TestAccepted(t *testing.T) {
	everywhere(t, accepted)
}

func accepted(t *testing.T, p *place) {
	o := p.inStore(sealKey)
	old := p.ring(o).Signing()
	p.use(o, keyring.Change{Secret: second, Lifetime: lifetime})
	published := auth.Key{ID: "published", Algorithm: "HS256", State: auth.KeyPublished, Fingerprint: "f", CreatedAt: start}
	removed := auth.Key{ID: "removed", Algorithm: "HS256", State: auth.KeyRemoved, Fingerprint: "f", CreatedAt: start}
	// Whatever else their rows say.
	published.Secret, published.AcceptUntil = django, start.Add(lifetime)
	removed.Secret, removed.AcceptUntil = django, start.Add(lifetime)
	published.Fingerprint, removed.Fingerprint = hs256(django).Fingerprint(), hs256(django).Fingerprint()
	ctx := t.Context()
	if err := p.store.Update(ctx, func(tx auth.Tx) error {
		_, err := tx.InsertKey(ctx, published)
		_, err2 := tx.InsertKey(ctx, removed)
		return errors.Join(err, err2)
	}); err != nil {
		t.Fatal(err)
	}
	r := p.ring(o)
	signing := r.Signing()
	for _, tt := range []struct {
		kid    string
		hasKID bool
		want   []string
	}{
		{"", false, []string{signing.ID(), old.ID()}},
		{"", true, []string{signing.ID(), old.ID()}},
		{"somebody else's", true, []string{signing.ID(), old.ID()}},
		{"../../etc/passwd", true, []string{signing.ID(), old.ID()}},
		{signing.ID(), true, []string{signing.ID()}},
		{old.ID(), true, []string{old.ID()}},
		{"published", true, nil},
		{"removed", true, nil},
		{"published", false, []string{signing.ID(), old.ID()}}, // Not said, so not looked at.
	} {
		var got []string
		for _, k := range accepts(t, r, tt.kid, tt.hasKID) {
			got = append(got, k.ID())
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("Accepted(%q, %v) = %v, want %v", tt.kid, tt.hasKID, got, tt.want)
		}
	}
}

// A ring of a newer version is not guessed at.
func TestUnknownAlgorithm(t *testing.T) {
	p := newPlace(t)
	ctx := t.Context()
	row := auth.Key{ID: "e", Algorithm: "PS256", State: auth.KeySigning, Secret: django[:32], Fingerprint: hs256(django[:32]).Fingerprint(), CreatedAt: start}
	if err := p.store.Update(ctx, func(tx auth.Tx) error { _, err := tx.InsertKey(ctx, row); return err }); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Open(ctx, p.store, p.inStore(nil)); err == nil || !strings.Contains(err.Error(), "PS256") {
		t.Errorf("Open: %v", err)
	}
}

// A store that does not answer is an error, and never a new key.
func TestStoreFails(t *testing.T) {
	p := newPlace(t)
	r := p.ring(p.inFile())
	signing := r.Signing()
	p.store.Close()
	if _, err := keyring.Open(t.Context(), p.store, p.inFile()); err == nil {
		t.Error("Open without a store")
	}
	if err := r.Reload(t.Context()); err == nil || r.Signing() != signing {
		t.Errorf("Reload without a store: %v", err)
	}
	if err := keyring.Use(t.Context(), p.store, p.inFile(), keyring.Change{Secret: second}); err == nil {
		t.Error("Use without a store")
	}
}

// Keys are looked up while the ring is reloaded and time goes by.
func TestConcurrentUse(t *testing.T) {
	everywhere(t, concurrentUse)
}

func concurrentUse(t *testing.T, p *place) {
	o := p.inStore(sealKey)
	r := p.ring(o)
	old := p.mint(r.Signing())
	p.use(o, keyring.Change{Secret: second, Lifetime: lifetime})
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() {
			for range 200 {
				if !p.accepts(r, old) || !p.accepts(r, p.mint(r.Signing())) {
					t.Error("refused")
					return
				}
			}
		})
	}
	done.Go(func() {
		for range 20 {
			if err := r.Reload(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	done.Wait()
}

func BenchmarkAccepted(b *testing.B) {
	store, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "latchkey.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	r, err := keyring.Open(b.Context(), store, keyring.Options{SigningKey: django})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = r.Accepted("", false)
	}
}
