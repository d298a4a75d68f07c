# The commands of CONTRIBUTING.md. They install what they need into .venv, or use the environment that PORTAL_VENV names.
PYTHON ?= python3
BIN = $(or $(PORTAL_VENV),.venv)/bin
TOOLS = $(if $(PORTAL_VENV),,.venv/.portal-tools)
FRENCH = locale/fr/LC_MESSAGES/django

.PHONY: demo test coverage lint bench docs locale pictures

demo test:
	$(PYTHON) manage.py $@

coverage: $(TOOLS)
	PYTEST_ADDOPTS="--cov" $(PYTHON) manage.py test

lint: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture

bench: $(TOOLS)
	$(BIN)/python benchmarks/quick.py

# docs/openapi.json, of a fresh database.
docs: export TEST_DATABASE_URL = sqlite:///$(CURDIR)/var/docs.sqlite3
docs: $(TOOLS)
	rm -f var/docs.sqlite3*
	$(BIN)/python -m tests.environment migrate --verbosity 0
	$(BIN)/python -m tests.environment openapi --to docs/openapi.json

# docs/images/*.webp. Needs a Chromium.
pictures: $(TOOLS)
	$(BIN)/python -m tests.pictures

# Needs GNU gettext.
locale: $(TOOLS)
	$(BIN)/python -m tests.environment makemessages -l fr --no-location -i .venv -i tests -i var
	$(BIN)/pybabel compile -f -i $(FRENCH).po -o $(FRENCH).mo

.venv/.portal-tools: requirements/dev.txt requirements/bench.txt
	$(PYTHON) manage.py test --version
	$(PYTHON) -m pip --python .venv/bin/python install --quiet --require-hashes -r requirements/dev.txt -r requirements/bench.txt
	touch $@
