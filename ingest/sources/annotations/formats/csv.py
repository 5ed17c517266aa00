"""CSV: a table of boxes, one a row, with a header.

    image,label,x,y,width,height[,category][,worker][,verified]
    image,label,xmin,ymin,xmax,ymax[,…]

`x, y` is the top left corner; `xmax, ymax` is just outside (a box from 0 to 10 is 10 pixels wide).
The column `label` may be named `concept` or `name`, the corners `x1,y1,x2,y2`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....errors import DataError
from ....concept_data.csv_tables import read_csv
from ..fields import (
    AnnotationItem,
    parse_number,
    read_box,
    read_image_name,
    read_name,
    read_verified,
    read_worker,
)
from ..format import AnnotationFormat
from ..regions import Annotations, Region

if TYPE_CHECKING:
    from ....concept_data.csv_tables import CsvTable
    from ..format import AnnotationInput
    from ..regions import Box

_LABELS = ("label", "concept", "name")
_SIDES = ("x", "y", "width", "height")
_CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"))


def read(given: AnnotationInput) -> Annotations:
    """Read a table of boxes.

    Raises:
        DataError: anything invalid; the message names file and row.
    """
    path, category = given.path, given.category
    table = read_csv(path, ["image"])
    label = _choose_columns(table, [(name,) for name in _LABELS])[0]
    columns = _choose_columns(table, [_SIDES, *_CORNERS])
    if category is None and "category" not in table.columns:
        remedy = "Name the category with --category"
        raise DataError("row 1: no column 'category'", file=path, remedy=remedy)
    regions = []
    for row in table.rows:
        item = AnnotationItem(path, f"row {row.line}")
        cells: dict[str, object] = dict(row.cells)
        regions.append(
            Region(
                read_image_name(item, cells["image"]),
                read_name(item, label, cells[label]),
                category or read_name(item, "category", cells["category"]),
                _read_box(item, columns, row.cells),
                read_worker(item, cells),
                read_verified(item, cells),
                item.source,
            )
        )
    if not regions:
        raise DataError("no boxes", file=path, expected="one row per box")
    return Annotations(regions, {region.image: None for region in regions})


FORMAT = AnnotationFormat(
    recognises=lambda path: path.suffix.lower() == ".csv" and path.is_file(), read=read
)


def _choose_columns(table: CsvTable, choices: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the first choice of columns that the table has."""
    for choice in choices:
        if set(choice) <= set(table.columns):
            return choice
    raise DataError(
        "row 1: column missing",
        file=table.path,
        found=",".join(table.columns),
        expected=" or ".join(",".join(choice) for choice in choices),
    )


def _read_box(item: AnnotationItem, columns: tuple[str, ...], cells: dict[str, str]) -> Box:
    numbers = [parse_number(item, column, cells[column]) for column in columns]
    if columns != _SIDES:
        left, top, right, bottom = numbers
        numbers = [left, top, right - left, bottom - top]
    return read_box(item, numbers)
