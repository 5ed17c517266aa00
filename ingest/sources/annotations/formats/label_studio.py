"""Label Studio: its JSON export, with all annotations (`JSON`) or only the labels (`JSON-MIN`).

Rectangles, also rotated ones, ellipses, polygons and brush masks are regions; coordinates are
percent of the image. The worker is who completed the annotation. An uploaded image is found with
and without the eight digits that Label Studio puts before its name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import numpy as np

from .....errors import DataError
from ..fields import (
    read_box,
    read_ellipse,
    read_image_name,
    read_name,
    read_numbers,
    read_rings,
    read_size,
    rotated_box,
)
from ..folders import files_below
from ..format import AnnotationFormat
from ..image_files import ImageFiles
from ..items import AnnotationItem, ItemError, writable
from ..json_files import json_outline, kind, read_json, read_list, read_record
from ..regions import Annotations, Shares
from ..run_lengths import encode

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ..format import AnnotationInput
    from ..regions import Box, Geometry, Polygons
    from ..run_lengths import RunLengths

_UPLOADED = re.compile(r"(.*/)?[0-9a-f]{8}-([^/]+)")
_IMAGE_KEYS = ("image", "img", "photo", "picture", "url", "ocr", "captioning")
_SHAPES = {"rectanglelabels", "polygonlabels", "ellipselabels", "rectangle", "polygon", "ellipse"}
_BRUSHES = {"brushlabels", "brush"}
_PERCENT = 100


def read(given: AnnotationInput) -> Annotations:
    """Read an export, or all in a folder.

    Raises:
        DataError: no category, as Label Studio has none, or not an export.
    """
    category = given.required_category()
    annotations, images = Annotations(), ImageFiles(given.images)
    paths = files_below(given.path, (".json",)) if given.path.is_dir() else [given.path]
    for path in paths:
        tasks = read_json(path)
        if not isinstance(tasks, list):
            raise DataError("not an export", file=path, found=kind(tasks), expected="a list")
        for number, value in enumerate(tasks, 1):
            item = AnnotationItem(path, f"task {number}")
            _read_task(annotations, item, value, images, category)
    return annotations


def _recognises(path: Path) -> bool:
    outline = json_outline(path)
    is_export = bool({"annotations", "completions"} & outline.keys) and "data" in outline.keys
    is_small = bool({"annotation_id", "annotator", "lead_time"} & outline.keys)
    return outline.is_list and (is_export or is_small)


FORMAT = AnnotationFormat(recognises=_recognises, read=read)


def _read_task(
    annotations: Annotations,
    item: AnnotationItem,
    value: object,
    images: ImageFiles,
    category: str,
) -> None:
    """Read a task: an image, with what each annotator marked on it."""
    try:
        record = read_record(item, value)
        data = record.get("data")
        fields = data if isinstance(data, dict) else record
        image = _find_image(item, fields, images)
    except ItemError as error:
        annotations.drop(item, error)
        return
    annotations.add_image(image)
    for worker, results in _results_of(item, record):
        for place, result in enumerate(results, 1):
            part = AnnotationItem(item.file, f"{item.name}, result {place}")
            if not (isinstance(result, dict) and result.get("type") == "relation"):
                _read_result(annotations, part, result, (image, category, worker))


def _find_image(item: AnnotationItem, fields: dict[str, object], images: ImageFiles) -> str:
    """Find the image of a task; without the digits of an upload if only that is there."""
    texts = {key: value for key, value in fields.items() if isinstance(value, str)}
    key = next((key for key in _IMAGE_KEYS if key in texts), next(iter(texts), None))
    text = texts[key] if key is not None else None
    query = parse_qs(urlsplit(text).query).get("d") if text else None
    name = read_image_name(item, query[0] if query else text)
    uploaded = _UPLOADED.fullmatch(name)
    if uploaded and images.find(name) is None:
        return uploaded[2]
    return name


def _results_of(item: AnnotationItem, record: dict[str, object]) -> list[tuple[str, list[object]]]:
    """Return the results of a task, by who completed them."""
    found = record.get("annotations", record.get("completions"))
    if not isinstance(found, list):
        lists = [value for value in record.values() if isinstance(value, list)]
        return [(_worker(record.get("annotator")), results) for results in lists]
    results = []
    for value in found:
        annotation = value if isinstance(value, dict) else {}
        if not annotation.get("was_cancelled"):
            marked = annotation.get("result")
            worker = _worker(annotation.get("completed_by"))
            results.append((worker, marked if isinstance(marked, list) else []))
    return results


def _worker(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("email") or value.get("id")
    return "" if value is None else writable(str(value))


def _read_result(
    annotations: Annotations,
    item: AnnotationItem,
    result: object,
    facts: tuple[str, str, str],
) -> None:
    """Read one shape, which has one label or several."""
    record = result if isinstance(result, dict) else {}
    found = record.get("value", record)
    value = found if isinstance(found, dict) else {}
    known = _SHAPES | _BRUSHES
    shape = str(record.get("type") or next((key for key in value if key in known), ""))
    labels = value.get(shape) or value.get("labels") or value.get("choices")
    size = read_size(record.get("original_height"), record.get("original_width"))
    if size is None:
        size = read_size(value.get("original_height"), value.get("original_width"))
    for label in labels if isinstance(labels, list) and labels else [None]:
        with annotations.region(item) as draft:
            draft.image, draft.category, draft.worker = facts
            if shape not in known:
                what = "result without an area" if label is not None else "result without a label"
                expected = "a rectangle, ellipse, polygon or brush"
                raise item.error(what, found=repr(shape), expected=expected)
            draft.concept = read_name(item, "label", label)
            read_one = _read_brush if shape in _BRUSHES else _read_shape
            draft.geometry = read_one(item, value, size)
            annotations.add_image(draft.image, size)


def _read_shape(
    item: AnnotationItem, value: dict[str, object], size: tuple[int, int] | None
) -> Geometry:
    """Read a shape: in pixels if the image's size is stated, else as shares of its sides."""
    height, width = size or (1, 1)
    shape = _shape(item, value, width / _PERCENT, height / _PERCENT)
    return shape if size else Shares(shape)


