# One .venv, completed by whichever target runs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
N ?= 1000
SEED ?= 0
READY := $(VENV)/.ready

.DEFAULT_GOAL := help

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "salutary needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev]'
	touch $(READY)

install: $(READY) ## Make .venv with all that development needs

demo: $(READY) ## Run the main job on data that comes with scikit-learn
	$(BIN)/salutary demo

# A worker for each core; threads within one would only wait for each other.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto

test: $(READY) ## Run all tests, doctests included
	$(PYTEST)

check: lint ## Lint and run the fast tests, more than half of all: a minute
	@# What is left out imports much more, or makes whole runs.
	$(PYTEST) -m 'not slow' --hypothesis-profile quick tests \
		--ignore tests/deep --ignore tests/salutary_benchmark --ignore tests/test_studies.py

hostile: $(READY) ## Run N hostile inputs and N / 10 kills from SEED, and damage runs
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.hostile $(N) $(SEED)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.hostile.kills \
		$$(($(N) / 10)) $(SEED)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.hostile.run_files
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.hostile.surroundings

test-numerics: $(READY) ## Run all tests under other processors' kernels, one thread and two: up to 8 x make test
	$(BIN)/python -m tests.numerics

lint: $(READY) ## Check style, types and who imports whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

studies: $(READY) ## Rerun the studies under docs/studies, from where they are
	$(BIN)/python -m studies.uncertainty
	$(BIN)/python -m studies.rules
	$(BIN)/python -m studies.shortlist
	$(BIN)/python -m studies.advise
	$(BIN)/python -m studies.verdict
	$(BIN)/python -m studies.relabel
	$(BIN)/python -m studies.objectives
	$(BIN)/python -m studies.shift
	$(BIN)/python -m studies.finetuning

bench: $(READY) ## Measure speed and memory
	$(BIN)/python -m speed

clean: ## Remove .venv and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: help install demo test check hostile test-numerics lint format bench studies clean
