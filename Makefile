# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check unit clean

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev,cypher]'
	touch $@

# Draws a small concept data set and an untrained network, and runs the five commands on them.
demo: .venv/installed
	rm -rf demo && mkdir demo
	$(BIN)/python -m tests.drawn demo/data --images 48
	cd demo && ../$(BIN)/conceptgraph ingest --model resnet18 --weights data/untrained.pth.tar \
		--classes data/classes.txt --data data --quantile 0.02 --out demo.cg
	cd demo && ../$(BIN)/conceptgraph why --class juggling --html class.html
	cd demo && ../$(BIN)/conceptgraph why --class juggling --image data/images/drawn/00000.jpg --html why.html
	cd demo && ../$(BIN)/conceptgraph show block4/290
	cd demo && ../$(BIN)/conceptgraph export html --class juggling -o paths.html
	@echo "Open demo/why.html and demo/paths.html in a browser."

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
	rm -rf .venv demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache
