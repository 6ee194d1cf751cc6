package keyring_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/auth"
	"github.com/latchkey-auth/latchkey/internal/keyring"
	"github.com/latchkey-auth/latchkey/internal/token"
)

const (
	ahead  = 330 * time.Second // a cache time and a tenth
	leeway = time.Minute
)

// turning are options that keys come and go with.
func (p *place) turning(algorithm string, every time.Duration) keyring.Options {
	o := p.inStore(sealKey)
	o.Algorithm, o.RotateEvery, o.Lifetime = algorithm, every, lifetime
	return o
}

func (p *place) advance(r *keyring.Ring) {
	p.t.Helper()
	if err := r.Advance(p.t.Context(), nil); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) align(r *keyring.Ring) {
	p.t.Helper()
	if err := r.Align(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// states tells the rows in short: "hs256 retired, eddsa signing".
func (p *place) states() string {
	p.t.Helper()
	var all []string
	for _, row := range p.rows() {
		all = append(all, strings.ToLower(row.Algorithm)+" "+string(row.State))
	}
	return sorted(all)
}

// sorted: keys that were made in one moment have no order.
func sorted(all []string) string {
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func (p *place) wantStates(want string) {
	p.t.Helper()
	want = sorted(strings.Split(want, ", "))
	if got := p.states(); got != want {
		p.t.Errorf("%s after the start: keys are %q, want %q", p.clock.now().Sub(start), got, want)
	}
}

// details gives the events on keys, the oldest first.
func (p *place) details() []string {
	p.t.Helper()
	events, err := p.store.Read().Events(p.t.Context(), auth.EventFilter{Kind: auth.EventKeyChanged})
	if err != nil {
		p.t.Fatal(err)
	}
	var all []string
	for _, e := range slices.Backward(events) {
		all = append(all, e.Detail)
	}
	return all
}

// kids are those of a JWKS, in its order.
func kids(t *testing.T, r *keyring.Ring) []string {
	t.Helper()
	var set struct {
		Keys []struct{ Kid, Kty, Alg, Use, K, D, P string }
	}
	if err := json.Unmarshal(r.JWKS(), &set); err != nil || set.Keys == nil {
		t.Fatalf("JWKS = %s, %v", r.JWKS(), err)
	}
	var all []string
	for _, k := range set.Keys {
		if k.Kty == "oct" || k.K != "" || k.D != "" || k.P != "" || k.Use != "sig" || k.Alg == "" {
			t.Errorf("JWKS = %s", r.JWKS())
		}
		all = append(all, k.Kid)
	}
	return all
}

// sameKeys wants the ids in a JWKS.
func sameKeys(t *testing.T, r *keyring.Ring, want ...string) {
	t.Helper()
	if got := kids(t, r); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("JWKS has %v, want %v", got, want)
	}
}

var algorithms = []string{token.HS256, token.EdDSA, token.ES256, token.RS256}

// The first key is of the algorithm that is set, signs at once, and lies in the
// store for every algorithm but SQLite's HS256.
func TestFirstKeyOfEachAlgorithm(t *testing.T) {
	for _, algorithm := range algorithms[1:] {
		t.Run(algorithm, func(t *testing.T) {
			everywhere(t, func(t *testing.T, q *place) {
				o := q.turning(algorithm, 0)
				o.SecretFile = q.secretFile()
				r := q.ring(o)
				row := q.rows()[0]
				if k := r.Signing(); k.Algorithm() != algorithm || row.ID != k.ID() || row.State != auth.KeySigning || !row.Sealed ||
					row.Fingerprint != k.Fingerprint() || !strings.HasPrefix(k.ID(), strings.ToLower(algorithm)+"-") || !row.SignsAt.Equal(start) {
					t.Errorf("key %v, row %+v", k, row)
				}
				sameKeys(t, r, row.ID)
				if _, err := os.Stat(q.secretFile()); err == nil {
					t.Error("there is a secret.key too")
				}
				signed := q.mint(r.Signing())
				q.restart()
				// The setting is the first start's, and Align's.
				for _, other := range algorithms {
					o.Algorithm = other
					if again := q.ring(o); !q.accepts(again, signed) || again.Signing().ID() != row.ID {
						t.Errorf("after a restart with %s: %v", other, again.Signing())
					}
				}
				unsealed := q.turning(algorithm, 0)
				unsealed.SealKey = nil
				q.refuses(unsealed, keyring.ErrSealed, "keys.seal_key")
			})
		})
	}
}

func TestUnsealed(t *testing.T) {
	p := newPlace(t)
	o := p.turning(token.EdDSA, 0)
	o.SealKey = nil
	p.ring(o)
	if row := p.rows()[0]; row.Sealed || len(row.Secret) == 0 {
		t.Errorf("row = %+v", row)
	}
	// A tampered row does not become a key.
	good := p.rows()[0]
	other, _ := token.Generate(token.EdDSA)
	p.change(good.ID, func(k *auth.Key) { k.Secret = other })
	p.refuses(o, keyring.ErrOtherKey)
	p.change(good.ID, func(k *auth.Key) { k.Secret = good.Secret[:20] })
	p.refuses(o, keyring.ErrOtherKey)
	p.change(good.ID, func(k *auth.Key) { k.Secret = good.Secret })
	sealed := o
	sealed.SealKey = sealKey
	if again := p.ring(sealed); len(again.Warnings()) != 0 || !p.rows()[0].Sealed {
		t.Errorf("sealed later: %q", again.Warnings())
	}
}

// TestSchedule is a key's life, state by state and to the microsecond.
func TestSchedule(t *testing.T) {
	for _, algorithm := range []string{token.EdDSA, token.HS256} {
		t.Run(algorithm, func(t *testing.T) {
			everywhere(t, func(t *testing.T, p *place) { schedule(t, p, algorithm) })
		})
	}
}

func schedule(t *testing.T, p *place, algorithm string) {
	const every = 24 * time.Hour
	const tick = time.Microsecond
	name := strings.ToLower(algorithm)
	asymmetric := algorithm != token.HS256
	r := p.ring(p.turning(algorithm, every))
	p.align(r)
	one := r.Signing()
	ofOne := p.mint(one)

	p.clock.set(start.Add(every - ahead - tick))
	p.advance(r)
	p.wantStates(name + " signing")

	p.clock.set(start.Add(every - ahead))
	p.advance(r)
	p.advance(r) // Once is enough.
	p.wantStates(name + " signing, " + name + " published")
	next := p.rows()[1]
	if !next.SignsAt.Equal(start.Add(every)) || !next.Sealed {
		t.Errorf("row = %+v", next)
	}
	if r.Signing() != one {
		t.Error("a published key signs")
	}
	if asymmetric {
		sameKeys(t, r, one.ID(), next.ID)
	} else {
		sameKeys(t, r)
	}

	// A published key is accepted by nobody, until clocks may differ.
	two := p.keyOf(next)
	accepted := func(want bool) {
		t.Helper()
		early := p.mint(two)
		if p.accepts(r, early) != want {
			t.Errorf("%s after the start: accepted %v", p.clock.now().Sub(start), !want)
		}
	}
	accepted(false)
	p.clock.set(start.Add(every - leeway - tick))
	accepted(false)
	p.clock.set(start.Add(every - leeway))
	accepted(true)
	if r.Signing() != one {
		t.Error("it signs before its time")
	}

	// It signs in its time, though nobody has advanced anything.
	p.clock.set(start.Add(every - tick))
	if r.Signing() != one {
		t.Error("it signs before its time")
	}
	p.clock.set(start.Add(every))
	if r.Signing().ID() != next.ID || !p.accepts(r, ofOne) {
		t.Errorf("signing key %v, old tokens accepted %v", r.Signing(), p.accepts(r, ofOne))
	}
	p.wantStates(name + " signing, " + name + " published")
	p.advance(r)
	p.wantStates(name + " retired, " + name + " signing")
	if asymmetric {
		sameKeys(t, r, next.ID, one.ID())
	}
	old := p.rows()[0]
	if want := start.Add(every + lifetime + leeway); !old.AcceptUntil.Equal(want) || !old.RetiredAt.Equal(start.Add(every)) {
		t.Errorf("row = %+v, want it accepted until %v", old, want)
	}
	if r.Signing().ID() != next.ID || !p.accepts(r, ofOne) || !p.accepts(r, p.mint(r.Signing())) {
		t.Error("tokens are refused after the promotion")
	}

	// The old key goes with its last token, and its secret with it.
	late := one.Sign(token.Claims{Type: token.Access, Expires: start.Add(1000 * time.Hour).Unix(), ID: "x"})
	p.clock.set(old.AcceptUntil.Add(-tick))
	if !p.accepts(r, late) {
		t.Error("just before its end the old key is refused")
	}
	p.clock.set(old.AcceptUntil)
	if p.accepts(r, late) {
		t.Error("the old key is accepted for ever")
	}
	if asymmetric {
		sameKeys(t, r, next.ID)
	}
	p.advance(r)
	if old = p.rows()[0]; old.State != auth.KeyRemoved || old.Secret != nil || old.Sealed {
		t.Errorf("row = %+v", old)
	}
	if got := accepts(t, r, old.ID, true); got != nil {
		t.Errorf("accepted for the removed key's kid: %v", got)
	}
	// The next one is due by now, and each change is told once.
	p.wantStates(name + " removed, " + name + " signing, " + name + " published")
	want := []string{"published " + next.ID, one.ID() + " -> " + next.ID, "removed " + one.ID(), "published " + p.rows()[2].ID}
	if got := p.details(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// What a clock that is wrongly ahead would take is there when it is put right: a
// retired key is refused after its time, and removed only by a steady clock.
func TestUnsteadyClock(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		o := p.turning(token.EdDSA, 24*time.Hour)
		r := p.ring(o)
		p.align(r)
		one := r.Signing()
		ofOne := one.Sign(token.Claims{Type: token.Access, Expires: start.Add(10000 * time.Hour).Unix(), ID: "x"})
		row := func() auth.Key {
			rows := p.rows()
			return rows[slices.IndexFunc(rows, func(k auth.Key) bool { return k.ID == one.ID() })]
		}
		p.clock.set(start.Add(time.Second))
		if _, err := keyring.Rotate(t.Context(), p.store, o, true); err != nil {
			t.Fatal(err)
		}
		unsteady := func(at time.Time) {
			t.Helper()
			p.clock.set(at)
			if err := r.Advance(t.Context(), func() bool { return false }); err != nil {
				t.Fatal(err)
			}
		}
		unsteady(start.Add(time.Second))
		if !p.accepts(r, ofOne) {
			t.Error("a retired key is refused in its time")
		}
		until := row().AcceptUntil
		unsteady(until.Add(1000 * time.Hour))
		if p.accepts(r, ofOne) {
			t.Error("a retired key is accepted after its time")
		}
		// Also while there is something else to be done.
		p.wantStates("eddsa retired, eddsa signing, eddsa published")
		unsteady(start.Add(time.Hour))
		if !p.accepts(r, ofOne) {
			t.Error("the clock is put right, and a good token is refused")
		}
		p.clock.set(until)
		p.advance(r)
		if row := row(); row.State != auth.KeyRemoved || row.Secret != nil {
			t.Errorf("row = %+v", row)
		}
	})
}

// keyOf opens a row's secret as another node would: by a ring of its own.
func (p *place) keyOf(row auth.Key) token.Key {
	p.t.Helper()
	ahead := &clock{t: row.SignsAt}
	o := p.inStore(sealKey)
	o.Now = ahead.now
	r, err := keyring.Open(p.t.Context(), p.store, o)
	if err != nil {
		p.t.Fatal(err)
	}
	if r.Signing().ID() != row.ID {
		p.t.Fatalf("at %v %v signs, not %s", row.SignsAt, r.Signing(), row.ID)
	}
	return r.Signing()
}

// A switch logs nobody out, there and back, wherever the old key lies.
func TestSwitch(t *testing.T) {
	for name, first := range map[string]func(*place) keyring.Options{
		"from secret.key": (*place).inFile,
		"from the store":  func(p *place) keyring.Options { return p.inStore(sealKey) },
		"from the store, unsealed": func(p *place) keyring.Options {
			return p.inStore(nil)
		},
		"from signing.key": func(p *place) keyring.Options { o := p.inFile(); o.SigningKey = django; return o },
		"from signing.key, sealed": func(p *place) keyring.Options {
			o := p.inStore(sealKey)
			o.SigningKey = django
			return o
		},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, p *place) { switchAndBack(t, p, first(p)) })
		})
	}
}

