"""Opening concept data: reads the tables and checks that every file exists.

Everything that can be checked without decoding is checked here, before anything long starts.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataError
from ..engine.memory import gc_paused
from .concepts import CLIP_COLUMNS, FIXED_COLUMNS, ConceptData, ConceptImage
from .csv_tables import parse_digits, parse_label, read_csv
from .labels import Concept, read_categories, read_concepts
from .masks import check_mask

if TYPE_CHECKING:
    from .csv_tables import CsvRow, CsvTable

ROW_NUMBERS = ("", "Unnamed: 0")
"""Columns of row numbers, which pandas writes unless told not to."""
LARGEST_SIDE = 65_535
"""Of images and masks, pixels."""


@gc_paused()
def open_concept_data(
    folder: Path,
    *,
    label_zero: bool = False,
    split: str | None = None,
    only: str | None = None,
    strict: bool = True,
) -> ConceptData:
    """Open a data set: read its tables, check that every file exists and is of the right kind.

    Args:
        folder: the data set.
        label_zero: read the image-level label 0 as a concept without a name, of the last category,
            as NetDissect-Lite does (1,987 of Broden's scene cells); it is dropped otherwise.
        split: use only images of this split.
        only: use only the image of this name.
        strict: refuse empty images and files that are no masks of the stated size; else their
            images are `ConceptData.dropped`.

    Raises:
        DataError: anything invalid; the message names file and row.
    """
    folder = Path(folder)
    check_layout(folder)
    categories = read_categories(folder)
    index = read_csv(folder / "index.csv", [*FIXED_COLUMNS, *categories])
    _check_unknown_columns(index, categories)
    concepts = read_concepts(folder, categories)
    rows = _select_rows(index, split)
    if only is not None:
        rows = [row for row in rows if row.cells["image"] == only]
        if not rows:
            raise DataError(f"no image {only!r}", file=index.path)
    if label_zero and any(_has_label_zero(row, categories) for row in rows):
        concepts = (Concept(0, "", categories[-1]), *concepts)
    reader = _IndexReader(index, folder / "images", categories, concepts)
    images = [reader.read(row) for row in rows]
    if strict and reader.damaged:
        raise next(iter(reader.damaged.values()))
    whole = tuple(image for image in images if image.name not in reader.damaged)
    dropped = {name: str(error) for name, error in reader.damaged.items()}
    files = sorted(reader.files.items())
    cells = [[row.cells[column] for column in (*FIXED_COLUMNS, *categories)] for row in rows]
    sources = [concept.source for concept in concepts]
    clips = [(image.name, image.frames, image.annotated) for image in images if image.frames > 1]
    content = [
        categories,
        [(concept.number, concept.uid) for concept in concepts],
        cells,
        [(name, status.st_size) for name, status in files],
        *([sources] if any(sources) else []),
        *([{"clips": clips}] if clips else []),
    ]
    state = [(status.st_size, status.st_mtime_ns) for _, status in files]
    return ConceptData(
        folder, categories, concepts, whole, _digest(content), _digest(state), dropped
    )


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def is_concept_data(folder: Path) -> bool:
    """Return whether a folder has the tables and images of concept data; nothing is read."""
    return not _missing(folder)


def mask_names(folder: Path) -> set[str]:
    """Return the names of all mask files of concept data, below images/."""
    index = read_csv(folder / "index.csv", FIXED_COLUMNS)
    cells = (row.cells[name] for row in index.rows for name in index.columns
             if name not in (*FIXED_COLUMNS, *CLIP_COLUMNS))  # fmt: skip
    return {item for cell in cells for item in split_cell(cell) if parse_label(item) is None}


def _missing(folder: Path) -> list[str]:
    tables = ("index.csv", "label.csv", "category.csv")
    missing = [name for name in tables if not (folder / name).is_file()]
    return missing + ([] if (folder / "images").is_dir() else ["images/"])


def check_layout(folder: Path) -> None:
    """Refuse a folder without the tables and images of concept data; nothing is read.

    Raises:
        DataError: naming what is missing.
    """
    if missing := _missing(folder):
        raise DataError(
            "not concept data in the Broden layout",
            file=folder,
            found="no " + ", no ".join(missing) if folder.is_dir() else "no such folder",
            expected="index.csv, label.csv, category.csv and images/",
        )


def _check_unknown_columns(index: CsvTable, categories: tuple[str, ...]) -> None:
    """Refuse columns of no category, unless they are empty: Broden's builder leaves some."""
    for column in index.columns:
        if column in (*FIXED_COLUMNS, *CLIP_COLUMNS, *categories, *ROW_NUMBERS):
            continue
        used = next((row for row in index.rows if row.cells[column]), None)
        if used is not None:
            raise index.error(
                used,
                f"column {column!r} is no category of category.csv",
                found=repr(used.cells[column]),
                expected="a category, one of " + ", ".join(categories),
            )


def _select_rows(index: CsvTable, split: str | None) -> list[CsvRow]:
    """Return the rows of a split, sorted by image."""
    lines: dict[str, int] = {}
    for row in index.rows:
        name = row.cells["image"]
        if name in lines:
            raise index.error(row, f"image {name!r} is duplicated, first in row {lines[name]}")
        lines[name] = row.line
    if not index.rows:
        raise DataError("no images", file=index.path, expected="one row per image")
    rows = [row for row in index.rows if split is None or row.cells["split"] == split]
    if not rows:
        splits = sorted({row.cells["split"] for row in index.rows})
        raise DataError(f"no images of split {split!r}", file=index.path, found=", ".join(splits))
    return sorted(rows, key=lambda row: row.cells["image"])


def split_cell(cell: str) -> list[str]:
    """Split a category's cell into its items: label numbers and names of mask files."""
    return [item.strip() for item in cell.split(";") if item.strip()] if cell else []


def read_frames(index: CsvTable, row: CsvRow, *sides: str) -> tuple[int, tuple[int, ...]]:
    """Read how many frames a row's image has, and which of them are annotated.

    Args:
        index: index.csv.
        row: of it.
        sides: columns of heights that the frames must divide, whole numbers.

    Raises:
        DataError: naming the row.
    """
    frames = 1
    if row.cells.get("frames"):
        frames = index.integer(row, "frames", 1, LARGEST_SIDE)
    for side in sides:
        if int(row.cells[side].partition(".")[0]) % frames:
            expected = f"a multiple of {frames}, as frames says"
            raise index.error(row, side, found=row.cells[side], expected=expected)
    items = split_cell(row.cells.get("annotated", ""))
    if not items:
        return frames, all_frames(frames)
    numbers = [-1 if (number := parse_digits(item)) is None else number for item in items]
    if not (numbers[0] >= 0 and numbers == sorted(set(numbers)) and numbers[-1] < frames):
        expected = f"frames from 0 to {frames - 1}, ascending, such as 0;{frames - 1}"
        found = repr(row.cells["annotated"][:60])
        raise index.error(row, "annotated", found=found, expected=expected)
    return frames, tuple(numbers)


@cache
def all_frames(frames: int) -> tuple[int, ...]:
    """Return the numbers of all frames of a clip: one tuple for all clips of that length."""
    return tuple(range(frames))


def _has_label_zero(row: CsvRow, categories: tuple[str, ...]) -> bool:
    items = (item for category in categories for item in split_cell(row.cells[category]))
    return any(parse_digits(item) == 0 for item in items)


def is_inside(path: Path, name: str, root: Path) -> bool:
    """Return whether a name, and the link that may lie there, stay below a resolved folder."""
    plain = all(part not in {"", ".", ".."} for part in name.split("/")) and "\0" not in name
    return plain and Path(os.path.realpath(path)).is_relative_to(root)  # of links in a loop, too


class _IndexReader:
    """Reads rows of index.csv.

    Attributes:
        files: size and times of every file read so far, by name.
        damaged: what is wrong with an image that is empty, or the first of its masks that is no
            mask of the stated size, by the image's name.
    """

    def __init__(
        self,
        index: CsvTable,
        images: Path,
        categories: tuple[str, ...],
        concepts: tuple[Concept, ...],
    ) -> None:
        self.files: dict[str, os.stat_result] = {}
        self.damaged: dict[str, DataError] = {}
        self._index = index
        self._images = images
        self._root = images.resolve()
        self._categories = categories
        self._concepts = concepts
        self._columns = {concept.number: column for column, concept in enumerate(concepts)}
        self._listed = _list_files(images)

    def read(self, row: CsvRow) -> ConceptImage:
        """Read a row and check its files.

        Raises:
            DataError: naming the row.
        """
        height, width, mask_height, mask_width = (
            self._index.integer(row, column, 1, LARGEST_SIDE) for column in ("ih", "iw", "sh", "sw")
        )
        frames, annotated = read_frames(self._index, row, "ih", "sh")
        name = row.cells["image"]
        path = self._find(row, name)
        self.files[name] = path.stat()
        if not self.files[name].st_size:
            self.damaged[name] = self._index.error(row, f"image {name!r}", found="an empty file")
        masks: list[str] = []
        image_labels: set[int] = set()
        absent: set[int] = set()
        nothing_of: list[int] = []
        for position, category in enumerate(self._categories):
            for item in split_cell(row.cells[category]):
                label = parse_label(item)
                if label is None:
                    mask = self._find(row, item)
                    masks.append(item)
                    try:
                        self.files[item] = check_mask(mask, mask_height, mask_width, row.line)
                    except DataError as error:
                        self.files[item] = mask.stat()
                        self.damaged.setdefault(name, error)
                    continue
                number, is_present = label
                if not number and not is_present:
                    nothing_of.append(position)
                elif number in self._columns:
                    (image_labels if is_present else absent).add(self._columns[number])
                elif number:
                    what = f"image-level label in column {category!r}"
                    found, expected = f"number {item[:20]}", "0 or a number of label.csv"
                    raise self._index.error(row, what, found=found, expected=expected)
        if both := image_labels & absent:
            found = f"number {self._concepts[min(both)].number}, with and without a minus"
            raise self._index.error(row, "image-level label", found=found, expected="one of both")
        return ConceptImage(
            folder=self._images,
            name=name,
            row=row.line,
            split=sys.intern(row.cells["split"]),
            height=height,
            width=width,
            mask_height=mask_height,
            mask_width=mask_width,
            masks=tuple(dict.fromkeys(masks)),
            image_labels=tuple(sorted(image_labels)),
            absent=tuple(sorted(absent)),
            nothing_of=tuple(nothing_of),
            frames=frames,
            annotated=annotated,
        )

    def _find(self, row: CsvRow, name: str) -> Path:
        """Return the path of a file below images/; a link may only lead to another file there."""
        path = self._images / name
        if name in self._listed:
            return path
        if not is_inside(path, name, self._root):
            raise self._index.error(
                row, "path outside images/", found=repr(name), expected="a path inside images/"
            )
        if not is_file(path):
            raise self._index.error(row, "file is missing", found=f"no {name!r} below images/")
        return path


def _list_files(folder: Path) -> frozenset[str]:
    """List every file below a folder, without links and without a `stat` of each file."""
    names: list[str] = []
    folders = [""]
    while folders:
        below = folders.pop()
        try:
            with os.scandir(folder / below) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        names.append(below + entry.name)
                    elif entry.is_dir(follow_symlinks=False):
                        folders.append(f"{below}{entry.name}/")
        except OSError as error:
            raise DataError(f"cannot be listed: {error.strerror}", file=folder / below) from error
    return frozenset(names)


def is_file(path: Path) -> bool:
    """Return whether a path is a file; False also for names that the file system does not allow."""
    try:
        return path.is_file()
    except OSError:
        return False
