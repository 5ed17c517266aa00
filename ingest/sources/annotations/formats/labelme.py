"""LabelMe: a folder of JSON files, one per image, with polygons, rectangles, circles and masks.

The image is `imagePath`: relative to the JSON file, as LabelMe writes it, or below the folder of
images, by its path or by its name alone. The worker is a field of the shape or the file, else the
subfolder of the file: one folder per annotator. A verifier's answer may also be a flag.
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
    AnnotationItem,
    read_box,
    read_circle,
    read_image_name,
    read_name,
    read_numbers,
    read_ring,
    read_size,
    read_verified,
    read_worker,
)
from ..folders import files_below, find_image, has_file, worker_of
from ..format import AnnotationFormat
from ..json_files import json_keys, kind, read_json_object, read_list, read_record
from ..regions import Annotations, Box, Polygons, Region
from ..run_lengths import encode

if TYPE_CHECKING:
    from pathlib import Path

    from ..format import AnnotationInput
    from ..regions import Geometry
    from ..run_lengths import RunLengths


def read(given: AnnotationInput) -> Annotations:
    """Read every JSON file below a folder, or one file.

    Raises:
        DataError: anything invalid, or no category, as LabelMe has none; the message names file
            and shape, counted from 1.
    """
    folder, category = given.path, given.required_category()
    regions: list[Region] = []
    sizes: dict[str, tuple[int, int] | None] = {}
    root = folder if folder.is_dir() else folder.parent
    for path in files_below(folder, (".json",)) if folder.is_dir() else [folder]:
        content = read_json_object(path)
        whole = AnnotationItem(path, "file")
        image = _find_image(whole, content.get("imagePath"), root, given.images)
        size = read_size(whole, content.get("imageHeight"), content.get("imageWidth"))
        sizes[image] = size
        defaults = {"worker": worker_of(root, path), **_read_fields(content)}
        for number, value in enumerate(read_list(whole, content, "shapes"), 1):
            item = AnnotationItem(path, f"shape {number}")
            record = read_record(item, value)
            fields = {**defaults, **_read_fields(record)}
            regions.append(
                Region(
                    image,
                    read_name(item, "label", record.get("label")),
                    category,
                    _read_geometry(item, record, size),
                    read_worker(item, fields),
                    read_verified(item, fields),
                    item.source,
                )
            )
    return Annotations(regions, sizes)


FORMAT = AnnotationFormat(
    recognises=lambda path: has_file(path, ".json") or "shapes" in json_keys(path), read=read
)


def _find_image(item: AnnotationItem, value: object, root: Path, images: Path) -> str:
    text = read_name(item, "imagePath", value).replace("\\", "/")
    return read_image_name(item, find_image(images, item.file, root, text))


def _read_fields(record: dict[str, object]) -> dict[str, object]:
    """Return the fields and flags of a shape or a file, without empty ones."""
    flags = record.get("flags")
    fields = {**(flags if isinstance(flags, dict) else {}), **record}
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _read_geometry(
    item: AnnotationItem, record: dict[str, object], size: tuple[int, int] | None
) -> Geometry:
    shape = record.get("shape_type", "polygon")
    points = [_read_point(item, point) for point in read_list(item, record, "points")]
    if shape == "polygon":
        return Polygons((read_ring(item, [value for point in points for value in point]),))
    if shape not in {"rectangle", "circle", "mask"}:
        expected = "polygon, rectangle, circle or mask"
        raise item.error("shape without an area", found=repr(shape), expected=expected)
    if len(points) != 2:
        raise item.error(f"{shape}", found=f"{len(points)} points", expected="2")
    (x1, y1), (x2, y2) = points
    if shape == "circle":
        return read_circle(item, x1, y1, math.hypot(x2 - x1, y2 - y1))
    box = read_box(item, (min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1)))
    return box if shape == "rectangle" else _read_mask(item, record.get("mask"), box, size)


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