func switchAndBack(t *testing.T, p *place, o keyring.Options) {
	o.Lifetime = lifetime
	r := p.ring(o)
	p.align(r)
	p.wantStates("hs256 signing")
	sameKeys(t, r)
	hs := r.Signing()
	tokens := []string{p.mint(hs)}
	all := func(when string) {
		t.Helper()
		for i, signed := range tokens {
			if !p.accepts(r, signed) {
				t.Errorf("%s: token %d is refused", when, i)
			}
		}
	}

	o.Algorithm = token.EdDSA
	p.clock.set(start.Add(time.Hour))
	p.restart()
	r = p.ring(o)
	p.align(r)
	p.align(r)
	p.wantStates("hs256 signing, eddsa published")
	ed := p.rows()[1].ID // It was made an hour later.
	sameKeys(t, r, ed)
	all("published")
	p.clock.set(start.Add(time.Hour + ahead - time.Microsecond))
	tokens = append(tokens, p.mint(r.Signing()))
	if r.Signing().ID() != hs.ID() {
		t.Errorf("signing key = %v", r.Signing())
	}
	p.clock.set(start.Add(time.Hour + ahead))
	tokens = append(tokens, p.mint(r.Signing()))
	all("turned")
	p.advance(r)
	p.wantStates("hs256 retired, eddsa signing")
	all("advanced")
	p.restart()
	r = p.ring(o)
	p.align(r)
	all("started again")
	if r.Signing().ID() != ed || r.AcceptsForeign() != (len(o.SigningKey) > 0) {
		t.Errorf("signing key = %v", r.Signing())
	}
	sameKeys(t, r, ed)

	// Back, before the HS256 key has gone.
	o.Algorithm = token.HS256
	p.clock.set(start.Add(2 * time.Hour))
	p.restart()
	r = p.ring(o)
	p.align(r)
	all("on the way back")
	if len(o.SigningKey) > 0 {
		// The operator's own is known to every node and signs at once.
		p.wantStates("hs256 signing, eddsa retired")
		if r.Signing().ID() != hs.ID() {
			t.Errorf("signing key = %v", r.Signing())
		}
	} else {
		p.wantStates("hs256 retired, eddsa signing, hs256 published")
		p.clock.set(start.Add(2*time.Hour + ahead))
		p.advance(r)
		p.wantStates("hs256 retired, eddsa retired, hs256 signing")
	}
	tokens = append(tokens, p.mint(r.Signing()))
	all("back")
	sameKeys(t, r, ed)
	p.restart()
	r = p.ring(o)
	all("back, and started again")

	// Retired keys go when their last token has expired.
	p.clock.set(start.Add(3*time.Hour + ahead + lifetime + leeway))
	p.advance(r)
	for _, row := range p.rows() {
		if row.State != auth.KeySigning && row.State != auth.KeyRemoved {
			t.Errorf("row = %+v", row)
		}
	}
	sameKeys(t, r)
	if got := accepts(t, r, "", false); len(got) != 1 {
		t.Errorf("accepted: %v", got)
	}
}

