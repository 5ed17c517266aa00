"""CVAT: the XML of `CVAT for images` and `for video`: boxes, polygons, ellipses and masks.

A track of a video has a shape in each frame in which it is not outside. The image of frame 7 is
`frame_000007`, as CVAT exports it; its size is the video's. With `--videos` it is frame 7 of the
video that the file names as its source, and all frames of the task are annotated.

A worker is an attribute `annotator` or `worker_id`, a verifier's answer an attribute `verified`;
other attributes are ignored, and so are tags, points and polylines, which have no area.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....concept_data.csv_tables import parse_digits
from ..fields import (
    parse_number,
    read_box,
    read_ellipse,
    read_image_name,
    read_name,
    read_rings,
    read_size,
    read_verified,
    read_worker,
    rotated_box,
)
from ..folders import files_below
from ..format import AnnotationFormat
from ..items import AnnotationItem, ItemError
from ..regions import Annotations
from ..run_lengths import encode
from ..xml_files import read_xml, root_tag

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from ..format import AnnotationInput
    from ..regions import Box, Geometry, Polygons, RegionDraft
    from ..run_lengths import RunLengths


def read(given: AnnotationInput) -> Annotations:
    """Read an XML file, or all in a folder.

    Raises:
        DataError: no category, as CVAT has none; not XML.
    """
    category = given.required_category()
    annotations = Annotations()
    paths = files_below(given.path, (".xml",)) if given.path.is_dir() else [given.path]
    for path in paths:
        root = read_xml(path)
        for number, image in enumerate(root.iterfind("image"), 1):
            _read_image(annotations, AnnotationItem(path, f"image {number}"), image, category)
        sides = (root.findtext(f"meta//original_size/{side}") for side in ("height", "width"))
        size = read_size(*sides)
        video = _read_video(annotations, path, root, size) if given.videos else ""
        for number, track in enumerate(root.iterfind("track"), 1):
            item = AnnotationItem(path, f"track {number}")
            _read_track(annotations, item, track, size, category, video)
    return annotations


_MOST_FRAMES = 1_000_000
"""Of a task: a damaged file can state any number."""
FORMAT = AnnotationFormat(recognises=lambda path: root_tag(path) == "annotations", read=read)


def _read_image(
    annotations: Annotations, item: AnnotationItem, image: Element, category: str
) -> None:
    try:
        name = read_image_name(item, image.get("name"))
    except ItemError as error:
        annotations.drop(item, error)
        return
    size = read_size(image.get("height"), image.get("width"))
    annotations.add_image(name, size)
    shapes = [shape for shape in image if shape.tag != "tag"]
    for number, shape in enumerate(shapes, 1):
        part = AnnotationItem(item.file, f"{item.name}, shape {number}")
        with annotations.region(part) as draft:
            draft.image, draft.category = name, category
            draft.concept = read_name(part, "label", shape.get("label"))
            _read_attributes(annotations, part, shape, draft)
            draft.geometry = _read_shape(part, shape, size)


def _read_video(
    annotations: Annotations, path: Path, root: Element, size: tuple[int, int] | None
) -> str:
    """Return the video of a task, as a folder, and name all its frames; "" if there is none."""
    item = AnnotationItem(path, "meta")
    name = root.findtext("meta//source") or root.findtext("meta/task/name")
    numbers = [parse_digits(root.findtext(f"meta/task/{end}_frame") or "")
               for end in ("start", "stop")]  # fmt: skip
    if not name:
        return ""
    video = f"{read_image_name(item, name)}/"
    first, last = (-1 if number is None else number for number in numbers)
    if 0 <= first <= last < first + _MOST_FRAMES:
        for frame in range(first, last + 1):
            annotations.add_image(_frame_name(video, frame), size)
    return video


def _frame_name(video: str, frame: float) -> str:
    return f"{video}frame_{frame:06.0f}"


def _read_track(
    annotations: Annotations,
    item: AnnotationItem,
    track: Element,
    size: tuple[int, int] | None,
    category: str,
    video: str,
) -> None:
    for shape in track:
        if shape.get("outside") == "1" or shape.get("frame") is None:
            continue
        part = AnnotationItem(item.file, f"{item.name}, frame {shape.get('frame')}")
        with annotations.region(part) as draft:
            draft.category = category
            frame = parse_number(part, "frame", shape.get("frame") or "")
            draft.image = _frame_name(video, frame)
            draft.track = item.name
            annotations.add_image(draft.image, size)
            draft.concept = read_name(part, "label", track.get("label"))
            _read_attributes(annotations, part, shape, draft)
            draft.geometry = _read_shape(part, shape, size)


def _read_attributes(
    annotations: Annotations, item: AnnotationItem, shape: Element, draft: RegionDraft
) -> None:
    attributes: dict[str, object] = {
        str(one.get("name")): _plain(one.text) for one in shape.iterfind("attribute")
    }
    draft.worker = read_worker(item, {}, attributes)
    draft.verified = read_verified(item, {}, attributes)
    annotations.note_unticked(attributes)


def _plain(text: str | None) -> object:
    """Return an attribute's value: false is a box that is not ticked."""
    return False if text == "false" else text


def _read_shape(item: AnnotationItem, shape: Element, size: tuple[int, int] | None) -> Geometry:
    if shape.tag == "polygon":
        pairs = (pair.split(",") for pair in (shape.get("points") or "").split(";"))
        return read_rings(item, [[number for pair in pairs for number in pair]])
    if shape.tag == "box":
        return _read_box(item, shape)
    if shape.tag == "ellipse":
        x, y, across, down = _numbers(item, shape, "cx", "cy", "rx", "ry")
        return read_ellipse(item, (x, y), (across, down), _degrees(item, shape))
    if shape.tag == "mask":
        return _read_mask(item, shape, size)
    expected = "a box, polygon, ellipse or mask"
    raise item.error("shape without an area", found=repr(shape.tag), expected=expected)


def _read_box(item: AnnotationItem, shape: Element) -> Box | Polygons:
    left, top, right, bottom = _numbers(item, shape, "xtl", "ytl", "xbr", "ybr")
    box = read_box(item, (left, top, right - left, bottom - top))
    centre = ((left + right) / 2, (top + bottom) / 2)
    return rotated_box(item, box, centre, _degrees(item, shape))


def _numbers(item: AnnotationItem, shape: Element, *names: str) -> list[float]:
    return [parse_number(item, name, shape.get(name) or "") for name in names]


def _degrees(item: AnnotationItem, shape: Element) -> float:
    return parse_number(item, "rotation", shape.get("rotation") or "0")


def _read_mask(item: AnnotationItem, shape: Element, size: tuple[int, int] | None) -> RunLengths:
    """Read CVAT's mask: lengths along the rows of a box, the first of pixels that are off."""
    if size is None:
        raise item.error("mask", found="no size of the image", expected="width and height")
    numbers = _numbers(item, shape, "left", "top", "width", "height")
    left, top, width, height = map(int, numbers)
    words = (shape.get("rle") or "").split(",")
    lengths = [int(word) for word in words if word.strip().isdigit()]
    inside = left >= 0 and top >= 0 and left + width <= size[1] and top + height <= size[0]
    if len(lengths) < len(words) or sum(lengths) != width * height or not inside:
        found = f"lengths that sum to {sum(lengths)} in {width}×{height} pixels from {left},{top}"
        raise item.error("mask that does not fit", found=found)
    on = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(height, width)
    pixels = np.zeros(size, np.bool_)
    pixels[top : top + height, left : left + width] = on
    return encode(pixels)
