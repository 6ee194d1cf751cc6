package latchkey_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	latchkey "github.com/latchkey-auth/latchkey/sdk/go"
)

// Three lines guard an API.
func Example() {
	v, err := latchkey.NewVerifier(latchkey.Options{
		JWKS:        "https://auth.example.com/.well-known/jwks.json",
		Revocations: latchkey.Feed{URL: "https://auth.example.com/api/auth/revocations/", ServiceKey: os.Getenv("AUTH_SERVICE_KEY")},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()

	http.Handle("GET /reports", v.Require(latchkey.Admin, latchkey.Manager)(http.HandlerFunc(reports)))
	log.Fatal(http.ListenAndServe(":9000", nil))
}

func reports(w http.ResponseWriter, r *http.Request) {
	claims, _ := latchkey.FromContext(r.Context())
	fmt.Fprintf(w, "reports for user %d, a %s\n", claims.UserID, claims.Role)
}

// A server that signs with HS256 publishes no key; its secret is needed.
func ExampleOptions_hs256() {
	v, err := latchkey.NewVerifier(latchkey.Options{
		HS256Keys: [][]byte{[]byte(os.Getenv("AUTH_SIGNING_KEY"))},
		Revocations: latchkey.Feed{
			URL:        "https://auth.example.com/api/auth/revocations/",
			ServiceKey: os.Getenv("AUTH_SERVICE_KEY"),
			MaxStale:   2 * time.Minute, // rather no answer than an old one
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
}

// Outside net/http, Verify says what is wrong.
func ExampleVerifier_Verify() {
	v, err := latchkey.NewVerifier(latchkey.Options{HS256Keys: [][]byte{[]byte("a secret of at least thirty-two bytes, as it should be")}})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()

	_, err = v.Verify(context.Background(), "not a token")
	switch {
	case errors.Is(err, latchkey.ErrUnavailable):
		fmt.Println("come again")
	case errors.Is(err, latchkey.ErrExpired), errors.Is(err, latchkey.ErrRevoked):
		fmt.Println("sign in again")
	case err != nil:
		fmt.Println(err)
	}
	// Output: latchkey: malformed token
}
