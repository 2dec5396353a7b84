# Every target first runs scripts/setup, which is quick when nothing is missing.
.PHONY: demo test bench lint setup

demo: setup
	cargo run --release -p patrol -- demo

test: setup
	scripts/test

# The short form, within five minutes. The whole one: cargo run --release -p patrol -- bench
bench: setup
	cargo run --release -p patrol -- bench --short

lint: setup
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	scripts/check-house

setup:
	scripts/setup
