// Package session is the token model: it opens sessions, rotates refresh
// tokens, detects reuse, revokes, and knows in memory which access tokens are
// dead before their time.
//
// A session is one row and a rotation is one compare-and-set on it:
//
//	          rotate: jti = presented -> prev_jti, new jti
//	open ──▶ live ─────────────────────────────────────────┐
//	          │  ▲                                          │
//	          │  └──────────────────────────────────────────┘
//	          ├─ presented = prev, within Leeway      strict: refused, lives on
//	          │                                       grace, tolerant: same successor
//	          ├─ presented = prev, later              tolerant: same successor
//	          │                                       else: reuse
//	          ├─ presented = anything older           reuse
//	          ▼
//	        revoked (reuse, logout, password change, deactivation, limit)
//
// It owns no row of users and checks no password: login and account do, and
// hand over.
package session
