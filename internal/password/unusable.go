package password

import (
	"crypto/rand"
	"encoding/base64"
)

// MakeUnusable gives a hash that matches nothing, as Django's
// set_unusable_password does: "!" and 40 random characters, so that two of them
// do not look alike.
func MakeUnusable() string {
	b := make([]byte, 30)
	rand.Read(b)
	return "!" + base64.RawURLEncoding.EncodeToString(b)
}
