# The two commands of the README: `make run` and `make test`. The rest are their parts.

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# The folder of the real Python goes first: behind a version manager's shim it starts after a
# quarter of a second of shell scripts, in each of the hundreds of roots that the tests make.
PYTHON := $(shell python3 -c 'import os, sys; print(os.path.join(sys.base_prefix, "bin"))')
export PATH := $(if $(findstring /shims:,$(PATH)),$(PYTHON):)$(PATH)

.PHONY: run test setup-test lint unit simulation doc api examples python dashboard vm leaks bench

## Sets up what is missing, builds, and serves the dashboard on http://localhost:5000
run:
	scripts/setup run
	cargo build --release -p minidocker-web
	$(SUDO) env "MINIDOCKER_BACKEND=$(MINIDOCKER_BACKEND)" target/release/minidocker-web

## Sets up what is missing and runs every test (as root: containers are made)
test: setup-test lint unit simulation doc api examples python dashboard vm leaks

setup-test:
	scripts/setup test

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	shellcheck scripts/* tests/vm/run tests/vm/guest .ci/run

unit:
	cargo nextest run --workspace

# The simulation with the Linux backend compiled out, as it is on macOS and Windows. Other flags
# mean another build of everything, which is kept apart.
simulation: export RUSTFLAGS := --cfg minidocker_simulation_only
simulation: export CARGO_TARGET_DIR := $(CURDIR)/target/simulation
simulation:
	cargo clippy -p minidocker-rt --all-targets -- -D warnings
	cargo nextest run -p minidocker-rt --lib --test backends

doc:
	cargo test --workspace --doc
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps

api:
	scripts/test-api

examples:
	for example in hello volumes limits isolation embed timeline exec health web_server; do \
		echo "--- $$example"; cargo run -q -p minidocker-examples --example $$example || exit 1; \
	done

python:
	scripts/test-python

dashboard:
	scripts/test-dashboard

vm:
	scripts/test-vm

leaks:
	scripts/leak-check

bench:
	cargo bench -p minidocker-benches --bench lifecycle
