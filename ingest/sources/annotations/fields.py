"""Reads single fields of annotations, whatever their format: names, numbers, boxes, yes and no.

Every function takes the item that is read (`annotation 3`, `row 7`), so that an error names file
and item.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from .items import writable
from .regions import Box, Polygons

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .items import AnnotationItem

Value = TypeVar("Value")

WORKER_FIELDS = ("worker", "worker_id", "annotator", "round")
"""Fields of a record, in any format, that name its worker."""
WORKER_ATTRIBUTES = ("annotator", "worker_id")
"""Attributes that name a worker; others of these names may be about what is in the image."""
VERIFIED = "verified"
_CIRCLE_CORNERS = 64
_YES, _NO = {"yes", "true", "1", "y"}, {"no", "false", "0", "n"}
_YES_OR_NO = (_YES | _NO) - {"0", "1"}  # which may number workers


def read_box(item: AnnotationItem, numbers: Iterable[object]) -> Box:
    """Read a box from x, y, width, height.

    Raises:
        ItemError: not four numbers, or no area.
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
        ItemError: not numbers, not in pairs, or fewer than three points.
    """
    values = read_numbers(item, "polygon", numbers)
    if len(values) % 2:
        raise item.error("polygon", found=f"{len(values)} numbers", expected="x, y of each point")
    if len(values) < 6:
        found = f"{len(values) // 2} points"
        raise item.error("polygon without an area", found=found, expected="three points or more")
    return array("d", values)


def read_rings(item: AnnotationItem, rings: Iterable[Iterable[object]]) -> Polygons:
    """Read a region of several rings; those without an area are left out.

    Raises:
        ItemError: none has an area, or one is invalid.
    """
    numbers = [list(ring) for ring in rings]
    with_area = [ring for ring in numbers if len(ring) >= 6] or numbers[:1]
    return Polygons(tuple(read_ring(item, ring) for ring in with_area))


def read_circle(item: AnnotationItem, x: float, y: float, radius: float) -> Polygons:
    """Return a circle as a polygon with 64 corners.

    Raises:
        ItemError: no area.
    """
    return read_ellipse(item, (x, y), (radius, radius))


def read_ellipse(
    item: AnnotationItem,
    centre: tuple[float, float],
    radii: tuple[float, float],
    degrees: float = 0,
) -> Polygons:
    """Return an ellipse as a polygon with 64 corners.

    Args:
        item: that is read.
        centre: x and y.
        radii: along x and y, before it is rotated.
        degrees: by which it is rotated, clockwise as seen.

    Raises:
        ItemError: no area.
    """
    if not min(radii) > 0:
        found = " and ".join(f"{radius:g}" for radius in dict.fromkeys(radii))
        raise item.error("circle without an area", found=f"radius {found}")
    angles = [2 * math.pi * step / _CIRCLE_CORNERS for step in range(_CIRCLE_CORNERS)]
    corners = [
        (centre[0] + radii[0] * math.cos(a), centre[1] + radii[1] * math.sin(a)) for a in angles
    ]
    return read_rings(item, [rotate(corners, centre, degrees)])


def rotate(
    points: Iterable[tuple[float, float]], centre: tuple[float, float], degrees: float
) -> list[float]:
    """Rotate points around a centre, clockwise as seen; return x, y, x, y, …."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rotated = []
    for x, y in points:
        across, down = x - centre[0], y - centre[1]
        rotated += [centre[0] + across * cos - down * sin, centre[1] + across * sin + down * cos]
    return rotated


def rotated_box(
    item: AnnotationItem, box: Box, centre: tuple[float, float], degrees: float
) -> Box | Polygons:
    """Return a box rotated around a centre, clockwise as seen."""
    if not degrees % 360:
        return box
    right, bottom = box.x + box.width, box.y + box.height
    corners = [(box.x, box.y), (right, box.y), (right, bottom), (box.x, bottom)]
    return read_rings(item, [rotate(corners, centre, degrees)])


def parse_number(item: AnnotationItem, what: str, text: str) -> float:
    """Parse a finite number, with a decimal point or a decimal comma.

    Raises:
        ItemError: the text is none.
    """
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise item.error(what, found=repr(text[:40]), expected="a number of pixels")
    return number


def read_numbers(item: AnnotationItem, what: str, values: Iterable[object]) -> list[float]:
    """Read finite numbers below a million, which is more than the side of any image.

    Text that is a number counts as one.

    Raises:
        ItemError: anything else.
    """
    numbers = []
    for value in values:
        number = _number(value)
        if not abs(number) < 1e6:
            found = repr(value)[:40]
            raise item.error(what, found=found, expected="numbers, in pixels")
        numbers.append(number)
    return numbers


