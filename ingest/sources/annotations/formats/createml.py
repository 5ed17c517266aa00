"""CreateML: the JSON of Apple's Create ML, a list of images with boxes; or a folder with some.

    [{"image": "a.jpg", "annotations": [{"label": "dog", "coordinates": {"x": …, "y": …, …}}]}]

`x, y` is the middle of a box, in pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....errors import DataError
from ..fields import (
    read_box,
    read_image_name,
    read_name,
    read_numbers,
    read_verified,
    read_worker,
)
from ..folders import find_image
from ..format import AnnotationFormat, read_files
from ..items import AnnotationItem, ItemError
from ..json_files import json_outline, kind, read_json, read_record

if TYPE_CHECKING:
    from pathlib import Path

    from ..format import AnnotationInput
    from ..regions import Annotations, Box

_IMAGE = ("image", "imagefilename")
_REGIONS = ("annotations", "annotation")


def read(given: AnnotationInput) -> Annotations:
    """Read a file, or every JSON file below a folder.

    Raises:
        DataError: no category, as Create ML has none, or a single file that cannot be read.
    """
    return read_files(given, ".json", _read_file)


def _recognises(path: Path) -> bool:
    outline = json_outline(path)
    is_image = outline.keys & set(_IMAGE) and outline.keys & set(_REGIONS)
    return outline.is_list and bool(is_image) and "data" not in outline.keys


FORMAT = AnnotationFormat(recognises=_recognises, read=read)


def _read_file(annotations: Annotations, given: AnnotationInput, path: Path, category: str) -> None:
    root = given.path if given.path.is_dir() else path.parent
    images = read_json(path)
    if not isinstance(images, list):
        raise DataError("not Create ML's", file=path, found=kind(images), expected="a list")
    for number, value in enumerate(images, 1):
        item = AnnotationItem(path, f"image {number}")
        try:
            record = read_record(item, value)
            name = read_image_name(item, _first(record, _IMAGE))
        except ItemError as error:
            annotations.drop(item, error)
            continue
        image = find_image(given.images, path, root, name)
        annotations.add_image(image)
        regions = _first(record, _REGIONS)
        for place, region in enumerate(regions if isinstance(regions, list) else [], 1):
            part = AnnotationItem(path, f"{item.name}, annotation {place}")
            with annotations.region(part) as draft:
                draft.image, draft.category = image, category
                fields = read_record(part, region)
                draft.concept = read_name(part, "label", fields.get("label"))
                draft.worker, draft.verified = (
                    read_worker(part, fields),
                    read_verified(part, fields),
                )
                draft.geometry = _read_box(part, read_record(part, fields.get("coordinates")))


def _first(record: dict[str, object], names: tuple[str, ...]) -> object:
    return next((record[name] for name in names if name in record), None)


def _read_box(item: AnnotationItem, sides: dict[str, object]) -> Box:
    names = ("x", "y", "width", "height")
    x, y, width, height = read_numbers(item, "coordinates", [sides.get(name) for name in names])
    return read_box(item, (x - width / 2, y - height / 2, width, height))
