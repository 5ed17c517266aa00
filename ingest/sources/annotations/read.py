"""Annotations of any format that is known: by its name, or by what the file or folder looks like.

coco       a JSON file with `images` and `annotations`
voc        a folder of XML files
csv        a CSV file of boxes
labelme    a folder of JSON files with `shapes`, or one
masks      a folder with labels.csv and PNG masks
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from ....errors import DataError
from ....progress import NoProgress
from .json_files import read_json_object
from .formats.masks import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from ....progress import Progress
    from .regions import Annotations

Format = Literal["coco", "voc", "csv", "labelme", "masks"]
FORMATS: tuple[Format, ...] = get_args(Format)


def read_annotations(
    path: Path,
    images: Path,
    *,
    category: str | None = None,
    form: Format | None = None,
    progress: Progress | None = None,
) -> Annotations:
    """Read annotations.

    Args:
        path: a file or a folder.
        images: the folder of the images.
        category: of all concepts; None takes what the annotations say, where they say it.
        form: the format; None looks.
        progress: told of what takes long.

    Raises:
        DataError: anything malformed, no category, or a format that cannot be told.
    """
    form = form or guess_format(path)
    if form == "coco":
        from .formats.coco import read_coco

        return read_coco(path, category)
    if form == "csv":
        from .formats.csv import read_boxes

        return read_boxes(path, category)
    if form == "masks":
        from .formats.masks import read_masks

        return read_masks(path, category, images, progress or NoProgress())
    if category is None:
        remedy = "Name it with --category"
        raise DataError(f"{form} annotations name no category", file=path, remedy=remedy)
    if form == "voc":
        from .formats.voc import read_voc

        return read_voc(path, category, images)
    from .formats.labelme import read_labelme

    return read_labelme(path, category, images)


def guess_format(path: Path) -> Format:
    """The format of a file or folder.

    Raises:
        DataError: there is none, or nothing or several kinds of things that are known.
    """
    if path.is_dir():
        found = _formats_of_folder(path)
    elif path.suffix.lower() == ".csv":
        found = ["csv"]
    elif path.is_file():
        content = read_json_object(path)
        keys: dict[str, Format] = {"annotations": "coco", "shapes": "labelme"}
        found = [form for key, form in keys.items() if key in content]
    else:
        raise DataError("no such file or folder", file=path)
    if len(found) != 1:
        raise DataError(
            "format of the annotations cannot be told",
            file=path,
            found=" and ".join(found) or "none that is known",
            remedy=f"Name it with --format: {', '.join(FORMATS)}",
        )
    return found[0]


def _formats_of_folder(folder: Path) -> list[Format]:
    found: list[Format] = []
    if (folder / TABLE).is_file():
        found.append("masks")
    suffixes = {path.suffix.lower() for path in folder.rglob("*")}
    for suffix, form in ((".xml", "voc"), (".json", "labelme")):
        if suffix in suffixes:
            found.append(form)  # type: ignore[arg-type]  # one of the two above
    return found
