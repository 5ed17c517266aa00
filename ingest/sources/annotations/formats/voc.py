"""Pascal VOC: a folder of XML files with boxes, one file per image.

Coordinates are Pascal's: pixels counted from 1, the last one included; or shares of the image. The
worker is `<worker>`, `<annotator>` or `<round>` of the object or the file, else the subfolder of
the file: one folder per annotator. An empty or missing `<filename>` is the name of the XML file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....errors import DataError
from ..fields import (
    VERIFIED,
    WORKER_FIELDS,
    parse_number,
    read_box,
    read_image_name,
    read_name,
    read_size,
    read_verified,
    read_worker,
)
from ..folders import find_image, has_file, worker_of
from ..format import AnnotationFormat, read_files
from ..items import AnnotationItem
from ..xml_files import read_xml, root_tag

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from ..format import AnnotationInput
    from ..regions import Annotations, Box


def read(given: AnnotationInput) -> Annotations:
    """Read every XML file below a folder, or one file.

    Raises:
        DataError: no category, as VOC has none, or a single file that cannot be read.
    """
    return read_files(given, ".xml", _read_file)


def _recognises(path: Path) -> bool:
    """Return whether a file or folder is VOC's; also a folder of XML of which none can be read."""
    tag = root_tag(path)
    return tag == "annotation" or (not tag and has_file(path, ".xml"))


FORMAT = AnnotationFormat(recognises=_recognises, read=read)


def _read_file(annotations: Annotations, given: AnnotationInput, path: Path, category: str) -> None:
    folder = given.path if given.path.is_dir() else path.parent
    root = read_xml(path)
    whole = AnnotationItem(path, "file")
    if root.tag != "annotation":
        found, expected = f"<{root.tag}>", "<annotation>"
        raise DataError("not a VOC annotation", file=path, found=found, expected=expected)
    named = (root.findtext("filename") or "").strip() or path.stem
    image = find_image(given.images, path, folder, read_image_name(whole, named))
    size = (root.findtext(f"size/{side}") for side in ("height", "width"))
    annotations.add_image(image, read_size(*size))
    defaults = {"worker": worker_of(folder, path), **_read_fields(root)}
    for number, record in enumerate(root.iterfind("object"), 1):
        item = AnnotationItem(path, f"object {number}")
        with annotations.region(item) as draft:
            draft.image, draft.category = image, category
            draft.concept = read_name(item, "name", record.findtext("name"))
            fields = {**defaults, **_read_fields(record)}
            draft.worker = read_worker(item, fields)
            draft.verified = read_verified(item, fields)
            draft.geometry = _read_corners(item, record)


def _read_fields(record: Element) -> dict[str, object]:
    names = (*WORKER_FIELDS, VERIFIED)
    return {name: text for name in names if (text := (record.findtext(name) or "").strip())}


def _read_corners(item: AnnotationItem, record: Element) -> Box:
    corners = record.find("bndbox")
    if corners is None:
        raise item.error("no region", found="no <bndbox>", expected="a box")
    left, top, right, bottom = (
        parse_number(item, name, (corners.findtext(name) or "").strip())
        for name in ("xmin", "ymin", "xmax", "ymax")
    )
    if max(right, bottom) <= 1 and not (right.is_integer() and bottom.is_integer()):
        return read_box(item, (left, top, right - left, bottom - top))  # shares of the image
    return read_box(item, (left - 1, top - 1, right - left + 1, bottom - top + 1))
