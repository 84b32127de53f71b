# `make help` lists the targets. Python 3.11 or newer is the only thing that has to be there.
SHELL := /bin/bash
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=
JOBS ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup assets servers demo try test test-fast test-soak check lint types imports schemas rules bench evaluate fmt lock clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): pyproject.toml deploy/requirements-test.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name it with: make setup PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/requirements-test.lock
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable .
	@touch $@

setup: $(READY) assets servers ## create .venv with the locked packages and the `foreshock` command; fetch assets and the tests' servers
	@echo "Ready: $(BIN)/foreshock --help"

assets: $(READY) ## fetch what the console's pages load: htmx and uPlot, with npm
	@$(BIN)/python -m agents.console.assets

servers: $(READY) ## fetch what the tests start, unless FORESHOCK_TEST_SERVERS=none: Kafka, PostgreSQL, promtool
	@if [ "$$FORESHOCK_TEST_SERVERS" != none ]; then $(BIN)/python -m tests.servers.fetch; fi

demo: $(READY) ## replay a sample stream through the whole pipeline; needs no server
	@$(BIN)/foreshock demo $(ARGS)

try: setup demo ## setup and demo in one

test: servers ## all tests; starts the servers that they need
	@$(BIN)/python -m pytest -m "not bench and not soak" -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-soak: $(READY) ## the worker's faults, an hour (FORESHOCK_TEST_SOAK_S) of hostile input, six times the examples
	@$(BIN)/python -m tests.servers.fetch --strict
	@$(BIN)/python -m pytest -m soak $(ARGS)
	@FORESHOCK_TEST_EXAMPLES=6 $(BIN)/python -m pytest tests/property $(ARGS)

test-fast: $(READY) ## the tests that need no server and finish quickly
	@$(BIN)/python -m pytest -m "not servers and not slow and not faults and not bench" $(ARGS)

check: lint types imports schemas rules ## everything that reads the code without running it

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY)
	@$(BIN)/mypy

imports: $(READY)
	@$(BIN)/lint-imports

schemas: $(READY)
	@$(BIN)/foreshock schemas check

rules: $(READY)
	@if command -v promtool > /dev/null; then \
		promtool check config --syntax-only deploy/prometheus/prometheus.yml && \
		promtool check rules deploy/prometheus/rules.yml && \
		promtool test rules deploy/prometheus/rules_test.yml deploy/prometheus/rules_week_test.yml; \
	else echo "promtool is not installed: the Prometheus rules were not tested"; fi
	@if command -v amtool > /dev/null; then amtool check-config deploy/alertmanager/alertmanager.yml; \
	else echo "amtool is not installed: the Alertmanager configuration was not checked"; fi

bench: servers ## measure speed and latency on a real Kafka; prints a table of ratios
	@$(BIN)/python -m tests.benchmarks $(ARGS)

evaluate: $(READY) ## measure false alarms, recall and delay, beside other methods; writes tests/golden/evaluation
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[evaluation]'
	@$(BIN)/python -m tests.evaluation $(ARGS)

fmt: $(READY) ## format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

lock: $(READY) ## write the lock files anew from pyproject.toml
	@deploy/lock.sh $(PYTHON)

clean: ## remove what was generated, the virtual environment included
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache demo-data
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
