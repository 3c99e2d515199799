# One front door. `make` prints the verbs; `make ci` is exactly what CI runs.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first Python from 3.11 on; say PYTHON=… to choose another.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BROKER ?= tansu
N ?= 10
SEED ?=
ARGS ?=

VENV := .venv
RUN := $(VENV)/bin/python
PYTEST := $(RUN) -m pytest $(ARGS)
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
CODE := schemas services deploy tests

.PHONY: help venv demo up test test-fast test-integration sim kill bench lint format ci clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Apudiaari needs Python 3.11 or newer with venv; none was found. Say make PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements/runtime.txt | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@touch $@

$(DEV): requirements/dev.txt | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@ $(RUNTIME)

venv: $(DEV) ## make .venv with everything that development and tests need

demo: $(RUNTIME) ## run everything on synthetic data and play the story (BROKER=kafka, ONCE=1, VISITS=…, LANG_=fi|sv|en)
	@exec $(RUN) -m deploy.demo --broker $(BROKER) $(if $(ONCE),--once) $(if $(VISITS),--visits $(VISITS)) $(if $(LANG_),--lang $(LANG_))

up: $(RUNTIME) ## run everything without data, until Ctrl-C (BROKER=kafka)
	BROKER=$(BROKER) $(RUN) -m deploy.dev

test: $(DEV) ## lint and every tier of tests; a missing Java, Maven or browser is said at the end
	@failed=0; $(MAKE) --no-print-directory lint || failed=1; $(PYTEST) || failed=1; exit $$failed

test-fast: $(DEV) ## what needs no broker of its own: unit, contract, architecture
	$(PYTEST) tests/unit tests/contract tests/architecture -m "not kafka and not browser"

test-integration: $(DEV) ## services on PostgreSQL, Apache Kafka and the embedded broker
	$(PYTEST) tests/integration

sim: $(DEV) ## simulated crashes, duplicates and rebalances (SEED=… replays one)
	SEED=$(SEED) $(RUN) -m tests.simulation

kill: $(DEV) ## kill real processes under load N times and judge by the clients' journal (N=50)
	$(RUN) -m tests.load.kill --rounds $(N)

bench: $(DEV) ## measure against the numbers of the design; writes .run/bench.json
	$(RUN) -m tests.load.bench

lint: $(DEV) ## ruff, mypy, import contracts
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/ruff format --check $(CODE)
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(DEV) ## put the code in its form
	$(VENV)/bin/ruff check --fix $(CODE)
	$(VENV)/bin/ruff format $(CODE)

ci: ## what CI runs
	.ci/run

clean: ## remove the environment and everything that runs left behind
	rm -rf $(VENV) .run
