# Everything a developer runs, by one name each: make help

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Where `make install` puts things; DESTDIR is for packagers.
PREFIX ?= /usr/local
DESTDIR ?=
# What `make test-full` multiplies counts by (1 in `make test`).
SCALE ?= 25
# Part of a test's or figure's name: make test FILTER=GGUF, make bench FILTER=swap
FILTER ?=
FUZZ_SECONDS ?= 60

# One debug tree serves build, test and the demo: the flags must not differ between them, or everything builds twice.
BUILD := swift build --build-tests --explicit-target-dependency-import-check error
TEST := scripts/test.sh $(if $(FILTER),"$(FILTER)")
FORMATTED := Package.swift Sources Tests registry $(wildcard Benchmarks/Package.swift Benchmarks/Sources FuzzTesting/Package.swift FuzzTesting/Sources/fuzz-*)
SCRIPTS := $(wildcard scripts/*.sh scripts/boot/*.sh FuzzTesting/*.sh) .ci/run
PRODUCTS := martlet martlet-registry martlet-agent martlet-fleetsim
RELEASE := swift build -c release --static-swift-stdlib

##@ Every day

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: bootstrap
bootstrap: ## Install what this machine lacks (packages, llama-server, the demo's model)
	@scripts/bootstrap.sh

.PHONY: build
build: ## Build the programs and the tests (debug)
	@scripts/bootstrap.sh build
	$(BUILD)

.PHONY: test
test: bootstrap ## Build and run every test; FILTER=name for some
	$(BUILD)
	$(TEST)

.PHONY: test-full
test-full: ## The same tests at full counts (SCALE=25), and the slow ones
	@scripts/bootstrap.sh full
	$(BUILD)
	MARTLET_SCALE=$(SCALE) $(TEST)
	$(if $(FILTER),@true,scripts/check-units.sh required && $(MAKE) deb-test boot-test arm64-test && \
		$(MAKE) deb-test SUITE=trixie && $(MAKE) deb-test ARCH=arm64)

.PHONY: demo
demo: bootstrap ## The whole story on this machine; DEMO_EXIT=1 ends by itself
	@DEMO_EXIT="$(DEMO_EXIT)" scripts/demo.sh

.PHONY: bench
bench: bootstrap ## Measure against peers; FILTER=name for one figure
	@scripts/bench.sh $(FILTER)

##@ Before a commit

.PHONY: check
check: bootstrap lint scripts-check ## Format, warnings, declared imports, and the rules of the house
	$(BUILD) 2>&1 | tee .build/check.log
	@! grep -E "^/.*(Sources|Tests|registry)/.*: warning: " .build/check.log || { echo "warnings are errors" >&2; exit 1; }
	swift test --skip-build --disable-xctest --filter TidyTests

.PHONY: lint
lint: ## Check the format of the Swift sources
	swift format lint --strict --parallel --recursive $(FORMATTED)

.PHONY: format
format: ## Format the Swift sources
	swift format format --in-place --parallel --recursive $(FORMATTED)

.PHONY: scripts-check
scripts-check: ## Check the scripts (their style too, where shellcheck is) and the units
	@for script in $(SCRIPTS); do bash -n "$$script"; done
	@if command -v shellcheck >/dev/null; then shellcheck -x $(SCRIPTS); fi
	@scripts/check-units.sh

.PHONY: assets
assets: ## Write the generated Swift files anew from registry/ and device-profiles/
	@scripts/bootstrap.sh build
	swift run --quiet embed-assets

.PHONY: fuzz
fuzz: ## Fuzz the parsers for FUZZ_SECONDS (60)
	@scripts/bootstrap.sh build
	@FuzzTesting/run.sh $(FUZZ_SECONDS)

##@ Release

.PHONY: release
release: ## Build the programs for release
	@scripts/bootstrap.sh build
	for product in $(PRODUCTS); do $(RELEASE) --product "$$product"; done
	@touch .build/release/built

.PHONY: install
# Root often has no compiler on its path: then what was built before is installed, unless a source has changed since.
install: $(if $(shell command -v swift),release) ## Install programs, completions and units below PREFIX (and DESTDIR)
	@scripts/install.sh .build/release "$(DESTDIR)" "$(PREFIX)"

# Where `make deb` puts the packages, and for which machines: this kind, unless ARCH=arm64 asks for a cross-build.
DEBS ?= .build/debs
# The Debian that `make deb-test` installs them in; where it is not given, the oldest that they are for.
SUITE ?=
HOST_ARCH := $(shell dpkg --print-architecture 2>/dev/null)
ARCH ?= $(HOST_ARCH)

.PHONY: deb
ifeq ($(ARCH),$(HOST_ARCH))
deb: release ## Build the Debian packages of the three products into DEBS (.build/debs); ARCH=arm64 cross-builds
	@ARCH="$(ARCH)" scripts/deb.sh "$$($(RELEASE) --show-bin-path)" "$(DEBS)"
else ifeq ($(ARCH),arm64)
deb: arm64
	@tools="$$(scripts/arm64.sh)" && ARCH=arm64 STRIP=true \
		RUN="$$tools/qemu/qemu-aarch64-static -L $$tools/sysroot-arm64" scripts/deb.sh "$(ARM64_BIN)" "$(DEBS)"
else
deb:
	@echo "packages are built for this machine's kind ($(HOST_ARCH)) or cross-built for arm64, not for $(ARCH)" >&2; exit 1
endif

.PHONY: deb-test
deb-test: deb ## Install, upgrade, downgrade, remove and purge the packages in a root of their own (needs root)
	@ARCH="$(ARCH)" $(if $(filter-out $(HOST_ARCH),$(ARCH)),scripts/with-arm64.sh) scripts/deb-test.sh "$(DEBS)" $(SUITE)

.PHONY: boot-test
boot-test: deb ## Boot a Debian with the packages in a virtual machine: units, watchdog, sandbox (needs root)
	@scripts/boot-test.sh "$(DEBS)"

ARM64_BIN ?= .build-arm64/programs

.PHONY: arm64
arm64: ## Cross-build the three programs for arm64 (needs root, amd64 Debian)
	@scripts/arm64.sh "$(ARM64_BIN)" martlet-agent martlet martlet-registry

.PHONY: arm64-test
arm64-test: arm64 ## Run the arm64 programs and an arm64 engine under an emulator: install, swap, rollback
	@scripts/arm64-test.sh "$(ARM64_BIN)"

.PHONY: clean
clean: ## Remove what was built here (never the cache outside)
	rm -rf .build .build-arm64 Benchmarks/.build FuzzTesting/.build
