"""CSV: a table of boxes, one a row, with a header or without.

    image,label,x,y,width,height[,category][,worker][,verified]
    image,label,xmin,ymin,xmax,ymax[,…]

`x, y` is the top left corner; `xmax, ymax` is just outside (a box from 0 to 10 is 10 pixels wide).
Columns may have other usual names, in any case: `filename`, `image_path`; `class`, `label_name`;
`x1,y1,x2,y2`, `left,top,right,bottom`, `bbox_x,…`; `x_center,y_center` is the middle of the box.
`width,height` beside corners, and `image_width,image_height`, state the image's size. The separator
is a comma, a semicolon, a tab or `|`, whichever splits the header most. A row without box and label
names an image without a region.

Of videos a column `video` (`clip`, `video_id`, …) names the video, and `frame` its frame. A column
`track` (`track_id`, `object_id`, `person_id`) says which boxes are of one thing.

A table without a header has an image's name, four numbers and a label in each row, in any order,
and may have the image's width and height: `a.jpg,x1,y1,x2,y2,label`.
"""

from __future__ import annotations

import csv
import math
import re
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

from .....errors import DataError
from ....concept_data.csv_tables import parse_digits, read_csv, read_text
from ....concept_data.images import has_image_suffix
from ..fields import (
    parse_number,
    read_box,
    read_image_name,
    read_name,
    read_size,
    read_verified,
    read_worker,
)
from ..format import AnnotationFormat
from ..items import AnnotationItem, ItemError
from ..regions import Annotations

if TYPE_CHECKING:
    from pathlib import Path

    from ....concept_data.csv_tables import CsvRow, CsvTable
    from ..format import AnnotationInput
    from ..regions import Box, RegionDraft

_SEPARATORS = ",;\t|"
_IMAGES = (
    *("image", "filename", "file", "imagepath", "imagename", "imagefile", "path", "filepath"),
    *("img", "imgname", "imgpath", "imagefilename", "imageid", "frame"),
)
_VIDEOS = (
    *("video", "videoid", "videoname", "videofile", "videopath", "clip", "clipid", "clipname"),
    *_IMAGES[:-1],
)
_FRAMES = ("frame", "frameid", "frameindex", "framenumber", "framenum", "frameno")
_TRACKS = ("track", "trackid", "objectid", "personid", "instanceid", "entityid")
_LABELS = (
    *("label", "concept", "class", "classname", "labelname", "categoryname", "objectclass"),
    *("name", "tag", "object", "classlabel", "annotation", "category"),
)
_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("left", "top", "right", "bottom"),
    ("xtl", "ytl", "xbr", "ybr"),
    ("bboxxmin", "bboxymin", "bboxxmax", "bboxymax"),
    ("bboxx1", "bboxy1", "bboxx2", "bboxy2"),
)
_CENTRES = (
    ("xcenter", "ycenter", "width", "height"),
    ("centerx", "centery", "width", "height"),
    ("xcentre", "ycentre", "width", "height"),
    ("cx", "cy", "w", "h"),
    ("cx", "cy", "width", "height"),
)
_SIDES = (
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("xmin", "ymin", "width", "height"),
    ("xmin", "ymin", "w", "h"),
    ("left", "top", "width", "height"),
    ("bboxx", "bboxy", "bboxwidth", "bboxheight"),
    ("bboxx", "bboxy", "bboxw", "bboxh"),
    ("bboxleft", "bboxtop", "bboxwidth", "bboxheight"),
)
_USUAL = "x,y,width,height or xmin,ymin,xmax,ymax"
_FIRST_ROWS = 100
_UNNAMED = {("number", 4): _CORNERS[0], ("number", 2): ("imagewidth", "imageheight")}
"""Columns of a table without a header, by what so many cells in a row are."""
_NEEDED = {"image", "label", *_CORNERS[0]}
_IMAGE_SIZES = (("imageheight", "imagewidth"), ("imgheight", "imgwidth"), ("height", "width"))


