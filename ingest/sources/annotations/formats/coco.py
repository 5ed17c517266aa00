"""COCO: a JSON file with `images`, `categories` and `annotations`: boxes, polygons or run lengths.

Also a folder with one or several such files, as Roboflow and CVAT export it. A segmentation has
precedence over a box. The `name` of a COCO category is the concept; its `supercategory` is the
category, unless one is given. Worker and verifier's answer are fields of the annotation, or of its
`attributes` (as CVAT exports them); COCO itself has none. LVIS states no `file_name`: the image is
the last part of its `coco_url`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from .....errors import DataError
from ..fields import (
    read_box,
    read_image_name,
    read_name,
    read_rings,
    read_size,
    read_verified,
    read_worker,
    reference_key,
    resolve_reference,
)
from ..folders import files_below, worker_of
from ..format import AnnotationFormat
from ..items import AnnotationItem, ItemError
from ..json_files import json_outline, kind, read_json_object, read_list, read_record
from ..regions import Annotations
from ..run_lengths import RunLengths, from_lengths, lengths_of

if TYPE_CHECKING:
    from pathlib import Path

    from ..format import AnnotationInput
    from ..regions import Geometry, RegionDraft

Value = TypeVar("Value")
_KEYS = {"images", "annotations"}
_NO_CATEGORY = {"", "none"}  # what exporters write that know no supercategories


class _Tables(NamedTuple):
    """Images, and name and category of the COCO categories, by id; None for an id of several."""

    images: dict[str, str | None]
    concepts: dict[str, tuple[str, str] | None]


def read(given: AnnotationInput) -> Annotations:
    """Read a JSON file, or all in a folder that are COCO's.

    Raises:
        DataError: not COCO, or a category is missing and none is given.
    """
    annotations = Annotations()
    if not given.path.is_dir():
        _read_file(annotations, given.path, given.category, "")
        return annotations
    for path in files_below(given.path, (".json",)):
        if json_outline(path).keys >= _KEYS:
            _read_file(annotations, path, given.category, worker_of(given.path, path))
    return annotations


def _recognises(path: Path) -> bool:
    outline = json_outline(path)
    return not outline.is_list and "annotations" in outline.keys - {"shapes"}


FORMAT = AnnotationFormat(recognises=_recognises, read=read)


def _read_file(annotations: Annotations, path: Path, category: str | None, folder: str) -> None:
    """Read a file; images of a folder of several are looked for in the same subfolder first."""
    content = read_json_object(path)
    whole = AnnotationItem(path, "file")
    tables = _Tables({}, {})
    for number, value in enumerate(read_list(whole, content, "images"), 1):
        _read_image(annotations, AnnotationItem(path, f"image {number}"), value, folder, tables)
    for number, value in enumerate(read_list(whole, content, "categories"), 1):
        _read_concept(annotations, AnnotationItem(path, f"category {number}"), value, tables)
    for number, value in enumerate(read_list(whole, content, "annotations"), 1):
        item = AnnotationItem(path, f"annotation {number}")
        with annotations.region(item) as draft:
            record = read_record(item, value)
            draft.image = resolve_reference(item, "image_id", record.get("image_id"), tables.images)
            key = record.get("category_id")
            draft.concept, own = resolve_reference(item, "category_id", key, tables.concepts)
            draft.category = category or _check_category(path, draft.concept, own)
            _read_region(annotations, item, record, draft)


def _read_image(
    annotations: Annotations, item: AnnotationItem, value: object, folder: str, tables: _Tables
) -> None:
    """Read an image's name and size; without a name or an id, its regions have no image."""
    try:
        record = read_record(item, value)
        named = record.get("file_name") or record.get("coco_url") or record.get("path")
        name = "/".join(filter(None, (folder, read_image_name(item, named))))
        _add_record(item, tables.images, record.get("id"), name)
    except ItemError as error:
        annotations.drop(item, error)
        return
    annotations.add_image(name, read_size(record.get("height"), record.get("width")))


def _read_concept(
    annotations: Annotations, item: AnnotationItem, value: object, tables: _Tables
) -> None:
    """Read name and category of a COCO category."""
    try:
        record = read_record(item, value)
        name = read_name(item, "name", record.get("name"))
        own = str(record.get("supercategory") or "").strip()
        _add_record(item, tables.concepts, record.get("id"), (name, own))
    except ItemError as error:
        annotations.drop(item, error)


def _add_record(
    item: AnnotationItem, records: dict[str, Value | None], key: object, value: Value
) -> None:
    text = reference_key(key)
    if text is None:
        raise item.error("id", found=kind(key), expected="a number")
    earlier = records.setdefault(text, value)
    if earlier != value:
        records[text] = None
        raise item.error(f"id {key!r} is duplicated", found=repr(value), expected=repr(earlier))


def _check_category(path: Path, concept: str, own: str) -> str:
    if own.lower() in _NO_CATEGORY:
        remedy = "Name the category with --category"
        raise DataError(f"no supercategory of {concept!r}", file=path, remedy=remedy)
    return own


def _read_region(
    annotations: Annotations, item: AnnotationItem, record: dict[str, object], draft: RegionDraft
) -> None:
    found = record.get("attributes")
    attributes = found if isinstance(found, dict) else {}
    draft.worker = read_worker(item, record, attributes)
    draft.verified = read_verified(item, record, attributes)
    draft.geometry = _read_geometry(item, record, annotations.sizes[draft.image])
    annotations.note_unticked(attributes)


def _read_geometry(
    item: AnnotationItem, record: dict[str, object], size: tuple[int, int] | None
) -> Geometry:
    shape = record.get("segmentation")
    if isinstance(shape, dict):
        return _read_runs(item, shape, size)
    if isinstance(shape, list) and any(shape):
        rings = shape if isinstance(shape[0], list) else [shape]
        if not all(isinstance(ring, list) for ring in rings):
            raise item.error("segmentation", found="a mixture", expected="a list of polygons")
        return read_rings(item, rings)
    if isinstance(shape, list):
        shape = None  # an empty list, or one of empty rings
    if shape is not None:
        raise item.error("segmentation", found=kind(shape), expected="polygons or run lengths")
    box = record.get("bbox")
    if not isinstance(box, list) or not box:
        found = "neither" if not box else f"bbox: {kind(box)}"
        raise item.error("no region", found=found, expected="a bbox or a segmentation")
    return read_box(item, box)


def _read_runs(
    item: AnnotationItem, shape: dict[str, object], size: tuple[int, int] | None
) -> RunLengths:
    stated, counts = shape.get("size"), shape.get("counts")
    if not isinstance(stated, list) or len(stated) != 2:
        raise item.error("size of run lengths", found=stated, expected="[height, width]")
    height, width = read_size(*stated) or (0, 0)
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
