module github.com/latchkey-auth/latchkey/sdk/go

go 1.26.0