def _shape(
    item: AnnotationItem, value: dict[str, object], across: float, down: float
) -> Box | Polygons:
    if "points" in value:
        points = [_read_point(item, point) for point in read_list(item, value, "points")]
        return read_rings(item, [[n for x, y in points for n in (x * across, y * down)]])
    names = (
        ("x", "y", "radiusX", "radiusY") if "radiusX" in value else ("x", "y", "width", "height")
    )
    numbers = read_numbers(item, "shape", [value.get(name) for name in names])
    x, y, third, fourth = (n * (down if place % 2 else across) for place, n in enumerate(numbers))
    (degrees,) = read_numbers(item, "rotation", [value.get("rotation") or 0])
    if "radiusX" in value:
        return read_ellipse(item, (x, y), (third, fourth), degrees)
    return rotated_box(item, read_box(item, (x, y, third, fourth)), (x, y), degrees)


def _read_point(item: AnnotationItem, point: object) -> tuple[float, float]:
    """Read x and y of a point."""
    if not isinstance(point, list) or len(point) != 2:
        raise item.error("point", found=repr(point)[:40], expected="[x, y]")
    x, y = read_numbers(item, "point", point)
    return x, y


def _read_brush(
    item: AnnotationItem, value: dict[str, object], size: tuple[int, int] | None
) -> RunLengths:
    """Read a brush mask: the alpha channel of an image, in runs of bits (thi.ng's rle-pack)."""
    if size is None:
        raise item.error("mask", found="no size of the image", expected="width and height")
    numbers = read_list(item, value, "rle")
    if not all(isinstance(number, int) and 0 <= number < 256 for number in numbers):
        raise item.error("mask", found=repr(numbers)[:40], expected="numbers from 0 to 255")
    pixels = _unpacked(np.unpackbits(np.array(numbers, np.uint8)))
    if pixels is None or pixels.size != 4 * size[0] * size[1]:
        count = "cut short" if pixels is None else f"{pixels.size} values"
        expected = f"{4 * size[0] * size[1]}, of {size[1]}×{size[0]} pixels"
        raise item.error("mask that does not fit", found=count, expected=expected)
    return encode(pixels.reshape(*size, 4)[..., 3] > 0)


def _unpacked(bits: NDArray[np.uint8]) -> NDArray[np.int64] | None:
    """Return the values of rle-pack's bits; None if they end too early.

    First the count of values, the bits of a value and those of four kinds of counts; then runs:
    whether one value is repeated, which kind of count, the count less one, the value or values.
    """
    place = 0

    def take(width: int, count: int = 1) -> NDArray[np.int64]:
        nonlocal place
        part = bits[place : place + width * count]
        place += width * count
        whole = part[: len(part) // width * width].reshape(-1, width)
        return whole @ (1 << np.arange(width, dtype=np.int64)[::-1])

    def number(width: int) -> int:
        return int(take(width).sum())  # 0 at the end

    count, width = number(32), number(5) + 1
    widths = [number(4) + 1 for _ in range(4)]
    runs: list[NDArray[np.int64]] = []
    filled = 0
    while filled < count and place < len(bits):
        repeated, times = number(1), number(widths[number(2)]) + 1
        runs.append(take(width).repeat(times) if repeated else take(width, times))
        filled += times
    return np.concatenate(runs) if 0 < count == filled and place <= len(bits) else None
