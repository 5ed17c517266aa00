"""The labels of images, read from a CSV file, for audits and repairs."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError
from ..files import read_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .audit_rows import ImageLabel

    _Row = tuple[int, str, str, str | None]


_COLUMNS = ("image", "label", "concept")
_ANSWERS = {"yes": True, "1": True, "true": True, "no": False, "0": False, "false": False}
"""Of the column concept."""


def read_labels(path: Path) -> list[ImageLabel]:
    """Read the file and the class of each image from a CSV with the columns image and label.

    Raises:
        DataError: the file cannot be read, is no such CSV, or has an image twice or an image
            outside the folder of the images.
    """
    return [(image, label) for _, image, label, _ in _rows(path)[0]]


def read_labels_and_presence(path: Path) -> tuple[list[ImageLabel], dict[str, bool] | None]:
    """Read the labels, and by image whether a concept is in it, from the column concept.

    Returns:
        The labels, as `read_labels`, and the presence; None without that column.

    Raises:
        DataError: as `read_labels`, or a row says neither yes nor no.
    """
    rows, has_column = _rows(path)
    labels = [(image, label) for _, image, label, _ in rows]
    if not has_column:
        return labels, None
    presence = {}
    for line, image, _, answer in rows:
        known = _ANSWERS.get((answer or "").strip().lower())
        if known is None:
            raise DataError(
                f"line {line}: column concept",
                file=path,
                found=repr(answer or ""),
                expected="yes or no, in each row",
            )
        presence[image] = known
    return labels, presence


def _rows(path: Path) -> tuple[list[_Row], bool]:
    """Read the number of the line, image, label, and concept; and whether there is that column."""
    try:
        text = read_whole(path).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        columns = reader.fieldnames or ()
        _check_columns(path, columns)
        rows = []
        for row in reader:
            if None in row:
                raise DataError(
                    f"line {reader.line_num}: more cells than columns",
                    file=path,
                    found=len(columns) + len(row[None]),
                    expected=f"{len(columns)}: {','.join(columns)}",
                    remedy='A name with a comma stands in quotes: "a, b"',
                )
            rows.append((reader.line_num, row["image"], row["label"], row.get("concept")))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("not a CSV file in UTF-8", file=path) from error
    _check(path, rows)
    return rows, "concept" in columns


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    """Refuse a header without image and label, or with a column that almost has a known name."""
    almost = [c for c in columns if c not in _COLUMNS and c.strip().casefold() in _COLUMNS]
    if almost or not {"image", "label"} <= set(columns):
        raise DataError(
            "columns",
            file=path,
            found=",".join(columns) or "none",
            expected="image,label and perhaps concept, in lower case" if almost else "image,label",
        )


def _check(path: Path, rows: list[_Row]) -> None:
    """Refuse rows, each with the number of its line, that are no labels of images."""
    first: dict[Path, tuple[str, int]] = {}
    for line, image, label, _ in rows:
        if not image or Path(image).is_absolute() or ".." in Path(image).parts:
            raise DataError(
                f"line {line}: an image outside the folder",
                file=path,
                found=repr(image),
                expected="a path relative to the folder of the images",
            )
        if label is None:
            raise DataError(
                f"line {line}: a row without a label", file=path, expected="image,label"
            )
        earlier, its_line = first.setdefault(Path(image), (image, line))
        if its_line != line:
            also = "" if earlier == image else f" as {earlier}"
            raise DataError(
                f"line {line}: an image is labelled twice",
                file=path,
                found=f"{image}, also in line {its_line}{also}",
                expected="one row an image",
            )
