"""COCO: a JSON file with `images`, `categories` and `annotations`: boxes, polygons or run lengths.

A segmentation has precedence over a box. The `name` of a COCO category is the concept; its
`supercategory` is the category, unless one is given. Worker and verifier's answer are fields of the
annotation, or of its `attributes` (as CVAT exports them); COCO itself has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..fields import (
    AnnotationItem,
    Value,
    read_box,
    read_image_name,
    read_name,
    read_ring,
    read_size,
    read_verified,
    read_worker,
    resolve_reference,
)
from ..format import AnnotationFormat
from ..json_files import json_keys, kind, read_json_object, read_list, read_record
from ..regions import Annotations, Polygons, Region
from ..run_lengths import RunLengths, from_lengths, lengths_of

if TYPE_CHECKING:
    from pathlib import Path

    from ..format import AnnotationInput
    from ..regions import Geometry


def read(given: AnnotationInput) -> Annotations:
    """Read a JSON file.

    Raises:
        DataError: anything invalid; the message names file and item, counted from 1.
    """
    path = given.path
    content = read_json_object(path)
    whole = AnnotationItem(path, "file")
    images: dict[object, str] = {}
    sizes: dict[str, tuple[int, int] | None] = {}
    for number, value in enumerate(read_list(whole, content, "images"), 1):
        item = AnnotationItem(path, f"image {number}")
        record = read_record(item, value)
        name = read_image_name(item, record.get("file_name"))
        _add_record(item, images, record.get("id"), name)
        if name in sizes:
            raise item.error(f"image {name!r} is duplicated")
        sizes[name] = read_size(item, record.get("height"), record.get("width"))
    concepts = _read_concepts(path, read_list(whole, content, "categories"), given.category)
    regions = []
    for number, value in enumerate(read_list(whole, content, "annotations"), 1):
        item = AnnotationItem(path, f"annotation {number}")
        record = read_record(item, value)
        image = resolve_reference(item, "image_id", record.get("image_id"), images)
        concept, category = resolve_reference(
            item, "category_id", record.get("category_id"), concepts
        )
        attributes = record.get("attributes")
        fields = {**(attributes if isinstance(attributes, dict) else {}), **record}
        regions.append(
            Region(
                image,
                concept,
                category,
                _read_geometry(item, record, sizes[image]),
                read_worker(item, fields),
                read_verified(item, fields),
                item.source,
            )
        )
    return Annotations(regions, sizes)


FORMAT = AnnotationFormat(recognises=lambda path: "annotations" in json_keys(path), read=read)


def _add_record(
    item: AnnotationItem, records: dict[object, Value], key: object, value: Value
) -> None:
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise item.error("id", found=kind(key), expected="a number")
    if key in records:
        raise item.error(f"id {key!r} is duplicated")
    records[key] = value


def _read_concepts(
    path: Path, records: list[object], category: str | None
) -> dict[object, tuple[str, str]]:
    """Read name and category of each COCO category, by id."""
    concepts: dict[object, tuple[str, str]] = {}
    for number, value in enumerate(records, 1):
        item = AnnotationItem(path, f"category {number}")
        record = read_record(item, value)
        name = read_name(item, "name", record.get("name"))
        its_category = category
        if its_category is None:
            if not record.get("supercategory"):
                remedy = "Name the category with --category"
                raise item.error(f"no supercategory of {name!r}", remedy=remedy)
            its_category = read_name(item, "supercategory", record["supercategory"])
        _add_record(item, concepts, record.get("id"), (name, its_category))
    return concepts


def _read_geometry(
    item: AnnotationItem, record: dict[str, object], size: tuple[int, int] | None
) -> Geometry:
    shape = record.get("segmentation")
    if isinstance(shape, dict):
        return _read_runs(item, shape, size)
    if isinstance(shape, list) and shape:
        rings = shape if isinstance(shape[0], list) else [shape]
        if not all(isinstance(ring, list) for ring in rings):
            raise item.error("segmentation", found="a mixture", expected="a list of polygons")
        return Polygons(tuple(read_ring(item, ring) for ring in rings))
    if shape not in (None, []):
        raise item.error("segmentation", found=kind(shape), expected="polygons or run lengths")
    box = record.get("bbox")
    if not isinstance(box, list):
        found = "neither" if box is None else f"bbox: {kind(box)}"
        raise item.error("no region", found=found, expected="a bbox or a segmentation")
    return read_box(item, box)


def _read_runs(
    item: AnnotationItem, shape: dict[str, object], size: tuple[int, int] | None
) -> RunLengths:
    stated, counts = shape.get("size"), shape.get("counts")
    if not isinstance(stated, list) or len(stated) != 2:
        raise item.error("size of run lengths", found=stated, expected="[height, width]")
    height, width = read_size(item, *stated) or (0, 0)
    if size is not None and size != (height, width):
        found, expected = f"{width}×{height}", f"{size[1]}×{size[0]}, as the image"
        raise item.error("size of run lengths", found=found, expected=expected)
    if isinstance(counts, list):
        lengths = [n for n in counts if isinstance(n, int) and not isinstance(n, bool)]
        if len(lengths) < len(counts):
            raise item.error("run lengths", found="other values", expected="whole numbers")
        _check_lengths(item, lengths, height, width)
        return from_lengths(lengths, height, width)
    if not isinstance(counts, str):
        raise item.error("run lengths", found=kind(counts), expected="a list, or COCO's text")
    text = counts.encode("utf-8", "replace")
    coded = lengths_of(text)
    if coded is None:
        raise item.error("run lengths", found="damaged text", expected="COCO's compressed text")
    _check_lengths(item, coded, height, width)
    return RunLengths(text, height, width)


def _check_lengths(item: AnnotationItem, lengths: list[int], height: int, width: int) -> None:
    if min(lengths, default=0) < 0 or sum(lengths) != height * width:
        raise item.error(
            "run lengths",
            found=f"{len(lengths)} that sum to {sum(lengths)}",
            expected=f"none below 0, and {height}·{width} = {height * width} in sum",
        )
