// Package latchkey guards an API with the access tokens of a Latchkey server,
// without calling the server for each request and without honouring a token
// whose user has logged out.
//
//	v, err := latchkey.NewVerifier(latchkey.Options{
//		JWKS: "https://auth.example.com/.well-known/jwks.json",
//		Revocations: latchkey.Feed{
//			URL:        "https://auth.example.com/api/auth/revocations/",
//			ServiceKey: os.Getenv("AUTH_SERVICE_KEY"),
//		},
//	})
//	http.Handle("/reports", v.Require(latchkey.Admin, latchkey.Manager)(reports))
//
// # What a token must be
//
// JWS compact serialisation, signed with EdDSA, ES256 or RS256 by a key of the
// server's JWKS, or with HS256 by a secret given to NewVerifier. The kid of the
// header picks the key and the key has one algorithm; a token without kid is
// tried against the secrets alone, one with a kid against the JWKS alone, so
// that a public key is never an HMAC secret (RFC 8725, sections 2.1 and 3.1).
// Then token_type must be "access", and exp, jti and user_id must be there.
// crit, zip, b64, encrypted tokens, duplicate names, invalid UTF-8, padding and
// every spelling of base64url but the canonical one are refused.
//
// The verdicts are those of the server. They are held together by the vectors
// in testdata/vectors.json, which the server's own tests write. Where the two
// differ, this package is the stricter one and the vector says why.
//
// # What happens without the server
//
// Two goroutines of a Verifier talk to the server: one fetches the key set, one
// follows the revocations. Verify does not wait for them, but for its very first
// tokens, which wait for the first answer. While the server cannot be reached,
// the keys are good for Options.KeysMaxStale and what was revoked so far stays
// revoked; new revocations are not known, for as long as Feed.MaxStale allows,
// which by default is for ever. Before the first answer nothing is known, and
// Verify says ErrUnavailable: a restart must not bring a token back to life.
package latchkey
