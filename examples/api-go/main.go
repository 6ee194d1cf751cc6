// api-go is a small API that honours Latchkey's tokens and roles.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	latchkey "github.com/latchkey-auth/latchkey/sdk/go"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	auth := os.Getenv("AUTH_URL") // https://auth.example.com
	options := latchkey.Options{
		Revocations: latchkey.Feed{URL: auth + "/api/auth/revocations/", ServiceKey: os.Getenv("AUTH_SERVICE_KEY")},
		Log:         slog.Default(),
	}
	if key := os.Getenv("AUTH_SIGNING_KEY"); key != "" {
		options.HS256Keys = [][]byte{[]byte(key)} // A server with signing.algorithm = "HS256".
	} else {
		options.JWKS = auth + "/.well-known/jwks.json"
	}
	v, err := latchkey.NewVerifier(options)
	if err != nil {
		return err
	}
	defer v.Close()

	mux := http.NewServeMux()
	anybody := v.Require()
	heads := v.Require(latchkey.Admin, latchkey.Manager)
	staff := v.Require(latchkey.Admin, latchkey.Manager, latchkey.Employee) // All but the limited role.
	mux.HandleFunc("GET /public", public)
	mux.Handle("GET /me", anybody(http.HandlerFunc(me)))
	mux.Handle("GET /reports", heads(http.HandlerFunc(reports)))
	mux.Handle("POST /reports", staff(http.HandlerFunc(addReport)))

	server := &http.Server{Addr: os.Getenv("LISTEN"), Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Shutdown(context.WithoutCancel(ctx)) })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func public(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]string{"message": "hello, whoever you are"})
}

func me(w http.ResponseWriter, r *http.Request) {
	c, _ := latchkey.FromContext(r.Context())
	answer(w, http.StatusOK, map[string]any{"user_id": c.UserID, "role": c.Role})
}

func reports(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, []string{"the first quarter", "the second quarter"})
}

func addReport(w http.ResponseWriter, r *http.Request) {
	c, _ := latchkey.FromContext(r.Context())
	answer(w, http.StatusCreated, map[string]any{"by": c.UserID})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
