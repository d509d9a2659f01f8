# The commands of the project. `make quickstart` and `make test` work from a fresh clone: each sets up
# .venv if there is none, and a second call skips the set-up until pyproject.toml changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# `make test-all` takes the exhaustive tests too: repeats of a kind of which one stays in `make test`.
SCOPE := not gpu and not exhaustive
FAST := not slow and not cluster and not faults and not browser and $(SCOPE)
SLOW := (slow or browser) and not faults and not cluster and $(SCOPE)
MEASURED := $(BIN)/python

.PHONY: help quickstart setup format lint docs test test-all faults cluster mutants bench bench-quick clean
.DEFAULT_GOAL := help

help:  ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

quickstart: $(VENV)/.installed  ## tune real GANs on the bundled digits and compare the two arms
	$(BIN)/ttur launch

setup: $(VENV)/.installed-dev  ## install everything that developers need, without running anything

format: $(VENV)/.installed-dev  ## let ruff lay out the code and mend what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lint: $(VENV)/.installed-dev  ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(VENV)/.installed-dev  ## build the pages, with a reference made from the code, into build/docs
	DISABLE_MKDOCS_2_WARNING=true NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The quick tests run first, so that a plain mistake is known within two minutes. Two processes share the tests,
# but those that start clusters and servers stay in one of them (tests/conftest.py).
test: lint docs  ## every check and the tests of every kind that needs no GPU
	$(MEASURED) -m pytest -n 2 --dist worksteal -m "$(FAST)"
	$(MEASURED) -m pytest -n 2 --dist loadscope -m "$(SLOW)"
	$(MAKE) faults
	$(MAKE) cluster

# Both measured runs, their child processes and the workers of their Ray clusters add to one measurement, which
# makes them half as long again; what is killed with SIGKILL, as in the tests after them, measures nothing.
test-all: $(VENV)/.installed-dev  ## the same with every test (the marker exhaustive), and the coverage
	$(BIN)/coverage erase
	$(MAKE) test SCOPE="not gpu" MEASURED="$(BIN)/coverage run"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered

faults: $(VENV)/.installed-dev  ## only the tests that kill real processes under running studies
	$(BIN)/pytest -m "faults and $(SCOPE)"

cluster: $(VENV)/.installed-dev  ## only the tests on a Ray cluster of network namespaces, whose hosts are killed
	$(BIN)/pytest -m "cluster and $(SCOPE)"

# MODULES="schedules trainables/scores" takes some rows of tests/mutants/run.py; all of them take hours.
mutants: $(VENV)/.installed-dev  ## put small faults into the formulas and rules; what no test sees is in build/mutants
	$(BIN)/python tests/mutants/run.py $(MODULES)

bench: $(VENV)/.installed-bench  ## measure every claim against its peers (hours), into benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks.run

bench-quick: $(VENV)/.installed-bench  ## the same with small sizes (minutes), into build/bench-quick.md
	$(BIN)/python -m benchmarks.run --quick --output build/bench-quick.md

clean:  ## remove what the tools left behind; .venv and studies stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.*

# pip is the last thing that venv writes, so a set-up that was cut off is made again.
$(BIN)/pip:
	$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --constraint constraints.txt --editable '.[dev]'
	touch $(VENV)/.installed $@

$(VENV)/.installed-bench: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --constraint constraints.txt --editable '.[bench]'
	touch $(VENV)/.installed $@
