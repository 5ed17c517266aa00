"""Pascal VOC: a folder of XML files with boxes, one file per image.

Coordinates are Pascal's: pixels counted from 1, the last one included. The worker is `<worker>`,
`<annotator>` or `<round>` of the object or the file, else the subfolder of the file: one folder per
annotator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from .....errors import DataError
from ..fields import (
    VERIFIED_FIELDS,
    WORKER_FIELDS,
    AnnotationItem,
    parse_number,
    read_box,
    read_image_name,
    read_name,
    read_size,
    read_verified,
    read_worker,
)
from ..folders import files_below, find_image, has_file, worker_of
from ..format import AnnotationFormat
from ..regions import Annotations, Region

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from ..format import AnnotationInput
    from ..regions import Box


def read(given: AnnotationInput) -> Annotations:
    """Read every XML file below a folder.

    Raises:
        DataError: anything invalid, or no category, as VOC has none; the message names file and
            object, counted from 1.
    """
    folder, category = given.path, given.required_category()
    regions: list[Region] = []
    sizes: dict[str, tuple[int, int] | None] = {}
    for path in files_below(folder, (".xml",)):
        root = _read_xml(path)
        whole = AnnotationItem(path, "file")
        named = read_image_name(whole, root.findtext("filename"))
        image = find_image(given.images, path, folder, named)
        size = root.find("size")
        if size is not None:
            stated = (_whole_number(whole, size, name) for name in ("height", "width"))
            sizes[image] = read_size(whole, *stated)
        sizes.setdefault(image, None)
        defaults = {"worker": worker_of(folder, path), **_read_fields(root)}
        for number, record in enumerate(root.iterfind("object"), 1):
            item = AnnotationItem(path, f"object {number}")
            fields = {**defaults, **_read_fields(record)}
            regions.append(
                Region(
                    image,
                    read_name(item, "name", record.findtext("name")),
                    category,
                    _read_corners(item, record),
                    read_worker(item, fields),
                    read_verified(item, fields),
                    item.source,
                )
            )
    return Annotations(regions, sizes)


FORMAT = AnnotationFormat(recognises=lambda path: has_file(path, ".xml"), read=read)


def _read_xml(path: Path) -> Element:
    try:
        root: Element = fromstring(path.read_bytes(), forbid_dtd=True)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file=path) from error
    except ParseError as error:
        line, column = error.position
        raise DataError(f"line {line}, column {column}: not XML: {error}", file=path) from error
    except (DefusedXmlException, ValueError, LookupError) as error:
        what = f"XML with a document type or an encoding that is refused: {error}"
        raise DataError(what, file=path) from error
    if root.tag != "annotation":
        found, expected = f"<{root.tag}>", "<annotation>"
        raise DataError("not a VOC annotation", file=path, found=found, expected=expected)
    return root


def _read_fields(record: Element) -> dict[str, object]:
    names = (*WORKER_FIELDS, *VERIFIED_FIELDS)
    return {name: text for name in names if (text := (record.findtext(name) or "").strip())}


def _whole_number(item: AnnotationItem, record: Element, name: str) -> int:
    text = (record.findtext(name) or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise item.error(name, found=repr(text[:40]), expected="a whole number of pixels")
    return int(text)


def _read_corners(item: AnnotationItem, record: Element) -> Box:
    corners = record.find("bndbox")
    if corners is None:
        raise item.error("no region", found="no <bndbox>", expected="a box")
    left, top, right, bottom = (
        parse_number(item, name, (corners.findtext(name) or "").strip())
        for name in ("xmin", "ymin", "xmax", "ymax")
    )
    return read_box(item, (left - 1, top - 1, right - left + 1, bottom - top + 1))
