# Commands for developers and for running Switchboard on one machine. `make help` lists them.
SHELL := /bin/bash
PY := .venv/bin/python
PACKAGES := switchboard auth api_gateway files conversations realtime scheduler
WORKERS ?= $(shell nproc)
UNIT := $(wildcard shared/tests/unit services/*/tests/unit)
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests up down status logs demo test test-unit test-all test-browser test-browser-all test-compose e2e faults check format schemas docs bench bench-e2e

help: ## list the targets
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

status: ## show the running processes
	@bin/switchboard status

logs: ## follow all logs
	@bin/switchboard logs

demo: ## a tour of the running stack
	@bin/switchboard demo

test: test-unit ## every test but the slow ones, on private servers
	@$(PY) -m pytest -q -n $(WORKERS) --dist loadgroup -m "not slow and not browser" $(UNIT:%=--ignore=%) $(ARGS)

test-unit: setup-tests ## the pure tests, which need no server
	@$(PY) -m pytest -q -m "not slow" $(UNIT)

test-all: setup-tests ## the slow ones too: faults, soak, end to end
	@$(PY) -m pytest -q -n $(WORKERS) --dist loadgroup $(ARGS)

test-browser: setup-tests ## the console in Chromium, on a private stack
	@$(PY) -m pytest -q tests/browser -m "browser and not slow" $(ARGS)

test-browser-all: setup-tests ## the slow ones too: kills, cut connections
	@$(PY) -m pytest -q tests/browser -m browser $(ARGS)

e2e: setup-tests ## end-to-end tests, on a private stack or at the gateways SWITCHBOARD_URLS (comma-separated)
	@$(PY) -m pytest -q tests/e2e -m "e2e and not slow" $(ARGS)

test-compose: setup ## docker-compose.yml on a real Docker with Compose
	@$(PY) -m pytest -q infra/tests $(ARGS)

# bash sets SECONDS itself: use it only if make or its environment sets it.
ifneq ($(origin SECONDS),undefined)
FAULT_SECONDS := --seconds $(SECONDS)
unexport SECONDS
endif

faults: setup ## a fault run under load, checked against a ledger (SECONDS, default 120; SEED repeats a run)
	@$(PY) -m tests.faults $(FAULT_SECONDS) $(if $(SEED),--seed $(SEED)) $(ARGS)

check: setup ## format, lint, types, layers, class names
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@.venv/bin/mypy $(addprefix -p ,$(PACKAGES))
	@.venv/bin/mypy $(wildcard shared/tests services/*/tests tests bench infra/tests infra/checks)
	@.venv/bin/lint-imports
	@$(PY) infra/checks/duplicate_classes.py
	@$(PY) infra/checks/env_example.py
	@$(PY) infra/checks/vendored_assets.py

schemas: setup ## write the messages' JSON Schemas; refuses a breaking change
	@$(PY) -m switchboard.contracts.compatibility

docs: setup ## generate the tables of docs/ again
	@$(PY) -m switchboard.contracts.tables docs/messages.md docs/architecture.md
	@$(PY) infra/checks/env_example.py --write

format: setup ## format the code
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

bench: setup ## run the benchmarks and print a table
	@$(PY) -m bench $(ARGS)

bench-e2e: setup ## one message end to end, beside two other designs (ARGS=--quick, --all, --counts, --prove, --keep)
	@infra/setup.sh --for-benchmarks
	@$(PY) -m bench.end_to_end $(ARGS)
