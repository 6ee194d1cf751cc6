package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// serveLimit is the limit server: what anybody would write in an hour with
// ServeMux and encoding/json, without an account, a database or a rule. It
// serves until standard input ends, and prints its address when it listens.
func serveLimit(ctx context.Context, addr string, stdin io.Reader, stdout io.Writer) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: limitHandler([]byte(signingKey))}
	go func() {
		_, _ = io.Copy(io.Discard, stdin) // an error is the end, too
		_ = srv.Close()
	}()
	if _, err := fmt.Fprintln(stdout, l.Addr()); err != nil {
		return err
	}
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

type limitUser struct {
	ID        int64  `json:"id"`
	Email     string `json:"email"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Role      string `json:"role"`
}

type limitProfile struct {
	limitUser
	Phone     string `json:"phone"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

type limitTokens struct {
	Refresh string `json:"refresh"`
	Access  string `json:"access"`
}

type limitSignedIn struct {
	Message string      `json:"message"`
	User    limitUser   `json:"user"`
	Tokens  limitTokens `json:"tokens"`
}

// limitClaims are as long as Latchkey's.
type limitClaims struct {
	Type      string `json:"token_type"`
	Expires   int64  `json:"exp"`
	IssuedAt  int64  `json:"iat"`
	ID        string `json:"jti"`
	UserID    int64  `json:"user_id"`
	SessionID string `json:"sid"`
	Role      string `json:"role,omitempty"`
	Gen       int64  `json:"gen,omitempty"`
}

const limitID = "0123456789abcdef0123456789abcdef"

// limitHandler serves the guide's paths.
func limitHandler(key []byte) http.Handler {
	const moment = "2026-01-15T10:30:00.000000Z"
	someone := limitUser{ID: 1, Email: email(1), FirstName: "John", LastName: "Doe", Role: "employee"}
	profile := limitProfile{limitUser: someone, Phone: "+1234567890", CreatedAt: moment, UpdatedAt: moment}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, struct{}{})
	})
	mux.HandleFunc("POST "+verifyPath, func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Token string `json:"token"`
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || !isSigned(key, in.Token) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		writeJSON(w, http.StatusOK, struct{}{})
	})
	mux.HandleFunc("GET "+profilePath, func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || !isSigned(key, token) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		writeJSON(w, http.StatusOK, profile)
	})
	mux.HandleFunc("POST "+refreshPath, func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Refresh string `json:"refresh"`
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || !isSigned(key, in.Refresh) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		now := time.Now().Unix()
		refresh := limitClaims{Type: "refresh", Expires: now + 259200, IssuedAt: now, ID: limitID, UserID: 1, SessionID: limitID}
		access := limitClaims{
			Type: "access", Expires: now + 10800, IssuedAt: now, ID: limitID, UserID: 1, SessionID: limitID,
			Role: "employee", Gen: now * 1e6,
		}
		writeJSON(w, http.StatusOK, struct {
			limitTokens
			User limitUser `json:"user"`
		}{limitTokens{mint(key, refresh), mint(key, access)}, someone})
	})
	// No password is looked at: these two say what HTTP and JSON cost beside
	// the hash.
	signIn := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var in struct {
				Email, Password, Password2, Phone, Role string
				FirstName                               string `json:"first_name"`
				LastName                                string `json:"last_name"`
			}
			if json.NewDecoder(r.Body).Decode(&in) != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			token := sign(key, in.Email)
			writeJSON(w, status, limitSignedIn{"Welcome", someone, limitTokens{token, token}})
		}
	}
	mux.HandleFunc("POST "+loginPath, signIn(http.StatusOK))
	mux.HandleFunc("POST "+registerPath, signIn(http.StatusCreated))
	return mux
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // one that fails has no reader to be told
}

// isSigned checks the signature of a token and nothing else of it.
func isSigned(key []byte, token string) bool {
	head, signature, ok := cutLast(token, '.')
	if !ok {
		return false
	}
	got, err := base64.RawURLEncoding.DecodeString(signature)
	return err == nil && hmac.Equal(got, mac(key, head))
}

func mint(key []byte, c limitClaims) string {
	claims, _ := json.Marshal(c) // never fails: strings and integers
	return sign(key, "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9."+base64.RawURLEncoding.EncodeToString(claims))
}

func sign(key []byte, head string) string {
	return head + "." + base64.RawURLEncoding.EncodeToString(mac(key, head))
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = io.WriteString(h, s) // never fails (hash.Hash)
	return h.Sum(nil)
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}
