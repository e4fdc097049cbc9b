# `make help` lists what can be made. PORT, HOST and the other settings are taken from the environment.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup run test lint bench requirements clean

help: ## This list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: .venv/runtime ## Install what the service runs on, into .venv

run: .venv/runtime ## Set up, migrate, fill an empty embedded database with the demo, and serve
	@$(BIN)/flask db upgrade
	@$(BIN)/flask welcome
	@exec $(BIN)/gunicorn wsgi:app

test: .venv/development ## All tests, on SQLite and on a real PostgreSQL that they start
	$(BIN)/pytest $(ARGS)

lint: .venv/development ## Every check that is not a test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/djlint --check --lint templates

bench: .venv/development ## Measure, side by side with the bare SQL statement
	$(BIN)/python -m bench

requirements: .venv/development ## Compile requirements*.in anew
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header requirements-dev.in -o requirements-dev.txt

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
