"""Masks: a folder of PNG files beside a table that says what their values mean.

    MASKS/labels.csv      value,name[,category]      or      color,name[,category]
          photo1.png      the mask of photo1.jpg; PNG with palette or in grey, or RGB
          round2/…        subfolders are workers: one folder per annotator

`value` is a palette index or a grey level from 0 to 65,535; `color` is `#rrggbb`. 0 and #000000 are
unlabelled unless the table names them; so are values in a row without a name (Pascal's 255). Any
other value that is not in the table is an error. Each value in a mask is one region.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from .....errors import DataError, nearest
from ....concept_data.csv_tables import read_csv
from ..draw import read_values
from ..fields import AnnotationItem, read_name
from ..folders import files_below, images_by_stem, worker_of
from ..format import AnnotationFormat
from ..regions import Annotations, MaskValue, Region

if TYPE_CHECKING:
    from pathlib import Path

    from ....concept_data.csv_tables import CsvRow, CsvTable
    from ..format import AnnotationInput

TABLE = "labels.csv"
_HIGHEST_VALUE = 65_535
_COLOR = re.compile(r"#([0-9a-fA-F]{6})")


def read(given: AnnotationInput) -> Annotations:
    """Read a folder of masks.

    Raises:
        DataError: anything invalid; the message names file and row or value.
    """
    table = read_csv(given.path / TABLE, ["name"])
    in_color = "color" in table.columns
    concepts = _read_concepts(table, in_color, given.category)
    stems = images_by_stem(given.images)
    regions: list[Region] = []
    sizes: dict[str, tuple[int, int] | None] = {}
    paths = [
        path for path in files_below(given.path, (".png",)) if not path.is_relative_to(given.images)
    ]
    with given.progress.step("read masks", len(paths)) as advance:
        for path in paths:
            values = read_values(path, in_color=in_color)
            worker = worker_of(given.path, path)
            image = _find_image(path, worker, stems)
            sizes[image] = values.shape
            for value in np.unique(values).tolist():
                item = AnnotationItem(path, f"value {_format_value(value, in_color)}")
                concept = concepts.get(value)
                if concept is None and value not in concepts and value:
                    raise item.error(
                        f"not in {TABLE}", expected=f"one of its {len(concepts)} values"
                    )
                if concept is not None:
                    shape = MaskValue(path, value)
                    regions.append(Region(image, *concept, shape, worker, None, item.source))
            advance(1)
    return Annotations(regions, sizes)


FORMAT = AnnotationFormat(recognises=lambda path: (path / TABLE).is_file(), read=read)


def _read_concepts(
    table: CsvTable, in_color: bool, category: str | None
) -> dict[int, tuple[str, str] | None]:
    """Read name and category by value; None where a value is unlabelled."""
    if not in_color and "value" not in table.columns:
        expected = "a column 'value' or 'color'"
        raise DataError("row 1: column missing", file=table.path, expected=expected)
    if category is None and "category" not in table.columns:
        remedy = "Name the category with --category"
        raise DataError("row 1: no column 'category'", file=table.path, remedy=remedy)
    concepts: dict[int, tuple[str, str] | None] = {}
    for row in table.rows:
        if in_color:
            value = _read_color(table, row)
        else:
            value = table.integer(row, "value", 0, _HIGHEST_VALUE)
        if value in concepts:
            raise table.error(row, f"value {_format_value(value, in_color)} is duplicated")
        item = AnnotationItem(table.path, f"row {row.line}")
        name = row.cells["name"].strip()
        its_category = category
        if not its_category and name:
            its_category = read_name(item, "category", row.cells["category"])
        concepts[value] = (name, its_category or "") if name else None
    return concepts


def _read_color(table: CsvTable, row: CsvRow) -> int:
    match = _COLOR.fullmatch(row.cells["color"].strip())
    if match is None:
        raise table.error(row, "color", found=repr(row.cells["color"]), expected="#rrggbb")
    return int(match[1], 16)


def _format_value(value: int, in_color: bool) -> str:
    return f"#{value:06x}" if in_color else str(value)


def _find_image(path: Path, worker: str, stems: dict[str, list[str]]) -> str:
    """Find the one image that has the name of a mask, apart from the suffix."""
    stem = f"{worker}/{path.stem}" if worker else path.stem
    images = stems.get(stem) or stems.get(path.stem, [])
    if len(images) != 1:
        raise DataError(
            "mask of several images" if images else "mask without an image",
            file=path,
            found=", ".join(images[:3]) or f"no image {path.stem!r}",
            expected="one image of the mask's name, apart from the suffix",
            remedy=None if images else nearest(path.stem, stems),
        )
    return images[0]
