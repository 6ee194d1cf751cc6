# make run     starts the server on http://localhost:8000
# make test    lints and runs every test, as CI does
# make race    every test with the race detector, which takes a while
# make quick   the inner loop: vet and the tests of what changed, no race detector
# make bench   measures against a bare server and the storage limit
# make crash   200 kills under load on each engine
# make nightly the long runs, resumed where they stopped, for HOURS (4)

SHELL       := /bin/bash
BIN         := bin/latchkey
LINT        := .cache/golangci-lint
GO_BUILD    := CGO_ENABLED=0 go build -trimpath -ldflags '-s -w'

.PHONY: run build test race quick lint bench crash nightly clean

run: build
	@$(BIN) serve

build:
	@$(GO_BUILD) -o $(BIN) ./cmd/latchkey

test: need lint build
	LATCHKEY_TEST_STRICT=1 go run ./internal/pgtest/cmd/pgtest scripts/test

race: need
	LATCHKEY_TEST_STRICT=1 go run ./internal/pgtest/cmd/pgtest go test -race -timeout 40m ./...

need:
	@scripts/need

quick:
	@go vet ./...
	@go test ./...

lint: $(LINT)
	@$(LINT) run ./...
	@scripts/check-modules

# Built from its own module file, so that its many requirements are not ours.
$(LINT): tools/go.mod tools/go.sum
	@mkdir -p .cache
	@echo "building golangci-lint (once)"
	@cd tools && go build -o ../$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $(LINT)

bench: need build
	@go run ./bench

crash: need build
	@LATCHKEY_TEST_STRICT=1 go test ./e2e/crash -count=1 -run TestCrash -crash.cycles 200 -crash.for 2s -timeout 3h -v

nightly: need build
	@scripts/nightly

clean:
	rm -rf bin .cache
