"""Measurements. Each module that measures prints a table: `python -m benchmarks.NAME --help`."""
