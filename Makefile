# Each word does its own set-up into .venv, by pip.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# One process a core, one thread a process; the tests of a file stay together, as they share what is costly to make.
# Bytecode is kept, whatever the shell says: else each process that a test begins compiles the package anew.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $$(nproc) --dist loadfile --no-loadscope-reorder

.PHONY: setup demo test check fix bench

setup: $(STAMP)

# torch first and pinned: on a machine without a GPU, a bare "torch" may bring gigabytes of CUDA libraries.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)

demo: setup
	$(BIN)/fewshot demo --data data --out runs/demo

test: setup
	$(PYTEST) -m 'not long'

test-long: setup
	$(PYTEST) -m long

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -m 'not slow and not long'

fix: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m tests.benchmarks.main_job
