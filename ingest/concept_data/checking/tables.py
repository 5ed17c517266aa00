"""The tables of a data set, row by row: a row with a defect keeps no other from being read."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ....errors import DataError
from ..writing.input_checks import FIXED_COLUMNS
from ..concepts import ConceptData
from ..labels import HIGHEST_NUMBER, Concept, concept_of_row, read_categories
from ..opening import open_concept_data
from ..csv_tables import Row, Table, read_table, whole_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path


Value = TypeVar("Value")


class Defect(NamedTuple):
    """Something wrong.

    Attributes:
        file: in which, below the data set's folder.
        row: its line in that file, or in index.csv for images and masks; 0 for none.
        what: what is wrong, found and expected.
    """

    file: str
    row: int
    what: str


class Defects:
    """All that is wrong with a data set, as it is found."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: list[Defect] = []

    def add(self, file: Path, row: int, error: DataError) -> None:
        """Note an error that names this file (and row)."""
        text = str(error).removeprefix(f"{file}: ").removeprefix(f"row {row}: ")
        name = file.relative_to(self._folder).as_posix()
        self._found.append(Defect(name, row, text.replace(f" (row {row} of index.csv)", "")))

    def extend(self, defects: Defects) -> None:
        """Take over what was found elsewhere."""
        self._found += defects._found

    def in_order(self) -> tuple[Defect, ...]:
        """By file and row; each once."""
        return tuple(sorted(set(self._found)))


@dataclass(frozen=True)
class Tables:
    """What the tables say.

    Attributes:
        data: categories and concepts, without images. Labels whose row has a defect stand there
            under a name of ours, so that masks are not found wrong for it.
        index: the rows of index.csv that have all cells.
    """

    data: ConceptData
    index: Table


def check_tables(folder: Path, defects: Defects) -> Tables:
    """Read the tables, noting defects.

    Raises:
        DataError: a table without which nothing else can be read.
    """
    names = ("index.csv", "label.csv", "category.csv", "images")
    if not all((folder / name).exists() for name in names):
        open_concept_data(folder)  # says which are missing
    categories = read_categories(folder)
    index = _rows_of(folder / "index.csv", [*FIXED_COLUMNS, *categories], defects)
    coverage = _check_coverage(folder, categories, defects)
    labels = _rows_of(folder / "label.csv", ["number", "name", "category"], defects)
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
    return Tables(ConceptData(folder, categories, ordered, (), "", ""), index)


def _rows_of(path: Path, required: Sequence[str], defects: Defects) -> Table:
    """The table's rows that have all cells; rows that have not are noted.

    Raises:
        DataError: the table cannot be read, or lacks a column.
    """
    try:
        return read_table(path, required)
    except DataError:
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, strict=True)
                lines = [(reader.line_num, cells) for cells in reader if cells]
        except (OSError, ValueError, csv.Error):
            lines = []
        columns = tuple(lines[0][1]) if lines else ()
        if not set(required) <= set(columns) or len(set(columns)) < len(columns):
            raise
    for line, cells in lines[1:]:
        if len(cells) != len(columns):
            found, expected = len(cells), f"{len(columns)} ({','.join(columns)})"
            what = "wrong number of cells"
            defects.add(path, line, DataError(what, found=found, expected=expected))
    whole = [(line, cells) for line, cells in lines[1:] if len(cells) == len(columns)]
    rows = (Row(line, dict(zip(columns, cells, strict=True))) for line, cells in whole)
    return Table(path, columns, tuple(rows))


def _check_coverage(
    folder: Path, categories: Iterable[str], defects: Defects
) -> dict[str, dict[int, float]] | None:
    """Images' worth of pixels per category and label number; None without any c_*.csv."""
    coverage: dict[str, dict[int, float]] = {name: {} for name in categories}
    paths = {name: folder / f"c_{name}.csv" for name in categories}
    present = {name: path for name, path in paths.items() if path.is_file()}
    for name, path in present.items():
        try:
            table = _rows_of(path, ["number", "coverage"], defects)
        except DataError as error:
            defects.add(path, 0, error)
            continue
        for row in table.rows:
            number = attempt(defects, path, row, table.whole, "number", 1, HIGHEST_NUMBER)
            amount = attempt(defects, path, row, table.amount, "coverage")
            if number is not None and amount is not None:
                coverage[name][number] = amount
    return coverage if present else None


def attempt(
    defects: Defects, path: Path, row: Row, read: Callable[..., Value], *settings: object
) -> Value | None:
    """What `read` makes of a row; None, and a defect noted, where it raises."""
    try:
        return read(row, *settings)
    except DataError as error:
        defects.add(path, row.line, error)
        return None


def _check_label(
    labels: Table,
    row: Row,
    categories: tuple[str, ...],
    coverage: dict[str, dict[int, float]] | None,
    lines: dict[object, int],
    defects: Defects,
) -> Concept | None:
    """The row's concept; one under a name of ours if only its number can be read; else None."""
    found = attempt(
        defects, labels.path, row, lambda row: concept_of_row(labels, row, categories, coverage)
    )
    number = whole_number(row.cells["number"])
    if found is None and number is not None and 0 < number <= HIGHEST_NUMBER:
        found = Concept(number, f"label {number}", categories[0])
    elif found is None:
        return None
    for key in (found.number, found.uid):
        if key in lines:
            what = f"label {key!r} stands there twice, first in row {lines[key]}"
            defects.add(labels.path, row.line, DataError(what))
        lines.setdefault(key, row.line)
    return found


def _check_index(index: Table, categories: tuple[str, ...], defects: Defects) -> None:
    """Names that stand there twice, and columns of no category that are used."""
    first: dict[str, int] = {}
    others = [name for name in index.columns if name not in {*FIXED_COLUMNS, *categories}]
    for row in index.rows:
        name = row.cells["image"]
        if name in first:
            what = f"image {name!r} stands there twice, first in row {first[name]}"
            defects.add(index.path, row.line, DataError(what))
        first.setdefault(name, row.line)
        for column in others:
            if row.cells[column]:
                what = f"column {column!r} is no category of category.csv"
                found = repr(row.cells[column][:60])
                defects.add(index.path, row.line, DataError(what, found=found))
