package guesses_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/throttle"
)

// TestPage holds the numbers of docs/throttle.md against those in force where
// nothing is configured.
// ASVS 6.1.1, 8.1.3, 8.1.4
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/throttle.md")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Sources{Env: []string{"LATCHKEY_DATA=" + t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	c := cfg.Throttle
	minutes := int(c.Window.Std() / time.Minute)
	want := []string{
		fmt.Sprintf("| sign-in from a device that the account does not know | account | %d in %d minutes |", c.Account, minutes),
		fmt.Sprintf("| change of the password, and a [proof of it](sessions.md#what-takes-the-password-again), together | session | %d in %d minutes |", c.Account, minutes),
		fmt.Sprintf("| sign-in, whatever the account | client address | %d in %d minutes |", c.Address, minutes),
		fmt.Sprintf("| %d in an hour; one more blocks the address's sign-ins for %d minutes |", c.Emails, minutes),
		fmt.Sprintf("| %d at once, then one in %d s |", c.Burst, int(c.Every.Std().Seconds())),
		fmt.Sprintf("| %d | none: the ceiling", throttle.Ceiling),
		fmt.Sprintf("after %d days at the latest", throttle.Ceiling*throttle.QuietFor/(24*time.Hour)),
		fmt.Sprintf("good for %d days", throttle.RememberFor/(24*time.Hour)),
		fmt.Sprintf("has signed in during the last %d days", throttle.KnownFor/(24*time.Hour)),
		fmt.Sprintf("with %d failures in a row is known no more", throttle.Ceiling),
	}
	for i, tier := range throttle.Tiers() {
		wait := fmt.Sprintf("%d minutes", tier.Wait/time.Minute)
		switch {
		case i == 0:
			wait = "1 minute after the last one"
		case tier.Wait == time.Hour:
			wait = "1 hour"
		}
		want = append(want, fmt.Sprintf("| %d | %s |", tier.Failures, wait))
	}
	text := strings.Join(strings.Fields(string(page)), " ")
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("docs/throttle.md does not say %q", w)
		}
	}
	if !c.Enabled || throttle.EmailsWithin != time.Hour {
		t.Error("it describes other defaults")
	}
}