def _number(value: object) -> float:
    """Return a value as a number; NaN if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def read_name(item: AnnotationItem, what: str, value: object) -> str:
    """Read a name that is not empty; outer spaces are removed. A number is a name, too.

    Raises:
        ItemError: anything else.
    """
    is_name = isinstance(value, str | int) and value is not True
    text = writable(str(value)).strip() if is_name else ""
    if not text or value is False:
        found = "nothing" if value is None else repr(value)[:60]
        raise item.error(what, found=found, expected="a name")
    return text


def read_image_name(item: AnnotationItem, value: object) -> str:
    """Read the path or address of an image; return its parts, joined by `/`, without `..`.

    Raises:
        ItemError: no name.
    """
    text = read_name(item, "image", value).replace("\\", "/")
    if "://" in text:
        try:
            text = unquote(urlsplit(text).path)
        except ValueError:
            text = text.partition("://")[2]
    parts = [part for part in text.split("/") if part not in {"", ".", ".."}]
    if parts and len(parts[0]) == 2 and parts[0][1] == ":":
        del parts[0]  # a drive
    if not parts or "\0" in text or str(value) != writable(str(value)):
        raise item.error("image", found=repr(value)[:80], expected="a name")
    return "/".join(parts)


def read_worker(
    item: AnnotationItem,
    fields: Mapping[str, object],
    attributes: Mapping[str, object] | None = None,
) -> str:
    """Read who drew a region; "" if nothing says so.

    Yes and no are no workers: an attribute may have the name of a worker's field.

    Args:
        item: that is read.
        fields: of the record; `WORKER_FIELDS` count.
        attributes: that a project has of its own; only `WORKER_ATTRIBUTES` count.

    Raises:
        ItemError: a field is neither text nor a number.
    """
    for name in WORKER_FIELDS:
        value = fields.get(name)
        if value is not None and not isinstance(value, str | int | float):
            raise item.error(name, found=repr(value)[:40], expected="a name or a number")
    candidates = [fields.get(name) for name in WORKER_FIELDS]
    candidates += [(attributes or {}).get(name) for name in WORKER_ATTRIBUTES]
    return next((name for name in map(_worker_name, candidates) if name), "")


def _worker_name(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = f"{value:g}" if isinstance(value, float) else str(value).strip()
    return "" if text.lower() in _YES_OR_NO else writable(text)


def read_verified(
    item: AnnotationItem,
    fields: Mapping[str, object],
    attributes: Mapping[str, object] | None = None,
) -> bool | None:
    """Read a verifier's answer: yes, no, or None without one.

    Args:
        item: that is read.
        fields: of the record.
        attributes: that a project has of its own, and flags; a box that is not ticked (false) is no
            answer there, as it is what nobody touched.

    Raises:
        ItemError: a field is neither yes nor no.
    """
    value = fields.get(VERIFIED)
    text = "" if value is None else str(value).strip().lower()
    if text in _YES | _NO:
        return text in _YES
    if text:
        raise item.error(VERIFIED, found=repr(value)[:40], expected="yes or no")
    value = (attributes or {}).get(VERIFIED)
    text = "" if value is None or value is False else str(value).strip().lower()
    return text in _YES if text in _YES | _NO else None


def read_size(height: object, width: object) -> tuple[int, int] | None:
    """Read height and width that annotations state for an image; None if they state none.

    0 and anything else that is no size states none: the image itself has one.
    """
    numbers = [_number(value) for value in (height, width)]
    if not all(0 < number < 65_536 and number.is_integer() for number in numbers):
        return None
    return int(numbers[0]), int(numbers[1])


def reference_key(key: object) -> str | None:
    """Return an id as text, so that 7, "7" and 7.0 are one; None if it is no id."""
    if isinstance(key, bool) or not isinstance(key, int | float | str):
        return None
    if isinstance(key, float) and key.is_integer():
        key = int(key)
    return str(key).strip() or None


def resolve_reference(
    item: AnnotationItem, what: str, key: object, records: Mapping[str, Value | None]
) -> Value:
    """Return the record that an item refers to by its id.

    Raises:
        ItemError: no record has the id, or several do (None).
    """
    text = reference_key(key)
    record = records.get(text) if text else None
    if record is None:
        twice = text in records
        expected = "an id of one" if twice else f"one of the {len(records)} in the file"
        raise item.error(what, found=repr(key)[:40], expected=expected)
    return record
