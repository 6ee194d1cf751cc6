// Package token mints and parses the JSON Web Tokens that Latchkey hands out:
// JWS compact serialisation (RFC 7515) signed with HS256, EdDSA, ES256 or
// RS256, with the claims of SimpleJWT in its order. A key is a value that has
// exactly one algorithm; which keys there are is keyring's business. The
// package knows no user, no database and no HTTP.
//
// # What is minted
//
//	{"typ":"JWT","alg":"HS256"}
//	{"typ":"JWT","alg":"EdDSA","kid"}
//	{"token_type","exp","iat","jti","user_id","sid","role","gen","iss","aud"}
//
// compact, in that order; kid where others can verify, sid where there is a
// session, role and gen in access tokens only, iss and aud where they are
// configured. Every signature is deterministic: equal claims give equal tokens.
//
// # What is accepted
//
// Parse refuses before it believes: length, the base64url alphabet, the
// header, then the signature with a key whose algorithm is the header's (and,
// where that is asymmetric, whose id is the header's kid), and only then is a
// claim looked at. What it accepts of the claims is what
// SimpleJWT 5.2.2 on PyJWT 2.6.0 accepts, but for the deviations of design.md
// ("The token model" and the table), and answers ErrInvalid where that stack
// answers 500. Unknown header fields (jku, jwk, x5u, typ …) and unknown claims
// are ignored and never used; crit, zip and b64 change how a token must be
// read, so a token that has one is refused.
//
// A token has exactly one spelling that is accepted: no padding, no line ends,
// no stray bits in a last character. Still nobody may key a list of tokens by
// their text (of an ES256 signature anybody can make a second one that is as
// good): use ID and SessionID.
//
// There are two readers of claims. quick knows the exact bytes that Sign
// writes and gives up on anything else; general reads any JSON. A fuzz target
// holds them to the same verdict.
package token
