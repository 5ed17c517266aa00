"""Reading concept data: its tables, and a look at every file.

Everything that can be checked without decoding is checked here, before anything long starts.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataError
from ..engine.memory import gc_paused
from .concepts import ConceptData, ConceptImage
from .labels import Concept, read_categories, read_concepts
from .masks import check_mask
from .csv_tables import read_table, whole_number

if TYPE_CHECKING:
    from .csv_tables import Row, Table

_INDEX_COLUMNS = ("image", "split", "ih", "iw", "sh", "sw")
_LARGEST_SIDE = 65_535


@gc_paused()
def open_concept_data(
    folder: Path, *, label_zero: bool = False, split: str | None = None
) -> ConceptData:
    """Read the tables of a data set, and check that every file is there and of the right kind.

    Args:
        folder: the data set.
        label_zero: keep label 0 of whole images as a nameless concept of the last category, as
            NetDissect-Lite does (1,987 of Broden's scene cells); else it is dropped.
        split: use only images of this split.

    Raises:
        DataError: anything that is not as it should be; the message names file and row.
    """
    folder = Path(folder)
    _check_layout(folder)
    categories = read_categories(folder)
    index = read_table(folder / "index.csv", [*_INDEX_COLUMNS, *categories])
    _check_other_columns(index, categories)
    concepts = read_concepts(folder, categories)
    rows = _choose_rows(index, split)
    if label_zero and any(_has_label_zero(row, categories) for row in rows):
        concepts = (Concept(0, "", categories[-1]), *concepts)
    reader = _RowReader(index, folder / "images", categories, concepts)
    images = tuple(reader.read(row) for row in rows)
    files = sorted(reader.files.items())
    cells = [[row.cells[column] for column in (*_INDEX_COLUMNS, *categories)] for row in rows]
    content = [
        categories,
        [(concept.number, concept.uid) for concept in concepts],
        cells,
        [(name, found.st_size) for name, found in files],
    ]
    state = [(found.st_size, found.st_mtime_ns) for _, found in files]
    return ConceptData(folder, categories, concepts, images, _digest(content), _digest(state))


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _check_layout(folder: Path) -> None:
    missing = [
        name for name in ("index.csv", "label.csv", "category.csv") if not (folder / name).is_file()
    ]
    missing += [] if (folder / "images").is_dir() else ["images/"]
    if missing:
        raise DataError(
            "not concept data in the Broden layout",
            file=folder,
            found="no " + ", no ".join(missing) if folder.is_dir() else "no such folder",
            expected="index.csv, label.csv, category.csv and images/",
        )


def _check_other_columns(index: Table, categories: tuple[str, ...]) -> None:
    """A column of no category may stand there only empty, as Broden's builder leaves some."""
    for column in index.columns:
        if column in (*_INDEX_COLUMNS, *categories):
            continue
        used = next((row for row in index.rows if row.cells[column]), None)
        if used is not None:
            raise index.error(
                used,
                f"column {column!r} is no category of category.csv",
                found=repr(used.cells[column]),
                expected="a category, one of " + ", ".join(categories),
            )


def _choose_rows(index: Table, split: str | None) -> list[Row]:
    """The rows of the split, sorted by image."""
    first: dict[str, int] = {}
    for row in index.rows:
        name = row.cells["image"]
        if name in first:
            raise index.error(row, f"image {name!r} stands there twice, first in row {first[name]}")
        first[name] = row.line
    if not index.rows:
        raise DataError("no images", file=index.path, expected="one row per image")
    rows = [row for row in index.rows if split is None or row.cells["split"] == split]
    if not rows:
        splits = sorted({row.cells["split"] for row in index.rows})
        raise DataError(f"no images of split {split!r}", file=index.path, found=", ".join(splits))
    return sorted(rows, key=lambda row: row.cells["image"])


def _items(cell: str) -> list[str]:
    return [item.strip() for item in cell.split(";") if item.strip()] if cell else []


def _has_label_zero(row: Row, categories: tuple[str, ...]) -> bool:
    return any(
        whole_number(item) == 0 for category in categories for item in _items(row.cells[category])
    )


class _RowReader:
    """Rows of the index to images. `files` collects size and times of every file it has seen."""

    def __init__(
        self, index: Table, images: Path, categories: tuple[str, ...], concepts: tuple[Concept, ...]
    ) -> None:
        self.files: dict[str, os.stat_result] = {}
        self._index = index
        self._images = images
        self._root = images.resolve()
        self._categories = categories
        self._columns = {concept.number: column for column, concept in enumerate(concepts)}
        self._listed = _list_files(images)

    def read(self, row: Row) -> ConceptImage:
        """One image, its files checked.

        Raises:
            DataError: naming the row.
        """
        height, width, mask_height, mask_width = (
            self._index.whole(row, column, 1, _LARGEST_SIDE) for column in ("ih", "iw", "sh", "sw")
        )
        name = row.cells["image"]
        path = self._find(row, name)
        self.files[name] = path.stat()
        if not self.files[name].st_size:
            raise self._index.error(row, f"image {name!r}", found="an empty file")
        masks: list[str] = []
        image_labels: set[int] = set()
        for category in self._categories:
            for item in _items(row.cells[category]):
                number = whole_number(item)
                if number is None:
                    mask = self._find(row, item)
                    self.files[item] = check_mask(mask, mask_height, mask_width, row.line)
                    masks.append(item)
                elif number in self._columns:
                    image_labels.add(self._columns[number])
                elif number:
                    what = f"label of the whole image in column {category!r}"
                    raise self._index.error(
                        row, what, found=f"number {item}", expected="0 or a number of label.csv"
                    )
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
        )

    def _find(self, row: Row, name: str) -> Path:
        """The file of that name below images/; a link may only lead to another place in there."""
        path = self._images / name
        if name in self._listed:
            return path
        plain = all(part not in {"", ".", ".."} for part in name.split("/")) and "\0" not in name
        if not plain or not path.resolve().is_relative_to(self._root):
            raise self._index.error(
                row, "path that leaves images/", found=repr(name), expected="a path inside images/"
            )
        if not _is_file(path):
            raise self._index.error(row, "file is missing", found=f"no {name!r} below images/")
        return path


def _list_files(folder: Path) -> frozenset[str]:
    """Every file below a folder, links left out, without a look at each file."""
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


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than the file system allows
        return False
