# Two commands do everything: `make run` (talk to the demo shops) and `make test` (prove it works).
# Needed: Rust, a C compiler, make, Python 3 with pip.

CARGO ?= cargo
PYTHON ?= python3
# langchain-rust brings OpenSSL; where its headers are missing it is built from source (needs perl).
TLS := $(shell pkg-config --exists openssl 2>/dev/null || echo --features balcao/vendored-openssl)

TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: run test check lint fmt assets bench browser eval sql clean-data help

help:
	@echo "make run     fetch what is needed, build, and serve the two demo shops on http://127.0.0.1:8080"
	@echo "make test    fetch what is needed and run every test"
	@echo "make check   what CI runs: format, lints, tests"
	@echo "make eval    score the engine on the golden sets, hold it against the baseline, and write a page about it"
	@echo "make bench   the measurements of the README"
	@echo "make sql     refresh .sqlx after changing SQL"

assets:
	@$(PYTHON) scripts/fetch-assets

run: assets
	$(CARGO) build --release -p balcao $(TLS)
	$(TARGET)/release/balcao serve --demo

# The crash tests kill the real program: it is built first, with its failpoints.
test: assets
	$(CARGO) build -p balcao $(TLS)
	TEST_PROGRAM=$(abspath $(TARGET))/debug/balcao $(CARGO) test --workspace $(TLS)

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets $(TLS) -- -D warnings

fmt:
	$(CARGO) fmt --all

check: lint test

bench: assets
	$(CARGO) build --release -p balcao $(TLS)
	$(TARGET)/release/balcao bench all
	$(CARGO) bench -p balcao-domain --bench breaker

# The golden questions and dialogues of the demo shops, without a model: about two minutes on two cores.
eval: assets
	$(CARGO) build -p balcao $(TLS)
	$(TARGET)/debug/balcao eval answers
	$(TARGET)/debug/balcao eval dialogues
	$(TARGET)/debug/balcao eval report latest:answers --out $(TARGET)/eval-answers.html
	$(TARGET)/debug/balcao eval report latest:dialogues --out $(TARGET)/eval-dialogues.html
	$(TARGET)/debug/balcao eval gate latest:answers
	$(TARGET)/debug/balcao eval gate latest:dialogues

sql:
	scripts/prepare-sql

# Removes the demo's data; the fetched assets stay.
clean-data:
	rm -rf .balcao/data .balcao/demo.json
