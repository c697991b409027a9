# What can be done here. `make help` lists it.
#
# cargo and go use every core by themselves, and all targets share one target
# folder: two of them at once would only wait for each other.
.NOTPARALLEL:
.DEFAULT_GOAL := help
SHELL := /bin/sh

CARGO ?= cargo
# More options for `cargo test`: `make test TEST_FLAGS=--no-fail-fast`.
TEST_FLAGS ?=

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: ## the real operator against a small cluster that lives, in this terminal
	$(CARGO) run --release --locked --example demo

.PHONY: test
test: fmt clippy deny unit gates ## everything that needs only Rust, make and a C compiler

.PHONY: fmt
fmt: ## the layout of the code
	$(CARGO) fmt --all --check

.PHONY: clippy
clippy: ## the lints, as errors
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

# Fetches first: cargo-deny looks at the crates of every platform, a build only
# at those of this one. After that it runs offline. Duplicate crates are
# warnings; `tools/cargo-deny check bans` shows them.
.PHONY: deny
deny: ## licences, sources and banned crates (builds cargo-deny once)
	$(CARGO) fetch --locked
	tools/cargo-deny --log-level error check bans licenses sources

.PHONY: unit
unit: ## the tests alone
	$(CARGO) test --workspace --locked $(TEST_FLAGS)

# Tests against the real thing stand in tests/ and testkit/tests/, marked
# `#[ignore = "needs the real control plane (make e2e)"]`.
.PHONY: gates
gates: ## what a pod may cost, in instructions and allocations; a small run of the scale rig, in ratios
	$(CARGO) test --release --locked --test performance --test scale $(TEST_FLAGS)

.PHONY: e2e
e2e: ## the tests against a real control plane (also needs Go 1.26; builds it once) and in a browser
	testkit/controlplane/build
	BROWSER="$$(tools/browser)" $(CARGO) test --workspace --locked --test '*' $(TEST_FLAGS) -- --ignored

.PHONY: bench
bench: ## the benchmarks; figures go to docs/performance.md
	$(CARGO) bench --locked --bench '*'

# docs/scale.md has the settings: make scale PODS=150000 NAMESPACES=10000 SHAPES=5000 CHURN=500 MINUTES=10
SCALE = $(CARGO) test --release --locked --quiet --test scale --
.PHONY: scale
scale: ## the release operator against a generated cluster of any size, beside a client that does nothing
	$(SCALE) run

# One run each, then docs/scale-memory.svg and docs/scale-cpu.svg.
SIZES ?= 1000 10000 50000 150000
.PHONY: scale-plot
scale-plot: ## the plots of memory and CPU over pods in docs/
	mkdir -p target/scale
	for pods in $(SIZES); do \
		PODS=$$pods BRIEF=on QUIET_SECONDS=5 MINUTES=$${MINUTES:-0.5} WAIT=$${WAIT:-10} OUT=target/scale/$$pods.json $(SCALE) run || exit 1; \
	done
	$(SCALE) plot $(SIZES:%=target/scale/%.json)

# FUZZ_SECONDS=600 make fuzz; fuzz/run TARGET for one. Not part of `make test`,
# which tries again what was found, and a few thousand inputs more.
.PHONY: fuzz
fuzz: ## searches for inputs that break the parsers, 60 s each (also needs a C++ compiler)
	CARGO="$(CARGO)" fuzz/run

.PHONY: generate
generate: ## crds/, docs/rules.md, docs/profiles.md and rules in presets, anew from the program
	UPDATE_CRDS=1 $(CARGO) test --locked --lib --quiet crd
	$(CARGO) run --locked --quiet --bin revisor -- rules --output markdown > docs/rules.md.new
	mv docs/rules.md.new docs/rules.md
	$(CARGO) run --locked --quiet --bin revisor -- rules --profile all --output markdown > docs/profiles.md.new
	mv docs/profiles.md.new docs/profiles.md
	UPDATE_PRESETS=1 $(CARGO) test --locked --quiet --test policies presets_name
