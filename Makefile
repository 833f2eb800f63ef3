# Five words: demo run test fmt check — and soak and bench for the long ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODELS := var/models
ASSETS := var/assets

.PHONY: demo run test check fmt soak bench clean

demo: $(VENV)/.installed $(MODELS)/.installed $(ASSETS)/.installed
	$(BIN)/patrol demo

run: $(VENV)/.installed $(MODELS)/.installed $(ASSETS)/.installed
	$(BIN)/patrol run

test: $(VENV)/.installed-dev $(MODELS)/.installed $(ASSETS)/.installed
	tests/real-parts.sh
	$(MAKE) --no-print-directory check
	$(BIN)/pytest -m "not slow and not soak" -q
	$(BIN)/pytest -m "slow and not soak" -q

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check patrol streams simulators tests
	$(BIN)/ruff check patrol streams simulators tests
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

fmt: $(VENV)/.installed-dev
	$(BIN)/ruff format patrol streams simulators tests
	$(BIN)/ruff check --fix patrol streams simulators tests

soak: $(VENV)/.installed-dev $(MODELS)/.installed
	tests/real-parts.sh
	$(BIN)/pytest -m soak -q -s --timeout 3600

bench: $(VENV)/.installed $(MODELS)/.installed
	$(BIN)/patrol bench capture
	$(BIN)/patrol bench round
	$(BIN)/patrol bench mqtt

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV) || { test "$$(id -u)" = 0 && apt-get update -q && \
	  apt-get install -y -q python3-venv && $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install -q --upgrade pip

$(VENV)/.installed: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install -q -e '.[all]'
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install -q -e '.[all]' --group dev
	touch $(VENV)/.installed $@

$(MODELS)/.installed: patrol/inference/models.yaml | $(VENV)/.installed
	$(BIN)/patrol models install
	touch $@

# A map and charts are worth having, not worth stopping for: pages do without, and say so.
$(ASSETS)/.installed: patrol/console/assets.yaml | $(VENV)/.installed
	$(BIN)/patrol assets install && touch $@ || echo "no map and no charts yet: make again with a network"

clean:
	rm -rf $(VENV) var
