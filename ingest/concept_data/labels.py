"""Categories and concepts, from label.csv, category.csv and c_<category>.csv.

A label has one number everywhere, but may be annotated in several categories. It counts for one
of them, its primary category: the one in which it covers most pixels (Network Dissection's rule).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import DataError
from ...graph.uids import concept_uid
from .concepts import CLIP_COLUMNS, FIXED_COLUMNS
from .csv_tables import read_csv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from .csv_tables import CsvRow, CsvTable

# One below what R + 256·G can write, so that column + 1 fits 16 bits even with label 0 kept.
HIGHEST_NUMBER = 65_534

# Broden appends these to names of the category; they are not part of the name.
SUFFIXES = {"color": "-c", "scene": "-s"}
TAGS = "tags"
"""Source of concepts that label whole images, by people's words."""
PEOPLE = "people"
"""Stands for people's drawings in a source that names several; alone they are ""."""
_BETWEEN_SOURCES = " and "
_VERIFIED = ", verified: "
_NAMED_CATEGORY = re.compile(r"([^;()]+?)\s*(?:\((\d{1,12})\))?")


# Invisible, and without meaning in a name: soft hyphen, zero-width space, marks of direction, …
# The joiners U+200C and U+200D are kept: Persian, Hindi and emoji need them.
_INVISIBLE = re.compile(
    r"[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]"
)


def plain_name(name: str) -> str:
    """Return a name without odd spaces and invisible characters, in Unicode's composed form.

    No-break spaces, tabs, line ends and several spaces become one plain space; invisible
    characters, except joiners (U+200C, U+200D), are removed.
    """
    return unicodedata.normalize("NFC", " ".join(_INVISIBLE.sub("", name).split()))


def is_category(name: str) -> bool:
    """Return whether a category may have a name, which becomes part of file names and cells."""
    if not name or name != name.strip() or name in (*FIXED_COLUMNS, *CLIP_COLUMNS):
        return False
    return not _INVISIBLE.search(name) and not set(name) & set("/\\;()\t\n\r\v\f")


@dataclass(frozen=True)
class Concept:
    """A visual concept.

    Attributes:
        number: its label number in masks and cells; one per concept, not per category.
        name: without Broden's `-c` and `-s`.
        category: its primary category.
        source: by which its labels were made, such as a model or `tags`, and what people said of
            them (`SegFormer b0, verified: 3 of 7 yes`); "" if people drew them.
    """

    number: int
    name: str
    category: str
    source: str = ""

    @property
    def uid(self) -> str:
        """`action/typing`: the same in every data set."""
        return concept_uid(self.category, self.name)


def split_source(source: str) -> list[str]:
    """Return by what labels were made: of `tags and SegFormer b0, verified: 3 of 7 yes`, two."""
    return made_by(source).split(_BETWEEN_SOURCES)


def made_by(source: str) -> str:
    """Return a source without what people said of the labels; `people` if they drew them."""
    return source.partition(_VERIFIED)[0] or PEOPLE


def verified_of(source: str) -> str:
    """Return what people said of labels: `3 of 7 yes`; "" if nobody was asked."""
    return source.partition(_VERIFIED)[2]


def verified_source(source: str, yes: int, asked: int) -> str:
    """Return a source with what people said of the labels, in place of what it had of that.

    Args:
        source: of a concept.
        yes: its labels to which most people said yes.
        asked: its labels with a yes or a no.
    """
    return f"{made_by(source)}{_VERIFIED}{yes:,} of {asked:,} yes"


def join_sources(sources: Iterable[str]) -> str:
    """Return the source of a concept of several sets: the distinct ones, sorted."""
    named = list(sources)
    parts = sorted({part for source in named for part in split_source(source)})
    verified = sorted(
        {part for source in named for part in verified_of(source).split("; ") if part}
    )
    if parts == [PEOPLE] and not verified:
        return ""
    joined = _BETWEEN_SOURCES.join(parts)
    return f"{joined}{_VERIFIED}{'; '.join(verified)}" if verified else joined


