# Every verb that people and CI use. `make check` before every commit.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
# The race detector needs a C compiler; a machine with Go alone tests without it.
RACE    ?= $(shell command -v gcc >/dev/null 2>&1 && echo -race)
TOOL    := $(GO) tool -modfile=tools/go.mod

.PHONY: build run test check lint test-real test-long bench bench-peers docs dist fuzz clean

build: ## static binary bin/agent
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/agent ./cmd/agent

run: build ## the main job on its embedded default: netcat 127.0.0.1:44444 to files below ./out
	bin/agent run --conf-file examples/flume.conf --name ExampleAgent

test: ## all tests that need no service
	$(GO) test $(RACE) -timeout 10m ./...

lint: ## format, vet, linters
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'not formatted:'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	cd bench/kafka && $(GO) vet -mod=mod ./... && $(GO) tool -modfile=../../tools/go.mod staticcheck ./...
	cd packaging && $(GO) vet ./... && $(GO) tool -modfile=../tools/go.mod staticcheck ./...

check: lint test ## what must pass before a commit; house rules and fresh docs are tests

test-real: ## tests against real servers, installed and started on loopback; needs Java 17 and Maven
	$(GO) run ./test/services test
	cd packaging && $(GO) test ./...

test-long: ## soaks and long tortures: an hour and more
	GOFLUME_REAL=1 $(GO) test -tags long -timeout 180m -count=1 -p 1 ./channels/... ./sources/... ./test/...

bench: ## side by side with what it is compared to, medians of pairs
	$(GO) test -run '^$$' -bench . -benchmem -count 1 ./bench/...
	cd bench/kafka && GOFLUME_REAL=1 $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m .

bench-peers: ## the whole program beside rsyslog, syslog-ng and Flume; the tables of bench/README.md
	$(GO) run ./bench/peers -readme bench/README.md

docs: ## generated pages and texts
	$(GO) generate ./...

dist: ## what is released, below dist: tarballs, deb, rpm, an image's folder, bills of materials, checksums
	cd packaging && $(GO) run . -root .. -out ../dist

fuzz: ## every fuzz target for FUZZTIME each
	@for p in $$(grep -rl --include='*_test.go' 'func Fuzz' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -h 'func Fuzz' $$p/*_test.go | sed 's/.*func \(Fuzz[A-Za-z0-9_]*\).*/\1/'); do \
	    echo "$$p $$f"; $(GO) test $$p -run '^$$' -fuzz "^$$f\$$" -fuzztime $${FUZZTIME:-20s} || exit 1; done; done

clean:
	rm -rf bin out dist
