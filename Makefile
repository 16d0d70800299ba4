# Five environments, each made by the first target that needs it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LIGHT := .venv-demo
OLDEST := .venv-oldest
LABEL_STUDIO := .venv-label-studio
PEERS := .venv-peers
N ?= 1000
SEED ?= 0
# Pictures go to files, whatever matplotlib is told to show windows by.
export MPLBACKEND :=

.DEFAULT_GOAL := help

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

$(READY): EXTRAS := [dev]
$(OLDEST)/.ready: EXTRAS := [benchmark,excel,fast,test]
$(OLDEST)/.ready: PINS := constraints-oldest.txt
$(READY) $(LIGHT)/.ready: PINS := constraints.txt

$(READY) $(LIGHT)/.ready $(OLDEST)/.ready: pyproject.toml constraints.txt constraints-oldest.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "salutary needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 2; }
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint $(PINS) --editable '.$(EXTRAS)'
	touch $@

# The SDK needs an older NumPy than the tests do.
$(LABEL_STUDIO)/.ready: constraints-label-studio.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint $< label-studio-sdk
	touch $@

# pyDVL needs an older NumPy than salutary does.
$(PEERS)/.ready: speed/peers/constraints.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint $< 'pydvl[influence]' kronfluence modAL-python small-text
	touch $@

install: $(READY) ## Make .venv with all that development needs

demo: $(LIGHT)/.ready ## Run the main job on data that comes with scikit-learn
	$(LIGHT)/bin/salutary demo

# A worker for each core; threads within one would only wait for each other.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
PYTEST := $(ONE_THREAD) $(BIN)/python -m pytest -q -n auto

test: $(READY) $(LABEL_STUDIO)/.ready ## Run all tests, doctests included
	$(PYTEST)

test-oldest: $(OLDEST)/.ready ## Run the tests with the lowest versions that are allowed
	@# Language models apart, which would add gigabytes.
	$(ONE_THREAD) $(OLDEST)/bin/python -m pytest -q -n auto tests --ignore tests/deep

check: lint ## Lint and run the fast tests, more than half of all: a minute
	@# What is left out imports much more, or makes whole runs.
	$(PYTEST) -m 'not slow' --hypothesis-profile quick tests \
		--ignore tests/deep --ignore tests/salutary_benchmark --ignore tests/test_studies.py

hostile: $(READY) ## Run N hostile inputs and N / 10 kills from SEED, and damage runs
	$(ONE_THREAD) $(BIN)/python -m tests.hostile $(N) $(SEED)
	$(ONE_THREAD) $(BIN)/python -m tests.hostile.kills \
		$$(($(N) / 10)) $(SEED)
	$(ONE_THREAD) $(BIN)/python -m tests.hostile.run_files
	$(ONE_THREAD) $(BIN)/python -m tests.hostile.surroundings

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
	$(BIN)/python -m studies.review
	$(BIN)/python -m studies.worth
	$(BIN)/python -m studies.certainty
	$(BIN)/python -m studies.together
	$(BIN)/python -m studies.relabel
	$(BIN)/python -m studies.objectives
	$(BIN)/python -m studies.shift
	$(BIN)/python -m studies.finetuning
	$(BIN)/python -m studies.distillation

docs: $(READY) ## Build the site of the pages into docs/_build/html
	$(ONE_THREAD) $(BIN)/python -m sphinx -b html -W --keep-going -q \
		-d docs/_build/doctrees docs docs/_build/html

docs-outputs: $(READY) ## Rerun the commands of README and docs, and write down what they print
	$(BIN)/python -m docs.outputs

bench: $(READY) ## Measure speed and memory
	$(BIN)/python -m speed

peers: $(READY) $(PEERS)/.ready ## Measure beside other libraries: minutes, and 2 GB the first time
	$(BIN)/python -m speed.peers

clean: ## Remove the environments and caches
	rm -rf docs/_build docs/api docs/gallery $(VENV) $(LIGHT) $(OLDEST) $(LABEL_STUDIO) $(PEERS) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: help install demo test test-oldest check hostile test-numerics lint format studies docs docs-outputs bench peers clean
