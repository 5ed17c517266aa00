"""Checks one row of index.csv: image and masks decoded, every item of every cell."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ....errors import DataError
from ....files import read_whole
from ..concepts import ConceptImage
from ..csv_tables import parse_label
from ..images import open_image
from ..masks import check_mask, read_label_maps
from ..opening import LARGEST_SIDE, is_file, is_inside, read_frames, split_cell
from .duplicates import fingerprint
from .tables import Defects, attempt

if TYPE_CHECKING:
    from pathlib import Path

    from ..csv_tables import CsvRow
    from .duplicates import Fingerprint
    from .tables import CheckedTables


@dataclass
class CheckedRow:
    """Contents and defects of a row.

    Attributes:
        name: of its image.
        split: as the row says.
        defects: of the row and its files.
        shape: height and width of its masks; None if the row does not state them.
        frames: of its image.
        annotated: the frames that are annotated.
        pixels: labelled, by concept column.
        image_labels: columns of the concepts that label the whole image.
        absent: columns of the concepts that are said not to be in it.
        nothing_of: positions of the categories of which it is said to have nothing.
        fingerprint: of the image; None if it cannot be decoded.
    """

    name: str
    split: str
    defects: Defects
    shape: tuple[int, int] | None = None
    frames: int = 1
    annotated: tuple[int, ...] = (0,)
    pixels: dict[int, int] = field(default_factory=dict)
    image_labels: set[int] = field(default_factory=set)
    absent: set[int] = field(default_factory=set)
    nothing_of: set[int] = field(default_factory=set)
    fingerprint: Fingerprint | None = None

    @property
    def area(self) -> int:
        """Pixels of the masks of annotated frames; 0 if the row does not state them."""
        height, width = self.shape or (0, 0)
        return height // self.frames * width * len(self.annotated)


def check_row(tables: CheckedTables, row: CsvRow) -> CheckedRow:
    """Read everything that a row names; errors become defects."""
    checked = CheckedRow(row.cells["image"], row.cells["split"], Defects(tables.data.folder))
    index = tables.index
    height, width, mask_height, mask_width = (
        attempt(checked.defects, index.path, row, index.integer, side, 1, LARGEST_SIDE)
        for side in ("ih", "iw", "sh", "sw")
    )
    if mask_height is not None and mask_width is not None:
        checked.shape = mask_height, mask_width
    sides = [side for side, pixels in (("ih", height), ("sh", mask_height)) if pixels is not None]
    frames = attempt(checked.defects, index.path, row, partial(read_frames, index), *sides)
    checked.frames, checked.annotated = frames or (1, (0,))
    _check_image(tables, row, checked, (height, width))
    for category in tables.data.categories:
        for item in dict.fromkeys(split_cell(row.cells[category])):
            _check_item(tables, row, checked, category, item)
    return checked


def _find(tables: CheckedTables, row: CsvRow, checked: CheckedRow, name: str) -> Path | None:
    """Return the path of a file below images/; None, and a defect, if there is none."""
    images = tables.data.folder / "images"
    path = images / name
    if not is_inside(path, name, images.resolve()):
        defect = f"path outside images/: {name!r}"
    elif not is_file(path):
        defect = f"file is missing: no {name[:300]!r} below images/"
    else:
        return path
    checked.defects.add(tables.index.path, row.line, DataError(defect))
    return None


def _check_image(
    tables: CheckedTables, row: CsvRow, checked: CheckedRow, size: tuple[int | None, int | None]
) -> None:
    path = _find(tables, row, checked, checked.name)
    if path is None:
        return
    try:
        image = open_image(path)
        digest = hashlib.sha256(read_whole(path)).hexdigest()
    except DataError as error:
        checked.defects.add(path, row.line, error)
        return
    if None not in size and size != (image.height, image.width):
        what, expected = "image of another size than its row states", f"{size[1]}×{size[0]}"
        defect = DataError(what, found=f"{image.width}×{image.height}", expected=expected)
        checked.defects.add(path, row.line, defect)
    fits = image.height % checked.frames == 0
    checked.fingerprint = fingerprint(image, digest, checked.frames if fits else 1)


def _check_item(
    tables: CheckedTables, row: CsvRow, checked: CheckedRow, category: str, item: str
) -> None:
    label = parse_label(item)
    if label is None:
        path = _find(tables, row, checked, item)
        if path is not None and checked.shape is not None:
            _check_mask(tables, row, checked, path)
        return
    number, is_present = label
    if not number and not is_present:
        checked.nothing_of.add(tables.data.categories.index(category))
        return
    column = tables.data.column(number) if number < len(tables.data.columns) else -1
    if column >= 0 and column in (checked.absent if is_present else checked.image_labels):
        what = f"image-level label in column {category!r}"
        found = f"number {number}, with and without a minus"
        error = DataError(what, found=found, expected="one of both")
        checked.defects.add(tables.index.path, row.line, error)
    elif column >= 0 and not is_present:
        checked.absent.add(column)
    elif column >= 0 and checked.shape is not None:
        checked.pixels[column] = checked.pixels.get(column, 0) + checked.area
        checked.image_labels.add(column)
    elif column < 0 and number:
        what = f"image-level label in column {category!r}"
        error = DataError(what, found=f"number {item[:20]}", expected="0 or a number of label.csv")
        checked.defects.add(tables.index.path, row.line, error)


def _check_mask(tables: CheckedTables, row: CsvRow, checked: CheckedRow, path: Path) -> None:
    height, width = checked.shape or (0, 0)
    try:
        check_mask(path, height, width, row.line)
        image = ConceptImage(
            folder=path.parent,
            name=checked.name,
            row=row.line,
            split=checked.split,
            height=height,
            width=width,
            mask_height=height,
            mask_width=width,
            masks=(path.name,),
            image_labels=(),
        )
        label_maps = read_label_maps(tables.data, image)
    except DataError as error:
        checked.defects.add(path, row.line, error)
        return
    by_frame = label_maps.reshape(checked.frames, -1)
    unannotated = [frame for frame in by_frame.any(1).nonzero()[0].tolist()
                   if frame not in checked.annotated]  # fmt: skip
    if unannotated:
        what = "labels in a frame that is not annotated"
        found = f"frame {unannotated[0]}"
        expected = f"a frame of {row.cells['annotated'][:60]!r}"
        checked.defects.add(path, row.line, DataError(what, found=found, expected=expected))
    counts = np.bincount(by_frame[list(checked.annotated)].ravel())
    for label in counts.nonzero()[0].tolist():
        if label:
            checked.pixels[label - 1] = checked.pixels.get(label - 1, 0) + int(counts[label])