// Who changes their mind before the new key signs stays with the old one.
func TestSwitchIsTakenBack(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		r := p.ring(p.turning(token.HS256, 0))
		p.align(r)
		r = p.ring(p.turning(token.ES256, 0))
		p.align(r)
		p.wantStates("hs256 signing, es256 published")
		p.clock.set(start.Add(time.Second))
		r = p.ring(p.turning(token.RS256, 0))
		p.align(r)
		p.wantStates("hs256 signing, es256 removed, rs256 published")
		r = p.ring(p.turning(token.HS256, 0))
		p.align(r)
		p.wantStates("hs256 signing, es256 removed, rs256 removed")
		p.clock.set(start.Add(time.Hour))
		p.advance(r)
		p.wantStates("hs256 signing, es256 removed, rs256 removed")
		sameKeys(t, r)
	})
}

// The operator's key comes back when its tokens had all expired; cut off by
// hand it does not.
func TestOperatorsKeyComesBack(t *testing.T) {
	for _, byHand := range []bool{false, true} {
		everywhere(t, func(t *testing.T, p *place) {
			o := p.turning(token.HS256, 0)
			o.SigningKey = django
			r := p.ring(o)
			p.align(r)
			hs := r.Signing().ID()
			o.Algorithm = token.EdDSA
			r = p.ring(o)
			p.align(r)
			p.clock.set(start.Add(ahead))
			p.advance(r)
			if byHand {
				if err := keyring.Retire(t.Context(), p.store, o, hs); err != nil {
					t.Fatal(err)
				}
			}
			p.clock.set(start.Add(ahead + lifetime + leeway))
			p.advance(r)
			p.wantStates("hs256 removed, eddsa signing")
			// It is no reason not to start, and takes nothing in again.
			r = p.ring(o)
			p.align(r)
			p.wantStates("hs256 removed, eddsa signing")
			if p.accepts(r, p.mint(hs256(django))) {
				t.Error("the removed signing.key is accepted")
			}
			o.Algorithm = token.HS256
			r = p.ring(o)
			if err := r.Align(t.Context()); byHand != (err != nil) || err != nil && !strings.Contains(err.Error(), "does not come back") {
				t.Errorf("by hand %v: %v", byHand, err)
			}
			if byHand {
				p.wantStates("hs256 removed, eddsa signing")
				return
			}
			p.wantStates("hs256 published, eddsa signing")
			p.clock.set(p.clock.now().Add(ahead))
			p.advance(r)
			p.wantStates("hs256 signing, eddsa retired")
			if !p.accepts(r, p.mint(hs256(django))) {
				t.Error("the operator's key is refused")
			}
		})
	}
}

