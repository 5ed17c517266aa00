"""Reads single fields of annotations, whatever their format: names, numbers, boxes, yes and no.

Every function takes the item that is read (`annotation 3`, `row 7`), so that an error names file
and item.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ....errors import DataError
from .regions import Box, Polygons

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Value = TypeVar("Value")

# Fields that name a worker, or give a verifier's answer, in records of any format.
WORKER_FIELDS = ("worker", "worker_id", "annotator", "round")
VERIFIED_FIELDS = ("verified",)
_CIRCLE_CORNERS = 64
_YES, _NO = {"yes", "true", "1", "y"}, {"no", "false", "0", "n"}


class AnnotationItem(NamedTuple):
    """One item of an annotation file, such as `row 7`, for messages that name it."""

    file: Path
    name: str

    def error(
        self, what: str, *, found: object = None, expected: object = None, remedy: str | None = None
    ) -> DataError:
        """Return an error that names file and item."""
        return DataError(
            f"{self.name}: {what}",
            file=self.file,
            found=found,
            expected=expected,
            remedy=remedy,
        )

    @property
    def source(self) -> str:
        """File and item, for tables."""
        return f"{self.file.name}, {self.name}"


def read_box(item: AnnotationItem, numbers: Iterable[object]) -> Box:
    """Read a box from x, y, width, height.

    Raises:
        DataError: not four numbers, or no area.
    """
    values = read_numbers(item, "box", numbers)
    if len(values) != 4:
        raise item.error("box", found=f"{len(values)} numbers", expected="x, y, width, height")
    box = Box(*values)
    if not (box.width > 0 and box.height > 0):
        found = f"{box.width:g} × {box.height:g}"
        raise item.error("box without an area", found=found, expected="width and height above 0")
    return box


def read_ring(item: AnnotationItem, numbers: Iterable[object]) -> array[float]:
    """Read a polygon's ring from x, y, x, y, ….

    Raises:
        DataError: not numbers, not in pairs, or fewer than three points.
    """
    values = read_numbers(item, "polygon", numbers)
    if len(values) < 6 or len(values) % 2:
        raise item.error(
            "polygon", found=f"{len(values)} numbers", expected="x, y of three points or more"
        )
    return array("d", values)


def read_circle(item: AnnotationItem, x: float, y: float, radius: float) -> Polygons:
    """Return a circle as a polygon with 64 corners.

    Raises:
        DataError: no area.
    """
    if not radius > 0:
        raise item.error("circle without an area", found=f"radius {radius:g}")
    angles = [2 * math.pi * step / _CIRCLE_CORNERS for step in range(_CIRCLE_CORNERS)]
    corners = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
    return Polygons((read_ring(item, [value for corner in corners for value in corner]),))


def parse_number(item: AnnotationItem, what: str, text: str) -> float:
    """Parse a finite number.

    Raises:
        DataError: the text is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise item.error(what, found=repr(text[:40]), expected="a number of pixels")
    return number


def read_numbers(item: AnnotationItem, what: str, values: Iterable[object]) -> list[float]:
    """Read finite numbers below a million, which is more than the side of any image.

    Raises:
        DataError: anything else.
    """
    numbers = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e6:
            found = repr(value)[:40]
            raise item.error(what, found=found, expected="numbers, in pixels")
        numbers.append(float(value))
    return numbers


def read_name(item: AnnotationItem, what: str, value: object) -> str:
    """Read a name that is not empty; outer spaces are removed.

    Raises:
        DataError: anything else.
    """
    if not isinstance(value, str) or not value.strip():
        found = "nothing" if value is None else repr(value)[:60]
        raise item.error(what, found=found, expected="a name")
    return value.strip()


def read_image_name(item: AnnotationItem, value: object) -> str:
    """Read an image's path below the folder of images, with `/`.

    Raises:
        DataError: not text, or a path outside the folder.
    """
    name = read_name(item, "image", value).replace("\\", "/").removeprefix("./")
    if name.startswith("/") or set(name.split("/")) & {"", ".", ".."} or ":" in name:
        expected = "a path below the folder of images"
        raise item.error("image", found=repr(name[:80]), expected=expected)
    return name


def read_worker(item: AnnotationItem, fields: Mapping[str, object]) -> str:
    """Read who drew a region, from the first of `WORKER_FIELDS` that is not empty; "" if none is.

    Raises:
        DataError: neither text nor a number.
    """
    for name in WORKER_FIELDS:
        value = fields.get(name)
        if isinstance(value, str | int) and str(value).strip():
            return str(value).strip()
        if value is not None and value != "":
            raise item.error(name, found=repr(value)[:40], expected="a name or a number")
    return ""


def read_verified(item: AnnotationItem, fields: Mapping[str, object]) -> bool | None:
    """Read a verifier's answer: yes, no, or None without one.

    Raises:
        DataError: neither yes nor no.
    """
    for name in VERIFIED_FIELDS:
        value = fields.get(name)
        text = "" if value is None else str(value).strip().lower()
        if text in _YES | _NO:
            return text in _YES
        if text:
            raise item.error(name, found=repr(value)[:40], expected="yes or no")
    return None


def read_size(item: AnnotationItem, height: object, width: object) -> tuple[int, int] | None:
    """Read height and width that annotations state for an image; None if they state none.

    Raises:
        DataError: not whole numbers above 0.
    """
    if height is None and width is None:
        return None
    for value in (height, width):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65_536:
            raise item.error(
                "size of the image", found=repr(value)[:40], expected="whole numbers of pixels"
            )
    return int(str(height)), int(str(width))


def resolve_reference(
    item: AnnotationItem, what: str, key: object, records: Mapping[object, Value]
) -> Value:
    """Return the record that an item refers to by its key.

    Raises:
        DataError: no record has the key.
    """
    try:
        return records[key]
    except (KeyError, TypeError):
        expected = f"one of the {len(records)} in the file"
        raise item.error(what, found=repr(key)[:40], expected=expected) from None
