# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check unit clean

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev,cypher]'
	touch $@

# Draws a world, dissects a network that was taught a shortcut in it, and explains a mistake.
demo: .venv/installed
	$(BIN)/conceptgraph demo --out demo-out
	@echo "Open demo-out/why.html in a browser."

test: check unit

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: .venv/installed
	tests/system.sh
	$(BIN)/pytest

clean:
	rm -rf .venv demo-out build *.egg-info .mypy_cache .ruff_cache .pytest_cache
