# The one vocabulary of commands: `make` lists it. On a fresh machine each target makes what it needs, from
# Python >= 3.11 alone.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint format protos protos-image bench faults simulate locks clean

VENV := .venv
BIN := $(VENV)/bin
IMAGE := protos/released.binpb

# ---- For people ----------------------------------------------------------------------------------------------

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/installed-run ## Watch a server and a simulated exchange work. Ctrl-C ends it; ARGS="--seconds 5" too
	@$(BIN)/fillhandler demo $(ARGS)

# Two processes: many tests wait for a server, and none shares anything with another. The work is stolen, because
# the tests of faults take long each. N=0 is one process, as a debugger wants it.
N := 2

test: $(VENV)/installed-dev ## Run the tests but the long ones; T=parsing those of one marker; ARGS="-x" goes to pytest
	$(BIN)/pytest -n $(N) --dist worksteal $(if $(T),-m "$(T)") $(ARGS)

lint: $(VENV)/installed-dev ## Check style, types, and the contract
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/buf lint
	@if [ -f $(IMAGE) ]; then set -x; $(BIN)/buf breaking --against $(IMAGE); \
	else echo "buf breaking: skipped, nothing is released yet ($(IMAGE) is missing)"; fi

format: $(VENV)/installed-dev ## Rewrite the code in the style that lint wants
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# ---- For the project -----------------------------------------------------------------------------------------

protos: $(VENV)/installed-dev ## Generate client/fillhandler/v1 from protos/
	$(BIN)/python scripts/generate_protos.py

# Only at a release: from then on `make lint` refuses what would break the clients of that release.
protos-image: $(VENV)/installed-dev ## Freeze the contract as the released one
	$(BIN)/buf build --exclude-source-info --output $(IMAGE)

bench: $(VENV)/installed-dev ## Measure: one JSON line a row
	$(BIN)/pytest -m bench -s $(ARGS)

# The long profile runs for longer than the limit that a single test has otherwise.
faults: $(VENV)/installed-dev ## Kill, starve and corrupt it, the long way
	$(BIN)/pytest -m faults -o faulthandler_timeout=0 $(ARGS)

# By default 10,000 days over all venues; ARGS="--venue okx --seed 7 -v" replays one.
simulate: $(VENV)/installed-dev ## Prove by simulated days of ten venues
	$(BIN)/python -m tests.simulation $(ARGS)

# Versions stay as they are as long as pyproject.toml allows; ARGS=--upgrade takes the newest. Markers make one
# lock serve every Python and platform. dev.lock comes first, because ccxt in it wants exact versions of what the
# server uses too. The last line keeps out what only this machine knows.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-annotate $(ARGS) pyproject.toml requirements/build.in

locks: $(VENV)/installed-dev ## Pin every dependency by hash in requirements/
	$(COMPILE) --extra server --extra dev --output-file requirements/dev.lock >/dev/null
	$(COMPILE) --extra server --extra exchanges --constraint requirements/dev.lock \
		--output-file requirements/run.lock >/dev/null
	@! grep -nE '://| @ |^[ ]*(-e|/|\.)' requirements/*.lock

clean: ## Remove the environment and every cache
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find client server scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- The environment -----------------------------------------------------------------------------------------

# PYTHON= picks an interpreter. Each candidate is run, because a version manager's shim may exist and refuse.
$(BIN)/python:
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "$$python -m venv $(VENV)"; exec "$$python" -m venv $(VENV); \
		fi; \
	done; \
	echo 'Fill Handler needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3' >&2; exit 1

# A stamp a lock. Where packages come from is the machine's own pip configuration; that they are the right ones,
# the hashes say. The environment is never emptied, so that a running `make run` survives a `make test`.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(VENV)/installed-run: requirements/run.lock pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes --requirement requirements/run.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# dev.lock holds all of run.lock, in the same versions: one environment serves both.
$(VENV)/installed-dev: requirements/dev.lock requirements/run.lock pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes --requirement requirements/dev.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $(VENV)/installed-run $@
