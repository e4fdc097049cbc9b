# `make help` lists what can be made. PORT, HOST and the other settings are taken from the environment.

PYTHON ?= python3
BIN := .venv/bin
REDOCLY := 2.77.0

.DEFAULT_GOAL := help
.PHONY: help setup run test torture fuzz lint bench requirements translations clean

help: ## This list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: .venv/runtime ## Install what the service runs on, into .venv

run: .venv/runtime ## Set up, migrate, fill an empty embedded database with the demo, and serve
	@$(BIN)/flask db upgrade
	@$(BIN)/flask quickstart
	@exec $(BIN)/gunicorn wsgi:app

test: .venv/browser ## All tests, on SQLite and a real PostgreSQL that they start, and in a real Chromium
	$(BIN)/pytest $(ARGS)

torture: .venv/development ## Kill workers, the master and the database under load, and check every answer; ARGS=--quick
	$(BIN)/python -m tests.torture $(ARGS)

fuzz: .venv/development ## A million mutated inputs to the parsers of outside values; ARGS="--inputs 10000 --seed 7"
	$(BIN)/python -m tests.torture.fuzz $(ARGS)

lint: .venv/redocly-$(REDOCLY) ## Every check that is not a test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/djlint --check --lint templates
	$(BIN)/biome check
	$(BIN)/python -m tests.support.openapi_document .venv/openapi.json
	REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true $(BIN)/node .venv/node_modules/@redocly/cli/bin/cli.js lint --extends recommended-strict --format stylish .venv/openapi.json

bench: .venv/bench ## Measure against the bare statement and against peers; ARGS=--quick takes two minutes, --full up to 10M
	$(BIN)/python -m bench $(ARGS)

requirements: .venv/development ## Compile requirements*.in anew
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header deploy/requirements-telemetry.in -o deploy/requirements-telemetry.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header bench/requirements.in -o bench/requirements.txt

translations: .venv/development ## Bring the catalogues in app/translations up to date with the marked texts
	$(BIN)/pybabel extract -F pyproject.toml -k lazy_gettext -k marked -k ProfileField:2 --no-location --omit-header -o app/translations/messages.pot .
	$(BIN)/pybabel update --ignore-obsolete --ignore-pot-creation-date --no-fuzzy-matching -w 120 -i app/translations/messages.pot -d app/translations

clean: ## Remove .venv; the database under instance/ stays
	rm -rf .venv

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3")'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/runtime: .venv/python requirements.txt
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/development: .venv/runtime requirements-dev.txt
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# The linter of the OpenAPI document, by the npm that the development requirements bring.
.venv/redocly-$(REDOCLY): .venv/development
	$(BIN)/npm install --prefix .venv --no-save --no-audit --no-fund --ignore-scripts --loglevel error @redocly/cli@$(REDOCLY)
	@touch $@

.venv/bench: .venv/development bench/requirements.txt
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r bench/requirements.txt
	@touch $@

# A browser for the tests: the machine's own, or Playwright's, or (as root) Debian's.
.venv/browser: .venv/development
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null \
	  || $(BIN)/playwright install chromium || { apt-get update -qq && apt-get install -y -qq chromium; }
	@touch $@
