package password

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// django is a password as Django would store it.
func django(t *testing.T, pw string, iterations int) string {
	t.Helper()
	sum, err := pbkdf2.Key(sha256.New, pw, []byte("saltsaltsalt"), iterations, 32)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("pbkdf2_sha256$%d$saltsaltsalt$%s", iterations, base64.StdEncoding.EncodeToString(sum))
}

// A hash of Django's opens by the trimmed form too, as it did behind DRF, and
// then stays as it is; one of ours opens by the exact bytes alone.
//
// ASVS 6.2.8
// LESSON 12
func TestTrimmed(t *testing.T) {
	const pw = "c0rrect-Horse-42"
	h := NewHasher(Options{})
	ours, err := h.Hash(t.Context(), pw)
	if err != nil {
		t.Fatal(err)
	}
	theirs := django(t, pw, 10)
	spaced := django(t, " "+pw, 10) // set by a form that trims nothing
	for _, c := range []struct {
		typed, encoded string
		ok, rehash     bool
	}{
		{pw, theirs, true, true},
		{" " + pw, theirs, true, false},
		{pw + "\n", theirs, true, false},
		{"\u00a0\u2003" + pw + "\x1f\t ", theirs, true, false},
		{" " + pw, spaced, true, true},
		{"  " + pw, spaced, false, false},
		{pw, spaced, false, false},
		{"\u200b" + pw, theirs, false, false}, // no white space to Python
		{"c0rrect -Horse-42", theirs, false, false},
		{strings.ToUpper(pw), theirs, false, false},
		{" ", django(t, "", 10), false, false},
		{pw, ours, true, false},
		{" " + pw, ours, false, false},
		{pw + " ", ours, false, false},
		{pw + "\n", ours, false, false},
		{pw + "\u00a0", ours, false, false},
		{" " + pw, "", false, false},
		{" " + pw, "!" + pw, false, false},
	} {
		v, err := h.Judge(t.Context(), c.typed, c.encoded)
		if err != nil || v.OK != c.ok || v.Rehash != c.rehash {
			t.Errorf("%q for %.24q: %v, rehash %v, %v; want %v, %v", c.typed, c.encoded, v.OK, v.Rehash, err, c.ok, c.rehash)
		}
	}
}

// states are what a refused login may meet.
func states(t *testing.T, h *Hasher) map[string]string {
	t.Helper()
	ours, err := h.Hash(t.Context(), "another-One-42")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"unknown": "", "ours": ours, "unusable": "!x", "malformed": "pbkdf2_sha256$x", "unknown format": "md5$a$b",
		"too costly": "pbkdf2_sha256$2147483647$salt$" + strings.Repeat("A", 43) + "=",
		"pbkdf2":     django(t, "another-One-42", 50), "pbkdf2, more": django(t, "another-One-42", 100),
	}
}

