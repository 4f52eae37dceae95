# make demo | test | docker | check | proof | clean; each makes .venv first where it is missing.
SHELL := /bin/sh
.DEFAULT_GOAL := demo
.PHONY: .venv demo test docker check proof clean

# the first Python on this machine that is new enough and can make a venv
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 python
NEW_ENOUGH := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do "$$p" -c '$(NEW_ENOUGH)' 2>/dev/null && echo "$$p" && break; done)
INV := .venv/bin/inv

demo: .venv
	PATH="$(CURDIR)/.venv/bin:$$PATH" sh examples/demo.sh

test: .venv
	$(INV) dev.test

docker: .venv
	$(INV) dev.test --docker

check: .venv
	$(INV) dev.check --no-tests

proof: .venv
	$(INV) dev.test --heavy

.venv: .venv/installed

.venv/installed: setup.cfg setup.py pyproject.toml
	@test -n "$(PYTHON)" || { echo "Iris needs Python 3.11 or newer, with venv; none was found. Name one: make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test,check,examples]'
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
