# For newcomers: `make demo` and `make test` set up all they need in .venv.
# For developers: `make check` (lint, format, types, architecture) and `make docs`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo fast test check docs mutants clean

help:
	@echo "make demo    train, probe and plot a small ensemble (about two minutes)"
	@echo "make fast    run the quick tests, in under a minute"
	@echo "make test    run all tests"
	@echo "make check   ruff, mypy, import-linter"
	@echo "make docs    build the manual into docs/_build/html"
	@echo "make mutants change the code in small ways and see whether tests fail (hours)"
	@echo "make clean   remove .venv and everything that was built"

demo: $(VENV)/has-run
	$(BIN)/jtdiag demo

# One thread in each of two processes: more would wait for each other. With worksteal, tests that
# stand together share a process, and with it the runs that they train.
JOBS ?= 2
PYTEST := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/pytest -n $(JOBS) --dist worksteal

fast: $(VENV)/has-test
	$(PYTEST) -q -m "not slow" --limit 1

test: $(VENV)/has-test
	$(PYTEST)

check: $(VENV)/has-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: $(VENV)/has-docs
	$(BIN)/sphinx-build -q -W --keep-going docs docs/_build/html

# ROOMS=loss tests one room, ARGS='--sample 100' a sample of the changes in each.
mutants: $(VENV)/has-test $(VENV)/has-mutants
	$(BIN)/python benchmarks/mutants.py $(ROOMS) $(ARGS)

# A stamp in .venv says which extra is installed, so that a second call starts at once.
$(VENV)/made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/has-run: pyproject.toml constraints.txt | $(VENV)/made
	@echo "Installing jtdiag in $(VENV) (the first time this takes a minute or two)"
	$(INSTALL) -e .
	@touch $@

$(VENV)/has-%: pyproject.toml constraints.txt | $(VENV)/made
	@echo "Installing jtdiag[$*] in $(VENV) (the first time this takes a minute or two)"
	$(INSTALL) -e '.[$*]'
	@touch $@

clean:
	rm -rf $(VENV) build dist docs/_build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
