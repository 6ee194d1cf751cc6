package server

import (
	"slices"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/config"
)

// The words of the place come from the settings.
//
// ASVS 6.1.2
func TestPlaceWords(t *testing.T) {
	cfg := config.Default()
	if got, want := placeWords(cfg), []string{"Latchkey", "Latchkey", ""}; !slices.Equal(got, want) {
		t.Errorf("with nothing set %q, want %q", got, want)
	}
	cfg.UI.Name = "Acme Corp"
	cfg.Password.Words = []string{"roadrunner"}
	cfg.PublicURL = "https://auth.acme.example:8443/"
	cfg.Hosts = []string{".acme-inc.example", "localhost", "192.0.2.1", "[::1]", "[2001:db8::1]"}
	want := []string{
		"Latchkey", "Acme Corp", "roadrunner", "auth.acme.example", "auth", "acme",
		"acme-inc.example", "acme-inc", "localhost",
	}
	if got := placeWords(cfg); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
