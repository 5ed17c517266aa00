"""YouTube-VOS: a folder with meta.json, and a palette PNG for each annotated frame of a video.

    FOLDER/meta.json                    things of each video, their categories and frames
           Annotations/VIDEO/00015.png  the things in frame 15, each with its number
           JPEGImages/VIDEO/00015.jpg   the frames: the folder of videos

YouTube-VOS's category is the concept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....errors import DataError
from ....concept_data.csv_tables import parse_digits
from ..fields import read_name
from ..format import AnnotationFormat
from ..items import AnnotationItem, ItemError
from ..json_files import json_outline, read_json_object, read_list, read_record
from ..regions import Annotations, MaskValue

if TYPE_CHECKING:
    from pathlib import Path

    from ..format import AnnotationInput

TABLE = "meta.json"
_HIGHEST_NUMBER = 255


def read(given: AnnotationInput) -> Annotations:
    """Read meta.json; masks are decoded when they are drawn.

    Raises:
        DataError: no category, as YouTube-VOS has none; not its JSON; images instead of videos.
    """
    category = given.required_category()
    path = given.path / TABLE
    if not given.videos:
        remedy = f"Name the folder of videos with --videos {given.path / 'JPEGImages'}"
        raise DataError("annotations of videos", file=path, remedy=remedy)
    videos = read_record(AnnotationItem(path, "videos"), read_json_object(path).get("videos"))
    annotations = Annotations()
    for video, value in videos.items():
        folder, item = given.path / "Annotations" / video, AnnotationItem(path, f"video {video!r}")
        try:
            if folder.name != video:
                raise item.error("video", found=repr(video[:60]), expected="the name of a folder")
            things = read_record(item, read_record(item, value).get("objects"))
        except ItemError as error:
            annotations.drop(item, error)
            continue
        for number, thing in things.items():
            _read_thing(annotations, path, folder, number, thing, category)
    return annotations


def _recognises(path: Path) -> bool:
    table = path / TABLE
    return table.is_file() and "videos" in json_outline(table).keys


FORMAT = AnnotationFormat(recognises=_recognises, read=read)


def _read_thing(
    annotations: Annotations, path: Path, folder: Path, number: str, value: object, category: str
) -> None:
    """Add a region for each frame of a thing."""
    item = AnnotationItem(path, f"video {folder.name!r}, object {number[:20]!r}")
    try:
        thing = read_record(item, value)
        level = parse_digits(number)
        if level is None or not 0 < level <= _HIGHEST_NUMBER:
            raise item.error("object", found=repr(number[:20]), expected="a number from 1 to 255")
        concept = read_name(item, "category", thing.get("category"))
        frames = read_list(item, thing, "frames")
    except ItemError as error:
        annotations.drop(item, error)
        return
    for frame in frames:
        with annotations.region(item) as draft:
            draft.concept, draft.category, draft.track = concept, category, number
            name = read_name(item, "frame", frame)
            if parse_digits(name) is None:
                raise item.error("frame", found=repr(name[:60]), expected="its number")
            draft.image = f"{folder.name}/{name}"
            annotations.add_image(draft.image)
            mask = folder / f"{name}.png"
            if not mask.is_file():
                found = f"no file {folder.name}/{mask.name}"
                raise item.error("mask", found=found, expected="one for each frame")
            draft.geometry = MaskValue(mask, level)