// A start with signing.key and an asymmetric algorithm accepts what Django has
// signed, for as long as such tokens live.
func TestSharedKeyBesideAsymmetric(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		o := p.turning(token.EdDSA, 0)
		o.SigningKey = django
		r := p.ring(o)
		p.align(r)
		p.align(r)
		p.wantStates("eddsa signing, hs256 retired")
		if !p.accepts(r, p.mint(hs256(django))) || !r.AcceptsForeign() {
			t.Error("Django's tokens are refused")
		}
		sameKeys(t, r, r.Signing().ID())
		p.clock.set(start.Add(lifetime + leeway))
		if p.accepts(r, p.mint(hs256(django))) {
			t.Error("the shared key is accepted for ever")
		}
		// A signing.key that is set only later, or is another one.
		o.SigningKey = second
		r = p.ring(o)
		p.align(r)
		if !p.accepts(r, p.mint(hs256(second))) {
			t.Error("a signing.key that is set later is refused")
		}
	})
}

// The scheduled rotation leaves the operator's key alone.
func TestOperatorsKeyIsNotRotated(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		o := p.turning(token.HS256, time.Hour)
		o.SigningKey = django
		r := p.ring(o)
		p.clock.set(start.Add(1000 * time.Hour))
		p.advance(r)
		p.wantStates("hs256 signing")
		for _, atOnce := range []bool{false, true} {
			if _, err := keyring.Rotate(t.Context(), p.store, o, atOnce); !errors.Is(err, keyring.ErrOperatorsKey) {
				t.Errorf("Rotate: %v", err)
			}
			// Also where the command line does not know it.
			without := o
			without.SigningKey = nil
			if _, err := keyring.Rotate(t.Context(), p.store, without, atOnce); !errors.Is(err, keyring.ErrOperatorsKey) {
				t.Errorf("Rotate: %v", err)
			}
		}
	})
}

