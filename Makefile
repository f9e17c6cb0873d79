# Every task of the project. `make` alone lists them. Needs Python 3.11 to 3.13 and make;
# everything else is installed into this folder.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
SEED ?= 1
SCALE ?= 1
COUNT ?= 300
# Hundreds of processes import the same modules: what one has compiled, the others only read.
unexport PYTHONDONTWRITEBYTECODE
# Node and npm come from a Python package, so nothing has to be installed on the machine.
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
PACKAGES := --requirement requirements-dev.txt --editable .
INSTALLED := .venv/.installed node_modules/.installed

.PHONY: help
help: ## list the tasks
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(INSTALLED) ## new data to a model that serves, step by step, and a bad one rolled back (about a minute)
	@$(BIN)/python -m local.demo

.PHONY: demo-classic
demo-classic: $(INSTALLED) ## the same with Studio (classic) and one of its endpoints (half a minute)
	@$(BIN)/python -m local.demo --classic

.PHONY: run
run: $(INSTALLED) ## serve your own pipelines.yaml with a local storage server, until Ctrl-C
	@$(BIN)/python -m local.run

# The checks have node_modules made beside what does not need it, without the flags of this make.
.PHONY: test
test: .venv/.installed ## run everything that CI runs (about eight minutes on two cores)
	@MAKEFLAGS= $(BIN)/python -m local.checks

.PHONY: bench
bench: $(INSTALLED) ## measure costs: calls by kind, and time as ratios (some minutes)
	@$(BIN)/python -m benchmarks.calls
	@$(BIN)/python -m benchmarks.roll_out

.PHONY: prove
prove: $(INSTALLED) ## measure every promise, and write docs/reliability.md (SEED=1 SCALE=1; SCALE=0.1 is quick)
	@$(BIN)/python -m proofs --seed $(SEED) --scale $(SCALE) $(PROVE)

.PHONY: mutants
mutants: $(INSTALLED) ## change the code in small places, and check that its tests find each change (SEED=1 COUNT=300)
	@$(BIN)/python -m proofs.mutants --seed $(SEED) --count $(COUNT) $(MUTANTS)

.PHONY: coverage
coverage: $(INSTALLED) ## measure which branches of shared/ the tests run, against a floor
	@rm -rf .local/coverage && mkdir -p .local/coverage
	@$(BIN)/coverage run -m pytest -q --numprocesses=3 --dist=worksteal tests/unit tests/importers tests/contract tests/sweep
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

.PHONY: worker-check
worker-check: $(INSTALLED) ## run the app in the official worker runtime, on CPython 3.13
	@$(BIN)/python -m local.worker_check

.PHONY: sdk-check
sdk-check: $(INSTALLED) ## have azure-ai-ml drive the stand-in of Azure ML v2 (half a minute)
	@$(BIN)/python -m local.sdk_check

.PHONY: infra-check
infra-check: $(INSTALLED) ## check infra/, azure.yaml and the workflows without Azure (half a minute)
	@$(BIN)/python -m local.infra_check

.PHONY: format
format: $(INSTALLED) ## format the code and fix what can be fixed automatically
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format .

.PHONY: schema
schema: $(INSTALLED) ## write what is made from models: JSON Schema, OpenAPI, docs/configuration.md, examples of docs/deciding.md
	@$(BIN)/python -m local.schema
	@$(BIN)/python -m proofs.worked_examples

.PHONY: lock
lock: $(INSTALLED) ## pin every dependency of requirements*.in and package.json
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
		requirements.in --output-file requirements.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
		requirements-dev.in --output-file requirements-dev.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
		local/sdk_check/requirements.in --output-file local/sdk_check/requirements.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
		--generate-hashes local/inference/requirements.in --output-file local/inference/requirements.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
		local/infra_check/requirements.in --output-file local/infra_check/requirements.txt
	@$(NPM) install --package-lock-only --no-progress

.PHONY: install
install: $(INSTALLED) ## install what development needs, into this folder

.PHONY: clean
clean: ## remove everything that was installed or built here
	rm -rf .venv .venv-inference .venv-infra .venv-sdk .venv-worker node_modules .local .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/.installed: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "Python 3.11 to 3.13 is needed; '$(PYTHON)' is another. Try: make PYTHON=python3.12 …"; exit 1; }
	@echo "installing Python packages into .venv (some seconds, once) …"
	@$(PYTHON) -m venv --clear .venv
	@$(PIP) "$$(grep '^uv==' requirements-dev.txt)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python $(PACKAGES) || $(PIP) $(PACKAGES)
	@touch $@

node_modules/.installed: package-lock.json .venv/.installed
	@echo "installing Azurite, the storage server, into node_modules (half a minute, once) …"
	@$(NPM) ci --no-progress --loglevel=error
	@touch $@
