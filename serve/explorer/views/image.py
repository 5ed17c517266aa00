"""The page of an image: the units for which it is among the images where they are most active."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ....errors import QueryError
from ..rendering import Page
from .shown_unit import ShownUnit, shown_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..library import ServedRun


class ActiveUnit(NamedTuple):
    """A unit, and which of its pictures shows the image."""

    unit: ShownUnit
    rank: str
    activation: float


@dataclass(frozen=True)
class ImagePage:
    """The page of an image.

    Attributes:
        file: the image, as the concept data name it.
        blocks: with their units, the last block first.
        count: how many units there are.
        has_photograph: whether the image itself can be shown.
    """

    file: str
    blocks: list[tuple[str, list[ActiveUnit]]]
    count: int
    has_photograph: bool


def image(served: ServedRun, asked: Mapping[str, str]) -> Page:
    """Return the page of the image `uid`.

    Raises:
        QueryError: it is no unit's.
    """
    file = asked.get("uid", "")
    table = None if served.run is None else served.run.top_images
    rows = None if table is None else table[table["image"] == file]
    if rows is None or rows.empty:
        what = f"no unit is most active in an image {file!r}"
        raise QueryError(what, remedy="Search for a part of its name")
    columns = (rows[name].tolist() for name in ("unit", "rank", "activation"))
    active = [
        ActiveUnit(shown_unit(served, unit), str(rank), activation)
        for unit, rank, activation in zip(*columns, strict=True)
    ]
    active.sort(key=lambda row: (row.unit.label is None, int(row.rank), row.unit.uid))
    blocks = [
        (block, [row for row in active if row.unit.uid.startswith(f"{block}/")])
        for block in reversed(served.blocks)
    ]
    content = ImagePage(
        file, [each for each in blocks if each[1]], len(active), served.has_photographs
    )
    return Page("image_units.html", file, content)