// Lowering tokens.refresh does not shorten the life of tokens that are there.
func TestLongestLifetimeIsKept(t *testing.T) {
	p := newPlace(t)
	o := p.turning(token.EdDSA, 0)
	r := p.ring(o)
	p.align(r)
	o.Lifetime = time.Hour
	r = p.ring(o)
	p.align(r)
	p.clock.set(start.Add(time.Second))
	if _, err := keyring.Rotate(t.Context(), p.store, o, true); err != nil {
		t.Fatal(err)
	}
	rows := p.rows()
	if until := rows[0].AcceptUntil; until.Before(start.Add(time.Second + lifetime)) {
		t.Errorf("accepted until %v", rows[0].AcceptUntil.Sub(start))
	}
	for _, row := range rows {
		if row.State == auth.KeySigning && row.Lifetime != time.Hour {
			t.Errorf("row = %+v", row)
		}
	}
	o.Lifetime = 0
	if _, err := keyring.Rotate(t.Context(), p.store, o, true); err == nil {
		t.Error("a key was retired without a lifetime of tokens")
	}
}

func TestRotateByHand(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		ctx := t.Context()
		o := p.turning(token.EdDSA, 0)
		if _, err := keyring.Rotate(ctx, p.store, o, false); err == nil {
			t.Error("Rotate without a key")
		}
		r := p.ring(o)
		p.align(r)
		one := r.Signing()

		// The command line's settings do not choose the algorithm.
		cli := o
		cli.Algorithm = ""
		p.clock.set(start.Add(time.Second))
		next, err := keyring.Rotate(ctx, p.store, cli, false)
		if err != nil || next.State != auth.KeyPublished || !next.SignsAt.Equal(start.Add(time.Second+ahead)) || next.Algorithm != token.EdDSA {
			t.Fatalf("Rotate: %+v, %v", next, err)
		}
		again, err := keyring.Rotate(ctx, p.store, cli, false)
		if err != nil || again.ID != next.ID || !again.SignsAt.Equal(next.SignsAt) {
			t.Errorf("Rotate again: %+v, %v", again, err)
		}
		p.wantStates("eddsa signing, eddsa published")

		// At once: the published one is not waited for, and the ring, which knows
		// it as published, takes its token all the same.
		if err := r.Reload(ctx); err != nil {
			t.Fatal(err)
		}
		now, err := keyring.Rotate(ctx, p.store, cli, true)
		if err != nil || now.ID != next.ID || now.State != auth.KeySigning {
			t.Fatalf("Rotate at once: %+v, %v", now, err)
		}
		p.wantStates("eddsa retired, eddsa signing")
		if r.Signing() != one {
			t.Error("the ring has read the store by itself")
		}
		other := p.ring(o)
		if !p.accepts(r, p.mint(other.Signing())) || !p.accepts(r, p.mint(one)) {
			t.Error("a token is refused while the node is late")
		}
		if r.Signing().ID() != next.ID {
			t.Error("the ring has not read what it asked for")
		}
		// Without one that is published.
		p.clock.set(start.Add(time.Minute))
		third, err := keyring.Rotate(ctx, p.store, cli, true)
		if err != nil || third.ID == next.ID {
			t.Fatalf("Rotate at once: %+v, %v", third, err)
		}
		p.wantStates("eddsa retired, eddsa retired, eddsa signing")
		want := []string{
			"published " + next.ID, one.ID() + " -> " + next.ID, "published " + third.ID, next.ID + " -> " + third.ID,
		}
		if got := p.details(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("events %q, want %q", got, want)
		}

		// Retire: never the one that signs.
		if err := keyring.Retire(ctx, p.store, cli, third.ID); !errors.Is(err, keyring.ErrSigning) {
			t.Errorf("Retire the signing key: %v", err)
		}
		if err := keyring.Retire(ctx, p.store, cli, "nobody"); !errors.Is(err, keyring.ErrNoKey) {
			t.Errorf("Retire nobody: %v", err)
		}
		if err := r.Reload(ctx); err != nil {
			t.Fatal(err)
		}
		ofOne, ofTwo := p.mint(one), p.mint(other.Signing())
		for range 2 { // Again: nothing to change.
			if err := keyring.Retire(ctx, p.store, cli, one.ID()); err != nil {
				t.Fatal(err)
			}
		}
		p.wantStates("eddsa removed, eddsa retired, eddsa signing")
		p.advance(r)
		if p.accepts(r, ofOne) || !p.accepts(r, ofTwo) {
			t.Error("the retired key is accepted, or the other one is not")
		}
		sameKeys(t, r, third.ID, next.ID)
		if row := p.rows()[0]; row.Secret != nil || row.AcceptUntil.After(row.RetiredAt) {
			t.Errorf("row = %+v", row)
		}

		// One that is published may go too, until its time has come.
		p.clock.set(start.Add(2 * time.Minute))
		fourth, err := keyring.Rotate(ctx, p.store, cli, false)
		if err != nil {
			t.Fatal(err)
		}
		p.clock.set(fourth.SignsAt)
		if err := keyring.Retire(ctx, p.store, cli, fourth.ID); !errors.Is(err, keyring.ErrSigning) {
			t.Errorf("Retire a key whose time has come: %v", err)
		}
		p.clock.set(fourth.SignsAt.Add(-time.Second))
		if err := keyring.Retire(ctx, p.store, cli, fourth.ID); err != nil {
			t.Fatal(err)
		}
		p.clock.set(fourth.SignsAt)
		p.advance(r)
		if r.Signing().ID() != third.ID {
			t.Errorf("signing key = %v", r.Signing())
		}
	})
}

