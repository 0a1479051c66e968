# Everything that is done to Switchboard on one machine. `make help` lists it.
SHELL := /bin/bash
PY := .venv/bin/python
PACKAGES := switchboard auth api_gateway files conversations realtime scheduler
WORKERS ?= 2
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests up down status logs demo test test-all test-compose e2e check format schemas docs bench

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | \
	  awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: ## install what is missing, make .venv
	@infra/setup.sh

setup-tests:
	@infra/setup.sh --for-tests

up: setup ## start everything, wait until it is healthy (SWITCHBOARD_PORT, default 8080)
	@bin/switchboard up

down: ## stop everything; the data stays in .local
	@[ ! -x .venv/bin/python ] || bin/switchboard down

status: ## what runs
	@bin/switchboard status

logs: ## follow all logs
	@bin/switchboard logs

demo: ## a tour of the running stack
	@bin/switchboard demo

test: setup-tests ## every test but the slow ones, on private servers of its own
	@$(PY) -m pytest -q -n $(WORKERS) --dist loadgroup -m "not slow" $(ARGS)

test-all: setup-tests ## the slow ones too: faults, soak, end to end
	@$(PY) -m pytest -q -n $(WORKERS) --dist loadgroup $(ARGS)

e2e: setup-tests ## what a user sees, on private servers or at the gateways SWITCHBOARD_URLS (comma-separated)
	@$(PY) -m pytest -q tests/e2e -m "e2e and not slow" $(ARGS)

test-compose: setup ## docker-compose.yml, for real: wants Docker with Compose
	@$(PY) -m pytest -q infra/tests/test_compose.py $(ARGS)

# SECONDS counts up by itself in bash: only one that is given to make or its environment is taken.
ifneq ($(origin SECONDS),undefined)
FAULT_SECONDS := --seconds $(SECONDS)
unexport SECONDS
endif

faults: setup ## users at work while things go wrong; the books closed after (SECONDS, default 120; SEED repeats a run)
	@$(PY) -m tests.faults $(FAULT_SECONDS) $(if $(SEED),--seed $(SEED)) $(ARGS)

check: setup ## format, lint, types, and who may import whom
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@.venv/bin/mypy $(addprefix -p ,$(PACKAGES))
	@.venv/bin/mypy $(wildcard shared/tests services/*/tests tests bench infra/tests)
	@.venv/bin/lint-imports

schemas: setup ## keep the messages' JSON Schemas; refuses a breaking change
	@$(PY) -m switchboard.contracts.compatibility

docs: setup ## make the tables of docs/ anew
	@$(PY) -m switchboard.contracts.tables docs/messages.md docs/architecture.md

format: setup ## put the code into form
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

bench: setup ## the benchmarks; a table at the end
	@$(PY) -m bench $(ARGS)
