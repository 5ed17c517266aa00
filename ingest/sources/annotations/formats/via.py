"""VIA, the VGG Image Annotator: its project (also of VIA 3), its JSON export, its CSV export.

Rectangles, circles, ellipses and polygons are regions. The label is the region's only attribute, or
the one called label, class, name, type, …; a checkbox attribute gives each ticked label a region.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from .....errors import DataError
from ....concept_data.csv_tables import read_csv, read_text
from ..fields import (
    read_box,
    read_circle,
    read_ellipse,
    read_image_name,
    read_name,
    read_numbers,
    read_rings,
    read_verified,
    read_worker,
)
from ..format import AnnotationFormat
from ..items import AnnotationItem, ItemError
from ..json_files import json_outline, kind, read_json_object, read_list, read_record
from ..regions import Annotations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..format import AnnotationInput
    from ..regions import Geometry

_PROJECT = "_via_img_metadata"
_PROJECT_3 = {"file", "metadata", "attribute"}
_SHAPES_3 = (
    (2, "rect", ("x", "y", "width", "height")),
    (3, "circle", ("cx", "cy", "r")),
    (4, "ellipse", ("cx", "cy", "rx", "ry")),
)
"""VIA 3's numbers of shapes, and what their coordinates are."""
_POLYGON_3, _EXTREMES_3 = 7, 8
"""Those of x, y of each point: of a polygon, and on the four sides of a box."""
_COLUMNS = ("filename", "region_shape_attributes", "region_attributes")
_LABELS = ("label", "class", "name", "type", "category", "object", "object_name", "concept", "tag")


def read(given: AnnotationInput) -> Annotations:
    """Read a project or an export.

    Raises:
        DataError: no category, as VIA has none; not VIA's, or no attribute that is the label.
    """
    annotations, category = Annotations(), given.required_category()
    items = _rows(given.path) if given.path.suffix.lower() == ".csv" else _records(given.path)
    for item, name, region in items:
        try:
            image = read_image_name(item, name)
        except ItemError as error:
            annotations.drop(item, error)
            continue
        annotations.add_image(image)
        if region is not None:
            _read_region(annotations, item, region, image, category)
    return annotations


def _recognises(path: Path) -> bool:
    if path.suffix.lower() == ".csv" and path.is_file():
        try:
            return _COLUMNS[1] in read_text(path).partition("\n")[0]
        except DataError:
            return False
    outline = json_outline(path) if path.is_file() else None
    keys = outline.keys if outline and not outline.is_list else frozenset()
    return (
        _PROJECT in keys
        or keys >= _PROJECT_3
        or bool(outline and {"filename", "regions"} <= outline.inner_keys)
    )


FORMAT = AnnotationFormat(recognises=_recognises, read=read)


def _records(path: Path) -> Iterator[tuple[AnnotationItem, object, object]]:
    """Yield item, image and region of a JSON file; None for an image without a region."""
    content = read_json_object(path)
    if content.keys() >= _PROJECT_3:
        yield from _records_3(path, content)
        return
    images = content.get(_PROJECT, content)
    if not isinstance(images, dict):
        raise DataError("not VIA's images", file=path, found=kind(images), expected="an object")
    for number, value in enumerate(images.values(), 1):
        item = AnnotationItem(path, f"image {number}")
        record = value if isinstance(value, dict) else {}
        name, regions = record.get("filename"), record.get("regions") or []
        listed = list(regions.values()) if isinstance(regions, dict) else regions
        if not (isinstance(listed, list) and listed):
            yield item, name, None
            continue
        for place, region in enumerate(listed, 1):
            yield AnnotationItem(path, f"{item.name}, region {place}"), name, region


def _records_3(
    path: Path, content: dict[str, object]
) -> Iterator[tuple[AnnotationItem, object, object]]:
    """Yield item, image and region of a project of VIA 3; None for an image without a region.

    A region belongs to a view, which shows a file; what labels a whole file or a time is no region.
    """
    files, views, options = (_objects(content.get(name)) for name in ("file", "view", "attribute"))
    names = {key: file.get("fname") for key, file in files.items()}
    for key, name in names.items():
        yield AnnotationItem(path, f"file {key}"), name, None
    for number, (key, record) in enumerate(_objects(content.get("metadata")).items(), 1):
        item = AnnotationItem(path, f"region {number} ({key})")
        view = str(record.get("vid"))
        shown = views.get(view, {}).get("fid_list")
        file = str(shown[0]) if isinstance(shown, list) and shown else view
        shape, values = record.get("xy"), record.get("av")
        if isinstance(shape, list) and shape:
            attributes = dict(
                _attribute(options.get(name, {}), name, value)
                for name, value in (values if isinstance(values, dict) else {}).items()
            )
            region = {"shape_attributes": _shape_3(shape), "region_attributes": attributes}
            yield item, names.get(file), region


