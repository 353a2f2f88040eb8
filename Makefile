# `make build` sets everything up and builds the bundle; `make test` checks the project. `make help` lists the rest.
SHELL  := /bin/sh
PYTHON ?= python3
MODEL  ?= gemma27b
TARGET ?= phoenix
JOBS   ?= auto

BIN    := .venv/bin
ORACLE := .venv-oracle
READY  := .venv/.ready
BUNDLE := build/bundles/$(MODEL)-$(TARGET)
DEMO   := build/demo

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup build demo test test-oracle lint types pytest format bench-build clean distclean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1|/p' $(MAKEFILE_LIST) | \
	    while IFS='|' read -r name text; do printf '  %-18s %s\n' "$$name" "$$text"; done

setup: $(READY) ## system packages and .venv (build and test do this by themselves)

# One stamp for all of it, so that a second `make build` goes straight to kernelc.
$(READY): pyproject.toml runtime/pyproject.toml scripts/setup-system.sh
	@PYTHON='$(PYTHON)' scripts/setup-system.sh
	@echo "setup: creating .venv and installing kernelc, kernelrt and the test tools into it (0.7 GB)"
	@'$(PYTHON)' -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ./runtime -e '.[test]'
	@touch $@

build: $(READY) ## build and verify the bundle of MODEL (gemma27b) for TARGET (phoenix)
	$(BIN)/kernelc build --model $(MODEL) --target $(TARGET) --out $(BUNDLE)
	$(BIN)/kernelc verify $(BUNDLE)

demo: $(READY) ## generate text with a tiny model of random weights, on the CPU, from nothing
	rm -rf $(DEMO)
	$(BIN)/kernelc build --model tiny --target host --quant q8_0 --seq 512 --batch 1 --out $(DEMO)/tiny-host
	$(BIN)/kernelrt make-weights --model tiny --seed 1 --format gguf --quant q8_0 --out $(DEMO)/tiny.gguf
	$(BIN)/kernelrt plan-memory --bundle $(DEMO)/tiny-host --device llvmpipe
	$(BIN)/kernelrt run --bundle $(DEMO)/tiny-host --weights $(DEMO)/tiny.gguf --device llvmpipe \
	    --prompt 'What is the answer?' --max-tokens 64 --temperature 0.8 --seed 7
	@echo "demo: done; the weights are random, so the text means nothing. What was made lies in $(DEMO)"

test: lint types pytest ## everything that must hold: lint, types, tests

lint: $(READY) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## pyright, strict for kernelc and kernelrt
	$(BIN)/pyright --project pyproject.toml --pythonpath $(BIN)/python

pytest: $(READY) ## the tests alone
	$(BIN)/python -m pytest -n $(JOBS)

test-oracle: $(READY) $(ORACLE)/.ready ## the runtime and its fp64 model against transformers (FORMATS=all: in every one; SEED=N: as in an earlier run)
	$(ORACLE)/bin/python -m tests.oracle.against_transformers $(if $(SEED),--seed $(SEED))
	FORMATS=$(FORMATS) $(BIN)/python -m pytest -n $(JOBS) tests/oracle/live_parity.py
	@cat build/oracle/*/*.txt

# torch for the CPU has an index of its own, and the usual one's brings 3 GB of CUDA; where it is out of reach, pip takes that.
$(ORACLE)/.ready: tests/oracle/requirements.txt runtime/pyproject.toml
	@echo "test-oracle: creating $(ORACLE) and installing torch and transformers into it (1.1 GB)"
	@'$(PYTHON)' -m venv $(ORACLE)
	@$(ORACLE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --retries 1 \
	    --index-url https://download.pytorch.org/whl/cpu "$$(grep '^torch==' $<)" || true
	@$(ORACLE)/bin/python -m pip install --quiet --disable-pip-version-check -e ./runtime -r $<
	@touch $@

format: $(READY) ## rewrite the sources in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-build: $(READY) ## time a cold build, a second one and one after touching a template
	$(BIN)/python benchmarks/build.py

clean: ## remove build/ and the tools' caches (kernelc cache gc looks after the store)
	rm -rf build .pytest_cache .ruff_cache .hypothesis

distclean: clean ## and .venv and .venv-oracle as well
	rm -rf .venv $(ORACLE)
