# make run      starts the server with its UI on http://localhost:8000
# make test     lints and runs every test, as CI does
# make race     every Go test with the race detector, which takes a while
# make quick    the inner loop: vet and the Go tests of what changed, no race detector
# make browser  the tests of the front end alone
# make example  the guide's React page and the same on our client, on http://localhost:3000
# make example-apis  the Go SDK and the three APIs of examples/ against the built server
# make bench    measures against a bare server and the storage limit
# make asvs     which security requirements are met, from the results that make test keeps
# make reproducible  builds twice, in two folders: the same bytes; prints the modules
# make planted  brings known defects back, one at a time, and counts how many the tests find
# make crash    200 kills under load on each engine
# make nightly  the long runs, resumed where they stopped, for HOURS (4)

SHELL       := /bin/bash
BIN         := bin/latchkey
LINT        := .cache/golangci-lint
MODULES     := node_modules/.package-lock.json
CLIENT      := client/dist/index.js
UI          := web/dist/index.html
PGTEST      := LATCHKEY_TEST_STRICT=1 go run ./internal/pgtest/cmd/pgtest
GO_BUILD    := CGO_ENABLED=0 go build -trimpath -ldflags '-s -w'

.PHONY: run build test asvs planted race quick lint browser example example-apis bench crash nightly clean

run: build
	@$(BIN) serve

# The UI is made when it is missing or older than what it is made of. Without
# Node the binary is built without it and says so.
build: ui
	@$(GO_BUILD) -o $(BIN) ./cmd/latchkey

.PHONY: ui
ui:
	@if command -v npm >/dev/null 2>&1; then $(MAKE) --no-print-directory $(UI); \
	elif [ ! -e $(UI) ]; then echo "npm is not here: building without the UI" >&2; fi

$(MODULES): package-lock.json
	@npm ci --no-progress
	@touch $@

$(CLIENT): $(MODULES) client/package.json client/tsconfig.json $(shell find client/src -type f)
	@npm run --silent build -w client
	@touch $@

$(UI): $(CLIENT) $(MODULES) internal/api/openapi.yaml $(wildcard web/*.html web/*.ts web/*.json) $(shell find web/src web/public web/scripts -type f 2>/dev/null)
	@npm run --silent build -w web
	@touch $@

test: need lint build
	$(PGTEST) scripts/test
	LATCHKEY_TEST_STRICT=1 scripts/test-apis
	$(PGTEST) scripts/test-browser
	@.cache/trace || echo "not every requirement is met: make asvs"

# The same bytes from another folder, and what modules they are made of.
reproducible:
	@scripts/reproducible

# Each known defect of planted/ back, one at a time: the tests must find it.
planted: need
	$(PGTEST) go run ./internal/trace/cmd/planted

# From what make test has kept.
# ROW 9
asvs:
	@go run ./internal/trace/cmd/trace

browser: need build
	$(PGTEST) scripts/test-browser

race: need
	$(PGTEST) go test -race -timeout 40m ./...

need:
	@scripts/need

quick:
	@go vet ./...
	@go test ./...

lint: $(LINT)
	@$(LINT) run ./...
	@for module in sdk/go examples/api-go; do (cd $$module && ../../$(LINT) run --config ../../.golangci.yml ./...) || exit 1; done
	@scripts/check-modules

# Built from its own module file, so that its many requirements are not ours.
$(LINT): tools/go.mod tools/go.sum
	@mkdir -p .cache
	@echo "building golangci-lint (once)"
	@cd tools && go build -o ../$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $(LINT)

example: build
	@node examples/react/run.mjs

example-apis: build $(MODULES)
	@scripts/test-apis

bench: need build
	@go run ./bench
	@go run ./bench -only users -users 1000,1000000
	@go run ./bench -only import -import 1000000

crash: need build
	@LATCHKEY_TEST_STRICT=1 go test ./e2e/crash -count=1 -run TestCrash -crash.cycles 200 -crash.for 2s -timeout 3h -v

nightly: need build
	@scripts/nightly

clean:
	rm -rf bin .cache node_modules client/dist web/dist/* examples/react/dist e2e/browser/results
