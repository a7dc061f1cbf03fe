# Every target works on a fresh machine with Go, make, git and Node/npm,
# without root. `make help` lists them.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X midwatch/cli.version=$(VERSION)
TESTBED  = cd testbed && $(GO)

.PHONY: help build run demo test test-quick test-unit test-servers lint bench bench-scale screenshots docs check testbed-up

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

build: ## one static binary, ./midwatch
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o midwatch .

run: ## the console on your current kubeconfig context
	$(GO) run .

demo: ## the console on the embedded world
	$(GO) run . demo

test: test-unit test-servers ## everything: units, panes, real servers

test-unit: ## units and panes with the race detector
	$(GO) vet ./...
	$(GO) test -race -timeout 15m ./...

test-servers: ## the console against real servers, built on first use
	$(TESTBED) vet ./...
	@# One package at a time: each starts servers of its own, and what they
	@# prove has to do with time.
	$(TESTBED) test -p 1 -timeout 60m -count=1 ./...

test-quick: ## what needs no servers
	$(GO) test -timeout 5m ./...

lint: ## golangci-lint, pinned in tools/go.mod
	cd tools && $(GO) build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	bin/golangci-lint run ./...
	cd testbed && ../bin/golangci-lint run ./...

bench: ## the budgets that need no servers; docs/BENCHMARKS.md says what they mean
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-scale: ## the cluster budgets, on a cluster of 10,000 pods built on the testbed
	$(TESTBED) test -tags scale -timeout 60m -count=1 -v -run TestScale ./e2e/

screenshots: ## screenshots/*.svg and *.png from real frames of the demo
	$(GO) test ./screenshots -run TestPicturesAreFresh -write
	cd screenshots && npm ci --silent --no-audit --no-fund && node png.mjs

docs: ## generated pages: docs/KEYS.md
	$(GO) run . keys > docs/KEYS.md

check: lint test ## what has to be green before a change lands

testbed-up: ## leave a real cluster running for looking by hand
	$(TESTBED) run ./cmd/midwatch-testbed up
