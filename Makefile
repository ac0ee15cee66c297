# Two commands matter: `make demo` shows the product, `make test` runs every check. Both install what they need.

STEPS := fmt clippy deny doc wasm rust clients fuzz

.PHONY: help demo bench test setup $(addprefix test-,$(STEPS))
.DEFAULT_GOAL := help

help:
	@echo 'make demo          start a service, attest one simulated device of every kind, print what was checked'
	@echo 'make test          every check, in the order below; ends with a table of results'
	@echo 'make test-fmt      formatting'
	@echo 'make test-clippy   lints, warnings denied'
	@echo 'make test-deny     bans, licences and sources of every dependency'
	@echo 'make test-doc      documentation, warnings denied'
	@echo 'make test-wasm     the verifying crates compile for wasm32-unknown-unknown'
	@echo 'make test-rust     all Rust tests'
	@echo 'make test-clients  Python, JavaScript and Rust clients against a running service; LEG=jose runs one leg'
	@echo 'make test-fuzz     every fuzz target for a few seconds'
	@echo 'make bench         benchmarks beside their peers; writes target/bench.json'
	@echo 'make setup         install the packages and tools that the above need, and do nothing else'

test:
	@tools/test.sh all

$(addprefix test-,$(STEPS)): test-%:
	@tools/test.sh $*

# DEMO_ARGS=--once stops after the table and exits 0 only if all was well.
demo:
	@tools/setup.sh packages
	cargo run --locked --bin assay -- demo $(DEMO_ARGS)

# BENCH_ARGS='--only policy' measures only the cases whose name begins so.
bench:
	@tools/setup.sh packages
	cargo run --locked --release -p assay-bench -- $(BENCH_ARGS)

setup:
	@tools/setup.sh all