def _objects(value: object) -> dict[str, dict[str, object]]:
    """Return the objects in an object, by key."""
    items = value.items() if isinstance(value, dict) else ()
    return {str(key): inner for key, inner in items if isinstance(inner, dict)}


def _attribute(attribute: dict[str, object], key: str, value: object) -> tuple[str, object]:
    """Return an attribute's name and value: of a choice, the texts of what was chosen."""
    name, options = str(attribute.get("aname") or key), attribute.get("options")
    if not isinstance(options, dict) or not options:
        return name, value
    chosen = [str(options.get(one, one)) for one in str(value).split(",") if one]
    return name, dict.fromkeys(chosen, True) if len(chosen) > 1 else "".join(chosen)


def _shape_3(values: list[object]) -> dict[str, object]:
    """Return a shape of VIA 3, its number and coordinates, as VIA 2 writes it."""
    number, *coordinates = values
    xs, ys = coordinates[::2], coordinates[1::2]
    if number == _POLYGON_3:
        return {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
    numbers = [value for value in coordinates if isinstance(value, int | float)]
    if number == _EXTREMES_3 and len(numbers) == len(coordinates) == 8:
        left, top = min(numbers[::2]), min(numbers[1::2])
        width, height = max(numbers[::2]) - left, max(numbers[1::2]) - top
        return {"name": "rect", "x": left, "y": top, "width": width, "height": height}
    for known, name, sides in _SHAPES_3:
        if number == known:
            return {"name": name, **dict(zip(sides, coordinates, strict=False))}
    return {"name": number}


def _rows(path: Path) -> Iterator[tuple[AnnotationItem, object, object]]:
    """Yield item, image and region of a CSV file."""
    for row in read_csv(path, _COLUMNS).rows:
        item = AnnotationItem(path, f"row {row.line}")
        shape, attributes = (_parse(row.cells[column]) for column in _COLUMNS[1:])
        region = {"shape_attributes": shape, "region_attributes": attributes}
        yield item, row.cells["filename"], region if shape else None


def _parse(cell: str) -> object:
    try:
        value: object = json.loads(cell or "{}")
    except ValueError:
        return cell
    return value


def _read_region(
    annotations: Annotations, item: AnnotationItem, region: object, image: str, category: str
) -> None:
    record = region if isinstance(region, dict) else {}
    found = record.get("region_attributes")
    attributes = found if isinstance(found, dict) else {}
    for label in _labels(item, attributes):
        with annotations.region(item) as draft:
            draft.image, draft.category = image, category
            draft.concept = read_name(item, "label", label)
            draft.worker = read_worker(item, {}, attributes)
            draft.verified = read_verified(item, {}, attributes)
            shape = read_record(item, record.get("shape_attributes"))
            draft.geometry = _read_shape(item, shape)


def _labels(item: AnnotationItem, attributes: dict[str, object]) -> list[object]:
    """Return the labels of a region: one, or those ticked; [None] if it has none.

    Raises:
        DataError: several attributes, of which none has a usual name.
    """
    filled = {name: value for name, value in attributes.items() if value not in (None, "", {})}
    by_name = {name.strip().lower().replace(" ", "_"): value for name, value in filled.items()}
    usual = [by_name[name] for name in _LABELS if name in by_name]
    if len(by_name) > 1 and not usual:
        raise DataError(
            f"{item.name}: several attributes",
            file=item.file,
            found=", ".join(filled),
            expected=f"the label in one called {', '.join(_LABELS[:4])}",
        )
    value = usual[0] if usual else next(iter(by_name.values()), None)
    if isinstance(value, dict):
        return [label for label, ticked in value.items() if ticked] or [None]
    return [value]


def _read_shape(item: AnnotationItem, shape: dict[str, object]) -> Geometry:
    name = shape.get("name")
    if name == "rect":
        return read_box(item, [shape.get(side) for side in ("x", "y", "width", "height")])
    if name == "polygon":
        xs, ys = (read_list(item, shape, f"all_points_{axis}") for axis in "xy")
        if len(xs) != len(ys):
            raise item.error("polygon", found=f"{len(xs)} x and {len(ys)} y", expected="pairs")
        return read_rings(item, [[value for pair in zip(xs, ys, strict=True) for value in pair]])
    if name == "circle":
        return read_circle(item, *_numbers(item, shape, "cx", "cy", "r"))
    if name == "ellipse":
        x, y, across, down = _numbers(item, shape, "cx", "cy", "rx", "ry")
        (radians,) = read_numbers(item, "theta", [shape.get("theta") or 0])
        return read_ellipse(item, (x, y), (across, down), math.degrees(radians))
    expected = "a rect, circle, ellipse or polygon"
    raise item.error("shape without an area", found=repr(name), expected=expected)


def _numbers(item: AnnotationItem, shape: dict[str, object], *names: str) -> list[float]:
    return read_numbers(item, "shape", [shape.get(name) for name in names])