def read_categories(folder: Path) -> tuple[str, ...]:
    """Read the categories, in the order of category.csv (which decides ties).

    Raises:
        DataError: none, or a name that is empty, duplicated, or cannot be part of a file name.
    """
    table = read_csv(folder / "category.csv", ["name"])
    categories: list[str] = []
    for row in table.rows:
        name = row.cells["name"]
        if not is_category(name):
            expected = "a name without / \\ ; ( ) that is no column of index.csv"
            raise table.error(row, "category name", found=repr(name), expected=expected)
        if name in categories:
            raise table.error(row, f"category {name!r} is duplicated")
        categories.append(name)
    if not categories:
        raise DataError("no categories", file=table.path, expected="one row per category")
    return tuple(categories)


def read_concepts(folder: Path, categories: tuple[str, ...]) -> tuple[Concept, ...]:
    """Read the concepts of label.csv, in order of their numbers, each in its primary category.

    Raises:
        DataError: an invalid number, name or category, or two labels of one number or of one name
            and category; the message names file and row.
    """
    table = read_csv(folder / "label.csv", ["number", "name", "category"])
    coverage = _read_coverage(folder, categories)
    concepts: dict[int, Concept] = {}
    lines: dict[int | str, int] = {}
    for row in table.rows:
        concept = concept_of_row(table, row, categories, coverage)
        for key in (concept.number, concept.uid):
            if key in lines:
                what = f"label {key!r} is duplicated, first in row {lines[key]}"
                raise table.error(row, what)
            lines[key] = row.line
        concepts[concept.number] = concept
    if not concepts:
        raise DataError("no labels", file=table.path, expected="one row per label")
    return tuple(concepts[number] for number in sorted(concepts))


def concept_of_row(
    table: CsvTable,
    row: CsvRow,
    categories: tuple[str, ...],
    coverage: Mapping[str, Mapping[int, float]] | None,
) -> Concept:
    """Return the concept of a row of label.csv, in its primary category.

    Args:
        table: label.csv.
        row: a row of it.
        categories: of category.csv, in order.
        coverage: sum over images of the share of pixels, by category and label number; None
            without any c_*.csv.

    Raises:
        DataError: an invalid number, name or category.
    """
    number = table.integer(row, "number", 1, HIGHEST_NUMBER)
    images = _named_categories(table, row, categories)
    if len(images) == 1:
        category = next(iter(images))
    elif coverage is not None:
        category = _last_largest(
            categories, {name: covered.get(number, 0) for name, covered in coverage.items()}
        )
    else:
        category = _last_largest(categories, images)
    name = plain_name(plain_name(row.cells["name"]).removesuffix(SUFFIXES.get(category, "")))
    if not name:
        raise table.error(row, "label without a name", found=repr(row.cells["name"]))
    return Concept(number, name, category, plain_name(row.cells.get("source", "")))


def _named_categories(
    table: CsvTable, row: CsvRow, categories: tuple[str, ...]
) -> dict[str, float]:
    """Read the cell `material(36);object(3)`: images by category."""
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
    """Return the category of the largest amount; the last of equal ones, or if none is given."""
    named = [name for name in categories if name in amounts] or categories
    return max(reversed(named), key=lambda name: amounts.get(name, 0))


def _read_coverage(folder: Path, categories: tuple[str, ...]) -> dict[str, dict[int, float]] | None:
    """Read the coverage by category and label number; None without any c_*.csv."""
    paths = coverage_paths(folder, categories)
    coverage: dict[str, dict[int, float]] = {name: {} for name in categories}
    for name, path in paths.items():
        table = read_csv(path, ["number", "coverage"])
        for row in table.rows:
            number = table.integer(row, "number", 1, HIGHEST_NUMBER)
            coverage[name][number] = table.amount(row, "coverage")
    return coverage if paths else None


def coverage_paths(folder: Path, categories: Iterable[str]) -> dict[str, Path]:
    """Return the c_<category>.csv files that exist, by category."""
    paths = {name: folder / f"c_{name}.csv" for name in categories}
    return {name: path for name, path in paths.items() if path.is_file()}