// While there are hashes of Django's a refusal is due at the same time whoever
// was asked for, and tries as often; without them nobody waits.
//
// LESSON 1, 2, 3, 4
func TestRefusalsAreDueAtOneTime(t *testing.T) {
	h := NewHasher(Options{})
	all := states(t, h)
	for _, typed := range []string{"", "x", "c0rrect-Horse-42", " c0rrect-Horse-42", "   ", strings.Repeat("é", MaxLength), strings.Repeat(" x", MaxLength)} {
		for name, encoded := range map[string]string{"unknown": "", "ours": all["ours"], "unusable": "!x"} {
			v, err := h.Judge(t.Context(), typed, encoded)
			if due := h.floor.until(t.Context(), v).Sub(v.began); err != nil || v.OK || v.tries != 1 || due != 0 {
				t.Errorf("without foreign hashes, %.20q, %s: %v, %d tries, due after %v (%v)", typed, name, v.OK, v.tries, due, err)
			}
		}
	}

	if err := h.Present(t.Context(), []string{all["pbkdf2"], all["pbkdf2, more"], all["ours"], all["malformed"]}); err != nil {
		t.Fatal(err)
	}
	if len(h.floor.present) != 2 || len(h.floor.took) != 3 {
		t.Fatalf("present %v, timed %v", h.floor.present, h.floor.took)
	}
	for class := range h.floor.took {
		// As if the machine had been slow then: what hashes take now is less.
		h.floor.took[class] = time.Hour
	}
	h.floor.slowest = time.Hour
	for _, typed := range []string{"", "x", "c0rrect-Horse-42", " c0rrect-Horse-42", "   ", strings.Repeat("é", MaxLength), strings.Repeat(" x", MaxLength)} {
		tries := 1
		if typed == " c0rrect-Horse-42" {
			tries = 2
		}
		for name, encoded := range all {
			v, err := h.Judge(t.Context(), typed, encoded)
			due := h.floor.until(t.Context(), v).Sub(v.began)
			if want := time.Duration(tries) * 75 * time.Minute; err != nil || v.OK || v.tries != tries || due != want {
				t.Errorf("%.20q, %s: %v, %d tries, due after %v, want %v (%v)", typed, name, v.OK, v.tries, due, want, err)
			}
		}
	}

	// What is slower than it was makes the floor rise in proportion.
	v, err := h.Judge(t.Context(), "x", "")
	if err != nil {
		t.Fatal(err)
	}
	v.took = 150 * time.Minute
	if due := h.floor.until(t.Context(), v).Sub(v.began); due != 150*time.Minute {
		t.Errorf("on a machine twice as slow, due after %v", due)
	}
	// Where a tenth of the hashes of one format take much longer, everybody waits
	// for those, and they wait no longer than everybody.
	for i := range lately {
		h.floor.heard(v.class, map[bool]time.Duration{true: 3 * time.Hour, false: time.Hour}[i%10 == 0])
	}
	for name, encoded := range all {
		v, err := h.Judge(t.Context(), "x", encoded)
		if err != nil {
			t.Fatal(err)
		}
		if v.class == v.own {
			v.took = 3 * time.Hour
		}
		if due := h.floor.until(t.Context(), v).Sub(v.began); due != 3*time.Hour {
			t.Errorf("%s: beside a format that varies, due after %v", name, due)
		}
	}
	// Where nobody signs in any more, each timing forgets the older half.
	v.took = time.Second
	for i := range 8 {
		want := 3 * time.Hour
		if i == 7 { // 64, 32, …, 1, 0
			want = 75 * time.Minute
		}
		if n := len(h.floor.logins[v.class]); n > 0 {
			h.floor.logins[v.class][n-1] = 3 * time.Hour
		}
		if due := h.floor.until(t.Context(), v).Sub(v.began); i > 4 && due != want {
			t.Errorf("after %d timings, due after %v, want %v", i, due, want)
		}
		h.floor.measured(v.class, time.Hour, time.Now())
	}
	// Older ones are forgotten.
	for range lately {
		h.floor.heard(v.class, time.Hour)
	}
	v.took = time.Second
	if due := h.floor.until(t.Context(), v).Sub(v.began); due != 75*time.Minute {
		t.Errorf("when it has gone, due after %v", due)
	}
	// Once the last has been hashed anew there is no floor.
	if err := h.Present(t.Context(), nil); err != nil || h.floor.slowest != 0 || h.floor.mayRise() {
		t.Errorf("after the last foreign hash: %v, slowest %v", err, h.floor.slowest)
	}
	// One that is met at a login counts at once.
	if _, err := h.Judge(t.Context(), "x", all["pbkdf2"]); err != nil || h.floor.slowest == 0 {
		t.Errorf("met at a login: slowest %v (%v)", h.floor.slowest, err)
	}
}

// What was timed while the machine was busy is timed again, and the floor comes
// down.
func TestTimedAgain(t *testing.T) {
	h := NewHasher(Options{})
	hashes := []string{django(t, "x", 10)}
	if err := h.Present(t.Context(), hashes); err != nil {
		t.Fatal(err)
	}
	for class := range h.floor.took {
		h.floor.took[class] = time.Hour
	}
	before := h.Done()
	if err := h.Present(t.Context(), hashes); err != nil || h.floor.slowest != time.Hour || h.Done() != before {
		t.Errorf("a moment later: slowest %v, timed %d (%v)", h.floor.slowest, h.Done()-before, err)
	}
	for class := range h.floor.timed {
		h.floor.timed[class] = time.Now().Add(-timedFor)
	}
	if err := h.Present(t.Context(), hashes); err != nil || h.floor.slowest >= time.Hour || h.Done() == before {
		t.Errorf("later: slowest %v, timed %d (%v)", h.floor.slowest, h.Done()-before, err)
	}
}

