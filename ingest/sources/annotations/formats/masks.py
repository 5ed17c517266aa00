"""A folder of mask images beside a table that says what their values mean.

    MASKS/labels.csv      value,name[,category]      or      color,name[,category]
          photo1.png      the mask of photo1.jpg; PNG with palette or in grey, or RGB
          round2/…        subfolders are workers: one folder per annotator

`value` is a palette index or a grey level from 0 to 65,535; `color` is `#rrggbb`. 0 and #000000 are
no label unless the table names them; a row without a name is no label either (Pascal's 255). Any
other value that is not in the table is an error. Each value in a mask is one region.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from .....errors import DataError, nearest
from ....concept_data.csv_tables import read_table
from ..draw import read_values
from ..fields import Item, read_name
from ..folders import files_below, images_by_stem, worker_of
from ..regions import Annotations, MaskValue, Region

if TYPE_CHECKING:
    from pathlib import Path

    from .....progress import Progress
    from ....concept_data.csv_tables import Row, Table

TABLE = "labels.csv"
_HIGHEST_VALUE = 65_535
_COLOR = re.compile(r"#([0-9a-fA-F]{6})")


def read_masks(folder: Path, category: str | None, images: Path, progress: Progress) -> Annotations:
    """Read a folder of masks.

    Args:
        folder: the masks, and `labels.csv`.
        category: of all concepts; None takes the table's column `category`.
        images: the folder of the images; a mask's is the one of its name apart from the suffix.
        progress: told of each mask.

    Raises:
        DataError: anything malformed; the message names file and row or value.
    """
    table = read_table(folder / TABLE, ["name"])
    colored = "color" in table.columns
    concepts = _read_concepts(table, colored, category)
    stems = images_by_stem(images)
    regions: list[Region] = []
    sizes: dict[str, tuple[int, int] | None] = {}
    paths = [path for path in files_below(folder, (".png",)) if not path.is_relative_to(images)]
    with progress.step("read masks", len(paths)) as advance:
        for path in paths:
            values = read_values(path, colored=colored)
            worker = worker_of(folder, path)
            image = _find_image(path, worker, stems)
            sizes[image] = values.shape
            for value in np.unique(values).tolist():
                item = Item(path, f"value {_written(value, colored)}")
                concept = concepts.get(value)
                if concept is None and value not in concepts and value:
                    raise item.error(f"not in {TABLE}", expected=f"one of {len(concepts)} there")
                if concept is not None:
                    shape = MaskValue(path, value)
                    regions.append(Region(image, *concept, shape, worker, None, item.source))
            advance(1)
    return Annotations(regions, sizes)


def _read_concepts(
    table: Table, colored: bool, category: str | None
) -> dict[int, tuple[str, str] | None]:
    """Name and category by value; None where a value is no label."""
    if not colored and "value" not in table.columns:
        expected = "a column 'value' or 'color'"
        raise DataError("row 1: column missing", file=table.path, expected=expected)
    if category is None and "category" not in table.columns:
        remedy = "Name the category with --category"
        raise DataError("row 1: no column 'category'", file=table.path, remedy=remedy)
    concepts: dict[int, tuple[str, str] | None] = {}
    for row in table.rows:
        value = _read_color(table, row) if colored else table.whole(row, "value", 0, _HIGHEST_VALUE)
        if value in concepts:
            raise table.error(row, f"value {_written(value, colored)} stands there twice")
        item = Item(table.path, f"row {row.line}")
        name = row.cells["name"].strip()
        its = category or (read_name(item, "category", row.cells["category"]) if name else "")
        concepts[value] = (name, its) if name else None
    return concepts


def _read_color(table: Table, row: Row) -> int:
    match = _COLOR.fullmatch(row.cells["color"].strip())
    if match is None:
        raise table.error(row, "color", found=repr(row.cells["color"]), expected="#rrggbb")
    return int(match[1], 16)


def _written(value: int, colored: bool) -> str:
    return f"#{value:06x}" if colored else str(value)


def _find_image(path: Path, worker: str, stems: dict[str, list[str]]) -> str:
    found = stems.get(f"{worker}/{path.stem}" if worker else path.stem) or stems.get(path.stem, [])
    if len(found) != 1:
        raise DataError(
            "mask without an image" if not found else "mask of several images",
            file=path,
            found=", ".join(found[:3]) or f"no image {path.stem!r}",
            expected="one image of the mask's name, apart from the suffix",
            remedy=None if found else nearest(path.stem, stems),
        )
    return found[0]