class _Columns(NamedTuple):
    """The columns of a table, by what they mean; the last three may be missing."""

    image: str
    label: str
    box: tuple[str, ...]
    kind: str
    category: str | None
    size: tuple[str, ...] | None
    frame: str | None

    def image_of(self, item: AnnotationItem, row: CsvRow) -> str:
        """Return the name of a row's image, or frame.

        Raises:
            ItemError: it has none.
        """
        name = row.cells[self.image]
        if self.frame is None:
            return read_image_name(item, name)
        frame = row.cells[self.frame].strip()
        number = parse_digits(frame)
        if number is None:
            raise item.error("frame", found=repr(frame[:40]), expected="a whole number, 0 or more")
        return f"{read_image_name(item, name)}/{number}"


def read(given: AnnotationInput) -> Annotations:
    """Read a table of boxes.

    Raises:
        DataError: a table that cannot be read, or without the columns.
    """
    path, category = given.path, given.category
    bad_rows: list[tuple[int, DataError]] = []
    text = read_text(path)
    delimiter = _find_delimiter(text)
    header = _missing_header(text, delimiter)
    table = read_csv(path, [], delimiter=delimiter, header=header, bad_rows=bad_rows)
    columns = _find_columns(table, given.videos)
    if _plain(columns.image) == "frame" and set(map(_plain, table.columns)) & {*_VIDEOS}:
        remedy = "Name the folder of the videos with --videos"
        raise DataError("boxes in frames of videos", file=path, remedy=remedy)
    if category is None and columns.category is None:
        remedy = "Name the category with --category"
        raise DataError("row 1: no column 'category'", file=path, remedy=remedy)
    annotations = Annotations()
    if header:
        _check_corners(table)
        annotations.notes.append(f"The table has no header; it is read as {', '.join(header)}.")
    for line, _ in bad_rows:
        item = AnnotationItem(path, f"row {line}")
        annotations.drop(item, item.error("wrong number of cells"))
    for row in table.rows:
        item = AnnotationItem(path, f"row {row.line}")
        if not any(row.cells[name].strip() for name in (columns.label, *columns.box)):
            _read_image(annotations, item, row, columns)
            continue
        with annotations.region(item) as draft:
            _read_row(annotations, item, row, columns, category, draft)
    if not table.rows:
        raise DataError("no boxes", file=path, expected="one row per box")
    return annotations


def _recognises(path: Path) -> bool:
    """Return whether a file is a table of boxes; one named .csv is, unless it is VIA's."""
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".tsv", ".txt"} or not path.is_file():
        return False
    try:
        header = read_text(path).partition("\n")[0]
        if "region_shape_attributes" in header:
            return False
        names = header.strip().split(_find_delimiter(header))
        if suffix == ".csv" or _missing_header(read_text(path), _find_delimiter(header)):
            return True
        return _has_columns(path, names)
    except DataError:
        return suffix == ".csv"


FORMAT = AnnotationFormat(recognises=_recognises, read=read)


def _has_columns(path: Path, names: list[str]) -> bool:
    from ....concept_data.csv_tables import CsvTable

    return bool(_find_columns(CsvTable(path, tuple(names), ()), videos=False))


def _find_delimiter(text: str) -> str:
    header = text.lstrip("\r\n").partition("\n")[0]
    return max(_SEPARATORS, key=header.count)


def _missing_header(text: str, delimiter: str) -> tuple[str, ...]:
    """Return the columns of a table whose first row names none; () if it does, or they are unclear.

    The first of its first rows without an empty cell shows which column is which.
    """
    try:
        rows = list(islice(csv.reader(text.splitlines(), delimiter=delimiter), _FIRST_ROWS))
    except csv.Error:
        return ()
    if not any(_is_image(cell) for row in rows[:1] for cell in row):
        return ()
    whole = next((row for row in rows if all(map(str.strip, row))), [])
    names: list[str] = []
    for kind, run in groupby(map(_kind, whole)):
        count = len(list(run))
        names += _UNNAMED.get((kind, count), (kind,) * count)
    return tuple(names) if set(names) >= _NEEDED and len(set(names)) == len(names) else ()


def _kind(cell: str) -> str:
    if _is_image(cell):
        return "image"
    return "label" if _number(cell) is None else "number"


