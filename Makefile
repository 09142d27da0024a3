# nacre. Everything that is made lands in build/; `make help` lists the targets.
# The work is done by CMake (CMakePresets.json) and by scripts/.
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
DESTDIR ?=
export JOBS
MAKEFLAGS += --no-print-directory

.PHONY: all demo test test-full soak bench bench-vectors install clean format lint help

all: ## build the library and the command (build/release)
	@scripts/deps.sh build
	@scripts/build.sh release

demo: ## import this machine's package file lists, kill the writer, recover, query, search; near words by vectors
	@scripts/deps.sh build demo
	@scripts/build.sh release
	@scripts/demo.sh

test: ## the quick tiers: release builds, all tests with assertions, house rules, install
	@scripts/deps.sh build test
	@scripts/build.sh release
	@scripts/build.sh check
	@scripts/test.sh check

test-full: ## also clang, sanitizers, fuzz campaigns, long random histories, coverage
	@scripts/deps.sh build test full lint
	@scripts/test_full.sh

soak: ## everything at once against one store, killed and opened again; MINUTES=10
	@scripts/deps.sh build test
	@scripts/build.sh check
	@MINUTES="$(or $(MINUTES),10)" scripts/soak.sh

bench: ## nacre beside RocksDB, LMDB, LevelDB and WiredTiger; searches, nearest neighbours beside their peers
	@scripts/deps.sh build bench
	@scripts/build.sh bench
	@scripts/bench.sh

bench-vectors: ## of these, the nearest neighbours alone, beside hnswlib, FAISS and usearch
	@scripts/deps.sh build bench
	@scripts/bench_vectors.sh

install: ## install under $(DESTDIR)$(PREFIX)
	@scripts/deps.sh build
	@scripts/build.sh release
	@scripts/install.sh "$(PREFIX)" "$(DESTDIR)"

format: ## lay out the sources by .clang-format
	@scripts/deps.sh lint
	@scripts/format.sh

lint: ## clang-tidy and the house rules
	@scripts/deps.sh build test lint
	@scripts/lint.sh

clean: ## remove build/
	@rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile
