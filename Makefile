# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
# Two processes; a file's tests stay together, so that they share what they make.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile

.PHONY: demo test check lint docs clean

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev,cypher]'
	touch $@

# Draws a world, dissects a network that was taught a shortcut in it, and explains a mistake.
demo: .venv/installed
	$(BIN)/conceptgraph demo --out demo-out
	@echo "Open demo-out/why.html in a browser."

# All that CI runs.
test: lint
	tests/system.sh
	$(PYTEST)

# In a few minutes: all but what needs a server, a browser or a long run.
check: lint
	$(PYTEST) -m "not slow"

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The site, as files to open or to deploy: build/site/index.html.
docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict

clean:
	rm -rf .venv demo-out build *.egg-info .mypy_cache .ruff_cache .pytest_cache