def _number(cell: str) -> float | None:
    try:
        number = float(cell.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_image(cell: str) -> bool:
    return has_image_suffix(cell.strip())


def _check_corners(table: CsvTable) -> None:
    """Refuse boxes without a header that are no corners: x, y, width, height look alike.

    Raises:
        DataError: the second corner of a tenth of the boxes is not right of and below the first.
    """
    boxes = [[_number(row.cells[side]) for side in _CORNERS[0]] for row in table.rows]
    numbers = [[side for side in box if side is not None] for box in boxes if None not in box]
    reversed_ = [box for box in numbers if box[2] < box[0] or box[3] < box[1]]
    if 10 * len(reversed_) > len(numbers):
        raise DataError(
            "a table without a header, whose boxes are not xmin, ymin, xmax, ymax",
            file=table.path,
            found=f"{len(reversed_)} of {len(numbers)} boxes that end before they start",
            remedy="Give it a header, such as image,label,x,y,width,height",
        )


def _read_image(
    annotations: Annotations, item: AnnotationItem, row: CsvRow, columns: _Columns
) -> None:
    try:
        annotations.add_image(columns.image_of(item, row))
    except ItemError as error:
        annotations.drop(item, error)


def _plain(column: str) -> str:
    return re.sub(r"[\W_]+", "", column).lower()


def _find_columns(table: CsvTable, videos: bool) -> _Columns:
    """Find the columns by their usual names.

    Raises:
        DataError: one is missing.
    """
    by_name = {_plain(column): column for column in reversed(table.columns)}
    label = _choose(table, by_name, [(name,) for name in _LABELS], "label")[0]
    images, usual = (_VIDEOS, "video") if videos else (_IMAGES, "image")
    image = _choose(table, by_name, [(name,) for name in images], usual)[0]
    frames = [by_name[name] for name in _FRAMES if name in by_name and videos]
    box = _choose(table, by_name, [*_CORNERS, *_CENTRES, *_SIDES], _USUAL)
    names = tuple(map(_plain, box))
    kind = "corners" if names in _CORNERS else "centre" if names in _CENTRES else "sides"
    sizes = [pair for pair in _IMAGE_SIZES if set(pair) <= set(by_name) - set(names)]
    size = tuple(by_name[name] for name in sizes[0]) if sizes else None
    category = by_name.get("category")
    category = category if category != label else None
    return _Columns(image, label, box, kind, category, size, frames[0] if frames else None)


def _choose(
    table: CsvTable, by_name: dict[str, str], choices: list[tuple[str, ...]], usual: str
) -> tuple[str, ...]:
    """Return the first choice of columns that the table has, as it writes them."""
    for choice in choices:
        if set(choice) <= set(by_name):
            return tuple(by_name[name] for name in choice)
    raise DataError(
        "row 1: column missing",
        file=table.path,
        found=",".join(table.columns) or "an empty file",
        expected=usual,
    )


def _read_row(
    annotations: Annotations,
    item: AnnotationItem,
    row: CsvRow,
    columns: _Columns,
    category: str | None,
    draft: RegionDraft,
) -> None:
    cells = row.cells
    fields: dict[str, object] = {_plain(name): cell for name, cell in cells.items()}
    fields["worker_id"] = fields.get("workerid")
    draft.image = columns.image_of(item, row)
    draft.concept = read_name(item, columns.label, cells[columns.label])
    draft.category = category or read_name(item, "category", cells[columns.category or ""])
    draft.worker = read_worker(item, fields)
    draft.verified = read_verified(item, fields)
    draft.track = next((str(fields[name]).strip() for name in _TRACKS if fields.get(name)), "")
    stated = [cells[side] for side in columns.size] if columns.size else [None, None]
    annotations.add_image(draft.image, read_size(*stated))
    draft.geometry = _read_box(item, columns, cells)


def _read_box(item: AnnotationItem, columns: _Columns, cells: dict[str, str]) -> Box:
    numbers = [parse_number(item, column, cells[column]) for column in columns.box]
    if columns.kind == "corners":
        left, top, right, bottom = numbers
        numbers = [left, top, right - left, bottom - top]
    if columns.kind == "centre":
        x, y, width, height = numbers
        numbers = [x - width / 2, y - height / 2, width, height]
    return read_box(item, numbers)
