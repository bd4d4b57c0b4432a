# The two that matter are `make demo` and `make test`; they are scripts, so that they work where make is not installed.

SWIFT ?= swift
IMAGE ?= sluice:0.1.0

.DEFAULT_GOAL := help
.PHONY: help demo test deps build image bench bench-memory bench-instructions bench-counting soak clean

help: ## Say what there is.
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Install what is missing, build in release mode, start gateway and sample upstream in one process.
	@scripts/demo

test: ## Install what is missing, run the whole test suite.
	@scripts/test

deps: ## Install the missing system packages that the build and the tests need.
	@scripts/dependencies test

build: ## Build .build/release/sluice.
	@scripts/dependencies build
	$(SWIFT) build -c release --product sluice

image: ## Build the container image.
	docker build --file docker/Dockerfile --tag $(IMAGE) .

bench: build ## Compare CPU per request with nginx, HAProxy and nginx+Lua: benchmarks/results/compare.md (BENCH: further arguments).
	benchmarks/compare $(BENCH)

bench-memory: build ## Resident memory under 1,000,000 requests and 5,000 idle connections: benchmarks/results/memory.md.
	benchmarks/memory $(BENCH)

bench-instructions: build ## Instructions per request against benchmarks/thresholds.json.
	benchmarks/instructions $(BENCH)

bench-counting: ## Nanoseconds per admission beside an atomic counter and a mutex; round trips of a fleet to its store.
	@scripts/dependencies build
	$(SWIFT) build -c release --product counting-benchmark
	$(SWIFT) build -c release --product counting-simulation
	.build/release/counting-benchmark $(BENCH)
	.build/release/counting-benchmark callers
	.build/release/counting-simulation --traffic

soak: build ## 20 minutes of good and bad traffic with a reload every second (BENCH: --minutes N, --sluice FILE).
	benchmarks/soak $(BENCH)

clean: ## Remove what the builds made.
	rm -rf .build benchmarks/.build
