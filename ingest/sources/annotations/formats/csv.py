"""A CSV table of boxes, one a row, with a header.

    image,label,x,y,width,height[,category][,worker][,verified]
    image,label,xmin,ymin,xmax,ymax[,…]

`x, y` is the top left corner; `xmax, ymax` lie just outside (a box from 0 to 10 is 10 pixels
wide). `concept` or `name` may stand for `label`, `x1,y1,x2,y2` for the corners.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....errors import DataError
from ....concept_data.csv_tables import read_table
from ..fields import (
    Item,
    number_in,
    read_box,
    read_image_name,
    read_name,
    read_verified,
    read_worker,
)
from ..regions import Annotations, Region

if TYPE_CHECKING:
    from pathlib import Path

    from ....concept_data.csv_tables import Table
    from ..regions import Box

_LABELS = ("label", "concept", "name")
_SIDES = ("x", "y", "width", "height")
_CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"))


def read_boxes(path: Path, category: str | None = None) -> Annotations:
    """Read a table of boxes.

    Args:
        path: the CSV file.
        category: of all concepts; None takes the column `category`.

    Raises:
        DataError: anything malformed; the message names file and row.
    """
    table = read_table(path, ["image"])
    label = _one_of(table, [(name,) for name in _LABELS])[0]
    columns = _one_of(table, [_SIDES, *_CORNERS])
    if category is None and "category" not in table.columns:
        remedy = "Name the category with --category"
        raise DataError("row 1: no column 'category'", file=path, remedy=remedy)
    regions = []
    for row in table.rows:
        item = Item(path, f"row {row.line}")
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


def _one_of(table: Table, choices: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The first choice of columns that the table has."""
    for choice in choices:
        if set(choice) <= set(table.columns):
            return choice
    raise DataError(
        "row 1: column missing",
        file=table.path,
        found=",".join(table.columns),
        expected=" or ".join(",".join(choice) for choice in choices),
    )


def _read_box(item: Item, columns: tuple[str, ...], cells: dict[str, str]) -> Box:
    values = [number_in(item, column, cells[column]) for column in columns]
    if columns != _SIDES:
        left, top, right, bottom = values
        values = [left, top, right - left, bottom - top]
    return read_box(item, values)
