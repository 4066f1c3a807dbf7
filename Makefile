# Everything a newcomer types. `make demo` and `make test` do all of their own set-up.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The environment is right only for this very lock file: another lock, another stamp, another install.
LOCK   := $(shell $(PYTHON) -c "import hashlib;print(hashlib.sha256(open('requirements.lock','rb').read()).hexdigest()[:12])")
STAMP  := $(VENV)/.lock-$(LOCK)

.PHONY: help setup demo test check lint types bench docs lock clean

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(STAMP)  ## make .venv with the zoetrope command in it

$(STAMP): requirements.lock
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Zoetrope needs Python 3.11 or newer; set PYTHON=/path/to/python3.11')"
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools wheel
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup      ## from nothing: sample pictures -> shards -> where to look
	$(BIN)/python -m pipelines.demo

test: setup      ## every test that needs nothing but this machine
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

check: lint types test  ## the one gate: lint, types, tests

bench: setup     ## every benchmark, ours beside the peers; JSON into benchmarks/results/
	$(BIN)/python -m benchmarks

docs: setup      ## the pictures in docs/, from the real code
	$(BIN)/python -m docs.make_pictures

lock:            ## requirements.lock anew from setup.py (any Python >= 3.11, with hashes)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile setup.py --extra dev --universal --python-version 3.11 --generate-hashes --no-annotate \
	    --custom-compile-command "make lock" --quiet -o requirements.lock

clean:           ## the environment and everything made here
	rm -rf $(VENV) build dist demo *.egg-info
