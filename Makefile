# Each target sets up what it needs: a virtual environment in .venv, from PyPI, with plain python3 >= 3.11.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup demo reproduce-smoke test test-fast coverage bench bench-scoring bundled-model check format docs clean

help:
	@echo "make demo      train, test, plot and score on the built-in database: minutes, on a CPU, offline once set up"
	@echo "make reproduce-smoke  every figure and table of the paper, tiny, on the built-in database: minutes, on a CPU"
	@echo "make test      run the test suite"
	@echo "make test-fast  the tests that take less than seconds, for daily work"
	@echo "make coverage  run the test suite and print the share of statements that it reaches"
	@echo "make bench     training speed and memory against the published procedure: half an hour on a CPU"
	@echo "make bench-scoring    scoring speed, memory and start against a plain loop: half an hour on a CPU"
	@echo "make bundled-model    train the model in the package anew from BIQ2021, hours on a CPU; goes on after a stop"
	@echo "make check     format, lint, types, layers"
	@echo "make docs      the documentation site, in site/"
	@echo "make format    format and mend what the linter can mend"
	@echo "make clean     remove the virtual environment and caches"

setup: $(READY)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "LinearityIQA needs python3 >= 3.11; name one with: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "setting up $(VENV) from PyPI (PyTorch is large: some GB, some minutes, once)"
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "python3 cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(READY)

demo: $(READY)
	$(BIN)/linearityiqa demo

# All twelve items, end to end, in one process; the images are made at the smallest size that their labels allow.
SMOKE := reproduced/smoke
reproduce-smoke: $(READY)
	$(BIN)/linearityiqa datasets make --output $(SMOKE)/synthetic --images 96 --height 96 --width 96
	$(BIN)/linearityiqa reproduce all --dataset $(SMOKE)/synthetic/labels.csv --backbones resnet18 --weights none \
		--size 64x64 --epochs 2 --splits 2 --num_workers 0 --num_threads 1 \
		--log_dir $(SMOKE)/runs --output $(SMOKE)

# One thread for each of two test processes: on a small machine more of either only makes them wait for each other.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2

test-fast: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 -m "not slow and not e2e"

coverage: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --cov --cov-report=term-missing:skip-covered --cov-fail-under=90

bench: $(READY)
	$(BIN)/python benchmarks/training.py

bench-scoring: $(READY)
	$(BIN)/python benchmarks/scoring.py

BUNDLED := bundled-model
BIQ2021 := BIQ2021
bundled-model: $(READY)
	$(BIN)/python scripts/bundled_model.py --biq2021 $(BIQ2021) --work $(BUNDLED)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Warnings are errors; neither the build nor the pages need a network.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "open site/index.html; for the search: python3 -m http.server --directory site"

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist site .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name '*.egg-info' -type d -prune -exec rm -rf {} +
