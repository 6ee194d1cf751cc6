// Package password hashes, verifies and judges passwords. Strings in, strings
// out: it knows no user, no database and no HTTP.
//
// Encoded hashes are Django's, so that Django can read what we write and we
// can read what Django wrote. What follows the first "$" belongs to the format:
//
//	argon2         argon2$argon2id$v=19$m=19456,t=2,p=1$salt$hash   written; argon2i is read too
//	pbkdf2_sha256  pbkdf2_sha256$iterations$salt$hash
//	pbkdf2_sha1    pbkdf2_sha1$iterations$salt$hash
//	scrypt         scrypt$N$salt$r$p$hash
//	bcrypt_sha256  bcrypt_sha256$$2b$cost$salt-and-hash   of the hex SHA-256 of the password
//	bcrypt         bcrypt$$2b$cost$salt-and-hash
//	unusable       !anything                              matches nothing
//
// Argon2d and argon2's older version (v=16, or none written) are refused:
// there is no implementation of them in golang.org/x/crypto.
//
// A password is its UTF-8 bytes as they came: never trimmed, never normalised,
// never cut (NIST SP 800-63B-4 would have it normalised; Django does not, and
// ASVS 6.2.8 wants it verified as received). One exception is plain bcrypt,
// whose algorithm sees only the first 72 bytes; a hash of that format is
// verified as Django verifies it and replaced at the first login.
//
// The costs in an encoded hash are foreign input, so each has a ceiling (see
// Check); a hash beyond one is refused before any work is done.
//
// All hashing goes through a Hasher:
//
//	request ──> fits? ──yes──> running (bounded by memory and by count) ──> answer
//	              │no             ▲
//	              ▼               │ in order of arrival
//	           waiting (bounded by length and by time) ──over it──> *BusyError
//
// A hash computes for tens of milliseconds without a pause, and Go's scheduler
// has no priorities: as many hashes as processors, and every other request
// waits until one is interrupted. So each hash runs on an OS thread of its own,
// which is nice on Linux and ends with the hash, and MakeRoom leaves the other
// goroutines processors of Go's own; the system then shares out the real ones.
// A hash of several lanes has as many such threads as are counted for it. The room
// is there while hashes work only: kept all the time, it
// made a check of a token cost 1.3 to 1.5 times the CPU on two processors.
//
// Verify does a default hash for whatever cannot match (an unknown user's "",
// an unusable, malformed or too costly hash, an overlong password), so that
// time does not tell accounts apart.
//
// A Policy is Django's four default validators. It answers in codes; the words
// for them are the edge's.
package password
