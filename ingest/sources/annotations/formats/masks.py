"""Masks: a folder of PNG files beside a table that says what their values mean.

    MASKS/labels.csv      value,name[,category]      or      color,name[,category]
          photo1.png      the mask of photo1.jpg; PNG with palette or in grey, or RGB
          round2/…        subfolders are workers: one folder per annotator

`value` is a palette index or a grey level from 0 to 65,535; `color` is `#rrggbb`. 0 and #000000 are
unlabelled unless the table names them; so are values in a row without a name (Pascal's 255). Any
other value that is not in the table is dropped. Each value in a mask is one region. Masks and
images may be in one folder: then a mask is a PNG beside an image of its name and another suffix.

Of videos (DAVIS), `bear/00012.png` is the mask of frame 12 of the video `bear`; a value is one
thing in all frames of a video. A column `video` of labels.csv names those of which a row is; empty
are all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from .....errors import DataError, nearest
from ....concept_data.csv_tables import read_csv
from ....concept_data.images import IMAGE_SUFFIXES
from ..draw import read_values
from ..fields import read_name
from ..folders import files_below, worker_of
from ..format import AnnotationFormat
from ..items import AnnotationItem
from ..regions import Annotations, MaskValue

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ....concept_data.csv_tables import CsvRow, CsvTable
    from ..format import AnnotationInput

TABLE = "labels.csv"
_HIGHEST_VALUE = 65_535
_COLOR = re.compile(r"#([0-9a-fA-F]{6})")


def read(given: AnnotationInput) -> Annotations:
    """Read a folder of masks.

    Raises:
        DataError: no table of labels, or an invalid one; no masks, or no images.
    """
    table = read_csv(given.path / TABLE, ["name"])
    in_color = "color" in table.columns
    concepts = _read_concepts(table, in_color, given.category, given.videos)
    if given.videos:
        paths, stems = files_below(given.path, (".png",)), dict[str, list[str]]()
    else:
        paths, stems = _sort_files(given.path, given.images)
    annotations = Annotations()
    with given.progress.step("read masks", len(paths)) as advance:
        for path in paths:
            with annotations.file(path):
                folder = worker_of(given.path, path)
                video, worker = (folder, "") if given.videos else ("", folder)
                frame = path.relative_to(given.path).as_posix()
                image = frame if given.videos else _find_image(path, worker, stems)
                named = {**concepts[""], **concepts.get(video, concepts.get(path.parent.name, {}))}
                _read_mask(annotations, path, image, worker, named, in_color)
            advance(1)
    return annotations


FORMAT = AnnotationFormat(recognises=lambda path: (path / TABLE).is_file(), read=read)


def _read_mask(
    annotations: Annotations,
    path: Path,
    image: str,
    worker: str,
    concepts: Mapping[int, tuple[str, str] | None],
    in_color: bool,
) -> None:
    values = read_values(path, in_color=in_color)
    annotations.add_image(image, (values.shape[0], values.shape[1]))
    for value in np.unique(values).tolist():
        item = AnnotationItem(path, f"value {_format_value(value, in_color)}")
        concept = concepts.get(value)
        if concept is None and (value in concepts or not value):
            continue
        with annotations.region(item) as draft:
            draft.image, draft.worker, draft.track = image, worker, str(value)
            if concept is None:
                raise item.error(f"value that is not in {TABLE}")
            draft.concept, draft.category = concept
            draft.geometry = MaskValue(path, value)


def _sort_files(masks: Path, images: Path) -> tuple[list[Path], dict[str, list[str]]]:
    """Tell masks from images, which may be in one folder, or one in a subfolder of the other.

    Returns:
        The masks: PNG files below `masks`; if images are there too, those of which an image has the
        same name apart from the suffix. And the images, as paths below their folder, by their path
        without the suffix and by the last part of it.
    """
    nested = images != masks and images.is_relative_to(masks)
    below = [
        path
        for path in files_below(masks, (".png",))
        if not (nested and path.is_relative_to(images))
    ]
    pictures = files_below(images, IMAGE_SUFFIXES)
    if images == masks:
        others = {path.with_suffix("") for path in pictures if path.suffix.lower() != ".png"}
        names = {path.name for path in others}
        below = [p for p in below if p.with_suffix("") in others or p.stem in names]
        if not below:
            expected = "masks beside images of the same name and another suffix"
            raise DataError("no masks", file=masks, expected=expected)
    chosen = set(below)
    stems: dict[str, list[str]] = {}
    for path in pictures:
        if path not in chosen:
            name = path.relative_to(images).as_posix()
            for stem in {name.removesuffix(path.suffix), path.stem}:
                stems.setdefault(stem, []).append(name)
    return below, stems


def _read_concepts(
    table: CsvTable, in_color: bool, category: str | None, videos: bool
) -> dict[str, dict[int, tuple[str, str] | None]]:
    """Read name and category by video ("" for all) and value; None where a value is unlabelled."""
    if not in_color and "value" not in table.columns:
        expected = "a column 'value' or 'color'"
        raise DataError("row 1: column missing", file=table.path, expected=expected)
    if category is None and "category" not in table.columns:
        remedy = "Name the category with --category"
        raise DataError("row 1: no column 'category'", file=table.path, remedy=remedy)
    by_video: dict[str, dict[int, tuple[str, str] | None]] = {"": {}}
    for row in table.rows:
        video = row.cells.get("video", "").strip() if videos else ""
        concepts = by_video.setdefault(video, {})
        if in_color:
            value = _read_color(table, row)
        else:
            value = table.integer(row, "value", 0, _HIGHEST_VALUE)
        if value in concepts:
            raise table.error(row, f"value {_format_value(value, in_color)} is duplicated")
        item = AnnotationItem(table.path, f"row {row.line}")
        name = row.cells["name"].strip()
        its_category = category
        if not its_category and name:
            its_category = read_name(item, "category", row.cells["category"])
        concepts[value] = (name, its_category or "") if name else None
    return by_video


def _read_color(table: CsvTable, row: CsvRow) -> int:
    match = _COLOR.fullmatch(row.cells["color"].strip())
    if match is None:
        raise table.error(row, "color", found=repr(row.cells["color"]), expected="#rrggbb")
    return int(match[1], 16)


def _format_value(value: int, in_color: bool) -> str:
    return f"#{value:06x}" if in_color else str(value)


def _find_image(path: Path, worker: str, stems: dict[str, list[str]]) -> str:
    """Find the one image that has the name of a mask, apart from the suffix."""
    stem = f"{worker}/{path.stem}" if worker else path.stem
    images = stems.get(stem) or stems.get(path.stem, [])
    if len(images) != 1:
        raise AnnotationItem(path, "mask").error(
            "mask of several images" if images else "mask without an image",
            found=", ".join(images[:3]) or f"no image {path.stem!r}",
            expected="one image of the mask's name, apart from the suffix",
            remedy=None if images else nearest(path.stem, stems),
        )
    return images[0]
