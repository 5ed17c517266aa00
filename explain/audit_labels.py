"""The labels of an audit's images, read from a CSV file."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError
from ..files import read_whole

if TYPE_CHECKING:
    from .audit_rows import ImageLabel


def read_labels(path: Path) -> list[ImageLabel]:
    """Read the file and the class of each image from a CSV with the columns image and label.

    Raises:
        DataError: the file cannot be read, is no such CSV, or has an image twice or an image
            outside the folder of the images.
    """
    try:
        text = read_whole(path).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        columns = reader.fieldnames or ()
        if not {"image", "label"} <= set(columns):
            raise DataError(
                "columns", file=path, found=",".join(columns) or "none", expected="image,label"
            )
        rows = [(reader.line_num, row["image"], row["label"]) for row in reader]
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("not a CSV file in UTF-8", file=path) from error
    _check(path, rows)
    return [(image, label) for _, image, label in rows]


def _check(path: Path, rows: list[tuple[int, str, str]]) -> None:
    """Refuse rows, each with the number of its line, that are no labels of images."""
    first: dict[str, int] = {}
    for line, image, label in rows:
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
        if first.setdefault(image, line) != line:
            raise DataError(
                f"line {line}: an image is labelled twice",
                file=path,
                found=f"{image}, also in line {first[image]}",
                expected="one row an image",
            )