// An HS256 key has no name in its tokens: it signs when every node knows it.
func TestRotateHS256AtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		o := p.turning(token.HS256, 0)
		r := p.ring(o)
		p.align(r)
		one := r.Signing()
		for range 2 {
			next, err := keyring.Rotate(t.Context(), p.store, o, true)
			if err != nil || next.State != auth.KeyPublished || !next.SignsAt.Equal(start.Add(5*time.Second)) {
				t.Fatalf("Rotate: %+v, %v", next, err)
			}
		}
		p.advance(r)
		if r.Signing() != one {
			t.Error("it signs before all nodes know it")
		}
		p.clock.set(start.Add(5 * time.Second))
		if r.Signing() == one || !p.accepts(r, p.mint(one)) {
			t.Error("it does not sign in its time")
		}
		p.advance(r)
		p.wantStates("hs256 retired, hs256 signing")
	})
}

// secret.key's key is rotated into the store; the file is not missed then.
func TestRotateFromSecretFile(t *testing.T) {
	p := newPlace(t)
	o := p.inFile()
	o.RotateEvery, o.Lifetime = time.Hour, lifetime
	r := p.ring(o)
	ofOne := p.mint(r.Signing())
	p.clock.set(start.Add(time.Hour))
	p.advance(r)
	p.clock.set(start.Add(time.Hour + ahead))
	p.advance(r)
	p.wantStates("hs256 retired, hs256 signing")
	os.Remove(p.secretFile())
	p.restart()
	r = p.ring(o)
	if !p.accepts(r, ofOne) || !p.accepts(r, p.mint(r.Signing())) {
		t.Error("tokens are refused without the file")
	}
}

// Several nodes advance and align at the same time: each change happens once,
// and they agree.
func TestNodesAgree(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		const nodes, rounds = 4, 5
		o := p.turning(token.HS256, 0)
		p.align(p.ring(o))
		o = p.turning(token.EdDSA, time.Hour)
		var rings []*keyring.Ring
		for range nodes {
			r, err := keyring.Open(t.Context(), p.connect(), o)
			if err != nil {
				t.Fatal(err)
			}
			rings = append(rings, r)
		}
		together := func(act func(*keyring.Ring) error) {
			var done sync.WaitGroup
			for _, r := range rings {
				done.Go(func() {
					if err := act(r); err != nil {
						t.Error(err)
					}
				})
			}
			done.Wait()
		}
		together(func(r *keyring.Ring) error { return r.Align(context.Background()) })
		p.wantStates("hs256 signing, eddsa published")
		now := start
		var tokens []string
		for range rounds {
			for _, step := range []time.Duration{ahead, time.Hour - ahead} {
				now = now.Add(step)
				p.clock.set(now)
				// In this moment, before anybody has done anything, they agree.
				for _, r := range rings {
					tokens = append(tokens, p.mint(r.Signing()))
				}
				together(func(r *keyring.Ring) error { return r.Advance(context.Background(), nil) })
				for _, r := range rings {
					tokens = append(tokens, p.mint(r.Signing()))
				}
				if n := strings.Count(p.states(), "published"); n > 1 {
					t.Fatalf("keys: %s", p.states())
				}
				for _, r := range rings {
					for i, signed := range tokens {
						if !p.accepts(r, signed) {
							t.Fatalf("token %d is refused: %s", i, p.states())
						}
					}
				}
			}
		}
		seen := map[string]int{}
		for _, d := range p.details() {
			if seen[d]++; seen[d] > 1 {
				t.Errorf("%q happened twice", d)
			}
		}
		signing := 0
		for _, row := range p.rows() {
			if row.State == auth.KeySigning {
				signing++
			}
		}
		if signing != 1 || len(p.rows()) < rounds {
			t.Errorf("keys: %s", p.states())
		}
	})
}

