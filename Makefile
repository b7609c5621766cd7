# `make cycle` and `make test` do all their own set-up: they need make and Python 3.11 or newer.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Tests run side by side, a file in one process; each process has one thread for the models' arithmetic. They wait
# for servers much of their time, so there is a process more than there are cores; 4 are enough for their memory.
CORES  := $(shell getconf _NPROCESSORS_ONLN)
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $$(($(CORES) < 4 ? $(CORES) + 1 : 4)) \
	--dist loadfile --no-loadscope-reorder --cov=camelx --cov-branch --cov-report=term:skip-covered --cov-fail-under=85
# Installed packages are compiled once; a machine that forbids writing bytecode would compile at each start.
unexport PYTHONDONTWRITEBYTECODE
# The databases of camelx and of its Prefect server, for which a first cycle would wait; it may fail.
PREPARE = $(BIN)/camelx db upgrade --prefect >/dev/null 2>&1 || \
	echo "The databases could not be prepared; the first cycle will do it, or say why (camelx doctor)"

.DEFAULT_GOAL := help
.PHONY: help cycle test test-all serve check bench screenshots clean

help:        ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

cycle: $(VENV)/.installed       ## run one self-improvement cycle (ARGS="--goals 50" and the like)
	@$(BIN)/camelx cycle $(ARGS)

test: $(VENV)/.installed-dev    ## the tests, with branch coverage
	@$(PYTEST) -m "not slow" $(ARGS)

test-all: $(VENV)/.installed-dev check  ## every check and every test, the slow ones too
	@$(PYTEST) $(ARGS)

check: $(VENV)/.installed-dev   ## format, lint, types, import contracts
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

serve: $(VENV)/.installed       ## the app, the Prefect UI, a worker with the schedule, and the MLflow UI
	@$(BIN)/camelx up $(ARGS)

bench: $(VENV)/.installed-dev   ## the benchmarks; prints tables, asserts nothing
	@$(BIN)/python -m benchmarks $(ARGS)

screenshots: $(VENV)/.installed-dev  ## pictures of every page, into docs/screenshots
	@$(BIN)/python docs/take_screenshots.py $(ARGS)

clean:       ## remove caches and builds; data, adapters and mlruns stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage htmlcov
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "camelx needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V); try make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing camelx into $(VENV) (once, a few minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@$(PREPARE)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing camelx and its test tools into $(VENV) (once, a few minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@$(PREPARE)
	@touch $@ $(VENV)/.installed
