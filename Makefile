# The two commands for a fresh machine are `make demo` and `make test`. They need Python >= 3.11,
# make and git; everything else comes into .venv from the package index.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# test processes, each with servers of its own, since tests mostly wait; plain `pytest` is one
TESTERS ?= 3

# another storm: make chaos SEED=7 STORM_S=600
STORM_S ?= 180

.PHONY: demo test chaos bench check format wheel clean

demo: $(VENV)/installed
	$(BIN)/python examples/demo.py

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest --numprocesses $(TESTERS) --no-loadscope-reorder

chaos: $(VENV)/installed-dev
	$(BIN)/python -m tests.chaos --seconds $(STORM_S) $(if $(SEED),--seed $(SEED))

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# what and how much: make bench BENCH="--quick --only latency"; docs/performance.md explains it
bench: $(VENV)/installed
	$(BIN)/python -m bench $(BENCH)

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(VENV)/installed-dev
	rm -rf build dist
	$(BIN)/python -m build --wheel
	$(BIN)/python tests/smoke_wheel.py dist/*.whl

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --disable-pip-version-check -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[dev]'
	touch $(VENV)/installed $@