// Kids that nobody has heard of make twenty reads in a second and no more, and
// only if they look like ones of ours.
func TestUnknownKid(t *testing.T) {
	p := newPlace(t)
	r, err := keyring.Open(t.Context(), counting{p.store, &reads}, p.turning(token.EdDSA, 0))
	if err != nil {
		t.Fatal(err)
	}
	reads.Store(0)
	for _, kid := range []string{
		"", "x", "k1", "hs256-0123456789abcdef", "eddsa-", "eddsa-0123456789abcde", "eddsa-0123456789abcdeg",
		"eddsa-0123456789ABCDEF", "EdDSA-0123456789abcdef", "es256-0123456789abcdef0", "../../eddsa-0123456789abcdef",
	} {
		if got := accepts(t, r, kid, true); len(got) != 0 {
			t.Errorf("Accepted(%q) = %v", kid, got)
		}
	}
	if n := reads.Load(); n != 0 {
		t.Errorf("%d reads for kids that cannot be ours", n)
	}
	began := time.Now()
	var done sync.WaitGroup
	for i := range 16 {
		done.Go(func() {
			for j := range 12 {
				if got := accepts(t, r, fmt.Sprintf("eddsa-%016x", i*1000+j), true); len(got) != 0 {
					t.Errorf("accepted: %v", got)
				}
			}
		})
	}
	done.Wait()
	if n := reads.Load(); n < 1 || n > 1+int64(time.Since(began)/(50*time.Millisecond)) {
		t.Errorf("%d reads", n)
	}
}

// Many requests that bring a new key at the same moment wait for one read, and
// none is refused.
func TestUnknownKidAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		o := p.turning(token.ES256, 0)
		r, err := keyring.Open(t.Context(), counting{p.store, &reads}, o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keyring.Rotate(t.Context(), p.store, o, true); err != nil {
			t.Fatal(err)
		}
		signed := p.mint(p.ring(o).Signing())
		reads.Store(0)
		var done sync.WaitGroup
		for range 64 {
			done.Go(func() {
				if !p.accepts(r, signed) {
					t.Error("refused")
				}
			})
		}
		done.Wait()
		if n := reads.Load(); n != 1 {
			t.Errorf("%d reads, want 1", n)
		}
	})
}

// However many kids are invented meanwhile, a key that another node lets sign is
// known here with its first token.
func TestUnknownKidAmongInvented(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		o := p.turning(token.EdDSA, 0)
		r, err := keyring.Open(t.Context(), p.store, o)
		if err != nil {
			t.Fatal(err)
		}
		var inventing sync.WaitGroup
		defer inventing.Wait()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		for i := range 4 {
			inventing.Go(func() {
				for j := 0; ctx.Err() == nil; j++ {
					if got := accepts(t, r, fmt.Sprintf("eddsa-%016x", i<<32+j), true); len(got) != 0 {
						t.Errorf("accepted: %v", got)
					}
				}
			})
		}
		for range 5 {
			if _, err := keyring.Rotate(t.Context(), p.store, o, true); err != nil {
				t.Fatal(err)
			}
			if !p.accepts(r, p.mint(p.ring(o).Signing())) {
				t.Error("refused")
			}
		}
	})
}

// Those who wait for a read are bounded: to more it is unavailable at once, and
// that is not for ever.
func TestUnknownKidsCrowd(t *testing.T) {
	p := newPlace(t)
	r, err := keyring.Open(t.Context(), p.store, p.turning(token.EdDSA, 0))
	if err != nil {
		t.Fatal(err)
	}
	accepts(t, r, "eddsa-0123456789abcdef", true) // The next one is not before 50 ms.
	var done sync.WaitGroup
	var refused atomic.Int64
	for i := range 200 {
		done.Go(func() {
			keys, err := r.Accepted(fmt.Sprintf("eddsa-%016x", i), true)
			if auth.IsKind(err, auth.Unavailable) {
				refused.Add(1)
			} else if err != nil || len(keys) != 0 {
				t.Errorf("%v, %v", keys, err)
			}
		})
	}
	done.Wait()
	if n := refused.Load(); n < 1 || n > 200-64 {
		t.Errorf("%d of 200 at once are refused, want 136 or a few less", n)
	}
	if keys := accepts(t, r, "eddsa-0123456789abcde0", true); len(keys) != 0 {
		t.Errorf("%v", keys)
	}
}

// Where the rows cannot be read, nobody can say that a kid of our form is none of
// ours: that is Unavailable, and no more reads than at other times. What the ring
// knows goes on, and what was read and is not there is refused.
func TestUnknownKidUnread(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		o := p.turning(token.EdDSA, 0)
		var away atomic.Bool
		r, err := keyring.Open(t.Context(), failing{counting{p.store, &reads}, &away}, o)
		if err != nil {
			t.Fatal(err)
		}
		published, err := keyring.Rotate(t.Context(), p.store, o, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		ours := p.mint(r.Signing())
		invented, next := "eddsa-0123456789abcdef", published.ID
		unavailable := func(kid string) {
			t.Helper()
			if keys, err := r.Accepted(kid, true); !auth.IsKind(err, auth.Unavailable) || len(keys) != 0 {
				t.Errorf("%s: %v, %v; want none and Unavailable", kid, keys, err)
			}
		}
		away.Store(true)
		reads.Store(0)
		for range 3 {
			unavailable(invented)
			unavailable(next) // It may have been let sign.
		}
		if n := reads.Load(); n != 1 {
			t.Errorf("%d reads, want 1", n)
		}
		for _, kid := range []string{"", "x", "hs256-0123456789abcdef", "eddsa-0123456789abcde"} {
			if keys := accepts(t, r, kid, true); len(keys) != 0 {
				t.Errorf("Accepted(%q) = %v", kid, keys)
			}
		}
		if !p.accepts(r, ours) {
			t.Error("a token of the key that is known is refused")
		}

		// Another node lets the next one sign; here it is read when that can be done.
		if _, err := keyring.Rotate(t.Context(), p.store, o, true); err != nil {
			t.Fatal(err)
		}
		signed := p.mint(p.ring(o).Signing())
		if _, err := token.Parse(signed, r, p.clock.now()); !auth.IsKind(err, auth.Unavailable) {
			t.Errorf("a token of the next key: %v", err)
		}
		away.Store(false)
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !p.accepts(r, signed) {
			t.Error("a token of the next key is refused")
		}
		if keys := accepts(t, r, invented, true); len(keys) != 0 {
			t.Errorf("an invented kid: %v", keys)
		}
	})
}

