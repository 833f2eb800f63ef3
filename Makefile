# demo run test fmt check — soak and bench for the long ones, lock and latest for the versions of other people's packages,
# wheelhouse for sites without internet.
PYTHON ?= python3
VENV := .venv
LOCK_VENV := .venv-lock
LATEST_VENV := .venv-latest
BIN := $(VENV)/bin
MODELS := var/models
ASSETS := var/assets
# Two processes, each file of tests whole in one of them: fixtures of a module are made once.
BOTH_CORES := -n 2 --dist loadfile

.PHONY: demo run test check fmt soak bench lock latest wheelhouse clean

demo: $(VENV)/.installed $(MODELS)/.installed $(ASSETS)/.installed
	$(BIN)/patrol demo

run: $(VENV)/.installed $(MODELS)/.installed $(ASSETS)/.installed
	mkdir -p config/var
	ln -sfn $(CURDIR)/$(MODELS) config/$(MODELS)
	ln -sfn $(CURDIR)/$(ASSETS) config/$(ASSETS)
	$(BIN)/patrol run

test: $(VENV)/.installed-dev $(MODELS)/.installed $(ASSETS)/.installed
	tests/real-parts.sh
	$(MAKE) --no-print-directory check
	$(BIN)/pytest -m "not slow and not soak" -q $(BOTH_CORES)
	$(BIN)/pytest -m "slow and not soak" -q $(BOTH_CORES)

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check patrol streams simulators tests
	$(BIN)/ruff check patrol streams simulators tests
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/bandit -q -c pyproject.toml -r patrol streams simulators
	tests/audit-dependencies.sh $(BIN)

fmt: $(VENV)/.installed-dev
	$(BIN)/ruff format patrol streams simulators tests
	$(BIN)/ruff check --fix patrol streams simulators tests

# The simulated year and two hundred seeds of chaos; one of them by hand:
#   python -m tests.long.year.run_year --seed 7      python -m tests.long.chaos.run_seeds --seed 12 --out DIR
soak: $(VENV)/.installed-dev $(MODELS)/.installed
	tests/real-parts.sh
	$(BIN)/pytest -m soak -q -s --timeout 3600

bench: $(VENV)/.installed $(MODELS)/.installed
	$(BIN)/patrol bench capture
	$(BIN)/patrol bench round
	$(BIN)/patrol bench mqtt

# The locks: every package in the one version that was tested, each file by its hash, the builder and pip among them.
# A changed lock makes the environment anew, so that nothing stays which it no longer names.
$(VENV)/.made: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv --clear $(VENV) || { test "$$(id -u)" = 0 && apt-get update -q && \
	  apt-get install -y -q python3-venv && $(PYTHON) -m venv --clear $(VENV); }
	touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install -q --no-compile --require-hashes -r requirements.txt
	$(BIN)/python -m pip install -q --no-build-isolation --no-deps -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install -q --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install -q --no-build-isolation --no-deps -e .
	touch $(VENV)/.installed $@

# uv, because pip-compile resolves for the one Python and machine that it runs on; pip installs what it writes.
# `make lock` takes the newest versions; `make lock UPGRADE=` keeps those that still fit.
UPGRADE ?= --upgrade
COMPILE = $(LOCK_VENV)/bin/uv pip compile -q pyproject.toml --universal --python-version 3.11 --fork-strategy fewest \
  --generate-hashes --custom-compile-command 'make lock' $(UPGRADE) --all-extras --group build

lock:
	$(PYTHON) -m venv $(LOCK_VENV)
	$(LOCK_VENV)/bin/pip install -q --upgrade uv
	$(COMPILE) -o requirements.txt
	$(COMPILE) --group dev -c requirements.txt -o requirements-dev.txt

# What pyproject.toml admits and the locks do not have yet: green here, then `make lock`.
latest: | $(MODELS)/.installed $(ASSETS)/.installed
	$(PYTHON) -m venv --clear $(LATEST_VENV)
	$(LATEST_VENV)/bin/python -m pip install -q --upgrade pip
	$(LATEST_VENV)/bin/python -m pip install -q -e '.[all]' --group dev
	$(LATEST_VENV)/bin/python -m pytest -m "not slow and not soak" -q $(BOTH_CORES)

# Everything for a machine without internet that has this machine's Python and processor, with an install script.
wheelhouse: $(VENV)/.installed $(MODELS)/.installed $(ASSETS)/.installed
	installer/build-wheelhouse.sh $(BIN)/python $(MODELS) $(ASSETS) dist

$(MODELS)/.installed: patrol/inference/models.yaml | $(VENV)/.installed
	$(BIN)/patrol models install --into $(MODELS)
	touch $@

# A map and charts are worth having, not worth stopping for: pages do without, and say so.
$(ASSETS)/.installed: patrol/web/assets.yaml | $(VENV)/.installed
	$(BIN)/patrol assets install --into $(ASSETS) && touch $@ || echo "no map and no charts yet: make again with a network"

clean:
	rm -rf $(VENV) $(LOCK_VENV) $(LATEST_VENV) var
