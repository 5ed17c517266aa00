"""One row of index.csv, checked: its image and every mask decoded, every item of every cell."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ....errors import DataError
from .tables import Defects, attempt
from ..concepts import ConceptImage
from .duplicates import fingerprint
from ..images import open_image
from ..masks import check_mask, read_label_maps
from ..csv_tables import whole_number

if TYPE_CHECKING:
    from pathlib import Path

    from .tables import Tables
    from .duplicates import Fingerprint
    from ..csv_tables import Row

_LARGEST_SIDE = 65_535


@dataclass
class RowCheck:
    """What a row holds, and what is wrong with it.

    Attributes:
        name: of its image.
        split: as the row says.
        defects: all of the row.
        shape: height and width of its masks; None if the row does not say.
        pixels: labelled, by concept column.
        print: of the image; None if it cannot be decoded.
    """

    name: str
    split: str
    defects: Defects
    shape: tuple[int, int] | None = None
    pixels: dict[int, int] = field(default_factory=dict)
    print: Fingerprint | None = None


def check_row(tables: Tables, row: Row) -> RowCheck:
    """Read all that a row names; nothing is raised."""
    found = RowCheck(row.cells["image"], row.cells["split"], Defects(tables.data.folder))
    index = tables.index
    height, width, mask_height, mask_width = (
        attempt(found.defects, index.path, row, index.whole, side, 1, _LARGEST_SIDE)
        for side in ("ih", "iw", "sh", "sw")
    )
    _check_image(tables, row, found, (height, width))
    if mask_height is not None and mask_width is not None:
        found.shape = mask_height, mask_width
    for category in tables.data.categories:
        items = filter(None, map(str.strip, row.cells[category].split(";")))
        for item in dict.fromkeys(items):
            _check_item(tables, row, found, category, item)
    return found


def _find(tables: Tables, row: Row, found: RowCheck, name: str) -> Path | None:
    """The file of that name below images/; None, and a defect noted, if there is none."""
    images = tables.data.folder / "images"
    path = images / name
    plain = all(part not in {"", ".", ".."} for part in name.split("/")) and "\0" not in name
    what = None
    if not plain or not path.resolve().is_relative_to(images.resolve()):
        what = f"path that leaves images/: {name!r}"
    else:
        try:
            what = None if path.is_file() else f"file is missing: no {name!r} below images/"
        except OSError:
            what = f"file is missing: no {name[:60]!r}… below images/"
    if what is None:
        return path
    found.defects.add(tables.index.path, row.line, DataError(what))
    return None


def _check_image(
    tables: Tables, row: Row, found: RowCheck, size: tuple[int | None, int | None]
) -> None:
    path = _find(tables, row, found, found.name)
    if path is None:
        return
    try:
        image = open_image(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except DataError as error:
        found.defects.add(path, row.line, error)
        return
    if None not in size and size != (image.height, image.width):
        what, expected = "image of another size than its row states", f"{size[1]}×{size[0]}"
        wrong = DataError(what, found=f"{image.width}×{image.height}", expected=expected)
        found.defects.add(path, row.line, wrong)
    found.print = fingerprint(image, digest)


def _check_item(tables: Tables, row: Row, found: RowCheck, category: str, item: str) -> None:
    number = whole_number(item)
    if number is None:
        path = _find(tables, row, found, item)
        if path is not None and found.shape is not None:
            _check_mask(tables, row, found, path)
        return
    column = tables.data.column(number) if number < len(tables.data.columns) else -1
    if column >= 0 and found.shape is not None:
        pixels = found.shape[0] * found.shape[1]
        found.pixels[column] = found.pixels.get(column, 0) + pixels
    elif column < 0 and number:
        what = f"label of the whole image in column {category!r}"
        error = DataError(what, found=f"number {item[:20]}", expected="0 or a number of label.csv")
        found.defects.add(tables.index.path, row.line, error)


def _check_mask(tables: Tables, row: Row, found: RowCheck, path: Path) -> None:
    height, width = found.shape or (0, 0)
    try:
        check_mask(path, height, width, row.line)
        alone = ConceptImage(
            folder=path.parent,
            name=found.name,
            row=row.line,
            split=found.split,
            height=height,
            width=width,
            mask_height=height,
            mask_width=width,
            masks=(path.name,),
            image_labels=(),
        )
        columns = read_label_maps(tables.data, alone)
    except DataError as error:
        found.defects.add(path, row.line, error)
        return
    counts = np.bincount(columns.ravel())
    for label in counts.nonzero()[0].tolist():
        if label:
            found.pixels[label - 1] = found.pixels.get(label - 1, 0) + int(counts[label])