// A refusal that waits holds no place among the hashes, and goes with its
// client.
func TestSettleHoldsNoPlace(t *testing.T) {
	h := NewHasher(Options{Concurrent: 1, Queue: 1, Wait: time.Minute})
	h.floor.met("slow", time.Hour)
	ctx, gone := context.WithCancel(t.Context())
	done := make(chan struct{}, 20)
	for range cap(done) {
		v, err := h.Judge(t.Context(), "x", "")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			v.Settle(ctx)
			done <- struct{}{}
		}()
	}
	if s := h.Stats(); s.Running != 0 || s.Waiting != 0 || h.Done() != 20 {
		t.Errorf("20 refusals wait, and of the hasher %+v", s)
	}
	select {
	case <-done:
		t.Error("a refusal did not wait")
	default:
	}
	gone()
	for range cap(done) {
		<-done
	}
}

// Refusals wait to hear which hashes there are.
func TestAwaitPresent(t *testing.T) {
	h := NewHasher(Options{})
	h.AwaitPresent()
	v, err := h.Judge(t.Context(), " x", "")
	if err != nil || v.tries != 2 {
		t.Fatalf("%d tries (%v), want 2 while it is not known", v.tries, err)
	}
	due := make(chan time.Duration)
	go func() { due <- h.floor.until(t.Context(), v).Sub(v.began) }()
	h.floor.mu.Lock()
	h.floor.took = map[string]time.Duration{"pbkdf2_sha256 10": time.Hour, v.class: time.Hour}
	h.floor.timed = map[string]time.Time{"pbkdf2_sha256 10": time.Now(), v.class: time.Now()}
	h.floor.mu.Unlock()
	if err := h.Present(t.Context(), []string{django(t, "x", 10)}); err != nil {
		t.Fatal(err)
	}
	if got := <-due; got != 150*time.Minute {
		t.Errorf("due after %v, want two tries of 75 minutes", got)
	}
}

func TestCosts(t *testing.T) {
	for encoded, want := range map[string]string{
		"argon2$argon2id$v=19$m=102400,t=2,p=8$salt$hash": "argon2$argon2id$v=19$m=102400,t=2,p=8$",
		"pbkdf2_sha256$600000$salt$hash":                  "pbkdf2_sha256$600000$",
		"pbkdf2_sha1$1$s$h":                               "pbkdf2_sha1$1$",
		"scrypt$16384$salt$8$5$hash":                      "scrypt$16384$",
		"bcrypt_sha256$$2b$12$abc":                        "bcrypt_sha256$$2b$12$",
		"bcrypt$$2b$10$abc":                               "bcrypt$$2b$10$",
		"md5$salt$hash":                                   "md5$",
		"pbkdf2_sha256$x":                                 "pbkdf2_sha256$x",
		"nothing":                                         "nothing",
	} {
		if got := Costs(encoded); got != want {
			t.Errorf("Costs(%q) = %q, want %q", encoded, got, want)
		}
	}
}

// A hash that takes more memory than the container has is refused as one that is
// too costly anywhere, and not computed: the system would end the program for it.
func TestLargerThanTheContainer(t *testing.T) {
	big := newArgon2(parameters{memory: 102400, time: 1, threads: 1})
	big.salt = []byte("saltsaltsalt")
	big.sum = big.derive("c0rrect-Horse-42", argon2Length, alone(big))
	for limit, fits := range map[int64]bool{0: true, 96 << 20: false, 128 << 20: false, 256 << 20: true} {
		h := NewHasher(Options{Limit: limit})
		v, err := h.Judge(t.Context(), "c0rrect-Horse-42", big.String())
		if err != nil || v.OK != fits {
			t.Errorf("limit %d: %v, %v", limit, v.OK, err)
		}
		before := h.Done()
		if err := h.Present(t.Context(), []string{big.String()}); err != nil || (h.Done() > before) != fits {
			t.Errorf("limit %d: timed %v, %v", limit, h.Done() > before, err)
		}
		own, err := h.Hash(t.Context(), "c0rrect-Horse-42")
		if err != nil {
			t.Fatal(err)
		}
		if v, err := h.Judge(t.Context(), "c0rrect-Horse-42", own); err != nil || !v.OK {
			t.Errorf("limit %d: our own: %v, %v", limit, v.OK, err)
		}
	}
}
