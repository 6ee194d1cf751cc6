package throttle

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

// RememberFor is how long a browser is known after a sign-in.
const RememberFor = 365 * 24 * time.Hour

// What a browser keeps is up to maxDevices entries, the newest first, one for
// each account that has signed in there; each has 8 bytes of a time in seconds
// until when it is good, a random id of the device, and a MAC over both and the
// user. It says nothing of whose it is and nothing can be done with it but to be
// counted apart.
const (
	maxDevices = 5
	idLength   = 16
	macLength  = 16
	entrySize  = 8 + idLength + macLength
)

// Remember gives what a browser is to keep after a user's sign-in, and for how
// long. old is what it kept until now.
func (t *Throttle) Remember(old string, userID int64) (value string, keep time.Duration) {
	var id [idLength]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	var rest []string
	for _, entry := range entries(old) {
		b, until, ok := t.openEntry(entry, userID)
		switch {
		case !ok:
			rest = append(rest, entry) // another's, or nobody's
		case until.After(t.o.Now()):
			copy(id[:], b) // its counter stays the same
		}
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(t.o.Now().Add(RememberFor).Unix())) //nolint:gosec // A time to come.
	b = append(b, id[:]...)
	b = append(b, t.deviceMAC(b, userID)...)
	all := append([]string{base64.RawURLEncoding.EncodeToString(b)}, rest...)
	return strings.Join(all[:min(len(all), maxDevices)], "."), RememberFor
}

// device gives the id of a user's device, if the browser kept one.
func (t *Throttle) device(kept string, userID int64) (id string, ok bool) {
	if userID == 0 {
		userID = -1 // The same work as for an account that exists.
	}
	for _, entry := range entries(kept) {
		if b, until, ok := t.openEntry(entry, userID); ok && until.After(t.o.Now()) {
			return string(b), true
		}
	}
	return "", false
}

func entries(kept string) []string {
	size := base64.RawURLEncoding.EncodedLen(entrySize)
	if kept == "" || len(kept) > maxDevices*(size+1) {
		return nil
	}
	return strings.Split(kept, ".")
}

func (t *Throttle) openEntry(entry string, userID int64) (id []byte, until time.Time, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(entry)
	if err != nil || len(b) != entrySize {
		return nil, time.Time{}, false
	}
	signed, mac := b[:8+idLength], b[8+idLength:]
	if subtle.ConstantTimeCompare(mac, t.deviceMAC(signed, userID)) != 1 {
		return nil, time.Time{}, false
	}
	return signed[8:], time.Unix(int64(binary.BigEndian.Uint64(signed)), 0), true //nolint:gosec // Under the MAC.
}

func (t *Throttle) deviceMAC(signed []byte, userID int64) []byte {
	return t.mac("device", strconv.FormatInt(userID, 10), string(signed))[:macLength]
}
