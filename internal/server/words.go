package server

import (
	"net"
	"net/url"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/config"
)

// placeWords are what everybody here thinks of when a password is wanted: the
// product, the operator's words, and the names of the hosts but for their last
// label, which is no name ("auth.acme.example": auth, acme).
func placeWords(cfg *config.Config) []string {
	words := append([]string{"Latchkey", cfg.UI.Name}, cfg.Password.Words...)
	hosts := cfg.Hosts
	if u, err := url.Parse(cfg.PublicURL); err == nil {
		hosts = append([]string{u.Hostname()}, hosts...)
	}
	for _, host := range hosts {
		host = strings.Trim(host, ".")
		if net.ParseIP(strings.Trim(host, "[]")) != nil {
			continue
		}
		labels := strings.Split(host, ".")
		if len(labels) > 1 {
			words = append(words, host)
			labels = labels[:len(labels)-1]
		}
		words = append(words, labels...)
	}
	return words
}
