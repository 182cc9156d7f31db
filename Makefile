# Everything that a person or CI runs here. `make install` needs python3 (3.11 or newer), pip and the package registries.
VENV := .venv
PY := $(VENV)/bin/python
ENGINE := $(VENV)/bin/engine
DEMO := state/demo
DEMO_NOW := 2026-11-23T09:00:00+07:00
WORKERS ?= 2
# Which tests, such as tests/plan; all if not said.
TESTS ?=
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help install demo test test-browser soak bench check docs clean setup-extra lock

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

install: $(VENV)/.installed  ## a virtual environment with everything, pinned by hash

$(VENV)/.installed: requirements.lock pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: install  ## a plan, an apply, and mails to look at
	$(PY) -m engine.library.demo --at $(DEMO_NOW) $(DEMO)

test: install  ## the tests, with pip alone
	$(PY) -m pytest -n $(WORKERS) --dist worksteal -m "not browser and not soak and not bench" $(TESTS)

test-browser: install  ## pages and mails in Debian's chromium
	$(PY) -m pytest -m browser -rs

soak: install  ## the full counts; the report goes to docs/evidence/
	$(PY) -m tests.soak

bench: install  ## how fast, as ratios
	$(PY) -m tests.bench

check: install  ## style, types, and who may import whom
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check engine
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

docs: install  ## the generated pages of docs/reference
	$(PY) -m engine.cli.reference docs/reference

clean:  ## what was made here, but no ledger
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis $(DEMO)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup-extra:  ## Debian's packages for test-browser and bench (as root), and the editor's language server
	@if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq chromium fonts-thai-tlwg postfix; \
	else echo "not root: chromium, fonts-thai-tlwg and postfix are left as they are"; fi
	@if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund --prefix .tools yaml-language-server@1.15.0; \
	else echo "no npm: the editor's language server is left out, and its test is skipped"; fi

lock:  ## write requirements.lock again from pyproject.toml
	$(PY) -m pip install --quiet uv
	$(VENV)/bin/uv pip compile pyproject.toml --all-extras --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal --quiet -o requirements.lock
