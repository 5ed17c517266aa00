"""LabelMe: a folder of JSON files, one per image, with polygons, rectangles, circles and masks.

Also what X-AnyLabeling and others write: rectangles of four corners, rotated ones, quadrilaterals.

The image is `imagePath`: relative to the JSON file, as LabelMe writes it, or below the folder of
images, by its path or by its name alone. The worker is a field of the shape or the file, else the
subfolder of the file: one folder per annotator. A verifier's answer may also be a flag: yes if it
is ticked, no answer if it is not.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..fields import (
    read_box,
    read_circle,
    read_image_name,
    read_name,
    read_numbers,
    read_rings,
    read_size,
    read_verified,
    read_worker,
)
from ..folders import find_image, worker_of
from ..format import AnnotationFormat, read_files
from ..items import AnnotationItem
from ..json_files import json_outline, kind, read_json_object, read_list, read_record
from ..run_lengths import encode

if TYPE_CHECKING:
    from pathlib import Path

    from ..format import AnnotationInput
    from ..regions import Annotations, Box, Geometry, Polygons
    from ..run_lengths import RunLengths

_POLYGONS = ("polygon", "rotation", "quadrilateral", "oriented_rectangle")
"""Kinds of shapes that are given by their corners, also those of X-AnyLabeling."""


def read(given: AnnotationInput) -> Annotations:
    """Read every JSON file below a folder, or one file.

    Raises:
        DataError: no category, as LabelMe has none.
    """
    return read_files(given, ".json", _read_file)


FORMAT = AnnotationFormat(
    recognises=lambda path: not json_outline(path).is_list and "shapes" in json_outline(path).keys,
    read=read,
)


def _read_file(annotations: Annotations, given: AnnotationInput, path: Path, category: str) -> None:
    root = given.path if given.path.is_dir() else path.parent
    content = read_json_object(path)
    whole = AnnotationItem(path, "file")
    image = _find_image(whole, content.get("imagePath"), root, given.images)
    size = read_size(content.get("imageHeight"), content.get("imageWidth"))
    annotations.add_image(image, size)
    defaults = {"worker": worker_of(root, path), **_read_fields(content)}
    for number, value in enumerate(read_list(whole, content, "shapes"), 1):
        item = AnnotationItem(path, f"shape {number}")
        with annotations.region(item) as draft:
            draft.image, draft.category = image, category
            record = read_record(item, value)
            draft.concept = read_name(item, "label", record.get("label"))
            fields = {**defaults, **_read_fields(record)}
            flags = {**_read_flags(content), **_read_flags(record)}
            draft.worker = read_worker(item, fields, flags)
            draft.verified = read_verified(item, fields, flags)
            draft.geometry = _read_geometry(item, record, size)
            annotations.note_unticked(flags)


def _find_image(item: AnnotationItem, value: object, root: Path, images: Path) -> str:
    """Find the image that a file names; without a name, the one of the file's own name."""
    path = item.file
    text = value.replace("\\", "/") if isinstance(value, str) else ""
    if not text.strip("/. "):
        text = path.stem
    return read_image_name(item, find_image(images, path, root, text))


def _read_fields(record: dict[str, object]) -> dict[str, object]:
    """Return the fields of a shape or a file, without empty ones."""
    return {name: value for name, value in record.items() if value not in (None, "")}


def _read_flags(record: dict[str, object]) -> dict[str, object]:
    """Return the flags and attributes of a shape or a file."""
    found = (record.get("flags"), record.get("attributes"))
    return {name: value for one in found if isinstance(one, dict) for name, value in one.items()}


def _read_geometry(
    item: AnnotationItem, record: dict[str, object], size: tuple[int, int] | None
) -> Geometry:
    shape = record.get("shape_type") or "polygon"
    points = [_read_point(item, point) for point in read_list(item, record, "points")]
    if shape in _POLYGONS or (shape == "rectangle" and len(points) == 4):
        return _read_corners(item, points)
    if shape not in ("rectangle", "circle", "mask"):
        expected = "a polygon, rectangle, circle or mask"
        raise item.error("shape without an area", found=repr(shape), expected=expected)
    if len(points) != 2:
        raise item.error(f"{shape}", found=f"{len(points)} points", expected="2")
    (x1, y1), (x2, y2) = points
    if shape == "circle":
        return read_circle(item, x1, y1, math.hypot(x2 - x1, y2 - y1))
    box = read_box(item, (min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1)))
    return box if shape == "rectangle" else _read_mask(item, record.get("mask"), box, size)


def _read_corners(item: AnnotationItem, points: list[list[float]]) -> Box | Polygons:
    """Read a polygon; one with the four corners of a box, in whatever order, is that box."""
    xs, ys = sorted({x for x, _ in points}), sorted({y for _, y in points})
    if len(points) == 4 and len(xs) == len(ys) == 2 and len(set(map(tuple, points))) == 4:
        crossing = points[0][0] != points[1][0] and points[0][1] != points[1][1]
        if not crossing:
            return read_box(item, (xs[0], ys[0], xs[1] - xs[0], ys[1] - ys[0]))
    return read_rings(item, [[value for point in points for value in point]])


def _read_point(item: AnnotationItem, point: object) -> list[float]:
    if not isinstance(point, list) or len(point) != 2:
        raise item.error("point", found=repr(point)[:40], expected="[x, y]")
    return read_numbers(item, "point", point)


def _read_mask(
    item: AnnotationItem, value: object, box: Box, size: tuple[int, int] | None
) -> RunLengths:
    """Read LabelMe's mask: a PNG in base64 of the pixels inside the box."""
    if not isinstance(value, str):
        raise item.error("mask", found=kind(value), expected="a PNG in base64")
    if size is None:
        raise item.error("mask", found="no imageHeight and imageWidth", expected="both")
    try:
        content = base64.b64decode(value, validate=True)
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            inside = np.asarray(picture.convert("L")) > 0
    except (binascii.Error, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise item.error("mask", found="damaged", expected="a PNG in base64") from None
    top, left = round(box.y), round(box.x)
    pixels = np.zeros(size, np.bool_)
    window = pixels[top : top + inside.shape[0], left : left + inside.shape[1]]
    if top < 0 or left < 0 or window.shape != inside.shape:
        found = f"{inside.shape[1]}×{inside.shape[0]} pixels from {left},{top}"
        raise item.error("mask outside its image", found=found)
    window[:] = inside
    return encode(pixels)