// failing is a store whose keys cannot be read while it is away.
type failing struct {
	counting
	away *atomic.Bool
}

func (f failing) Read() auth.Reader { return failingReader{f.counting.Read(), f.away} }

type failingReader struct {
	auth.Reader
	away *atomic.Bool
}

func (f failingReader) Keys(ctx context.Context) ([]auth.Key, error) {
	keys, err := f.Reader.Keys(ctx)
	if f.away.Load() {
		return nil, errors.New("the connection is gone")
	}
	return keys, err
}

func TestRingMAC(t *testing.T) {
	p := newPlace(t)
	o := p.turning(token.EdDSA, 0)
	r := p.ring(o)
	p.align(r)
	mac := r.MAC("cursor", []byte("42"))
	check := func(when string, want bool) {
		t.Helper()
		if r.CheckMAC("cursor", []byte("42"), mac) != want {
			t.Errorf("%s: checks %v", when, !want)
		}
		if r.CheckMAC("other", []byte("42"), mac) || r.CheckMAC("cursor", []byte("43"), mac) || r.CheckMAC("cursor", []byte("42"), nil) {
			t.Errorf("%s: something else checks", when)
		}
	}
	check("at once", true)
	one := r.Signing().ID()
	if _, err := keyring.Rotate(t.Context(), p.store, o, true); err != nil {
		t.Fatal(err)
	}
	p.advance(r)
	if again := r.MAC("cursor", []byte("42")); string(again) == string(mac) {
		t.Error("the new key makes the same MAC")
	}
	check("rotated", true)
	if err := keyring.Retire(t.Context(), p.store, o, one); err != nil {
		t.Fatal(err)
	}
	p.advance(r)
	check("removed", false)
}

// A node without the seal key of its siblings does not follow, and says why.
func TestNodeWithoutTheSealKey(t *testing.T) {
	p := newPlace(t)
	o := p.inStore(nil)
	o.Lifetime = lifetime
	plain := p.ring(o)
	sealed := p.turning(token.HS256, 0)
	if _, err := keyring.Rotate(t.Context(), p.store, sealed, false); err != nil {
		t.Fatal(err)
	}
	if err := plain.Reload(t.Context()); err != nil {
		t.Errorf("a published key that is not needed yet: %v", err)
	}
	if w := plain.Warnings(); !slices.ContainsFunc(w, func(s string) bool { return strings.Contains(s, "keys.seal_key is not set") }) {
		t.Errorf("warnings = %q", w)
	}
}

// use takes over from what rotation had begun.
func TestUseEndsARotation(t *testing.T) {
	p := newPlace(t)
	o := p.turning(token.HS256, 0)
	p.ring(o)
	if _, err := keyring.Rotate(t.Context(), p.store, o, false); err != nil {
		t.Fatal(err)
	}
	p.use(o, keyring.Change{Secret: second, Lifetime: lifetime})
	o.SigningKey = second
	r := p.ring(o)
	p.clock.set(start.Add(ahead))
	p.advance(r)
	if r.Signing().Fingerprint() != hs256(second).Fingerprint() {
		t.Errorf("signing key = %v: %s", r.Signing(), p.states())
	}
}

func TestBadAlgorithm(t *testing.T) {
	p := newPlace(t)
	for _, algorithm := range []string{"none", "eddsa", "PS256", "HS512"} {
		if _, err := keyring.Open(t.Context(), p.store, p.turning(algorithm, 0)); err == nil || !strings.Contains(err.Error(), "signing.algorithm") {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
	if len(p.rows()) != 0 {
		t.Errorf("rows = %+v", p.rows())
	}
}

// counting counts the reads of the key ring.
type counting struct {
	auth.Store
	n *atomic.Int64
}

var reads atomic.Int64

func (c counting) Read() auth.Reader { return countingReader{c.Store.Read(), c.n} }

type countingReader struct {
	auth.Reader
	n *atomic.Int64
}

func (c countingReader) Keys(ctx context.Context) ([]auth.Key, error) {
	c.n.Add(1)
	return c.Reader.Keys(ctx)
}
