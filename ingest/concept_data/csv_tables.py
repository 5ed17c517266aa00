"""CSV files, read whole and checked for shape; every row knows its line, for messages."""

from __future__ import annotations

import codecs
import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ...errors import DataError
from ...files import read_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class CsvRow(NamedTuple):
    """One row: the line on which it ends (the header is line 1), and its cells by column."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class CsvTable:
    """One CSV file. Every row has a cell for every column."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[CsvRow, ...]

    def error(
        self, row: CsvRow, what: str, *, found: object = None, expected: object = None
    ) -> DataError:
        """Return an error that names this file and the row."""
        return DataError(f"row {row.line}: {what}", file=self.path, found=found, expected=expected)

    def integer(self, row: CsvRow, column: str, low: int, high: int) -> int:
        """Return a cell as a whole number from `low` to `high`.

        Raises:
            DataError: it is anything else.
        """
        number = parse_digits(row.cells[column])
        if number is None or not low <= number <= high:
            raise self.error(
                row,
                column,
                found=repr(row.cells[column]),
                expected=f"a whole number from {low} to {high}",
            )
        return number

    def amount(self, row: CsvRow, column: str) -> float:
        """Return a cell as a finite number ≥ 0.

        Raises:
            DataError: it is anything else.
        """
        try:
            amount = float(row.cells[column])
        except ValueError:
            amount = math.nan
        if not 0 <= amount < math.inf:
            raise self.error(
                row, column, found=repr(row.cells[column]), expected="a number, 0 or more"
            )
        return amount


def parse_digits(text: str) -> int | None:
    """Return the number that digits write; None for anything else, also with a sign.

    `26.0` is 26: so pandas writes whole numbers of a column that has empty cells.
    """
    whole, point, rest = text.partition(".")
    if point and whole and set(rest) == {"0"}:
        text = whole
    if not (text.isascii() and text.isdigit()):
        return None
    return int(text[-4000:])  # Python refuses to convert more digits than 4,300


def parse_label(item: str) -> tuple[int, bool] | None:
    """Return the label number of a cell's item, and whether the image has it; None for a mask.

    `-0` is of no label: the image has nothing of the category.
    """
    number = parse_digits(item.removeprefix("-"))
    return None if number is None else (number, not item.startswith("-"))


def read_csv(
    path: Path,
    required: Sequence[str],
    *,
    delimiter: str = ",",
    header: Sequence[str] = (),
    bad_rows: list[tuple[int, DataError]] | None = None,
) -> CsvTable:
    """Read a CSV file in UTF-8, with or without a byte order mark. Empty lines are skipped.

    Args:
        path: the file.
        required: columns that it must have.
        delimiter: between cells.
        header: the columns of a table whose first row names none.
        bad_rows: receives line and error of rows with another number of cells than the header,
            which raise if it is None.

    Raises:
        DataError: unreadable, not UTF-8, not CSV, a column missing or duplicated, or such a row.
    """
    text = read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    lines: list[tuple[int, list[str]]] = []
    try:
        lines.extend((reader.line_num, cells) for cells in reader if cells)
    except csv.Error as error:
        raise DataError(
            f"row {reader.line_num}: not CSV: {error}",
            file=path,
            remedy="Close the quotation mark",
        ) from error
    named = [] if header else lines[:1]
    columns = tuple(header) or tuple(cell for _, cells in named for cell in cells)
    _check_columns(path, columns, required)
    rows = []
    for line, cells in lines[len(named) :]:
        if len(cells) == len(columns):
            rows.append(CsvRow(line, dict(zip(columns, cells, strict=True))))
            continue
        found, expected = len(cells), f"{len(columns)} ({','.join(columns)})"
        if bad_rows is None:
            what = f"row {line}: wrong number of cells"
            raise DataError(what, file=path, found=found, expected=expected)
        what = "wrong number of cells"
        bad_rows.append((line, DataError(what, found=found, expected=expected)))
    return CsvTable(path, columns, tuple(rows))


def read_text(path: Path) -> str:
    """Read a file in UTF-8, or in UTF-16 with a byte order mark, which is left out.

    Raises:
        DataError: unreadable, or in another encoding.
    """
    try:
        content = read_whole(path)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from error
    if content.count(b"\0", 0, 1 << 20) and not content.startswith(_UTF_16):
        raise DataError("not UTF-8 text", file=path, found="a byte 0x00")
    try:
        in_utf_16 = content.startswith(_UTF_16)
        return content.decode("utf-16" if in_utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"row {line}: not UTF-8",
            file=path,
            found=f"byte 0x{content[error.start]:02x}",
            remedy="Save the table as UTF-8",
        ) from error


def _check_columns(path: Path, columns: tuple[str, ...], required: Sequence[str]) -> None:
    missing = [column for column in required if column not in columns]
    if missing:
        raise DataError(
            f"row 1: column missing: {', '.join(missing)}",
            file=path,
            found=",".join(columns) or "an empty file",
            expected=",".join(required),
        )
    duplicated = [column for column in columns if columns.count(column) > 1]
    if duplicated:
        raise DataError(f"row 1: column {duplicated[0]!r} is duplicated", file=path)
