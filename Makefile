# `make` alone lists the targets. Tools are pinned in tools/go.mod.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
TOOL     := $(GO) tool -modfile=tools/go.mod
VERSION  ?= $(shell git describe --tags --match 'v*' --dirty 2>/dev/null || echo devel)
COMMIT   ?= $(shell git describe --always --abbrev=40 --exclude '*' --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X harmony-callout/internal/version.version=$(VERSION) -X harmony-callout/internal/version.commit=$(COMMIT)
PROGRAMS := $(notdir $(wildcard cmd/*))
TAGS     := integration,e2e

IMAGE      ?= callout:$(VERSION)
BENCH      ?= Table|Pieces|Flood
BENCHCOUNT ?= 1
FUZZTIME   ?= 10s

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the static programs into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ $(PROGRAMS:%=./cmd/%)

.PHONY: test
test: ## unit tests with the race detector (a few minutes on two cores)
	$(GO) test -race -timeout 10m ./...

.PHONY: integration
integration: ## tests across processes: the built programs, real servers and clients
	@files=$$(grep -rlE --include='*_test.go' '^//go:build .*\bintegration\b' . || true); \
	if [ -z "$$files" ]; then echo "integration: no file has the build tag integration: nothing was tested"; exit 0; fi; \
	packages=$$(dirname $$files | sort -u); \
	echo "integration: $(GO) test -tags integration" $$packages; \
	$(GO) test -v -tags integration -count=1 -timeout 20m $$packages

.PHONY: e2e
e2e: ## tests in a k3d cluster (needs docker and k3d)
	@missing=; for program in docker k3d; do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	if [ -n "$$missing" ]; then echo "e2e: needs docker and k3d, missing:$$missing: nothing was tested" >&2; exit 1; fi; \
	files=$$(grep -rlE --include='*_test.go' '^//go:build .*\be2e\b' . || true); \
	if [ -z "$$files" ]; then echo "e2e: no file has the build tag e2e: nothing was tested" >&2; exit 1; fi; \
	$(GO) test -v -tags e2e -count=1 -timeout 60m $$(dirname $$files | sort -u)

.PHONY: bench
bench: ## tables of what a decision costs, side by side (BENCH=. for all benchmarks)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCHCOUNT) -timeout 30m ./callout

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (10s) each
	@for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "fuzz: $$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5x $$package; \
		done; \
	done

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, tidy go.mod
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "lint: not formatted, run make fmt:" $$unformatted >&2; exit 1; fi
	$(GO) vet -tags $(TAGS) ./...
	$(TOOL) staticcheck -tags $(TAGS) ./...
	$(GO) mod tidy -diff
	$(GO) mod verify

.PHONY: deadcode
deadcode: ## functions that neither a program nor a test reaches
	$(TOOL) deadcode -test -tags $(TAGS) ./...

.PHONY: vuln
vuln: ## known vulnerabilities that the programs reach (asks vuln.go.dev)
	$(TOOL) govulncheck ./...

.PHONY: fmt
fmt: ## format the code, tidy go.mod
	gofmt -w .
	$(GO) mod tidy

.PHONY: image
image: ## build the container image IMAGE with docker
	docker build --build-arg VERSION='$(VERSION)' --build-arg COMMIT='$(COMMIT)' -t '$(IMAGE)' .

.PHONY: clean
clean: ## remove what build made
	rm -rf bin
