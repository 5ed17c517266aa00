"""Checks the tables of a data set, row by row: rows without a defect are read all the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ....errors import DataError
from ..concepts import CLIP_COLUMNS, FIXED_COLUMNS, ConceptData
from ..csv_tables import CsvRow, CsvTable, parse_digits, read_csv
from ..labels import (
    HIGHEST_NUMBER,
    Concept,
    concept_of_row,
    coverage_paths,
    plain_name,
    read_categories,
)
from ..opening import ROW_NUMBERS, open_concept_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path


Value = TypeVar("Value")


class Defect(NamedTuple):
    """One defect.

    Attributes:
        file: path below the data set's folder.
        row: line in that file, or in index.csv for images and masks; 0 for the whole file.
        what: what is wrong, what was found and what was expected.
    """

    file: str
    row: int
    what: str


class Defects:
    """The defects of a data set so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._defects: list[Defect] = []

    def add(self, file: Path, row: int, error: DataError) -> None:
        """Add an error that names this file (and row)."""
        text = str(error).removeprefix(f"{file}: ").removeprefix(f"row {row}: ")
        name = file.relative_to(self._folder).as_posix()
        self._defects.append(Defect(name, row, text.replace(f" (row {row} of index.csv)", "")))

    def extend(self, defects: Defects) -> None:
        """Add all of another list."""
        self._defects += defects._defects

    def ordered(self) -> tuple[Defect, ...]:
        """Return all defects in order of file and row, without duplicates."""
        return tuple(sorted(set(self._defects)))


@dataclass(frozen=True)
class CheckedTables:
    """Contents of the tables.

    Attributes:
        data: categories and concepts, without images. A label whose row has a defect has a name
            like `label 7`, so that masks with it have no defect.
        index: the rows of index.csv that have all cells.
        renamed: names of label.csv that are not plain, and how they are read.
    """

    data: ConceptData
    index: CsvTable
    renamed: dict[str, str]


def check_tables(folder: Path, defects: Defects) -> CheckedTables:
    """Read the tables; add their defects to `defects`.

    Raises:
        DataError: a table without which nothing else can be read.
    """
    names = ("index.csv", "label.csv", "category.csv", "images")
    if not all((folder / name).exists() for name in names):
        open_concept_data(folder)  # raises, and says which are missing
    categories = read_categories(folder)
    index = _read_rows(folder / "index.csv", [*FIXED_COLUMNS, *categories], defects)
    coverage = _check_coverage(folder, categories, defects)
    labels = _read_rows(folder / "label.csv", ["number", "name", "category"], defects)
    concepts: dict[int, Concept] = {}
    lines: dict[object, int] = {}
    for row in labels.rows:
        concept = _check_label(labels, row, categories, coverage, lines, defects)
        if concept is not None:
            concepts.setdefault(concept.number, concept)
    if not concepts:
        raise DataError("no labels", file=labels.path, expected="one row per label")
    if not index.rows:
        raise DataError("no images", file=index.path, expected="one row per image")
    _check_index(index, categories, defects)
    ordered = tuple(concepts[number] for number in sorted(concepts))
    written = (row.cells["name"].strip(" ") for row in labels.rows)
    renamed = {name: plain_name(name) for name in written if name != plain_name(name)}
    return CheckedTables(ConceptData(folder, categories, ordered, (), "", ""), index, renamed)


def _read_rows(path: Path, required: Sequence[str], defects: Defects) -> CsvTable:
    """Read the rows of a table that have all cells; the others become defects.

    Raises:
        DataError: the table cannot be read, or lacks a column.
    """
    bad_rows: list[tuple[int, DataError]] = []
    table = read_csv(path, required, bad_rows=bad_rows)
    for line, error in bad_rows:
        defects.add(path, line, error)
    return table


def _check_coverage(
    folder: Path, categories: Iterable[str], defects: Defects
) -> dict[str, dict[int, float]] | None:
    """Read the coverage by category and label number; None without any c_*.csv."""
    coverage: dict[str, dict[int, float]] = {name: {} for name in categories}
    paths = coverage_paths(folder, coverage)
    for name, path in paths.items():
        try:
            table = _read_rows(path, ["number", "coverage"], defects)
        except DataError as error:
            defects.add(path, 0, error)
            continue
        for row in table.rows:
            number = attempt(defects, path, row, table.integer, "number", 1, HIGHEST_NUMBER)
            amount = attempt(defects, path, row, table.amount, "coverage")
            if number is not None and amount is not None:
                coverage[name][number] = amount
    return coverage if paths else None


def attempt(
    defects: Defects, path: Path, row: CsvRow, read: Callable[..., Value], *arguments: object
) -> Value | None:
    """Return `read(row, …)`; None, and a defect, if it raises a DataError."""
    try:
        return read(row, *arguments)
    except DataError as error:
        defects.add(path, row.line, error)
        return None


def _check_label(
    labels: CsvTable,
    row: CsvRow,
    categories: tuple[str, ...],
    coverage: dict[str, dict[int, float]] | None,
    lines: dict[object, int],
    defects: Defects,
) -> Concept | None:
    """Return the row's concept; with a name of its number if only that can be read, else None."""
    concept = attempt(
        defects, labels.path, row, lambda row: concept_of_row(labels, row, categories, coverage)
    )
    number = parse_digits(row.cells["number"])
    if concept is None and number is not None and 0 < number <= HIGHEST_NUMBER:
        concept = Concept(number, f"label {number}", categories[0])
    elif concept is None:
        return None
    for key in (concept.number, concept.uid):
        if key in lines:
            what = f"label {key!r} is duplicated, first in row {lines[key]}"
            defects.add(labels.path, row.line, DataError(what))
        lines.setdefault(key, row.line)
    return concept


def _check_index(index: CsvTable, categories: tuple[str, ...], defects: Defects) -> None:
    """Check for duplicated images, and for columns of no category that are not empty."""
    lines: dict[str, int] = {}
    known = {*FIXED_COLUMNS, *CLIP_COLUMNS, *categories, *ROW_NUMBERS}
    unknown = [name for name in index.columns if name not in known]
    for row in index.rows:
        name = row.cells["image"]
        if name in lines:
            what = f"image {name!r} is duplicated, first in row {lines[name]}"
            defects.add(index.path, row.line, DataError(what))
        lines.setdefault(name, row.line)
        for column in unknown:
            if row.cells[column]:
                what = f"column {column!r} is no category of category.csv"
                found = repr(row.cells[column][:60])
                defects.add(index.path, row.line, DataError(what, found=found))
