# One environment, .venv, for everything. `make help` lists what there is.
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := $(addprefix shared/,fedface_core fedface_learning fedface_worker) \
  $(addprefix services/,control client aggregator evaluator cli console stack lab) loadtest
MYPY_PATHS := $(addprefix shared/,fedface_core fedface_learning fedface_worker) \
  $(foreach service,control client aggregator evaluator cli console stack lab,services/$(service)/fedface_$(service)) loadtest tests

# All cores at work; each worker process has servers, ports and folders of its own (tests/conftest.py). Where servers are
# started, tests wait for them: half as many workers again as there are cores.
CORES := $(shell $(PYTHON) -c 'import os; print(min(8, os.cpu_count() or 1))')
PYTEST := $(BIN)/pytest --numprocesses $(CORES) --dist worksteal
PYTEST_WITH_SERVERS := $(BIN)/pytest --numprocesses $(shell expr $(CORES) \* 3 / 2) --dist worksteal

# The tests start hundreds of processes: each would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

# `make test COVER=yes` measures which lines the unit and contract tests reach, and takes longer. LONG=yes adds the tests that
# take long. STRIDE says which moments of a run are gone through where a test could go through all: every seventh, or
# STRIDE=3:1 for every third, from number 1 on.
COVERAGE := $(if $(COVER),--cov --cov-report=term:skip-covered --cov-fail-under=90)
STRIDE ?= 7
# Options of `fedface bench peers`.
PEERS ?= --markdown .peers/peers.md --plot .peers/peers.png
MARKED := $(if $(LONG),not compose,not compose and not long)

.PHONY: help install dev demo up env certificates lock audit sbom test tests test-fast test-exhaustive chaos bench-peers dashboards digests screenshots lint lint-api format test-compose clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

install: .venv/installed ## the environment, with the fedface command in .venv/bin
dev: .venv/dev ## the same, with what the tests need

demo: .venv/installed ## FedFace on forty real people, on this machine, in a few minutes
	$(BIN)/fedface demo

up: .venv/installed ## the local stack in the foreground; Ctrl-C stops it
	$(BIN)/fedface up

env: ## .env for `docker compose up`, with fresh random secrets; never over one that is there
	@sh deploy/make_env.sh

certificates: .venv/installed ## an authority and certificates in certificates/, for servers without Docker; options in CERTIFICATES
	$(BIN)/python -m fedface_core.certificates.make_certificates certificates $(CERTIFICATES)

lock: .venv/dev ## the hashes of what the images install, of the versions in constraints.txt
	$(BIN)/python deploy/lock_requirements.py

audit: .venv/dev ## known vulnerabilities of what the images install; asks the database of PyPI
	sh deploy/audit.sh $(BIN)

sbom: .venv/dev ## what each image installs beside our packages, as CycloneDX, in sbom/
	sh deploy/sbom.sh $(BIN)

test: lint tests ## the checks of `make lint`, and all tests but those below; options are COVER, LONG and STRIDE

tests: .venv/dev
	$(PYTEST_WITH_SERVERS) --stride $(STRIDE) -m "$(MARKED)" $(COVERAGE)

test-fast: .venv/dev ## the tests that start no server and take no time: for the loop of a developer
	$(PYTEST) -m "not slow" tests/unit tests/architecture tests/contract

test-exhaustive: .venv/dev ## a kill after every effect, all examples, the chaos proof and the benchmarks: what takes long
	$(PYTEST_WITH_SERVERS) --stride 1 -m "exhaustive or long" --durations=20

chaos: .venv/dev ## kill everything while a run goes on, and compare it with a fault-free run: five seeds
	set -e; for seed in 1 2 3 4 5; do \
	  $(BIN)/fedface bench chaos --preset synthetic --clients 24 --rounds 6 --kills 40 --seed $$seed; \
	done
	$(BIN)/fedface bench chaos --preset combined --clients 48 --rounds 6 --kills 40
	$(BIN)/fedface bench chaos --preset masked --clients 64 --rounds 3 --kills 40
	$(BIN)/fedface bench chaos --preset dropouts --clients 64 --rounds 2 --kills 40

bench-peers: .venv/dev ## the same rounds on a bare loop, Flower, pfl-research and ours, in ten minutes once the peers are installed; options in PEERS
	@mkdir -p .peers
	$(BIN)/fedface bench peers $(PEERS)

dashboards: .venv/dev ## pictures of the dashboards in dashboard-pictures/, from a run to which known things happen; needs Prometheus
	$(BIN)/python -m loadtest.dashboards

digests: .venv/dev ## the SHA-256 of what runs of every kind come to: compare them before and after a change
	@PYTHONPATH=tests $(BIN)/python -m support.run_digests

screenshots: .venv/dev ## the pictures of docs/console.md, taken of a local stack by a real browser (Debian's chromium)
	FEDFACE_REQUIRE=chromium SCREENSHOTS=yes $(BIN)/pytest -q tests/e2e/test_console.py -k newcomer

lint: .venv/dev ## ruff, mypy --strict, import-linter, the glossary
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(MYPY_PATHS)
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/architecture/test_glossary.py

lint-api: .venv/dev ## Spectral, a linter for OpenAPI, on the document of the API; needs npx of Node.js
	document=$$(mktemp); trap 'rm -f "$$document"' EXIT; PYTHONPATH=tests $(BIN)/python -m support.described_api > "$$document"; \
	npx --yes @stoplight/spectral-cli@6.16.3 lint --ruleset tests/support/spectral.yaml --fail-severity hint "$$document"

format: .venv/dev ## rewrite the code as ruff has it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-compose: .venv/dev ## bring the whole compose file up and run to the end (needs a Docker engine)
	$(BIN)/pytest -m compose

clean: ## remove the environment and all that the tools left
	rm -rf .venv .peers .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*

.venv/installed: constraints.txt deploy/install.sh $(PACKAGES:=/pyproject.toml)
	PYTHON=$(PYTHON) sh deploy/install.sh
	touch $@

.venv/dev: .venv/installed pyproject.toml
	@echo 'Installing what the tests need…'
	$(BIN)/pip install -qq --no-compile -c constraints.txt --group dev
	touch $@
