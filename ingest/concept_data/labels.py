"""Categories and concepts: what label.csv, category.csv and c_<category>.csv say.

A label has one number everywhere, but may be annotated in several categories. It counts for one
of them, its primary category (NetDissect's rule): the one that it covers most.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import DataError
from .csv_tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .csv_tables import Row, Table

# One below what R + 256·G can write, so that column + 1 fits 16 bits even with label 0 kept.
HIGHEST_NUMBER = 65_534

# Broden's marks for the kind of a name; they are no part of the name.
SUFFIXES = {"color": "-c", "scene": "-s"}
_NAMED_CATEGORY = re.compile(r"([^;()]+?)\s*(?:\((\d{1,12})\))?")


@dataclass(frozen=True)
class Concept:
    """A visual concept.

    Attributes:
        number: its label number in masks and cells; global, not per category.
        name: for display, without Broden's `-c` and `-s`.
        category: its primary category.
    """

    number: int
    name: str
    category: str

    @property
    def uid(self) -> str:
        """`action/typing`: the same concept in every data set."""
        return f"{self.category}/{self.name}"


def read_categories(folder: Path) -> tuple[str, ...]:
    """The categories, in the order of category.csv (which decides ties).

    Raises:
        DataError: none, or a name that is empty, stands twice, or cannot be part of a file name.
    """
    table = read_table(folder / "category.csv", ["name"])
    categories: list[str] = []
    for row in table.rows:
        name = row.cells["name"]
        if not name.strip() or set(name) & set("/\\;()"):
            raise table.error(
                row, "category name", found=repr(name), expected="a name without / \\ ; ( )"
            )
        if name in categories:
            raise table.error(row, f"category {name!r} stands there twice")
        categories.append(name)
    if not categories:
        raise DataError("no categories", file=table.path, expected="one row per category")
    return tuple(categories)


def read_concepts(folder: Path, categories: tuple[str, ...]) -> tuple[Concept, ...]:
    """The concepts of label.csv in order of their numbers, each in its primary category.

    Raises:
        DataError: a number, name or category that cannot be, or two labels that cannot be told
            apart; the message names file and row.
    """
    table = read_table(folder / "label.csv", ["number", "name", "category"])
    coverage = _read_coverage(folder, categories)
    concepts: dict[int, Concept] = {}
    lines: dict[int | str, int] = {}
    for row in table.rows:
        concept = concept_of_row(table, row, categories, coverage)
        for key in (concept.number, concept.uid):
            if key in lines:
                what = f"label {key!r} stands there twice, first in row {lines[key]}"
                raise table.error(row, what)
            lines[key] = row.line
        concepts[concept.number] = concept
    if not concepts:
        raise DataError("no labels", file=table.path, expected="one row per label")
    return tuple(concepts[number] for number in sorted(concepts))


def concept_of_row(
    table: Table,
    row: Row,
    categories: tuple[str, ...],
    coverage: Mapping[str, Mapping[int, float]] | None,
) -> Concept:
    """The concept of one row of label.csv, in its primary category.

    Args:
        table: label.csv.
        row: of it.
        categories: all there are, in order.
        coverage: images' worth of pixels per category and label number; None if nothing states it.

    Raises:
        DataError: a number, name or category that cannot be.
    """
    number = table.whole(row, "number", 1, HIGHEST_NUMBER)
    images = _named_categories(table, row, categories)
    if len(images) == 1:
        category = next(iter(images))
    elif coverage is not None:
        category = _last_largest(
            categories, {name: covered.get(number, 0) for name, covered in coverage.items()}
        )
    else:
        category = _last_largest(categories, images)
    name = row.cells["name"].strip().removesuffix(SUFFIXES.get(category, ""))
    if not name:
        raise table.error(row, "label without a name", found=repr(row.cells["name"]))
    return Concept(number, name, category)


def _named_categories(table: Table, row: Row, categories: tuple[str, ...]) -> dict[str, float]:
    """The cell `material(36);object(3)` as images per category."""
    images: dict[str, float] = {}
    for part in row.cells["category"].split(";"):
        if not part.strip():
            continue
        match = _NAMED_CATEGORY.fullmatch(part.strip())
        if match is None or match[1] not in categories:
            raise table.error(
                row,
                "category of a label",
                found=repr(part.strip()),
                expected="one of category.csv: " + ", ".join(categories),
            )
        images[match[1]] = float(match[2] or 0)
    return images


def _last_largest(categories: tuple[str, ...], amounts: Mapping[str, float]) -> str:
    """The category with the largest amount; of equal ones (all absent, too) the last."""
    named = [name for name in categories if name in amounts] or categories
    return max(reversed(named), key=lambda name: amounts.get(name, 0))


def _read_coverage(folder: Path, categories: tuple[str, ...]) -> dict[str, dict[int, float]] | None:
    """Images' worth of pixels per category and label number; None without any c_*.csv."""
    coverage: dict[str, dict[int, float]] = {name: {} for name in categories}
    paths = {name: folder / f"c_{name}.csv" for name in categories}
    present = {name: path for name, path in paths.items() if path.is_file()}
    for name, path in present.items():
        table = read_table(path, ["number", "coverage"])
        for row in table.rows:
            number = table.whole(row, "number", 1, HIGHEST_NUMBER)
            coverage[name][number] = table.amount(row, "coverage")
    return coverage if present else None
