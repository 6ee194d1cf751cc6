module github.com/latchkey-auth/latchkey/examples/api-go

go 1.26.0

require github.com/latchkey-auth/latchkey/sdk/go v0.0.0

// Beside this example lies the SDK itself. Your service has a version above and
// no such line.
replace github.com/latchkey-auth/latchkey/sdk/go => ../../sdk/go
